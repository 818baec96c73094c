import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StagingError } from '../../src/errors.ts';
import {
  inferRequest,
  inferResponse,
  readInferRequest,
  readInferResponse,
  readModelMetadata,
  RequestError,
  type FeatureColumn,
  type ModelMetadata,
  type Tensor,
} from '../../src/protocol/index.ts';
import fc from '../support/properties.ts';

const matrix: ModelMetadata = {
  name: 'm',
  platform: '',
  inputs: [{ name: 'features', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [
    { name: 'label', datatype: 'INT64', shape: [-1] },
    { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] },
  ],
};

function numberColumn(name: string, values: number[]): FeatureColumn {
  return { name, kind: 'number', values: Float64Array.from(values) };
}

test('a matrix model is asked for rows by rows, in the order of the columns', () => {
  const columns = [numberColumn('a', [1, 2, 3]), numberColumn('b', [10, 20, 30])];
  const body = inferRequest({ columns, rows: [2, 0] }, matrix);
  assert.deepEqual(JSON.parse(body), {
    inputs: [{ name: 'features', shape: [2, 2], datatype: 'FP32', data: [3, 30, 1, 10] }],
  });
});

test('a model of named inputs is asked column by column, whatever their order, each in its type', () => {
  const metadata: ModelMetadata = {
    ...matrix,
    inputs: [
      { name: 'kind', datatype: 'BYTES', shape: [-1, 1] },
      { name: 'count', datatype: 'INT64', shape: [-1] },
      { name: 'open', datatype: 'BOOL', shape: [-1, 1] },
    ],
  };
  const columns: FeatureColumn[] = [
    numberColumn('count', [7, 8]),
    numberColumn('open', [0, 1]),
    { name: 'kind', kind: 'text', values: ['a', null] },
  ];
  assert.deepEqual(JSON.parse(inferRequest({ columns, rows: [0, 1] }, metadata)).inputs, [
    { name: 'kind', shape: [2, 1], datatype: 'BYTES', data: ['a', ''] },
    { name: 'count', shape: [2], datatype: 'INT64', data: [7, 8] },
    { name: 'open', shape: [2, 1], datatype: 'BOOL', data: [false, true] },
  ]);
});

test('columns that do not match the served model are an error that says both sides', () => {
  const columns = [numberColumn('a', [1])];
  assert.throws(
    () => inferRequest({ columns, rows: [0] }, matrix),
    (error: unknown) => error instanceof StagingError && /reads 2 features.*the 1 feature columns/u.test(error.message),
  );
  // As Triton tells it of a model without batching.
  assert.throws(
    () =>
      inferRequest(
        { columns: [...columns, numberColumn('b', [1])], rows: [0] },
        { ...matrix, inputs: [{ ...matrix.inputs[0]!, shape: [2] }] },
      ),
    /has shape \[2\], without a dimension for the rows.*\[\?, 2\].*max_batch_size above 0/su,
  );
});

test('what a client sends is what a server reads, missing numbers included', () => {
  // JSON.stringify writes -0 as 0.
  const cell = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
    fc.constant(Number.NaN),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 20 }), (rows) => {
      const columns = [0, 1].map((index) =>
        numberColumn(
          `c${index}`,
          rows.map((row) => row[index as 0 | 1]),
        ),
      );
      const body = inferRequest({ columns, rows: rows.map((_, index) => index) }, matrix);
      const [input] = readInferRequest(JSON.parse(body), matrix).inputs;
      assert.deepEqual(input?.shape, [rows.length, 2]);
      assert.deepEqual(input?.data, Float32Array.from(rows.flat()));
    }),
  );
});

test('what a server answers is what a client reads', () => {
  const score = fc.float({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.array(fc.tuple(score, score), { minLength: 1, maxLength: 20 }), (rows) => {
      const probabilities = Float32Array.from(rows.flat());
      const labels = rows.map(([negative, positive]) => Number(positive > negative));
      const outputs: Tensor[] = [
        { name: 'label', datatype: 'INT64', shape: [rows.length], data: labels },
        { name: 'probabilities', datatype: 'FP32', shape: [rows.length, 2], data: probabilities },
      ];
      assert.deepEqual(readInferResponse(inferResponse('m', outputs)), [
        outputs[0],
        { ...outputs[1], data: Float64Array.from(probabilities) },
      ]);
    }),
  );
});

test('nested data reads as flat data does', () => {
  const input = { name: 'features', shape: [2, 2], datatype: 'FP32' };
  const flat = readInferRequest({ inputs: [{ ...input, data: [1, 2, 3, 4] }] }, matrix);
  assert.deepEqual(readInferRequest({ inputs: [{ ...input, data: [[1, 2], [3, 4]] }] }, matrix), flat); // oxfmt-ignore
});

const good = { name: 'features', shape: [1, 2], datatype: 'FP32', data: [1, 2] };
const refusals: [string, unknown, RegExp][] = [
  ['no object', [], /not a JSON object/u],
  ['no inputs', {}, /no array of inputs/u],
  ['no input at all', { inputs: [] }, /Input "features" is missing/u],
  ['an unknown input', { inputs: [{ ...good, name: 'x' }] }, /Unknown input "x". Expected features/u],
  ['an input twice', { inputs: [good, good] }, /given twice/u],
  ['another type', { inputs: [{ ...good, datatype: 'BYTES' }] }, /datatype "BYTES". Expected FP32/u],
  ['a made-up type', { inputs: [{ ...good, datatype: 7 }] }, /datatype 7. Expected FP32/u],
  [
    'too many features',
    { inputs: [{ ...good, shape: [1, 3], data: [1, 2, 3] }] },
    /shape \[1, 3\]. Expected \[\?, 2\]/u,
  ],
  ['no rows', { inputs: [{ ...good, shape: [0, 2], data: [] }] }, /at least one row/u],
  ['a negative size', { inputs: [{ ...good, shape: [-1, 2] }] }, /no valid shape/u],
  ['a shape too large to hold', { inputs: [{ ...good, shape: [1e15, 2] }] }, /has 2 elements/u],
  ['fewer elements', { inputs: [{ ...good, shape: [2, 2] }] }, /has 2 elements. Expected 4 of FP32/u],
  ['text for numbers', { inputs: [{ ...good, data: [1, 'a'] }] }, /holds "a" at index 1/u],
  ['an unknown output', { inputs: [good], outputs: [{ name: 'x' }] }, /Unknown output "x". Expected label, probab/u],
  ['an id that is no text', { inputs: [good], id: 7 }, /id is not a string/u],
];
for (const [what, body, message] of refusals) {
  test(`a request with ${what} is refused with the reason`, () => {
    assert.throws(
      () => readInferRequest(body, matrix),
      (error: unknown) => error instanceof RequestError && message.test(error.message),
    );
  });
}

test('an answer that is garbage is a staging error, never another', () => {
  fc.assert(
    // A name is all that metadata must have.
    fc.property(
      fc.oneof(fc.string(), fc.json()).filter((body) => !/"name":"[^"]/u.test(body)),
      (body) => {
        assert.throws(() => readInferResponse(body), StagingError);
        assert.throws(() => readModelMetadata(body), StagingError);
      },
    ),
  );
});

test('metadata with no name, or an empty one, is refused, and a name alone is enough', () => {
  for (const body of ['{}', '{"name":""}', '{"name":7}']) assert.throws(() => readModelMetadata(body), /has no name/u);
  assert.deepEqual(readModelMetadata('{"name":"m"}'), { name: 'm', platform: '', inputs: [], outputs: [] });
});

test('an answer whose shape is not that of its data is a staging error', () => {
  const outputs = (shape: number[]) =>
    JSON.stringify({ outputs: [{ name: 'label', datatype: 'INT64', shape, data: [1, 2] }] });
  assert.deepEqual(readInferResponse(outputs([2]))[0]?.shape, [2]);
  assert.throws(() => readInferResponse(outputs([3])), /has 2 elements in "label". Expected 3 of INT64/u);
});
