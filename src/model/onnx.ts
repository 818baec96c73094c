import protobuf from 'protobufjs/light.js';
import { ModelError } from '../errors.ts';
import type { Signature } from '../evidence/signature.ts';
import {
  onnxDescriptor,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type TypeProto,
  type DimensionProto,
  type ValueInfoProto,
} from './onnx-schema.ts';
import { RefusedEncoding, walkModel } from './onnx-wire.ts';

export type { GraphProto, ModelProto, NodeProto, TensorProto } from './onnx-schema.ts';

/** Names of TensorProto.DataType, by number, as ONNX writes them. */
const elementTypes = [
  'undefined',
  'float',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'int32',
  'int64',
  'string',
  'bool',
  'float16',
  'double',
  'uint32',
  'uint64',
  'complex64',
  'complex128',
  'bfloat16',
] as const;

/** A tensor has a shape whose unknown dimensions are null (or a name); anything else (sequence, map) has none. */
export interface TensorDeclaration {
  name: string;
  type: string;
  shape: (number | string | null)[] | null;
}

const root = protobuf.Root.fromJSON(onnxDescriptor);
const modelType = root.lookupType('ModelProto');

/**
 * Parse the bytes of an ONNX model. Weights are skipped, not copied.
 * @throws ModelError that tells a damaged file from one that never was a model, and for one that could be read in two ways
 */
export function parseModel(bytes: Uint8Array, uri: string): ModelProto {
  const state = wireState(bytes);
  if (state === 'not-onnx') {
    const kind = otherKind(bytes);
    throw new ModelError({
      found: kind === undefined ? 'this is not an ONNX file' : `this is not an ONNX file, but ${kind}`,
      expected: 'an ONNX model',
      where: uri,
      remedy: 'Export the model to ONNX, or use a file of predictions ({predictions: file})',
    });
  }
  try {
    if (state === 'cut-off') throw new RangeError('a field extends past the end of the file');
    const external = walkModel(bytes);
    const model = modelType.toObject(modelType.decode(bytes), {
      defaults: true,
      arrays: true,
      longs: Number,
      oneofs: true,
    }) as ModelProto;
    if (model.graph === null) throw new RangeError('there is no graph');
    model.externalData = new Map();
    for (const { location, end } of external) {
      model.externalData.set(location, Math.max(model.externalData.get(location) ?? 0, end));
    }
    return model;
  } catch (cause) {
    if (cause instanceof RefusedEncoding) {
      throw new ModelError({
        found: `refused: ${cause.message}`,
        expected: 'the ONNX format up to IR version 14, each field written once',
        where: uri,
        remedy: 'Export the model again: a file that can be read in two ways could hide weights from the digest',
        cause,
      });
    }
    throw new ModelError({
      found: `the file is truncated or damaged (protobuf parsing failed: ${cause instanceof Error ? cause.message : String(cause)})`,
      expected: `a whole ONNX model; this file has ${bytes.length} bytes`,
      where: uri,
      remedy: 'Upload it again and compare its size or sha256 with the source',
      cause,
    });
  }
}

/** What a file is that is no model that can be run here, by its first bytes; undefined: it has none of the known beginnings. */
function otherKind(bytes: Uint8Array): string | undefined {
  const start = Buffer.from(bytes.subarray(0, 512));
  const hex = start.toString('hex');
  const [, kind] = otherKinds.find(([beginning]) => hex.startsWith(beginning)) ?? [];
  if (kind !== undefined) return kind;
  const isText = start.every((byte) => byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d);
  return isText ? 'a text file' : undefined;
}

const otherKinds: readonly (readonly [string, string])[] = [
  ...['8002', '8003', '8004', '8005'].map((start) => [start, 'a Python pickle (pickle, joblib)'] as const),
  ['504b0304', 'a zip archive (such as PyTorch or Keras write)'],
  ['89484446', 'an HDF5 file (such as Keras writes)'],
  ['50415231', 'a Parquet file'],
  ['47475546', 'a GGUF file'],
];

/** What must be fed and what comes back. */
export function signatureOf({ graph }: ModelProto): Signature {
  return graph === null ? { inputs: [], outputs: [] } : { inputs: graphInputs(graph), outputs: graphOutputs(graph) };
}

/** Inputs that must be fed: initializers may be listed as inputs too, and are before IR version 4. */
export function graphInputs(graph: GraphProto): TensorDeclaration[] {
  const initializers = new Set(
    [...graph.initializer, ...graph.sparseInitializer.map(({ values }) => values)].map((tensor) => tensor?.name),
  );
  return graph.input.filter((input) => !initializers.has(input.name)).map(describeValue);
}

export function graphOutputs(graph: GraphProto): TensorDeclaration[] {
  return graph.output.map(describeValue);
}

/** Every node of the model, those of subgraphs and functions included. */
export function* allNodes(model: ModelProto): Generator<NodeProto> {
  if (model.graph !== null) yield* nodesOf(model.graph);
  for (const each of model.functions) yield* each.node.flatMap((node) => [node, ...nodesWithin(node)]);
}

/** Every tensor stored in the model or beside it: initializers and constants, those of subgraphs included. */
export function* allTensors(model: ModelProto): Generator<TensorProto> {
  if (model.graph !== null) yield* initializersOf(model.graph);
  for (const node of allNodes(model)) {
    for (const attribute of node.attribute) {
      if (attribute.t !== null) yield attribute.t;
      yield* attribute.tensors;
      for (const graph of [attribute.g, ...attribute.graphs]) if (graph !== null) yield* initializersOf(graph);
    }
  }
}

function* initializersOf(graph: GraphProto): Generator<TensorProto> {
  yield* graph.initializer;
  for (const { values, indices } of graph.sparseInitializer) {
    if (values !== null) yield values;
    if (indices !== null) yield indices;
  }
}

function* nodesOf(graph: GraphProto): Generator<NodeProto> {
  for (const node of graph.node) {
    yield node;
    yield* nodesWithin(node);
  }
}

function* nodesWithin(node: NodeProto): Generator<NodeProto> {
  for (const attribute of node.attribute) {
    for (const graph of [attribute.g, ...attribute.graphs]) if (graph !== null) yield* nodesOf(graph);
  }
}

function describeValue(value: ValueInfoProto): TensorDeclaration {
  const tensor = value.type?.tensorType ?? null;
  if (tensor === null) return { name: value.name, type: typeText(value.type), shape: null };
  const shape = tensor.shape?.dim.map((dimension: DimensionProto) => {
    // A negative number is an open dimension to the runtime, as no number is.
    if (dimension.value === 'dimValue') return dimension.dimValue < 0 ? null : dimension.dimValue;
    return dimension.value === 'dimParam' && dimension.dimParam !== '' ? dimension.dimParam : null;
  });
  return { name: value.name, type: elementType(tensor.elemType), shape: shape ?? null };
}

function typeText(type: TypeProto | null): string {
  if (type === null) return 'unknown';
  if (type.tensorType !== null) return elementType(type.tensorType.elemType);
  if (type.sequenceType !== null) return `sequence(${typeText(type.sequenceType.elemType)})`;
  if (type.mapType !== null) return `map(${elementType(type.mapType.keyType)}, ${typeText(type.mapType.valueType)})`;
  if (type.optionalType !== null) return `optional(${typeText(type.optionalType.elemType)})`;
  return type.sparseTensorType === null ? 'unknown' : 'sparse tensor';
}

function elementType(number: number): string {
  return elementTypes[number] ?? `type ${number}`;
}

/** A model as Node can run it. */
export interface ReadableModel {
  bytes: Uint8Array;
  /** Names in the graph of inputs and outputs, where they are not those of the model. */
  names: Map<string, string>;
  /** Outputs that were the maps of a ZipMap, and are now the matrix before it. */
  matrices: Set<string>;
}

/**
 * Change what Node cannot feed or read at the ends of a graph, and copy everything else byte for byte. A ZipMap, which turns a matrix
 * of probabilities into a sequence of maps, is taken out. A bfloat16 is fed and given as a float, cast in the graph. Tensors of
 * types that Node does not have are no outputs.
 */
export function readableModel(bytes: Uint8Array, model: ModelProto): ReadableModel {
  const graph = model.graph as GraphProto;
  const [names, matrices] = [new Map<string, string>(), new Set<string>()];
  for (const node of graph.node) {
    const [input, output] = [node.input[0], node.output[0]];
    if (!isZipMap(node) || input === undefined || output === undefined) continue;
    names.set(output, input);
    matrices.add(output);
  }
  const before: Uint8Array[] = [];
  const after: Uint8Array[] = [];
  for (const { name, type } of graphInputs(graph)) {
    if (type !== 'bfloat16') continue;
    names.set(name, `${name}/as-float`);
    before.push(castNode(`${name}/as-float`, name, elementTypes.indexOf('bfloat16')));
  }
  const dropped = new Set<string>();
  for (const { name, type } of graphOutputs(graph)) {
    if (names.has(name)) continue;
    if (type === 'bfloat16') {
      names.set(name, `${name}/as-float`);
      after.push(castNode(name, `${name}/as-float`, elementTypes.indexOf('float')));
    } else if (isOtherTensor(type)) dropped.add(name);
  }
  if (names.size === 0 && dropped.size === 0) return { bytes, names, matrices };
  const nodeType = root.lookupType('NodeProto');
  const valueType = root.lookupType('ValueInfoProto');
  const rewritten = mapFields(bytes, (id, content) => {
    if (id !== 7) return content;
    const inner = mapFields(content, (field, value) => {
      if (field === 1) {
        return isZipMap(nodeType.decode(value) as unknown as NodeProto) ? null : value;
      }
      if (field !== 11 && field !== 12) return value;
      const declared = valueType.decode(value) as unknown as ValueInfoProto;
      if (field === 12 && dropped.has(declared.name)) return null;
      const name = names.get(declared.name);
      if (name === undefined) return value;
      const shape = matrices.has(declared.name) ? {} : { shape: declared.type?.tensorType?.shape };
      return valueType.encode({ name, type: { tensorType: { elemType: 1, ...shape } } }).finish();
    });
    return Buffer.concat([...before, inner, ...after]);
  });
  return { bytes: rewritten, names, matrices };
}

/** A function of the model may have the same name, in a domain of its own. */
function isZipMap({ opType, domain }: NodeProto): boolean {
  return opType === 'ZipMap' && domain === 'ai.onnx.ml';
}

/** A tensor of a type that Node does not have; sequences, maps and the like are none. */
export function isOtherTensor(type: string): boolean {
  return /^(?:complex\d|undefined$|type )/u.test(type);
}

/** A field of a graph: a node that casts to the type of that number. */
function castNode(from: string, name: string, to: number): Uint8Array {
  const attribute = protobuf.Writer.create().uint32(10).string('to').uint32(24).int64(to).uint32(160).int32(2).finish();
  const node = protobuf.Writer.create();
  node.uint32(10).string(from).uint32(18).string(name).uint32(34).string('Cast').uint32(42).bytes(attribute);
  return protobuf.Writer.create().uint32(10).bytes(node.finish()).finish();
}

/** Copy a message field by field; length-delimited fields go through `change`, null drops one. */
function mapFields(message: Uint8Array, change: (id: number, content: Uint8Array) => Uint8Array | null): Uint8Array {
  const reader = protobuf.Reader.create(message);
  const parts: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    if ((tag & 7) !== 2) {
      reader.skipType(tag & 7);
      parts.push(message.subarray(start, reader.pos));
      continue;
    }
    const content = reader.bytes();
    const changed = change(tag >>> 3, content);
    if (changed === content) parts.push(message.subarray(start, reader.pos));
    else if (changed !== null) parts.push(protobuf.Writer.create().uint32(tag).bytes(changed).finish());
  }
  return Buffer.concat(parts);
}

/** Walk the top level only: is this the start of a model, and is it all there? */
function wireState(bytes: Uint8Array): 'whole' | 'cut-off' | 'not-onnx' {
  const reader = protobuf.Reader.create(bytes);
  const seen = new Set<number>();
  try {
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      const id = tag >>> 3;
      if (id === 0 || ((tag & 7) === 2 ? !lengthDelimited.has(id) : !(id === 1 || id === 5) || (tag & 7) !== 0)) {
        return seen.has(1) && (seen.has(7) || seen.has(8)) ? 'cut-off' : 'not-onnx';
      }
      seen.add(id);
      if ((tag & 7) === 2) {
        const length = reader.uint32();
        if (length > reader.len - reader.pos) return seen.has(1) ? 'cut-off' : 'not-onnx';
        reader.pos += length;
      } else reader.skipType(tag & 7);
    }
  } catch {
    return seen.has(1) ? 'cut-off' : 'not-onnx';
  }
  return seen.has(7) ? 'whole' : 'not-onnx';
}

/** Fields of ModelProto that are strings or messages, today's and a few to come. */
const lengthDelimited = new Set([2, 3, 4, 6, 7, 8, 14, 20, 25, 26, 27, 28, 29, 30]);
