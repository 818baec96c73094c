import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openDataset } from '../../src/data/dataset.ts';
import { ExactSum, exactFrom, exactText, quotient, times } from '../../src/profile/exact-sum.ts';
import { innerEdges, quantile, countedSample, countsOf, sampleOf } from '../../src/profile/bins.ts';
import { kolmogorovSmirnov, wasserstein } from '../../src/profile/measures.ts';
import { mergeProfiles, summaryOfProfile } from '../../src/profile/merge.ts';
import { mostBuckets, NumberSketcher, representative, truncated } from '../../src/profile/number-sketch.ts';
import { countText, distinctCount, noValues, registersOfTexts } from '../../src/profile/distinct.ts';
import { profileDataset } from '../../src/profile/profile-dataset.ts';
import type { ColumnProfile, NumberColumn, Profile } from '../../src/profile/profile.ts';
import { faultOf } from '../../src/profile/read-profile.ts';
import { quantileOfSorted } from '../../src/statistics/quantile.ts';
import { normalPair, randomFrom } from '../../src/statistics/random.ts';
import { writeParquet } from '../support/parquet.ts';
import { inTemporaryFolder } from '../support/project.ts';
import fc from '../support/properties.ts';

const seed = 20260713;

/** Rows of every kind of column, in each format that holds them. */
const row = fc.record(
  {
    number: fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.constant(null)),
    whole: fc.oneof(fc.integer({ min: -5, max: 5 }), fc.constant(null)),
    text: fc.oneof(fc.constantFrom('a', 'b', 'ä', '', 'null', '0'), fc.string(), fc.constant(null)),
    truth: fc.oneof(fc.boolean(), fc.constant(null)),
    empty: fc.constant(null),
  },
  { requiredKeys: ['number', 'whole', 'text', 'truth', 'empty'] },
);

function jsonl(rows: readonly unknown[]): string {
  return rows.map((each) => `${JSON.stringify(each)}\n`).join('');
}

async function opened<T>(
  path: string,
  work: (part: (start: number, count: number) => Promise<Profile>, rows: number) => Promise<T>,
): Promise<T> {
  const dataset = await openDataset({ name: 'data', path, uri: 'rows' });
  try {
    return await work((start, count) => profileDataset(dataset, { rows: { start, count } }), dataset.rows);
  } finally {
    dataset.close();
  }
}

function merged(...profiles: Profile[]): Profile {
  return mergeProfiles(profiles.map((profile, index) => ({ profile, uri: `part ${index + 1}` })));
}

/** As a file keeps it. */
function kept(profile: Profile): unknown {
  return JSON.parse(JSON.stringify(profile));
}

function numbers({ columns }: Profile, name: string): NumberColumn {
  const column = columns.find((each) => each.name === name);
  assert.equal(column?.kind, 'number');
  return column;
}

describe('profiles of parts merge to exactly that of the whole', () => {
  test('whatever the rows and where they are cut', () =>
    inTemporaryFolder((folder) =>
      fc.assert(
        fc.asyncProperty(
          fc.array(row, { minLength: 1, maxLength: 40 }),
          fc.array(fc.nat(40), { maxLength: 3 }),
          fc.infiniteStream(fc.nat()),
          async (rows, cuts, order) => {
            const path = join(folder, 'rows.jsonl');
            await writeFile(path, jsonl(rows));
            await opened(path, async (part, count) => {
              const whole = await part(0, count);
              const ends = [0, ...cuts.map((cut) => cut % (count + 1)).sort((a, b) => a - b), count];
              const parts: Profile[] = [];
              for (const [index, end] of ends.slice(1).entries()) {
                parts.push(await part(ends[index] as number, end - (ends[index] as number)));
              }
              const shuffled = parts.map((each) => [order.next().value ?? 0, each] as const).sort(([a], [b]) => a - b);
              const together = merged(...shuffled.map(([, each]) => JSON.parse(JSON.stringify(each)) as Profile));
              assert.deepEqual(kept(together), kept(whole));
              assert.deepEqual(together.sources, whole.sources);
              assert.equal(faultOf(kept(together)), null);
            });
          },
        ),
        { seed, numRuns: 60 },
      ),
    ));

  test('with more different numbers than buckets and more different texts than are kept', () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, 'rows.parquet');
      await writeParquet(
        path,
        `select (hash(i) % 1000003)::double / 7 - 50000 as spread, 1e9 + (hash(i, 1) % 100000)::double / 3 as far,
         case when i % 3 = 0 then 'nan'::double when i % 7 = 0 then null else exp((hash(i, 2) % 1000)::double / 20) end as tail,
         'text ' || (i % 12345) as texts, date '2024-01-01' + (i % 400)::int as day, [i] as list, i as whole
         from range(30000) as t(i)`,
      );
      await opened(path, async (part, rows) => {
        const whole = await part(0, rows);
        const ends = [0, 1, 100, 11_000, rows];
        const parts: Profile[] = [];
        for (const [index, end] of ends.slice(1).entries()) {
          parts.push(await part(ends[index] as number, end - (ends[index] as number)));
        }
        assert.deepEqual(kept(merged(...parts)), kept(whole));
        assert.deepEqual(kept(merged(...parts.reverse())), kept(whole));
        const spread = numbers(whole, 'spread');
        assert.ok(spread.shift > 0 && spread.values.length <= mostBuckets);
        assert.equal(numbers(whole, 'tail').nan, 10_000);
        const [, , , texts, day] = whole.columns as [
          ColumnProfile,
          ColumnProfile,
          ColumnProfile,
          ColumnProfile,
          ColumnProfile,
        ];
        assert.ok(texts.kind === 'category' && texts.categories === null && !texts.distinct.exact);
        assert.ok(Math.abs(texts.distinct.count / 12_345 - 1) < 0.15, String(texts.distinct.count));
        assert.deepEqual(day.kind === 'time' && [day.min, day.max], ['2024-01-01', '2025-02-03']);
      });
    }));

  test('refuses rows that are counted twice, other columns, other kinds and summaries', () =>
    inTemporaryFolder(async (folder) => {
      const write = async (name: string, rows: readonly unknown[]): Promise<Profile> => {
        const path = join(folder, name);
        await writeFile(path, jsonl(rows));
        return opened(path, (part, count) => part(0, count));
      };
      const first = await write('a.jsonl', [{ x: 1 }, { x: 2 }]);
      assert.throws(() => merged(first, first), /rows 1 to 2 of rows are counted twice/u);
      const other = await write('b.jsonl', [{ y: 1 }]);
      assert.throws(() => merged(first, other), /has no column "x"/u);
      const texts = await write('c.jsonl', [{ x: 'one' }]);
      assert.throws(() => merged(first, texts), /column "x" is of kind category \(VARCHAR\) here, but of kind number/u);
      const empty = await write('d.jsonl', [{ x: null }]);
      assert.equal(numbers(merged(first, empty), 'x').missing, 1);
      assert.equal(numbers(merged(empty, first), 'x').n, 2);
      assert.throws(() => merged(first, summaryOfProfile(empty)), /this profile is a summary/u);
    }));
});

describe('a sketch of numbers', () => {
  const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

  test('keeps as many different numbers as it has buckets as they are, with their exact quantiles', () =>
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 300 }), (values) => {
        const sketcher = new NumberSketcher();
        for (const value of values) sketcher.add(value);
        const { buckets, shift, n, min, max } = sketcher.sketch;
        assert.equal(shift, 0);
        assert.equal(n, values.length);
        const sorted = Float64Array.from(values, (value) => value + 0).sort();
        assert.deepEqual([min, max], [(sorted[0] as number) + 0, (sorted.at(-1) as number) + 0]);
        const sample = countedSample(buckets);
        for (const p of [0, 0.1, 0.25, 0.5, 0.77, 1]) assert.equal(quantile(sample, p), quantileOfSorted(sorted, p));
        assert.deepEqual(sampleOf(sorted), sample);
      }),
      { seed, numRuns: 200 },
    ));

  test('is compared as the numbers themselves are', () =>
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 50 }),
        fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 50 }),
        (one, other) => {
          const [a, b] = [sampleOf(Float64Array.from(one)), sampleOf(Float64Array.from(other))];
          const upTo = (values: readonly number[], limit: number): number =>
            values.filter((value) => value <= limit).length;
          const gaps = Array.from({ length: 19 }, (_, index) => {
            const limit = index - 9;
            return Math.abs(upTo(one, limit) / one.length - upTo(other, limit) / other.length);
          });
          assert.equal(kolmogorovSmirnov(a, b).distance, Math.max(...gaps));
          const between = gaps.reduce((sum, gap) => sum + gap, 0);
          assert.ok(Math.abs(wasserstein(a, b) - between) < 1e-12);
          const edges = innerEdges(a, 5);
          assert.deepEqual(
            countsOf(b, edges),
            [...edges, Infinity].map((edge, index) => upTo(other, edge) - upTo(other, edges[index - 1] ?? -Infinity)),
          );
        },
      ),
      { seed, numRuns: 200 },
    ));

  test('has the number that stands for a bucket in it, and numbers in the order of their buckets', () =>
    fc.assert(
      fc.property(finite, finite, fc.integer({ min: 0, max: 63 }), (a, b, shift) => {
        const bucket = truncated(a, shift);
        assert.equal(truncated(representative(bucket, shift), shift), bucket);
        if (a <= b) assert.ok(bucket <= truncated(b, shift));
        assert.ok(Math.abs(bucket) <= Math.abs(a));
      }),
      { seed, numRuns: 1000 },
    ));

  test('has quantiles of 100,000 normal and log-normal numbers within half a percent of rank', () => {
    const random = randomFrom(seed);
    const pair = new Float64Array(2);
    const normal = (): number => {
      normalPair(random, pair);
      return pair[0] as number;
    };
    for (const shape of [
      (z: number): number => z,
      (z: number): number => Math.exp(3 * z),
      (z: number): number => 1e6 + z,
    ]) {
      const sketcher = new NumberSketcher();
      const values = Float64Array.from({ length: 100_000 }, () => shape(normal()));
      for (const value of values) sketcher.add(value);
      const { buckets, shift } = sketcher.sketch;
      const sample = countedSample(
        [...buckets].map(([value, count]) => [representative(value, shift), count] as const),
      );
      const exact = sampleOf(values);
      for (let percent = 1; percent < 100; percent++) {
        const [rank = 0] = countsOf(exact, [quantile(sample, percent / 100)]);
        assert.ok(Math.abs(rank / 1000 - percent) < 0.5, `${shape.toString()}: ${percent}% is at rank ${rank}`);
      }
    }
  });
});

test('a sum without rounding is the same in any order, and that of whole numbers', () =>
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true, min: -1e150, max: 1e150 }), { maxLength: 30 }), (values) => {
      const text = (order: readonly number[]): [string, string] => {
        const [sum, squares] = [new ExactSum(), new ExactSum()];
        for (const value of order) {
          sum.add(value);
          squares.addSquare(value);
        }
        return [exactText(sum.value), exactText(squares.value)];
      };
      const [sum, squares] = text(values);
      assert.deepEqual(text([...values].reverse()), [sum, squares]);
      assert.deepEqual(text([...values].sort((a, b) => a - b)), [sum, squares]);
      assert.equal(exactText(exactFrom(sum)), sum);
      const whole = values.map((value) => Math.trunc(value % 1e6));
      const [total] = text(whole);
      assert.equal(
        quotient(exactFrom(total), 1n),
        whole.reduce((a, b) => a + b, 0),
      );
    }),
    { seed, numRuns: 300 },
  ));

test('a sum of more numbers than the bins hold is exact too', () => {
  const [one, many] = [new ExactSum(), new ExactSum()];
  one.add(-0.1);
  const count = 2 ** 20 + 3;
  for (let at = 0; at < count; at++) many.add(-0.1);
  assert.equal(exactText(many.value), exactText(times(one.value, { mantissa: BigInt(count), exponent: 0 })));
});

test('texts are counted alike in SQL and here', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.jsonl');
    const texts = Array.from({ length: 500 }, (_, index) => `ä${index} "\\`);
    await writeFile(path, jsonl(texts.map((text) => ({ text }))));
    const dataset = await openDataset({ name: 'data', path, uri: 'rows' });
    try {
      const read = await dataset.connection.runAndReadAll(registersOfTexts('"text"', dataset.relation));
      const here = noValues();
      for (const text of texts) countText(here, text);
      const there = noValues();
      for (const [register, least] of read.getRows()) there[Number(register)] = Number(least);
      assert.deepEqual(there, here);
      assert.ok(Math.abs(distinctCount(here) - 500) < 75);
    } finally {
      dataset.close();
    }
  }));

test('a profile has the counts, moments and quantiles of the data', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    await writeFile(path, 'id,x,label\n1,1,a\n2,2,b\n3,4,a\n4,,a\n5,nan,\n6,9,a\n');
    const whole = await opened(path, (part, rows) => part(0, rows));
    const x = numbers(whole, 'x');
    assert.deepEqual([x.n, x.missing, x.nan, x.min, x.max, x.mean], [4, 2, 1, 1, 9, 4]);
    assert.ok(Math.abs((x.sd ?? 0) - Math.sqrt(38 / 3)) < 1e-15);
    assert.equal(x.quantiles[50], 3);
    assert.equal(x.quantiles.length, 101);
    const [, , label] = whole.columns;
    assert.ok(label?.kind === 'category');
    assert.deepEqual(label.categories, [
      ['a', 4],
      ['b', 1],
    ]);
    const [, , summary] = summaryOfProfile(whole).columns;
    assert.ok(summary?.kind === 'category');
    assert.deepEqual([summary.categories, summary.rare], [[], { categories: 2, rows: 5 }]);
  }));

test('a file that only looks like a profile is refused with what is wrong in it', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.jsonl');
    await writeFile(
      path,
      jsonl([
        { x: 1, t: 'a' },
        { x: 3, t: 'b' },
      ]),
    );
    const good = await opened(path, (part, rows) => part(0, rows));
    interface Hostile {
      rows: number;
      columns: { counts: number[]; values: number[]; shift: number }[];
    }
    const first = ({ columns: [column] }: Hostile): Hostile['columns'][number] => {
      assert.ok(column !== undefined);
      return column;
    };
    const changed = (change: (profile: Hostile) => void): string | null => {
      const copy = kept(good) as Hostile;
      change(copy);
      return faultOf(copy);
    };
    assert.equal(
      changed(() => {}),
      null,
    );
    assert.match(changed((each) => (each.rows = 3)) ?? '', /row ranges and the row count of this profile differ/u);
    assert.match(changed((each) => first(each).counts.push(1)) ?? '', /column "x" of this profile counts/u);
    assert.match(changed((each) => first(each).values.reverse()) ?? '', /not in order/u);
    assert.match(changed((each) => each.columns.push(first(each))) ?? '', /column "x" twice/u);
    assert.match(changed((each) => (first(each).shift = 60)) ?? '', /not in order/u);
    assert.match(faultOf({ schema: 'other' }) ?? '', /its schema is "other"/u);
    assert.match(faultOf([]) ?? '', /not stated/u);
  }));

test('times are in the order of time, whatever their years, in one file and merged from several', () =>
  inTemporaryFolder(async (folder) => {
    const years = ["'1970-01-01'", "'148108-07-06'", "'9999-12-31'"];
    const profiles: Profile[] = [];
    for (const [index, values] of [years, ["'infinity'"], ["'0044-03-15 (BC)'"]].entries()) {
      const path = join(folder, `${index}.parquet`);
      await writeParquet(
        path,
        values.map((each) => `select timestamp ${each} as t, date ${each} as d`).join(' union all '),
      );
      profiles.push(await opened(path, (part, rows) => part(0, rows)));
    }
    const ends = ({ columns }: Profile): unknown[] =>
      columns.map((column) => column.kind === 'time' && [column.min, column.max]);
    assert.deepEqual(ends(profiles[0] as Profile), [
      ['1970-01-01T00:00:00.000000Z', '148108-07-06T00:00:00.000000Z'],
      ['1970-01-01', '148108-07-06'],
    ]);
    const merged = mergeProfiles(profiles.map((profile, index) => ({ profile, uri: `${index}.parquet` })));
    assert.deepEqual(ends(merged)[1], ['0044-03-15 (BC)', 'infinity']);
  }));
