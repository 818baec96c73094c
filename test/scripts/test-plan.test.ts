import assert from 'node:assert/strict';
import { test } from 'node:test';
import { divided, filesToRunAgain, planned, processesOf, shardFrom } from '../../scripts/test-plan.ts';
import fc from '../support/properties.ts';

const everything = { wanted: [], quick: false, shard: null };

test('the slowest files run first, and those that were never measured between', () => {
  const files = ['data/a.test.js', 'data/b.test.js', 'data/new.test.js'];
  const costs = { 'data/a': 1, 'data/b': 60 };
  assert.deepEqual(planned(files, costs, everything), ['data/b.test.js', 'data/new.test.js', 'data/a.test.js']);
});

test('the quick ones need no bundle and take no time', () => {
  const files = ['actions/a.test.js', 'data/slow.test.js', 'data/a.test.js', 'workflows/a.test.js'];
  assert.deepEqual(planned(files, { 'data/slow': 20 }, { ...everything, quick: true }), ['data/a.test.js']);
});

test('every file runs in exactly one shard, and no shard has more than its share and the longest file', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 6 }),
      (seconds, of) => {
        const files = seconds.map((_, index) => `f${index}.test.js`);
        const costs = Object.fromEntries(seconds.map((cost, index) => [`f${index}`, cost]));
        const shards = Array.from({ length: of }, (_, index) =>
          planned(files, costs, { ...everything, shard: { index: index + 1, of } }),
        );
        assert.deepEqual(shards.flat().toSorted(), files.toSorted());
        const sum = (part: number[]): number => part.reduce((a, b) => a + b, 0);
        for (const shard of shards) {
          const cost = sum(shard.map((file) => costs[file.replace('.test.js', '')] ?? 0));
          assert.ok(cost <= sum(seconds) / of + Math.max(...seconds));
        }
      },
    ),
    { seed: 12, numRuns: 200 },
  );
});

test('files that answer soon share a process with their neighbours, and no other does', () => {
  const files = ['stages/load/a', 'data/slow', 'data/b', 'registry/a', 'cli/a', 'data/new', 'data/a', 'data/c'];
  const costs = {
    'stages/load/a': 1,
    'data/slow': 20,
    'data/b': 4,
    'registry/a': 1,
    'cli/a': 1,
    'data/a': 4,
    'data/c': 3,
  };
  const named = (names: readonly string[]): string[] => names.map((name) => `${name}.test.js`);
  assert.deepEqual(
    processesOf(named(files), costs),
    [['data/slow'], ['data/a', 'data/b'], ['data/new'], ['data/c', 'registry/a'], ['stages/load/a'], ['cli/a']].map(
      named,
    ),
  );
});

test('what measures times is told apart', () => {
  const files = ['workflows/load-test.test.js', 'data/a.test.js', 'stages/load/driver.test.js', 'config/load.test.js'];
  assert.deepEqual(divided(files), {
    ordinary: ['data/a.test.js', 'config/load.test.js'],
    timed: ['workflows/load-test.test.js', 'stages/load/driver.test.js'],
  });
});

test('three files that failed run again, and more of them do not fail by chance', () => {
  const failed = (...files: string[]) => files.map((file) => ({ name: `a test of ${file}`, files: [file] }));
  assert.deepEqual(filesToRunAgain(failed('a', 'b', 'a', 'c')), ['a', 'b', 'c']);
  assert.deepEqual(filesToRunAgain(failed('a', 'b', 'c', 'd')), []);
  assert.deepEqual(filesToRunAgain([...failed('a', 'b'), { name: 'b', files: ['b'], reachedLimit: true }]), ['a']);
  assert.deepEqual(filesToRunAgain([{ name: 'a process ended', files: ['a', 'b', 'c', 'd'] }]), []);
});

test('a shard is one of a number of them', () => {
  assert.deepEqual(shardFrom('2/3'), { index: 2, of: 3 });
  for (const text of ['0/3', '4/3', '1', 'a/b', '1/0']) assert.throws(() => shardFrom(text), /expected such as 1\/3/u);
});
