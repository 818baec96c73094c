/*
 * How often the gate says yes where it must not: simulations that call the production comparison on generators its methods do
 * not assume. Fixed seeds. Writes docs/calibration.md. Run: node build/bench/calibration.js [repetitions] [output]
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { comparisonChecks } from '../src/evaluate/gate.ts';
import { findMetric } from '../src/evaluate/metrics/catalogue.ts';
import { metricValue } from '../src/evaluate/metrics/metric.ts';
import { planOf } from '../src/evaluate/plan.ts';
import { randomFrom, type Random } from '../src/evaluate/random.ts';
import type { Outputs, Sample } from '../src/evaluate/sample.ts';
import type { SliceRows } from '../src/evaluate/slices.ts';
import { normalQuantile } from '../src/evaluate/statistics/distributions.ts';
import type { Policy, Task } from '../src/config/schema.ts';
import { projectRoot } from '../test/support/project.ts';

interface World {
  task: Task;
  sample: Sample;
  champion: Outputs;
  candidate: Outputs;
}

interface Scenario {
  name: string;
  metric: string;
  rows: readonly number[];
  /** Draw a world of `rows` rows. */
  draw(random: Random, rows: number): World;
  /** True loss of the candidate (champion better by this much): the margin for non-inferiority, 0 for superiority. */
  requirement: 'non-inferior' | 'superior';
  margin: number;
}

const names = ['0', '1'];

function binary(
  truth: Float64Array,
  champion: Float64Array,
  candidate: Float64Array,
  clusters: Int32Array | null = null,
): World {
  const outputs = (scores: Float64Array): Outputs => ({
    scores,
    probabilities: true,
    decisions: Int32Array.from(scores, (score) => (score >= 0.5 ? 1 : 0)),
  });
  return {
    task: 'binary-classification',
    sample: { rows: truth.length, classes: 2, names, truth, weights: null, clusters },
    champion: outputs(champion),
    candidate: outputs(candidate),
  };
}

function normal(random: Random): number {
  return normalQuantile((Math.floor(random.uniform() * 4294967295) + 0.5) / 4294967295);
}

/** Right with probability `right` each, and both the same on most rows: a shared difficulty decides. */
function decisions(right: readonly [number, number], agreement: number) {
  return (random: Random, rows: number): World => {
    const truth = Float64Array.from({ length: rows }, () => (random.uniform() < 0.3 ? 1 : 0));
    const scores = [new Float64Array(rows), new Float64Array(rows)] as const;
    for (let row = 0; row < rows; row += 1) {
      const shared = random.uniform();
      const together = random.uniform() < agreement;
      for (const model of [0, 1] as const) {
        const luck = together ? shared : random.uniform();
        const correct = luck < right[model];
        const sure = 0.5 + 0.5 * (0.2 + 0.7 * random.uniform());
        scores[model][row] = (truth[row] === 1) === correct ? sure : 1 - sure;
      }
    }
    return binary(truth, scores[0], scores[1]);
  };
}

/** Ties (scores on a grid) and skew (exponential noise); the candidate separates by `lost` less. */
function ranked(separation: number, lost: number) {
  return (random: Random, rows: number): World => {
    const truth = Float64Array.from({ length: rows }, () => (random.uniform() < 0.2 ? 1 : 0));
    const score = (shift: number, own: number, common: number): number => {
      const raw = shift + 0.6 * own + 0.8 * common;
      return Math.round(100 / (1 + Math.exp(-raw + 2))) / 100;
    };
    const champion = new Float64Array(rows);
    const candidate = new Float64Array(rows);
    for (let row = 0; row < rows; row += 1) {
      const common = -Math.log(1 - random.uniform()) - 1;
      champion[row] = score(truth[row] === 1 ? separation : 0, normal(random), common);
      candidate[row] = score(truth[row] === 1 ? separation - lost : 0, normal(random), common);
    }
    return binary(truth, champion, candidate);
  };
}

/** Regression with heavy, skewed errors that grow with the target; the candidate's are scaled. */
function regression(scale: number) {
  return (random: Random, rows: number): World => {
    const truth = Float64Array.from({ length: rows }, () => Math.exp(1 + normal(random) * 0.6));
    const outputs = (noise: (row: number) => number): Outputs => ({
      scores: truth.map((y, row) => y + noise(row)),
      probabilities: false,
      decisions: null,
    });
    const common = truth.map((y) => (y / 3) * (-Math.log(1 - random.uniform()) - 1));
    const champion = outputs((row) => 0.8 * (common[row] as number) + 0.5 * normal(random));
    const candidate = outputs((row) => scale * (0.8 * (common[row] as number) + 0.5 * normal(random)));
    return {
      task: 'regression',
      sample: { rows, classes: 0, names: null, truth, weights: null, clusters: null },
      champion,
      candidate,
    };
  };
}

/** Persons of one to seven rows whose rows are right or wrong mostly together. */
function clustered(loss: number) {
  return (random: Random, rows: number): World => {
    const truth = Float64Array.from({ length: rows }, () => (random.uniform() < 0.4 ? 1 : 0));
    const clusters = new Int32Array(rows);
    const scores = [new Float64Array(rows), new Float64Array(rows)] as const;
    for (let row = 0, person = 0; row < rows; person += 1) {
      const size = 1 + random.integer(7);
      const mood = [random.uniform(), random.uniform()] as const;
      for (let each = 0; each < size && row < rows; each += 1, row += 1) {
        clusters[row] = person;
        for (const model of [0, 1] as const) {
          const luck = random.uniform() < 0.7 ? mood[model] : random.uniform();
          const correct = luck < (model === 0 ? 0.85 : 0.85 - loss);
          scores[model][row] = (truth[row] === 1) === correct ? 0.8 : 0.2;
        }
      }
    }
    return binary(truth, scores[0], scores[1], clusters);
  };
}

/** The true loss of the candidate, from four million rows: the margin at which non-inferiority is exactly false. */
function trueLoss(metric: string, draw: Scenario['draw']): number {
  const parts = 16;
  let sum = 0;
  for (let part = 0; part < parts; part += 1) {
    const { task, sample, champion, candidate } = draw(randomFrom(900_000 + part), 250_000);
    const judged = findMetric(metric, task, 'bench');
    const delta = metricValue(judged, sample, candidate) - metricValue(judged, sample, champion);
    sum += judged.better === 'higher' ? -delta : delta;
  }
  return sum / parts;
}

const sizes = [500, 2000, 10_000] as const;

async function main(): Promise<void> {
  const repetitions = Number(process.argv[2] ?? 2000);
  const output = process.argv[3] ?? join(projectRoot, 'docs/calibration.md');
  const lines: string[] = [];
  const startedAt = Date.now();
  const row = (...cells: (string | number)[]): void => {
    lines.push(`| ${cells.join(' | ')} |`);
    process.stderr.write(`${Math.round((Date.now() - startedAt) / 1000)} s  ${cells.join('  ')}\n`);
  };

  lines.push(
    '# Calibration of the gate',
    '',
    'How often the gate passes a candidate it must not pass, or blocks one it must not block, measured by simulation on the',
    'production code (`bench/calibration.ts`, fixed seeds), at alpha 0.05. The generators are not what the methods assume: scores tie,',
    'errors are skewed and grow with the target, rows of a person go together. "Monte Carlo error" is two standard errors of the rate.',
    '',
    '## A candidate exactly at the margin, and one exactly equal',
    '',
    'Non-inferiority must pass a candidate whose true loss equals the margin in at most 5% of evaluations; superiority must pass an',
    'equal candidate in at most 5%.',
    '',
    '| requirement | metric | rows | true loss = margin | passes | Monte Carlo error | method |',
    '|---|---|---|---|---|---|---|',
  );
  const same = decisions([0.9, 0.9], 0.8);
  const worse = decisions([0.9, 0.88], 0.8);
  const scenarios: Scenario[] = [];
  for (const metric of ['accuracy', 'recall', 'f1', 'log_loss']) {
    scenarios.push({
      name: metric,
      metric,
      rows: sizes,
      draw: worse,
      requirement: 'non-inferior',
      margin: trueLoss(metric, worse),
    });
    scenarios.push({ name: metric, metric, rows: sizes, draw: same, requirement: 'superior', margin: 0 });
  }
  scenarios.push(
    {
      name: 'roc_auc',
      metric: 'roc_auc',
      rows: sizes,
      draw: ranked(2, 0.2),
      requirement: 'non-inferior',
      margin: trueLoss('roc_auc', ranked(2, 0.2)),
    },
    { name: 'roc_auc', metric: 'roc_auc', rows: sizes, draw: ranked(2, 0), requirement: 'superior', margin: 0 },
    {
      name: 'rmse',
      metric: 'rmse',
      rows: sizes,
      draw: regression(1.05),
      requirement: 'non-inferior',
      margin: trueLoss('rmse', regression(1.05)),
    },
    { name: 'rmse', metric: 'rmse', rows: sizes, draw: regression(1), requirement: 'superior', margin: 0 },
    {
      name: 'clusters',
      metric: 'accuracy',
      rows: [2000],
      draw: clustered(0.03),
      requirement: 'non-inferior',
      margin: trueLoss('accuracy', clustered(0.03)),
    },
    {
      name: 'clusters',
      metric: 'f1',
      rows: [2000],
      draw: clustered(0.03),
      requirement: 'non-inferior',
      margin: trueLoss('f1', clustered(0.03)),
    },
  );
  for (const { name, metric, rows: counts, draw, requirement, margin } of scenarios) {
    for (const count of counts) {
      // A bootstrap over many rows is repeated less often: its rate is told with its error.
      const runs =
        metric === 'rmse' || (name === 'clusters' && metric === 'f1') ? Math.ceil(repetitions / 4) : repetitions;
      const policy: Policy = { primary: { metric, margin, require: requirement } };
      let passes = 0;
      let method = '';
      for (let run = 0; run < runs; run += 1) {
        const world = draw(randomFrom(1_000_003 * (run + 1) + count), count);
        const compared = comparisonChecks({ plan: planOf({ ...policy, seed: run }, world.task), ...world }, []).next()
          .value;
        if (compared?.check.verdict === 'pass') passes += 1;
        method = compared?.comparison?.interval.method ?? method;
      }
      row(
        requirement,
        name === metric ? metric : `${metric} (${name})`,
        count,
        margin.toFixed(5),
        percent(passes, runs),
        error(passes, runs),
        method,
      );
    }
  }

  lines.push(
    '',
    '## Ten slices of 200 rows in guard mode',
    '',
    'Every slice exactly at the margin: the guard may block at most 5% of evaluations. One slice ten points worse, the others equal:',
    'the guard must find it; how often it can depends on how many rows the models decide differently beside the loss itself.',
    '',
    '| candidate | margin | same luck on | blocked | Monte Carlo error |',
    '|---|---|---|---|---|',
  );
  const families = [
    Array.from({ length: 10 }, (_, slice): SliceRows => ({
      name: `slice=${slice}`,
      rows: Uint32Array.from({ length: 200 }, (__, each) => slice * 200 + each),
    })),
  ];
  for (const { what, right, harmed, agreement, margin } of [
    { what: 'every slice loses exactly the margin', right: 0.88, harmed: 0.88, agreement: 0.8, margin: 0.02 },
    { what: 'every slice loses exactly the margin', right: 0.89, harmed: 0.89, agreement: 0.97, margin: 0.01 },
    { what: 'no slice loses anything', right: 0.9, harmed: 0.9, agreement: 0.8, margin: 0.02 },
    { what: 'one slice loses 10 points', right: 0.9, harmed: 0.8, agreement: 0.97, margin: 0.01 },
    { what: 'one slice loses 10 points', right: 0.9, harmed: 0.8, agreement: 0.8, margin: 0.01 },
  ]) {
    const policy: Policy = {
      primary: { metric: 'accuracy', margin: 1, require: 'non-inferior' },
      guardrails: [{ metric: 'accuracy', margin, slices: ['slice'] }],
    };
    let blocked = 0;
    for (let run = 0; run < repetitions; run += 1) {
      const random = randomFrom(7_000_003 * (run + 1));
      const parts = Array.from({ length: 10 }, (_, slice) =>
        decisions([0.9, slice === 0 ? harmed : right], agreement)(random, 200),
      );
      const joined = (pick: (world: World) => Float64Array): Float64Array =>
        Float64Array.from(parts.flatMap((part) => [...pick(part)]));
      const world = binary(
        joined((part) => part.sample.truth),
        joined((part) => part.champion.scores as Float64Array),
        joined((part) => part.candidate.scores as Float64Array),
      );
      const checks = [...comparisonChecks({ plan: planOf(policy, world.task), ...world }, families)];
      if (checks.some(({ check }) => check.id.includes('@') && check.verdict === 'fail')) blocked += 1;
    }
    row(what, margin, percent(agreement, 1), percent(blocked, repetitions), error(blocked, repetitions));
  }
  lines.push('', `Repetitions: ${repetitions} (${Math.ceil(repetitions / 4)} for RMSE and for F1 over clusters).`, '');
  await writeFile(output, lines.join('\n'));
}

function percent(count: number, of: number): string {
  return `${((100 * count) / of).toFixed(2)}%`;
}

function error(count: number, of: number): string {
  const rate = count / of;
  return `±${(200 * Math.sqrt((rate * (1 - rate)) / of)).toFixed(2)}`;
}

await main();
