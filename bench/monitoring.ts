/*
 * How often monitoring alarms with nothing wrong, and how soon it finds what is wrong: simulations of the production code with fixed
 * seeds. Writes docs/monitoring-levels.md.
 * Run: npm run bench -- monitoring, or node build/bench/monitoring.js [years] [output]
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findingsOf } from '../src/monitor/findings.ts';
import { observe, type JudgeSettings } from '../src/monitor/judge.ts';
import type { ChampionBaseline, WindowRecord } from '../src/monitor/record.ts';
import { watch, type WatchSettings } from '../src/monitor/watch.ts';
import { wilson } from '../src/statistics/proportions.ts';
import { binomial, normalPair, randomFrom, type Random } from '../src/statistics/random.ts';
import { projectRoot } from '../test/support/project.ts';

const years = Number(process.argv[2] ?? 1000);
/** Repetitions of a change, and of a loss of accuracy. */
const [changes, losing] = [1000, 300];
const output = process.argv[3] ?? join(projectRoot, 'docs/monitoring-levels.md');
const signals = 20;
const learning = 56;
const day = 86_400_000;

/** How one value differs from the next: normal, exponential (skewed to one side), or Student's t with 3 degrees of freedom (outliers). */
type Noise = 'normal' | 'skewed' | 'outliers';

/** Draws of mean 0 and standard deviation 1. */
function noiseOf(random: Random, noise: Noise): () => number {
  const pair = new Float64Array(2);
  let left = 0;
  const normal = (): number => {
    if (left === 0) normalPair(random, pair);
    left = 1 - left;
    return pair[1 - left] as number;
  };
  if (noise === 'normal') return normal;
  if (noise === 'skewed') return () => -Math.log(1 - random.uniform()) - 1;
  return () => normal() / Math.sqrt(normal() ** 2 + normal() ** 2 + normal() ** 2);
}

/** Values of a process that remembers, with a season of a week; each has standard deviation 1 beside the season. */
function series(random: Random, length: number, phi: number, season: number, kind: Noise = 'normal'): number[] {
  const draw = noiseOf(random, kind);
  let value = 0;
  return Array.from({ length }, (_, index) => {
    const noise = draw();
    value = index === 0 ? noise : phi * value + Math.sqrt(1 - phi * phi) * noise;
    return value + season * Math.sin((2 * Math.PI * index) / 7);
  });
}

function settingsOf(alarmsPerYear: number, bad: WatchSettings['bad']): WatchSettings {
  return { rate: alarmsPerYear / signals / 365.25, learning, periods: [7], bad };
}

/** Alarms of 20 signals in a year, over so many years. */
function falseAlarms(budget: number, phi: number, season: number, repetitions: number, noise: Noise): number {
  const random = randomFrom(20261129);
  let alarms = 0;
  for (let each = 0; each < repetitions * signals; each++) {
    const watched = watch(series(random, learning + 365, phi, season, noise), 0, settingsOf(budget, 'both'));
    for (const [index, { state }] of watched.entries())
      if (state === 'alarm' && watched[index - 1]?.state !== 'alarm') alarms += 1;
  }
  return alarms / repetitions;
}

/** Windows until a change is found. @param change added to the value of the n-th window since it began */
function delays(budget: number, phi: number, before: number, change: (n: number) => number, scale = 1): number[] {
  const random = randomFrom(20261130);
  return Array.from({ length: changes }, () => {
    const values = series(random, before + 90, phi, 0).map(
      (value, index) => scale * value + (index >= before ? change(index - before + 1) : 0),
    );
    const watched = watch(values, 0, settingsOf(budget, change(1) > 0 ? 'up' : 'down'));
    const found = watched.findIndex(({ state }, index) => index >= before && state === 'alarm');
    return found < 0 ? Infinity : found - before + 1;
  });
}

function quantile(values: readonly number[], share: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.ceil(share * sorted.length) - 1] as number;
  return Number.isFinite(value) ? String(value) : 'not found in 90';
}

/** A year of everything at once: 17 KPIs with comparisons of weeks, volume, estimates and real labels. */
interface Truth {
  rows: number;
  /** Share of wrong predictions of a day, and what the estimate says. */
  wrong: (index: number) => number;
  estimated: (index: number) => number;
}
const evaluationRows = 2000;
const evaluationLoss = 0.08;

function production(
  random: Random,
  days: number,
  phi: number,
  season: number,
  { rows, wrong, estimated }: Truth,
): WindowRecord[] {
  const kpis = Array.from({ length: 17 }, () => series(random, days, phi, season));
  const volume = series(random, days, phi, season);
  return Array.from({ length: days }, (_, index) => {
    const start = Date.UTC(2026, 0, 5) + index * day;
    const count = Math.round(rows * Math.exp(0.05 * (volume[index] as number)));
    const errors = binomial(random, count, wrong(index));
    const pair = new Float64Array(2);
    normalPair(random, pair);
    const se = Math.sqrt(0.02 / count);
    return {
      start: new Date(start).toISOString(),
      end: new Date(start + day).toISOString(),
      champion: { version: '1.0.0', sha256: 'a' },
      rows: count,
      others: {},
      changed: false,
      values: Object.fromEntries(
        kpis.map((values, kpi) => [`kpi/k${kpi}`, Math.exp(0.04 * (values[index] as number))]),
      ),
      rates: {},
      faults: {},
      drift: [],
      alone: { reference: [], production: [] },
      estimate: { value: estimated(index) + se * (pair[0] as number), se, unknown: 0 },
      performance: { rows: count, loss: errors / count, coverage: {}, contradictions: 0 },
    };
  });
}

const judge: JudgeSettings = {
  length: day,
  alarmsPerYear: 12,
  learning,
  minRows: 100,
  inconclusiveAfter: 3,
  maxLoss: 0.02,
  regression: false,
  labels: { maturity: 3 * day, minCoverage: 0.8 },
  drift: { maxPsi: 0.2, maxMissing: 0.05, maxNewCategories: 0.01 },
  kpis: Object.fromEntries(Array.from({ length: 17 }, (_, kpi) => [`k${kpi}`, { max_change: 0.05 }])),
  cost: null,
  reference: false,
  estimates: true,
};

const champion: ChampionBaseline = {
  sha256: 'a',
  dataset: 'b',
  rows: evaluationRows,
  loss: evaluationLoss,
  upper: wilson(evaluationLoss * evaluationRows, evaluationRows, 0.1).upper,
  scale: 1,
  confidence: { mean: 1 - evaluationLoss, variance: 0.02 },
  calibration: null,
  scores: [],
  classes: {},
  decides: null,
  table: null,
};

function findingsIn(
  records: readonly WindowRecord[],
  settings: JudgeSettings = judge,
): { opened: number; signal: string }[] {
  return findingsOf(records, observe(records, [champion], settings), 3).map(({ opened, signal }) => ({
    opened: records.findIndex(({ start }) => start === opened),
    signal,
  }));
}

const steady: Truth = { rows: 500, wrong: () => evaluationLoss, estimated: () => evaluationLoss };

function everything(
  phi: number,
  season: number,
  repetitions: number,
): { alarms: number; harm: number; estimated: number } {
  const random = randomFrom(20261201);
  const found = { alarms: 0, harm: 0, estimated: 0 };
  for (let each = 0; each < repetitions; each++) {
    for (const { signal } of findingsIn(production(random, learning + 365, phi, season, steady))) {
      found.alarms += 1;
      if (signal === 'harm/loss') found.harm += 1;
      if (signal === 'estimated/loss') found.estimated += 1;
    }
  }
  return {
    alarms: found.alarms / repetitions,
    harm: found.harm / repetitions,
    estimated: found.estimated / repetitions,
  };
}

/** Days from a loss of accuracy to the alarm, labels three days late. */
function harmDelays(loss: number, rows: number, seen: boolean): { harm: number[]; estimated: number } {
  const random = randomFrom(20261202);
  let estimated = 0;
  const settings = { ...judge, kpis: {} };
  const harm = Array.from({ length: losing }, () => {
    const wrong = (index: number): number => evaluationLoss + (index >= 60 ? loss : 0);
    const truth: Truth = { rows, wrong, estimated: seen ? wrong : () => evaluationLoss };
    const found = findingsIn(production(random, 120, 0, 0, truth), settings).filter(({ opened }) => opened >= 60);
    if (found.some(({ signal }) => signal === 'estimated/loss')) estimated += 1;
    const first = found.find(({ signal }) => signal === 'harm/loss');
    // The labels of a window are known three days after its end.
    return first === undefined ? Infinity : first.opened - 60 + 1 + 3;
  });
  return { harm, estimated: estimated / losing };
}

const some = Math.max(10, Math.round(years / 5));
const levels = (
  [
    [12, 0, 0, 'normal', years],
    [12, 0.4, 0, 'normal', years],
    [12, 0.4, 1, 'normal', years],
    [12, 0, 2, 'normal', some],
    [12, 0, 0, 'skewed', some],
    [12, 0.4, 1, 'skewed', some],
    [12, 0, 0, 'outliers', some],
    [6, 0, 0, 'normal', some],
    [6, 0.4, 1, 'normal', some],
    [24, 0, 0, 'normal', some],
    [24, 0.4, 1, 'normal', some],
  ] as const
).map(([budget, phi, season, noise, repetitions]) => {
  const found = falseAlarms(budget, phi, season, repetitions, noise);
  return `| ${budget} | ${phi} | ${season} | ${noise} | ${repetitions} | ${found.toFixed(2)} | ±${(2 * Math.sqrt(found / repetitions)).toFixed(2)} |`;
});
const together = [
  [0, 0],
  [0.4, 1],
].map(([phi = 0, season = 0]) => {
  const repetitions = Math.max(5, Math.round(years / 10));
  const { alarms, harm, estimated } = everything(phi, season, repetitions);
  return `| ${phi} | ${season} | ${repetitions} | ${alarms.toFixed(2)} | ±${(2 * Math.sqrt(alarms / repetitions)).toFixed(2)} | ${harm.toFixed(2)} | ${estimated.toFixed(2)} |`;
});
const shifts = [
  ['a shift of 1 sd', 12, 0, 56, () => 1, 1],
  ['a shift of 1 sd', 12, 0, 100, () => 1, 1],
  ['a shift of 2 sd', 12, 0, 100, () => 2, 1],
  ['a shift of 1 sd', 12, 0.4, 100, () => 1, 1],
  ['1% less each day, days vary by 4%', 12, 0, 100, (n: number) => n * Math.log(0.99), 0.04],
  ['1% less each day, days vary by 4%', 12, 0.4, 100, (n: number) => n * Math.log(0.99), 0.04],
] as const;
const found = shifts.map(([what, budget, phi, before, change, scale]) => {
  const all = delays(budget, phi, before, change, scale);
  return `| ${what} | ${phi} | ${before} | ${quantile(all, 0.5)} | ${quantile(all, 0.9)} |`;
});
const losses = (
  [
    [0.05, 500, true],
    [0.05, 500, false],
    [0.05, 2000, false],
    [0.1, 500, false],
  ] as const
).map(([loss, rows, seen]) => {
  const { harm, estimated } = harmDelays(loss, rows, seen);
  return `| ${100 * loss} points | ${rows} | ${seen ? 'yes' : 'no: concept drift'} | ${quantile(harm, 0.5)} | ${quantile(harm, 0.9)} | ${(100 * estimated).toFixed(0)}% |`;
});

await writeFile(
  output,
  `# How often monitoring alarms, and how soon

Simulations of the production code (\`bench/monitoring.ts\`, fixed seeds; \`npm run bench -- monitoring\` makes this page). Windows are days, the
baseline is learnt from ${learning} of them, and the budget is split over ${signals} signals. "±" is two standard errors.

## Nothing is wrong: alarms of 20 charts in a year

Each signal is a process with this correlation of neighbours and a weekly season of this amplitude, in standard deviations. Its noise is normal,
exponential (skewed), or Student's t with 3 degrees of freedom (outliers). An alarm counts when it begins.

| budget a year | correlation | season | noise | years | alarms a year | ± |
|---|---|---|---|---|---|---|
${levels.join('\n')}

## Nothing is wrong: everything at once

17 KPIs that vary by 4% with \`max_change: 0.05\`, the number of rows, the estimate, and real labels of 500 rows a day; budget 12.

| correlation | season | years | alarms a year | ± | of them harm | estimated |
|---|---|---|---|---|---|---|
${together.join('\n')}

## Something is wrong: windows until a chart finds it

Share of one signal of 20 at a budget of 12; ${changes.toLocaleString('en-US')} repetitions.

| what | correlation | windows before | median | 90% |
|---|---|---|---|---|
${found.join('\n')}

## Accuracy is lost: days until labels show it

The champion is wrong on 8% of 2,000 rows of the evaluation set, \`max_loss: 2pp\`, labels come three days after the end of a window, which
is in the days. ${losing} repetitions.

| loss | rows a day | does the estimate see it? | median | 90% | estimate alarmed |
|---|---|---|---|---|---|
${losses.join('\n')}
`,
);
