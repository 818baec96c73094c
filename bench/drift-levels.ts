/*
 * How often drift is told where there is none, and found where there is some: simulated pairs of samples of 50 columns, judged by the
 * production code under its default limits. Writes docs/drift-levels.md. CONTENDER_PAIRS sets how many pairs (1,000).
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sampleOf } from '../src/profile/bins.ts';
import type { ColumnValues } from '../src/profile/column-drift.ts';
import { defaultDriftLimits, driftOf } from '../src/profile/drift.ts';
import { normalPair, randomFrom, type Random } from '../src/statistics/random.ts';
import { projectRoot } from '../test/support/project.ts';

const columns = 50;
const pairs = Number(process.env['CONTENDER_PAIRS'] ?? 1000);

type Draw = (random: Random, rows: number) => ColumnValues;

const pair = new Float64Array(2);
const normal = (random: Random): number => {
  normalPair(random, pair);
  return pair[0] as number;
};
const numbers =
  (value: (random: Random) => number, missing = 0): Draw =>
  (random, rows) => {
    const values: number[] = [];
    let absent = 0;
    for (let row = 0; row < rows; row++) {
      if (missing > 0 && random.uniform() < missing) absent++;
      else values.push(value(random));
    }
    return {
      kind: 'number',
      sorted: sampleOf(Float64Array.from(values)),
      missing: absent,
      infinite: { negative: 0, positive: 0 },
    };
  };
const categories =
  (name: (random: Random) => string): Draw =>
  (random, rows) => {
    const counts = new Map<string, number>();
    for (let row = 0; row < rows; row++) {
      const each = name(random);
      counts.set(each, (counts.get(each) ?? 0) + 1);
    }
    return { kind: 'category', counts, missing: 0 };
  };

/** Columns as tables have them: smooth, skewed, mostly zero, counted, gappy, few and many categories, near-identifiers. */
const kinds: Draw[] = [
  numbers(normal),
  numbers((random) => Math.exp(normal(random))),
  numbers((random) => random.uniform()),
  numbers((random) => (random.uniform() < 0.8 ? 0 : Math.exp(normal(random)))),
  numbers((random) => Math.round(3 + 2 * normal(random))),
  numbers(normal, 0.1),
  numbers((random) => normal(random) / Math.sqrt(Math.abs(normal(random)) + 0.01), 0.01),
  categories((random) => (random.uniform() < 0.3 ? 'yes' : 'no')),
  categories((random) => `c${Math.floor(12 * random.uniform() ** 3)}`),
  categories((random) => `v${Math.floor(400 * random.uniform() ** 2)}`),
];
const draws = Array.from({ length: columns }, (_, index) => kinds[index % kinds.length] as Draw);

/** Share of pairs in which any column is flagged (warn or fail) or fails, with the column of the shift apart. */
function simulate(rows: number, shift: number, seed: number): { any: number; failed: number; found: number } {
  const random = randomFrom(seed);
  let any = 0;
  let failed = 0;
  let found = 0;
  for (let repetition = 0; repetition < pairs; repetition++) {
    const compared = draws.map((draw, index) => {
      const reference = draw(random, rows);
      const current =
        index === 0 && shift > 0 ? numbers((each) => normal(each) + shift)(random, rows) : draw(random, rows);
      return { name: `column ${index}`, reference, current };
    });
    const tested = driftOf(compared, defaultDriftLimits);
    const others = shift > 0 ? tested.slice(1) : tested;
    if (others.some(({ verdict }) => verdict === 'warn' || verdict === 'fail')) any++;
    if (others.some(({ verdict }) => verdict === 'fail')) failed++;
    if (shift > 0 && ['warn', 'fail'].includes(tested[0]?.verdict ?? '')) found++;
  }
  return { any: any / pairs, failed: failed / pairs, found: found / pairs };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
const lines = [
  '# Levels of the drift test',
  '',
  `Simulated pairs of samples of ${columns} columns (smooth, skewed, mostly zero, counted, gappy, few and many categories), judged by`,
  'the production code with the default limits; fixed seeds. `npm run bench -- drift-levels` makes this page.',
  '',
  '| rows a side | shift of one column | pairs | other columns: any warning or failure | any failure | the shifted column found |',
  '|---|---|---|---|---|---|',
];
for (const [rows, shift] of [
  [200, 0],
  [1000, 0],
  [20_000, 0],
  [200, 0.5],
  [1000, 0.5],
  [1000, 1],
] as const) {
  if (process.env['CONTENDER_ROWS'] !== undefined && rows > Number(process.env['CONTENDER_ROWS'])) continue;
  const { any, failed, found } = simulate(rows, shift, 1000 + rows + shift * 10);
  lines.push(
    `| ${rows} | ${shift === 0 ? 'none' : `${shift} sd`} | ${pairs} | ${percent(any)} | ${percent(failed)} | ${shift === 0 ? '' : percent(found)} |`,
  );
  console.log(lines.at(-1));
}
await writeFile(join(projectRoot, 'docs', 'drift-levels.md'), `${lines.join('\n')}\n`);
