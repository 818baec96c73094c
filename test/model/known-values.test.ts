import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentLog } from '../../src/log.ts';
import { localModel } from '../../src/model/artifact.ts';
import { inOneCount, unknownText } from '../../src/model/unknown-values.ts';
import { predictModels } from '../../src/model/predict.ts';
import type { PredictionResult } from '../../src/model/predictions.ts';
import { inTemporaryFolder } from '../support/project.ts';
import {
  floats,
  floatsAttribute,
  graph,
  int64s,
  intAttribute,
  intsAttribute,
  model,
  node,
  stringsAttribute,
  tensor,
  valueInfo,
  type ElementType,
} from './onnx-builder.ts';

const ml = 'ai.onnx.ml';
const picked = (from: string, at: string, to: string) => node('ArrayFeatureExtractor', [from, at], [to], [], ml);

/** Texts `city` and `plan`, joined and picked again, and the number `rooms`: each in an encoder of its own. */
function encoders(zeros: number, cities = ['rome', 'lima'], nodes: readonly Uint8Array[] = []): Uint8Array {
  const encoded = [
    node('Concat', ['city', 'plan'], ['both'], [intAttribute('axis', 1)]),
    picked('both', 'at0', 'c'),
    picked('both', 'at1', 'p'),
    node('OneHotEncoder', ['c'], ['c3'], [stringsAttribute('cats_strings', cities), intAttribute('zeros', zeros)], ml),
    node('ReduceSum', ['c3', 'last'], ['c1'], [intAttribute('keepdims', 0)]),
    node(
      'LabelEncoder',
      ['p'],
      ['p1'],
      [stringsAttribute('keys_strings', ['free', 'paid']), floatsAttribute('values_floats', [0.25, 0.5])],
      ml,
    ),
    node('Cast', ['rooms'], ['r'], [intAttribute('to', 7)]),
    node('OneHotEncoder', ['r'], ['r3'], [intsAttribute('cats_int64s', [1, 2]), intAttribute('zeros', 1)], ml),
    node('ReduceSum', ['r3', 'last'], ['r1'], [intAttribute('keepdims', 0)]),
    node('Sum', ['c1', 'p1', 'r1'], ['z']),
    node('Sigmoid', ['z'], ['score']),
  ];
  return model(
    graph({
      nodes: [...encoded, ...nodes],
      inputs: [
        valueInfo('city', 'string', ['N', 1]),
        valueInfo('plan', 'string', ['N', 1]),
        valueInfo('rooms', 'float', ['N', 1]),
      ],
      outputs: [valueInfo('score', 'float', ['N', 1])],
      initializers: [
        tensor('at0', 'int64', [1], int64s(0)),
        tensor('at1', 'int64', [1], int64s(1)),
        tensor('last', 'int64', [1], int64s(-1)),
      ],
    }),
  );
}

/** A model of one input `x` of numbers. */
function numeric(type: ElementType, shape: readonly (number | string)[], nodes: readonly Uint8Array[]): Uint8Array {
  return model(
    graph({
      nodes: [...nodes, node('Sigmoid', ['z'], ['score'])],
      inputs: [valueInfo('x', type, shape)],
      outputs: [valueInfo('score', 'float', ['N', 1])],
      initializers: [
        tensor('at0', 'int64', [1], int64s(0)),
        tensor('at1', 'int64', [1], int64s(1)),
        tensor('square', 'int64', [3], int64s(-1, 2, 2)),
        tensor('table', 'float', [3], floats(1, 2, 3)),
      ],
    }),
  );
}

async function predict(
  rows: readonly string[],
  models: readonly Uint8Array[],
  features = 'city,plan,rooms',
): Promise<PredictionResult[]> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, 'data.csv');
    await writeFile(path, [`id,${features},label`, ...rows.map((row, at) => `${at},${row},${at % 2}`), ''].join('\n'));
    for (const [at, bytes] of models.entries()) await writeFile(join(folder, `${at}.onnx`), bytes);
    return predictModels({
      models: await Promise.all(
        models.map(async (_, at) => ({
          role: at === 0 ? ('candidate' as const) : ('champion' as const),
          artifact: await localModel(join(folder, `${at}.onnx`), `file:${at}.onnx`),
        })),
      ),
      dataset: { name: 'evaluation', path, uri: 'data.csv' },
      columns: { id: 'id', label: 'label' },
      task: 'binary-classification',
      limits: { memoryBytes: 2 ** 30, timeMs: 60_000 },
      log: silentLog,
    });
  });
}

const unknownOf = (result: PredictionResult | undefined): unknown =>
  result?.ok === true
    ? (result.unknownValues ?? []).map(({ column, rows, row, example }) => [column, rows, row, example])
    : result;

describe('values that a model has no code for', () => {
  it('are counted by column, however the graph brings them to the encoder', async () => {
    const rows = ['rome,free,1', 'Lima,paid,2.5', 'Lima,trial,3', 'lima,free,', 'lima,free,1'];
    const [candidate, champion] = await predict(rows, [encoders(1), encoders(1, ['rome', 'lima', 'Lima'])]);
    const others = [
      ['plan', 1, 2, 'trial'],
      ['rooms', 1, 2, '3'],
    ];
    assert.deepEqual(unknownOf(candidate), [['city', 2, 1, 'Lima'], ...others]);
    assert.deepEqual(unknownOf(champion), others);
  });

  it('are none where the column is used in another way too, or an encoder asks for one value', async () => {
    const rows = ['rome,free,1', 'Lima,free,2'];
    const other = node('Shape', ['c'], ['size']);
    assert.deepEqual(unknownOf((await predict(rows, [encoders(1, undefined, [other])]))[0]), []);
    assert.deepEqual(unknownOf((await predict(rows, [encoders(1, ['rome'])]))[0]), []);
  });

  it('are none of a list that only tells whether a value is on it', async () => {
    const values = [floatsAttribute('keys_floats', [1, 2]), floatsAttribute('values_floats', [3, 3])];
    const listed = [picked('x', 'at0', 'c'), node('LabelEncoder', ['c'], ['z'], values, ml)];
    const [result] = await predict(['1,1,1', '5,1,1', '6,1,1'], [numeric('float', ['N', 3], listed)]);
    assert.deepEqual(unknownOf(result), []);
  });

  it('are codes below 0 or beyond an embedding, as pandas writes those of no category', async () => {
    const bytes = model(
      graph({
        nodes: [
          node('Cast', ['codes'], ['whole'], [intAttribute('to', 7)]),
          node('Gather', ['whole', 'at0'], ['c'], [intAttribute('axis', 1)]),
          node('Gather', ['table', 'c'], ['z']),
          node('Sigmoid', ['z'], ['score']),
        ],
        inputs: [valueInfo('codes', 'float', ['N', 3])],
        outputs: [valueInfo('score', 'float', ['N', 1])],
        initializers: [tensor('at0', 'int64', [1], int64s(0)), tensor('table', 'float', [3], floats(1, 2, 3))],
      }),
    );
    const [result] = await predict(['0,1,1', '-1,2,2', '2,9,9'], [bytes]);
    assert.deepEqual(unknownOf(result), [['city', 1, 1, '-1']]);
    await assert.rejects(
      predict(['0,1,1', '3,2,2'], [bytes]),
      /column "city", row 2 has "3", but the model knows only "0", "1", "2": no model has a code for "3"/u,
    );
  });

  it('are a mistake in the data where no model knows any value of a column', async () => {
    const rows = ['ROME,free,1', 'LIMA,free,2'];
    await assert.rejects(
      predict(rows, [encoders(1), encoders(1)]),
      /data\.csv: column "city", row 1 has "ROME", but the model knows only "rome", "lima": no model has a code for "ROME", nor any other value of it \(2 rows\)/u,
    );
    const [candidate, champion] = await predict(rows, [encoders(1), encoders(1, ['ROME', 'LIMA'])]);
    assert.deepEqual([unknownOf(candidate), unknownOf(champion)], [[['city', 2, 0, 'ROME']], []]);
  });

  it('may be meant where it is one new value in all rows', async () => {
    const [result] = await predict(['oslo,free,1', 'oslo,free,2'], [encoders(1)]);
    assert.deepEqual(unknownOf(result), [['city', 2, 0, 'oslo']]);
  });

  it('are those of the encoder that refuses them', async () => {
    const rows = ['rome,trial,1', 'oslo,free,2'];
    const [candidate] = await predict(rows, [encoders(0), encoders(1)]);
    assert.ok(candidate?.ok === false);
    assert.match(candidate.fault.message, /column "city", row 2 has "oslo"/u);
  });

  it('are looked up as casts leave them', async () => {
    const bytes = numeric(
      'double',
      ['N', 3],
      [
        node('Cast', ['x'], ['single'], [intAttribute('to', 1)]),
        picked('single', 'at0', 'c'),
        node(
          'LabelEncoder',
          ['c'],
          ['z'],
          [floatsAttribute('keys_floats', [0.1, 0.3]), floatsAttribute('values_floats', [1, 2])],
          ml,
        ),
      ],
    );
    const [result] = await predict(['0.1,1,1', '0.3,1,1', '0.2,1,1'], [bytes]);
    assert.deepEqual(unknownOf(result), [['city', 1, 2, '0.2']]);
  });

  it('are not looked for where the columns do not lie in one row', async () => {
    // Two rows of two, of which the second holds codes.
    const looked = [
      node('Gather', ['y', 'at1'], ['second'], [intAttribute('axis', 1)]),
      node('Cast', ['second'], ['codes'], [intAttribute('to', 7)]),
      node('Gather', ['table', 'codes'], ['looked']),
      node('ReduceSum', ['looked', 'at1'], ['summed'], [intAttribute('keepdims', 0)]),
      node('ReduceSum', ['summed', 'at1'], ['z']),
    ];
    for (const bytes of [
      numeric('float', ['N', 2, 2], [node('Identity', ['x'], ['y']), ...looked]),
      numeric('float', ['N', 4], [node('Reshape', ['x', 'square'], ['y']), ...looked]),
    ]) {
      const [result] = await predict(['7,8,0,1', '9,6,1,2'], [bytes], 'a,b,c,d');
      assert.deepEqual(unknownOf(result), []);
    }
  });

  it('are named where a model refuses them: its fault, unless none takes them', async () => {
    const rows = ['rome,free,1', 'oslo,free,2'];
    const [candidate] = await predict(rows, [encoders(0), encoders(1)]);
    assert.ok(candidate?.ok === false);
    assert.match(candidate.fault.message, /rejects a value that it does not know: column "city", row 2 has "oslo"/u);
    await assert.rejects(predict(rows, [encoders(0), encoders(0)]), /no model has a code for "oslo"\. Expected/u);
  });

  it('of parts of the rows are added up, and an address is not shown', () => {
    const part = { column: 'c', rows: 2, row: 5, example: 'ada@example.org', known: ['a'] };
    const whole = inOneCount([part, { ...part, rows: 1, row: 3, example: 'b' }]);
    assert.deepEqual(whole, [{ ...part, rows: 3, row: 3, example: 'b' }]);
    assert.doesNotMatch(unknownText(part), /ada@/u);
  });
});
