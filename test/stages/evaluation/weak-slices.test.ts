import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ColumnVector } from '../../../src/data/dataset.ts';
import { randomFrom } from '../../../src/statistics/random.ts';
import {
  codeColumn,
  searchWeakSlices,
  type CodedColumn,
  type RowGains,
} from '../../../src/stages/evaluation/weak-slices.ts';
import fc from '../../support/properties.ts';

const options = { minimumRows: 30, level: 0.05 };

describe('the search for weak slices', () => {
  it('finds the one value on which the candidate loses, and not its echo on every other column', () => {
    const random = randomFrom(1);
    const columns = [drawn('colour', 4, random), drawn('size', 3, random), drawn('age', 4, random)];
    const gains = outcomes(columns[0]!.codes, (code) => (code === 2 ? 0.3 : 0), random);
    const { slices } = searchWeakSlices(columns, gains, options);
    assert.deepEqual(
      slices.map(({ terms }) => terms.map(({ column, code }) => `${column.name}=${code}`)),
      [['colour=2']],
    );
    assert.ok(slices[0]!.gain < -0.15);
  });

  it('finds a loss that only two columns together show', () => {
    const random = randomFrom(2);
    const columns = [drawn('a', 4, random), drawn('b', 4, random), drawn('c', 4, random)];
    const cross = Uint8Array.from(columns[0]!.codes, (code, row) =>
      code === 1 && columns[2]!.codes[row] === 3 ? 1 : 0,
    );
    // What it loses there it wins where a = 1 or c = 3 alone, so that no single value shows it.
    const gains = outcomes(
      Uint8Array.from(cross, (inside, row) =>
        inside === 1 ? 1 : columns[0]!.codes[row] === 1 || columns[2]!.codes[row] === 3 ? 2 : 0,
      ),
      (kind) => (kind === 1 ? 0.3 : kind === 2 ? -0.12 : 0),
      random,
    );
    const { slices } = searchWeakSlices(columns, gains, options);
    assert.deepEqual(
      slices.map(({ terms }) => terms.map(({ column, code }) => `${column.name}=${code}`)),
      [['a=1', 'c=3']],
    );
  });

  it('takes no slice that has seen none of the large and rare gains for one that loses', () => {
    const random = randomFrom(4);
    const rows = 4000;
    const searches = Array.from({ length: 40 }, () => {
      const columns = [drawn('a', 20, random), drawn('b', 20, random)];
      const gains = Float64Array.from({ length: rows }, () => (random.uniform() < 0.02 ? 0.98 : -0.02));
      const all: RowGains = { gains, counts: new Float64Array(rows).fill(1), clusters: null, paired: false };
      return searchWeakSlices(columns, all, options).slices.length;
    });
    assert.ok(searches.filter((found) => found > 0).length <= 4, String(searches));
  });

  it('seldom finds anything where nothing is lost: at most one search in twenty, give or take', () => {
    let alarms = 0;
    for (let seed = 0; seed < 200; seed += 1) {
      const random = randomFrom(1000 + seed);
      const columns = [drawn('a', 4, random, 1000), drawn('b', 4, random, 1000), drawn('c', 4, random, 1000)];
      alarms +=
        searchWeakSlices(
          columns,
          outcomes(columns[0]!.codes, () => 0, random),
          options,
        ).slices.length > 0
          ? 1
          : 0;
    }
    // 200 searches at 5%: 20 or more have a chance of about 0.1%.
    assert.ok(alarms < 20, `${alarms} false alarms`);
  });

  it('takes a cluster for one unit: repeating every row changes no p-value', () => {
    const random = randomFrom(3);
    const column = drawn('a', 3, random, 900);
    const gains = Float64Array.from(column.codes, (code) => random.uniform() - 0.5 - (code === 1 ? 0.1 : 0));
    const once = search(column, gains, null);
    const clusters = Int32Array.from({ length: 900 }, (_, row) => row);
    assert.deepEqual(search(column, gains, clusters), once);
    const twice = (values: Float64Array): Float64Array => Float64Array.from([...values, ...values]);
    const doubled = { ...column, codes: Uint8Array.from([...column.codes, ...column.codes]) };
    const both = search(doubled, twice(gains), Int32Array.from([...clusters, ...clusters]));
    for (const [index, pValue] of once.entries()) assert.ok(Math.abs(pValue - (both[index] as number)) < 1e-9);
  });

  it('looks at no slice below min_rows, nor at more pairs than it may', () => {
    const random = randomFrom(4);
    const columns = [drawn('a', 2, random), drawn('b', 2, random), drawn('c', 2, random)];
    const gains = outcomes(columns[0]!.codes, () => 0, random);
    assert.equal(searchWeakSlices(columns, gains, { ...options, minimumRows: 4001 }).tested, 0);
    const short = searchWeakSlices(columns, gains, { ...options, visits: gains.gains.length });
    assert.deepEqual([short.pairs, short.pairsLeftOut, short.tested], [1, 2, 10]);
  });
});

describe('a column to search', () => {
  const vector = (values: number[]): ColumnVector => ({
    name: 'x',
    kind: 'number',
    values: Float64Array.from(values),
  });

  it('is cut into bins where it has many numbers, and every row falls into one that is named', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.double(), fc.constant(Number.NaN)), { minLength: 1, maxLength: 60 }),
        (values) => {
          const column = codeColumn(vector(values));
          if (typeof column === 'string') return;
          for (const [row, code] of column.codes.entries()) {
            assert.ok(column.labels[code] !== undefined);
            if (column.labels.includes('(missing)')) {
              assert.equal(column.labels[code] === '(missing)', Number.isNaN(values[row]));
            }
          }
        },
      ),
    );
  });

  it('keeps its values where they are few', () => {
    const column = codeColumn(vector([3, 1, 3, 2])) as CodedColumn;
    assert.deepEqual(
      [...column.codes].map((code) => column.labels[code]),
      ['3', '1', '3', '2'],
    );
  });

  it('is left out with the reason where it is an identifier or constant', () => {
    const values = Array.from({ length: 21 }, (_, row) => `row ${row}`);
    assert.equal(codeColumn({ name: 'x', kind: 'text', values }), 'more than 20 values');
    assert.equal(codeColumn(vector([1, 1])), 'one value only');
  });
});

type Random = ReturnType<typeof randomFrom>;

function drawn(name: string, values: number, random: Random, rows = 4000): CodedColumn {
  return {
    name,
    codes: Uint8Array.from({ length: rows }, () => random.integer(values)),
    labels: Array.from({ length: values }, (_, code) => String(code)),
  };
}

/** Rows decided differently at random (3% each way), and lost (or, below 0, won) besides with the probability `loss`. */
function outcomes(kinds: Uint8Array, loss: (kind: number) => number, random: Random): RowGains {
  const gains = Float64Array.from(kinds, (kind) => {
    const more = loss(kind);
    if (random.uniform() < Math.abs(more)) return -Math.sign(more);
    const chance = random.uniform();
    return chance < 0.03 ? -1 : chance < 0.06 ? 1 : 0;
  });
  return { gains, counts: new Float64Array(kinds.length).fill(1), clusters: null, paired: true };
}

function search(column: CodedColumn, gains: Float64Array, clusters: Int32Array | null): number[] {
  const counts = new Float64Array(gains.length).fill(1);
  const found = searchWeakSlices([column], { gains, counts, clusters, paired: false }, { minimumRows: 1, level: 1.1 });
  assert.ok(found.slices.length > 0);
  return found.slices.map((slice) => slice.pValue);
}
