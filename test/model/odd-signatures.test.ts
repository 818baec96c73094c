import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Predictions } from '../../src/model/predictions.ts';
import { build } from './exporter-shapes.ts';
import {
  floats,
  graph,
  int64s,
  intAttribute,
  intsAttribute,
  message,
  model,
  node,
  stringTensor,
  stringsAttribute,
  tensor,
  valueInfo,
  type ElementType,
} from './onnx-builder.ts';
import { read, rows } from './reading.ts';

/* Models whose inputs and outputs are of other shapes and types than [N, features] and [N, classes] of floats. */

type Shape = readonly (number | string)[];

const labels = ['0', '1', '2'];
const identity = tensor('w', 'float', [3, 3], floats(3, 0, 0, 0, 3, 0, 0, 0, 3));
const softmaxed = rows.flatMap((row) => {
  const powers = row.map((value) => Math.exp(3 * value));
  return powers.map((power) => power / powers.reduce((sum, each) => sum + each, 0));
});

/** Probabilities of three classes `s`, and what `nodes` make of them. */
function classifier(input: Shape, output: Shape, nodes: Uint8Array[], more: Uint8Array[] = []): Uint8Array {
  const softmax = node('Softmax', ['z'], ['s'], [intAttribute('axis', -1)]);
  return build(
    [{ nodes: [node('MatMul', ['x', 'w'], ['z']), softmax, ...nodes], initializers: [identity, ...more] }],
    [['p', 'float', output]],
    ['float', input],
  );
}

function close({ scores }: Predictions, expected: readonly number[], tolerance = 1e-6): void {
  assert.equal(scores?.length, expected.length);
  for (const [at, value] of expected.entries()) assert.ok(Math.abs((scores?.[at] ?? 0) - value) <= tolerance, `${at}`);
}

describe('a model of a fixed batch', () => {
  const keep = [node('Identity', ['s'], ['p'])];
  const turn = [node('Transpose', ['s'], ['p'], [intsAttribute('perm', [1, 0])])];
  const squeeze = [node('Squeeze', ['s'], ['p'])];
  for (const [what, bytes] of [
    ['of one row, whose scores have lost the dimension of rows', classifier([1, 3], [3], squeeze)],
    ['of one row, with the classes first', classifier([1, 3], [3, 1], turn)],
    ['of two rows, with the classes first', classifier([2, 3], [3, 2], turn)],
    ['of four rows, the last of which are filled up', classifier([4, 3], [4, 3], keep)],
    ['of more rows than there are', classifier([8, 3], [8, 3], keep)],
  ] as const) {
    test(`${what}, is read row by row`, async () => {
      close(await read(bytes, 'multiclass-classification', { labels }), softmaxed);
      close(await read(bytes, 'multiclass-classification', { labels, batch: [1, 4] }), softmaxed);
    });
  }

  test('of one row may give a scalar', async () => {
    const bytes = build(
      [
        {
          nodes: [node('MatMul', ['x', 'v'], ['z']), node('Sigmoid', ['z'], ['s']), ...squeeze],
          initializers: [tensor('v', 'float', [3, 1], floats(1, 0, 0))],
        },
      ],
      [['p', 'float', []]],
      ['float', [1, 3]],
    );
    const expected = rows.map(([first = 0]) => 1 / (1 + Math.exp(-first)));
    close(await read(bytes, 'binary-classification'), expected);
    close(await read(bytes, 'binary-classification', { batch: 1 }), expected);
  });

  test('of one row may stack the probabilities of several labels', async () => {
    const stacked = (rowsAtOnce: number | string): Uint8Array =>
      build(
        [
          {
            nodes: [
              node('Sigmoid', ['x'], ['s']),
              node('Sub', ['one', 's'], ['o']),
              node('Unsqueeze', ['s', 'last'], ['s2']),
              node('Unsqueeze', ['o', 'last'], ['o2']),
              node('Concat', ['o2', 's2'], ['both'], [intAttribute('axis', 2)]),
              node('Transpose', ['both'], ['p'], [intsAttribute('perm', [1, 0, 2])]),
            ],
            initializers: [tensor('one', 'float', [], floats(1)), tensor('last', 'int64', [1], int64s(2))],
          },
        ],
        [['p', 'float', [3, rowsAtOnce, 2]]],
        ['float', [rowsAtOnce, 3]],
      );
    const columns = { label: ['l0', 'l1', 'l2'] };
    const expected = rows.flatMap((row) => row.map((value) => 1 / (1 + Math.exp(-value))));
    for (const size of ['N', 1, 2]) {
      close(await read(stacked(size), 'multilabel-classification', { columns }), expected);
    }
  });
});

test('an input without a dimension of rows is fed one row at a time', async () => {
  for (const size of [3, 'features']) {
    const bytes = classifier([size], [size], [node('Identity', ['s'], ['p'])]);
    close(await read(bytes, 'multiclass-classification', { labels }), softmaxed);
  }
});

describe('bfloat16', () => {
  /** The type of the input, and of the output: cast to and from float at the ends. */
  const cast = (input: ElementType, output: ElementType): Uint8Array =>
    build(
      [
        {
          nodes: [
            node('Cast', ['x'], ['f'], [intAttribute('to', 1)]),
            node('MatMul', ['f', 'w'], ['z']),
            node('Softmax', ['z'], ['s'], [intAttribute('axis', 1)]),
            node('Cast', ['s'], ['p'], [intAttribute('to', output === 'bfloat16' ? 16 : 1)]),
          ],
          initializers: [identity],
        },
      ],
      [['p', output, ['N', 3]]],
      [input, ['N', 3]],
    );

  test('is fed and read', async () => {
    close(await read(cast('bfloat16', 'float'), 'multiclass-classification', { labels }), softmaxed);
    close(await read(cast('float', 'bfloat16'), 'multiclass-classification', { labels }), softmaxed, 2 ** -9);
    close(await read(cast('bfloat16', 'bfloat16'), 'multiclass-classification', { labels }), softmaxed, 2 ** -9);
  });

  test('meets a threshold as bfloat16', async () => {
    const bytes = build(
      [
        {
          nodes: [
            node('MatMul', ['x', 'v'], ['z']),
            node('Sigmoid', ['z'], ['s']),
            node('Cast', ['s'], ['p'], [intAttribute('to', 16)]),
          ],
          initializers: [tensor('v', 'float', [3, 1], floats(1, 0, 0))],
        },
      ],
      [['p', 'bfloat16', ['N', 1]]],
    );
    const { threshold } = await read(bytes, 'binary-classification', { reading: { threshold: 0.7 } });
    assert.equal(threshold, 0.69921875);
  });
});

test('an output of a type that Node does not have is no obstacle beside the scores', async () => {
  const bytes = model(
    graph({
      nodes: [
        node('MatMul', ['x', 'w'], ['z']),
        node('Softmax', ['z'], ['p'], [intAttribute('axis', 1)]),
        node('Cast', ['p'], ['small'], [intAttribute('to', 17)]),
      ],
      initializers: [identity],
      inputs: [valueInfo('x', 'float', ['N', 3])],
      outputs: [valueInfo('small', 'float8e4m3fn', ['N', 3]), valueInfo('p', 'float', ['N', 3])],
    }),
    {},
    19,
  );
  close(await read(bytes, 'multiclass-classification', { labels }), softmaxed);
});

test('one text for all rows is no output of labels', async () => {
  const bytes = build(
    [
      {
        nodes: [
          node('MatMul', ['x', 'w'], ['z']),
          node('Softmax', ['z'], ['p'], [intAttribute('axis', 1)]),
          node('Identity', ['text'], ['version']),
        ],
        initializers: [identity, stringTensor('text', ['v1'])],
      },
    ],
    [
      ['version', 'string', [1]],
      ['p', 'float', ['N', 3]],
    ],
  );
  assert.equal((await read(bytes, 'multiclass-classification', { labels })).labels, null);
});

describe('the list of the classes as an output (onnx/sklearn-onnx#776)', () => {
  const listing = (shape: Shape, batch: number | string = 'N', nodes?: Uint8Array[]): Uint8Array =>
    build(
      [
        {
          nodes: [
            node('MatMul', ['x', 'w'], ['z']),
            node('Softmax', ['z'], ['p'], [intAttribute('axis', 1)]),
            ...(nodes ?? [node('Identity', ['text'], ['class_labels'])]),
          ],
          initializers: [identity, stringTensor('text', ['b', 'a', 'c']), tensor('first', 'int64', [1], int64s(0))],
        },
      ],
      [
        ['class_labels', 'string', shape],
        ['p', 'float', [batch, 3]],
      ],
      ['float', [batch, 3]],
    );
  for (const shape of [[3], ['C']]) {
    test(`is no output of labels, and not passed over in another order: [${shape.join('')}]`, async () => {
      const columns = { classes: ['b', 'a', 'c'] };
      const { labels: given, classes } = await read(listing(shape), 'multiclass-classification', { columns });
      assert.deepEqual([given, classes], [null, columns.classes]);
      await assert.rejects(
        read(listing(shape), 'multiclass-classification', { labels: ['a', 'b', 'c'] }),
        /A part of it lists the classes in the order "b", "a", "c"/u,
      );
    });
  }

  const turned = [node('Unsqueeze', ['text', 'first'], ['row']), node('Flatten', ['row'], ['class_labels'])];
  const written = [node('Constant', [], ['class_labels'], [stringsAttribute('value_strings', ['b', 'a', 'c'])])];
  for (const [what, batch, nodes, shape] of [
    ['one row', 1, undefined, [3]],
    ['as many rows', 3, undefined, [3]],
    ['one row, as a row of its own', 1, turned, [1, 3]],
    ['one row, as texts of a Constant', 1, written, [3]],
  ] as const) {
    test(`is none in a batch of ${what}`, async () => {
      const bytes = listing(shape, batch, nodes === undefined ? nodes : [...nodes]);
      const columns = { classes: ['b', 'a', 'c'] };
      assert.equal((await read(bytes, 'multiclass-classification', { columns })).labels, null);
      await assert.rejects(
        read(bytes, 'multiclass-classification', { labels: ['a', 'b', 'c'] }),
        /A part of it lists the classes in the order "b", "a", "c"/u,
      );
    });
  }

  test('hides no output of labels of a similar name', async () => {
    const bytes = build(
      [
        {
          nodes: [
            node('ArgMax', ['x'], ['best'], [intAttribute('axis', 1), intAttribute('keepdims', 0)]),
            node('Gather', ['text', 'best'], ['predicted_class']),
            node('Identity', ['text'], ['classes']),
          ],
          initializers: [stringTensor('text', ['b', 'a', 'c'])],
        },
      ],
      [
        ['classes', 'string', [3]],
        ['predicted_class', 'string', ['N']],
      ],
    );
    const { labels: given, classes } = await read(bytes, 'multiclass-classification', { labels: ['a', 'b', 'c'] });
    assert.deepEqual(
      [...(given ?? [])].map((at) => classes?.[at]),
      ['b', 'a', 'c', 'c', 'b'],
    );
  });
});

test('a sparse initializer that is listed as an input is not asked for', async () => {
  const values = tensor('w', 'float', [3], floats(3, 3, 3));
  const places = tensor('at', 'int64', [3], int64s(0, 4, 8));
  const whole = graph({
    nodes: [node('MatMul', ['x', 'w'], ['z']), node('Softmax', ['z'], ['p'], [intAttribute('axis', 1)])],
    inputs: [valueInfo('x', 'float', ['N', 3]), valueInfo('w', 'float', [3, 3])],
    outputs: [valueInfo('p', 'float', ['N', 3])],
  });
  const sparse = message([15, message([1, values], [2, places], [3, 3], [3, 3])]);
  const bytes = model(Buffer.concat([whole, sparse]));
  close(await read(bytes, 'multiclass-classification', { labels }), softmaxed);
});
