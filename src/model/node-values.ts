import type { ClassValue } from '../data/class-text.ts';
import type { AttributeProto, GraphProto, NodeProto, TensorProto } from './onnx-schema.ts';

export function attribute(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((each) => each.name === name);
}

/** The `keys` or `values` of a LabelEncoder. */
export function listed(node: NodeProto, what: 'keys' | 'values'): ClassValue[] | null {
  for (const { name, strings, ints, floats, t } of node.attribute) {
    if (name === `${what}_strings`) return strings.map(text);
    if (name === `${what}_int64s`) return [...ints];
    if (name === `${what}_floats`) return [...floats];
    if (name === `${what}_tensor`) return elements(t ?? undefined);
  }
  return null;
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}

/** Tensors of a graph that hold the same whatever is fed, by name. */
export function constantsOf(graph: GraphProto | null): Map<string, TensorProto> {
  const constants = new Map((graph?.initializer ?? []).map((tensor) => [tensor.name, tensor]));
  for (const node of graph?.node ?? []) {
    const value = (node.opType === 'Constant' && attribute(node, 'value')?.t) || null;
    if (value !== null) constants.set(node.output[0] ?? '', value);
  }
  return constants;
}

/** More is no list of classes. */
const mostClasses = 100_000;

/** The elements of a small tensor that lies in the model itself: of one beside it there are none here. */
export function elements(tensor: TensorProto | undefined): ClassValue[] | null {
  if (tensor === undefined) return null;
  const { dataType, stringData, int64Data, int32Data, rawData } = tensor;
  const count = tensor.dims.reduce((product, size) => product * size, 1);
  if (!(count > 0 && count <= mostClasses)) return null;
  const bytes = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  const raw = (size: number, read: (at: number) => number): number[] =>
    rawData.length < count * size ? [] : Array.from({ length: count }, (_, index) => read(index * size));
  const values: ClassValue[] =
    dataType === 8
      ? stringData.map(text)
      : dataType === 7
        ? [...int64Data, ...raw(8, (at) => Number(bytes.getBigInt64(at, true)))]
        : dataType === 6
          ? [...int32Data, ...raw(4, (at) => bytes.getInt32(at, true))]
          : dataType === 1
            ? raw(4, (at) => bytes.getFloat32(at, true))
            : dataType === 9
              ? [...int32Data, ...raw(1, (at) => bytes.getUint8(at))].map((value) => value !== 0)
              : [];
  return values.length === count ? values : null;
}
