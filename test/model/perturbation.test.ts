import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Feeds } from '../../src/model/batches.ts';
import type { InputPlan } from '../../src/model/features.ts';
import { perturbableColumns, perturbed } from '../../src/model/perturbation.ts';
import type { TensorValues } from '../../src/model/tensor.ts';
import fc from '../support/properties.ts';

/** A matrix of floats whose columns are a, b and flag; a named column of texts; one of whole numbers. */
function fed(rows: number): { plans: InputPlan[]; feeds: Feeds } {
  const input = (name: string, type: string, columns: string[]): InputPlan => ({
    input: { name, type, shape: ['N', columns.length] },
    columns,
    rowShape: [columns.length],
  });
  const matrix = new Float32Array(rows * 3);
  for (let row = 0; row < rows; row += 1) matrix.set([row, Math.sin(row), row % 2], row * 3);
  const each = <T>(make: (row: number) => T): T[] => Array.from({ length: rows }, (_, row) => make(row));
  return {
    plans: [input('x', 'float', ['a', 'b', 'flag']), input('kind', 'string', ['kind']), input('n', 'int64', ['n'])],
    feeds: {
      x: { type: 'float', dims: [rows, 3], data: matrix },
      kind: { type: 'string', dims: [rows, 1], data: each((row) => (row % 3 === 0 ? 'ham' : 'spam')) },
      n: { type: 'int64', dims: [rows, 1], data: BigInt64Array.from(each((row) => BigInt(row * 10))) },
    },
  };
}

const column = (values: TensorValues | undefined, position: number, width: number): unknown[] =>
  [...((values as TensorValues).data as ArrayLike<unknown> & Iterable<unknown>)].filter(
    (_, at) => at % width === position,
  );

describe('a changed column', () => {
  const rows = 200;
  const { plans, feeds } = fed(rows);

  it('that is permuted keeps its values and leaves the others alone', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), fc.constantFrom('a', 'kind', 'n'), (seed, name) => {
        const changed = perturbed(feeds, plans, { kind: 'permute', column: name, seed });
        const place = { a: ['x', 0, 3], kind: ['kind', 0, 1], n: ['n', 0, 1] }[name] as [string, number, number];
        const [input, position, width] = place;
        const before = column(feeds[input], position, width);
        const after = column(changed[input], position, width);
        assert.notDeepEqual(after, before);
        assert.deepEqual(after.map(String).sort(), before.map(String).sort());
        for (const other of ['x', 'kind', 'n']) if (other !== input) assert.equal(changed[other], feeds[other]);
        if (input === 'x') assert.deepEqual(column(changed['x'], 1, 3), column(feeds['x'], 1, 3));
      }),
      { numRuns: 20 },
    );
  });

  it('is the same for every model that takes it, wherever and as whatever type', () => {
    const other: InputPlan = {
      input: { name: 'y', type: 'double', shape: ['N', 2] },
      columns: ['b', 'a'],
      rowShape: [2],
    };
    const values = Float64Array.from({ length: rows * 2 }, (_, at) => (at % 2 === 1 ? (at - 1) / 2 : 0));
    const elsewhere: Feeds = { y: { type: 'double', dims: [rows, 2], data: values } };
    const change = { kind: 'permute', column: 'a', seed: 7 } as const;
    assert.deepEqual(
      column(perturbed(elsewhere, [other], change)['y'], 1, 2),
      column(perturbed(feeds, plans, change)['x'], 0, 3),
    );
  });

  it('with noise moves by about the asked share of its deviation, whole numbers staying whole', () => {
    const changed = perturbed(feeds, plans, { kind: 'noise', scale: 0.1, columns: ['a', 'n'], seed: 3 });
    const moved = column(changed['x'], 0, 3).map((value, row) => (value as number) - row);
    const spread = Math.sqrt(moved.reduce((sum, each) => sum + each * each, 0) / rows);
    const deviation = Math.sqrt((rows * (rows + 1)) / 12);
    assert.ok(Math.abs(spread / deviation - 0.1) < 0.02, String(spread / deviation));
    const numbers = column(changed['n'], 0, 1);
    assert.ok(numbers.every((value) => typeof value === 'bigint'));
    assert.notDeepEqual(numbers, column(feeds['n'], 0, 1));
    assert.deepEqual(column(changed['x'], 1, 3), column(feeds['x'], 1, 3));
  });

  it('goes missing, or is of a category never seen, in about the asked share of rows', () => {
    const missing = perturbed(feeds, plans, { kind: 'missing', share: 0.25, columns: ['b'], seed: 3 });
    const gone = column(missing['x'], 1, 3).filter((value) => Number.isNaN(value)).length;
    assert.ok(gone > 30 && gone < 70, String(gone));
    const unseen = perturbed(feeds, plans, { kind: 'unseen', share: 0.25, columns: ['kind'], seed: 3 });
    const strange = column(unseen['kind'], 0, 1).filter((value) => value !== 'ham' && value !== 'spam').length;
    assert.ok(strange > 30 && strange < 70, String(strange));
  });

  it('can be changed only as its values allow', () => {
    assert.deepEqual(perturbableColumns(plans, feeds), {
      all: ['a', 'b', 'flag', 'kind', 'n'],
      noise: ['a', 'b', 'n'],
      missing: ['a', 'b', 'flag'],
      unseen: ['kind'],
    });
  });
});
