import protobuf from 'protobufjs/minimal.js';

/* Just enough of an ONNX writer to make models that misbehave. Field numbers as in onnx.proto. */

type Value = number | string | Uint8Array;

/** A protobuf message of these fields, in order. */
export function message(...fields: readonly (readonly [id: number, value: Value])[]): Uint8Array {
  const writer = protobuf.Writer.create();
  for (const [id, value] of fields) {
    if (typeof value === 'number') writer.uint32(id << 3).int64(value);
    else if (typeof value === 'string') writer.uint32((id << 3) | 2).string(value);
    else writer.uint32((id << 3) | 2).bytes(value);
  }
  return writer.finish();
}

const elementTypes = {
  float: 1,
  uint8: 2,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  bfloat16: 16,
  float8e4m3fn: 17,
};
export type ElementType = keyof typeof elementTypes;

export function tensor(name: string, type: ElementType, dims: readonly number[], raw: Uint8Array): Uint8Array {
  return message(...dims.map((size) => [1, size] as const), [2, elementTypes[type]], [8, name], [9, raw]);
}

export function int64s(...values: number[]): Uint8Array {
  return new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
}

export function floats(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** A value with a shape; a text stands for a dimension of any size. */
export function valueInfo(name: string, type: ElementType, shape: readonly (number | string)[]): Uint8Array {
  const dims = shape.map((size) => [1, message([typeof size === 'number' ? 1 : 2, size])] as const);
  return message([1, name], [2, message([1, message([1, elementTypes[type]], [2, message(...dims)])])]);
}

export function node(
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: readonly Uint8Array[] = [],
  domain = '',
): Uint8Array {
  return message(
    ...inputs.map((name) => [1, name] as const),
    ...outputs.map((name) => [2, name] as const),
    [4, operator],
    ...attributes.map((attribute) => [5, attribute] as const),
    ...(domain === '' ? [] : [[7, domain] as const]),
  );
}

export function graphAttribute(name: string, graph: Uint8Array): Uint8Array {
  return message([1, name], [6, graph], [20, 5]);
}

export function intAttribute(name: string, value: number): Uint8Array {
  return message([1, name], [3, value], [20, 2]);
}

export function stringTensor(name: string, values: readonly string[]): Uint8Array {
  return message([1, values.length], [2, elementTypes.string], ...values.map((value) => [6, value] as const), [
    8,
    name,
  ]);
}

export function intsAttribute(name: string, values: readonly number[]): Uint8Array {
  return message([1, name], ...values.map((value) => [8, value] as const), [20, 7]);
}

export function floatsAttribute(name: string, values: readonly number[]): Uint8Array {
  return message([1, name], [7, floats(...values)], [20, 6]);
}

export function stringsAttribute(name: string, values: readonly string[]): Uint8Array {
  return message([1, name], ...values.map((value) => [9, value] as const), [20, 8]);
}

export function stringAttribute(name: string, value: string): Uint8Array {
  return message([1, name], [4, value], [20, 3]);
}

export function graph(parts: {
  nodes: readonly Uint8Array[];
  inputs: readonly Uint8Array[];
  outputs: readonly Uint8Array[];
  initializers?: readonly Uint8Array[];
}): Uint8Array {
  return message(
    ...parts.nodes.map((each) => [1, each] as const),
    [2, 'graph'],
    ...(parts.initializers ?? []).map((each) => [5, each] as const),
    ...parts.inputs.map((each) => [11, each] as const),
    ...parts.outputs.map((each) => [12, each] as const),
  );
}

export function model(graphBytes: Uint8Array, metadata: Readonly<Record<string, string>> = {}, opset = 17): Uint8Array {
  return message(
    [1, opset < 19 ? 8 : 9],
    [2, 'tests'],
    [7, graphBytes],
    [8, message([1, ''], [2, opset])],
    [8, message([1, 'ai.onnx.ml'], [2, 3])],
    ...Object.entries(metadata).map(([key, value]) => [14, message([1, key], [2, value])] as const),
  );
}

/** A model that goes round a loop for ever: adding, or also keeping 4 MB of every round. */
export function endlessModel(features: number, grow: boolean): Uint8Array {
  const body = graph({
    nodes: [
      node('Identity', ['cond_in'], ['cond_out']),
      node('Add', ['v_in', 'one'], ['v_out']),
      ...(grow
        ? [
            node('ReduceSum', ['v_out'], ['total'], [intAttribute('keepdims', 0)]),
            node('Expand', ['total', 'size'], ['kept']),
          ]
        : []),
    ],
    inputs: [
      valueInfo('round', 'int64', []),
      valueInfo('cond_in', 'bool', []),
      valueInfo('v_in', 'float', ['N', features]),
    ],
    outputs: [
      valueInfo('cond_out', 'bool', []),
      valueInfo('v_out', 'float', ['N', features]),
      ...(grow ? [valueInfo('kept', 'float', [1_000_000])] : []),
    ],
  });
  return model(
    graph({
      nodes: [
        node('Loop', ['rounds', 'go', 'x'], ['last', ...(grow ? ['all'] : [])], [graphAttribute('body', body)]),
        node('ReduceMean', ['last'], ['p'], [intAttribute('keepdims', 1), axes(1)]),
      ],
      inputs: [valueInfo('x', 'float', ['N', features])],
      outputs: [valueInfo('p', 'float', ['N', 1])],
      initializers: [
        tensor('rounds', 'int64', [], int64s(2 ** 52)),
        tensor('go', 'bool', [], Uint8Array.of(1)),
        tensor('one', 'float', [1], floats(1)),
        tensor('size', 'int64', [1], int64s(1_000_000)),
      ],
    }),
  );
}

function axes(value: number): Uint8Array {
  return message([1, 'axes'], [8, value], [20, 7]);
}
