import assert from 'node:assert/strict';
import { test } from 'node:test';
import { domainTest, type SampledColumn } from '../../src/profile/domain-classifier.ts';
import { normalPair, randomFrom, type Random } from '../../src/statistics/random.ts';

const pair = new Float64Array(2);

/** Two numbers of deviation 1 and this correlation, and a category. */
function rowsOf(random: Random, rows: number, { shift = 0, correlation = 0 } = {}): [number, number, string][] {
  return Array.from({ length: rows }, () => {
    normalPair(random, pair);
    const [z, e] = [pair[0] as number, pair[1] as number];
    return [z + shift, correlation * z + Math.sqrt(1 - correlation ** 2) * e, e > 0.3 ? 'a' : 'b'];
  });
}

function columnsOf(rows: readonly [number, number, string][]): SampledColumn[] {
  return [
    { name: 'x', kind: 'number', values: Float64Array.from(rows, ([x]) => x) },
    { name: 'y', kind: 'number', values: Float64Array.from(rows, ([, y]) => y) },
    { name: 'c', kind: 'category', values: rows.map(([, , c]) => c) },
  ];
}

test('rows of one distribution are told apart no more often than the level says', () => {
  const random = randomFrom(11);
  let alarms = 0;
  const runs = 200;
  for (let run = 0; run < runs; run++) {
    const found = domainTest(columnsOf(rowsOf(random, 500)), 200, run);
    if ((found?.p ?? 1) < 0.05) alarms += 1;
  }
  // 5% and three standard errors.
  assert.ok(alarms / runs < 0.05 + 3 * Math.sqrt((0.05 * 0.95) / runs), String(alarms));
});

test('a shift of one column is found, and the column named', () => {
  const random = randomFrom(12);
  const found = domainTest(columnsOf([...rowsOf(random, 1000), ...rowsOf(random, 1000, { shift: 0.5 })]), 1000, 1);
  assert.ok((found?.auc ?? 0) > 0.6 && (found?.p ?? 1) < 1e-6, JSON.stringify(found));
  assert.equal(found?.columns[0]?.name, 'x');
});

test('columns that go together in another way are found, though each alone is as it was', () => {
  const random = randomFrom(13);
  const found = domainTest(
    columnsOf([...rowsOf(random, 1000, { correlation: 0.8 }), ...rowsOf(random, 1000, { correlation: -0.8 })]),
    1000,
    1,
  );
  assert.ok((found?.auc ?? 0) > 0.8, JSON.stringify(found));
});

test('missing values, infinities, constants and huge numbers are no trouble, and the answer is one', () => {
  const random = randomFrom(14);
  const odd = Float64Array.from({ length: 400 }, (_, row) =>
    row % 7 === 0 ? Number.NaN : row % 11 === 0 ? Infinity : row % 13 === 0 ? 1e300 : random.uniform(),
  );
  const columns: SampledColumn[] = [
    { name: 'odd', kind: 'number', values: odd },
    { name: 'constant', kind: 'number', values: new Float64Array(400).fill(3) },
    { name: 'none', kind: 'number', values: new Float64Array(400).fill(Number.NaN) },
    {
      name: 'text',
      kind: 'category',
      values: Array.from({ length: 400 }, (_, row) => (row % 5 === 0 ? null : `t${row}`)),
    },
  ];
  const found = domainTest(columns, 150, 5);
  assert.ok(found !== null && found.auc >= 0 && found.auc <= 1 && Number.isFinite(found.p));
  assert.deepEqual(domainTest(columns, 150, 5), found);
  assert.equal(domainTest([], 10, 1), null);
  assert.equal(domainTest(columns.slice(1, 2), 200, 1), null);
});
