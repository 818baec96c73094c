/*
 * How often the gate says yes where it must not: simulations that call the production comparison on generators its methods do
 * not assume. Fixed seeds. Writes docs/calibration.md, or one section of it.
 * Run: node build/bench/calibration.js [repetitions] [output] [levels | few | guards | gaps | creep | selection]
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { anchorChecks } from '../src/stages/evaluation/anchor.ts';
import { fairnessChecks } from '../src/stages/evaluation/fairness.ts';
import { comparisonChecks } from '../src/stages/evaluation/gate.ts';
import { ranked as leaderboard } from '../src/stages/evaluation/leaderboard.ts';
import { planOf } from '../src/stages/evaluation/plan.ts';
import { normalPair, randomFrom, type Random } from '../src/statistics/random.ts';
import type { Outputs, Sample } from '../src/stages/evaluation/sample.ts';
import type { SliceRows } from '../src/stages/evaluation/slices.ts';
import { normalCdf } from '../src/statistics/distributions.ts';
import type { Task } from '../src/config/schema.ts';
import type { Policy } from '../src/stages/evaluation/schema.ts';
import { projectRoot } from '../test/support/project.ts';

interface World {
  task: Task;
  sample: Sample;
  champion: Outputs;
  candidate: Outputs;
}

/** A candidate of known loss, drawn again and again, and what the gate must seldom pass of it. */
interface Scenario {
  what: string;
  rows: readonly number[];
  /** Repetitions for each that is asked for: more where they cost little. */
  times: number;
  draw(random: Random, rows: number): World;
  requirement: 'non-inferior' | 'superior';
  /** The true loss of the candidate by metric, exactly: the margin for non-inferiority, 0 for superiority. */
  losses: Record<string, number>;
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

const pair = new Float64Array(2);

function normal(random: Random): number {
  normalPair(random, pair);
  return pair[0] as number;
}

/** Right with probability `right` each, and by the same luck on a share `agreement` of the rows: a shared difficulty decides. */
function decisions(right: readonly [number, number], agreement: number) {
  return (random: Random, rows: number): World => {
    const truth = new Float64Array(rows);
    const scores = [new Float64Array(rows), new Float64Array(rows)] as const;
    for (let row = 0; row < rows; row += 1) {
      truth[row] = random.uniform() < prevalence ? 1 : 0;
      const shared = random.uniform();
      const together = random.uniform() < agreement;
      for (const model of [0, 1] as const) {
        const luck = together ? shared : random.uniform();
        const correct = luck < right[model];
        const sure = 0.6 + 0.35 * random.uniform();
        scores[model][row] = (truth[row] === 1) === correct ? sure : 1 - sure;
      }
    }
    return binary(truth, scores[0], scores[1]);
  };
}

const prevalence = 0.3;

/** The losses of a candidate right with probability `after` where the champion is right with `before`. */
function lossesOfDecisions(before: number, after: number, positives: number): Record<string, number> {
  const f1 = (right: number): number => (2 * positives * right) / (2 * positives * right + 1 - right);
  // The mean of ln(sure) - ln(1 - sure) over sure from 0.6 to 0.95, from the antiderivatives.
  const integral = (sure: number): number => sure * Math.log(sure) + (1 - sure) * Math.log(1 - sure);
  const logOdds = (integral(0.95) - integral(0.6)) / 0.35;
  return {
    accuracy: before - after,
    recall: before - after,
    f1: f1(before) - f1(after),
    log_loss: (before - after) * logOdds,
  };
}

/** Ties (scores on a grid) and skew (exponential noise); the candidate separates by `lost` less. */
function ranked(lost: number) {
  return (random: Random, rows: number): World => {
    const truth = new Float64Array(rows);
    const scores = [new Float64Array(rows), new Float64Array(rows)] as const;
    for (let row = 0; row < rows; row += 1) {
      const positive = random.uniform() < rankedPrevalence;
      truth[row] = positive ? 1 : 0;
      const common = -Math.log(1 - random.uniform()) - 1;
      normalPair(random, pair);
      for (const model of [0, 1] as const) {
        const shift = positive ? separation - (model === 1 ? lost : 0) : 0;
        const raw = shift + 0.6 * (pair[model] as number) + 0.8 * common;
        scores[model][row] = Math.round(100 / (1 + Math.exp(-raw + 2))) / 100;
      }
    }
    return binary(truth, scores[0], scores[1]);
  };
}

const rankedPrevalence = 0.2;
const separation = 2;

/** Area under the ROC curve and average precision of such scores in the population, from the mass of each of the 101 grid points. */
function rankedValues(lost: number): Record<string, number> {
  // Normal plus exponential noise: its distribution function.
  const below = (raw: number, shift: number): number => {
    const z = (raw - shift + 0.8) / 0.6;
    const rate = 0.6 / 0.8;
    return normalCdf(z) - Math.exp((rate * rate) / 2 - rate * z) * normalCdf(z - rate);
  };
  const edge = (score: number): number => (score <= 0 ? -40 : score >= 1 ? 60 : 2 + Math.log(score / (1 - score)));
  const mass = (score: number, shift: number): number =>
    below(edge(score + 0.005), shift) - below(edge(score - 0.005), shift);
  let [area, precision, hits, alarms] = [0, 0, 0, 0];
  for (let step = 100; step >= 0; step -= 1) {
    const positive = mass(step / 100, separation - lost);
    const negative = mass(step / 100, 0);
    area += negative * (hits + positive / 2);
    hits += positive;
    alarms += negative;
    const all = rankedPrevalence * hits + (1 - rankedPrevalence) * alarms;
    if (all > 0) precision += positive * ((rankedPrevalence * hits) / all);
  }
  return { roc_auc: area, average_precision: precision };
}

/** Regression with heavy, skewed errors that grow with the target; the candidate's are scaled. */
function regression(scale: number) {
  return (random: Random, rows: number): World => {
    const truth = new Float64Array(rows).map(() => Math.exp(1 + normal(random) * 0.6));
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

/** Of the champion: the noise has variance 1, and the target a second moment of exp(2 + 2 * 0.36). */
const championError = Math.sqrt((0.64 * Math.exp(2.72)) / 9 + 0.25);

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

/** Clusters of one to 19 rows of which few differ: each flips as a whole with probability `whole`, else its rows flip alone. */
function flips(whole: number, gain: number, loss: number) {
  return (random: Random, rows: number): World => {
    const clusters = new Int32Array(rows);
    const scores = [new Float64Array(rows).fill(0.8), new Float64Array(rows).fill(0.8)] as const;
    const flip = (): number => {
      const luck = random.uniform();
      return luck < gain ? 0 : luck < gain + loss ? 1 : -1;
    };
    for (let row = 0, cluster = 0; row < rows; cluster += 1) {
      const size = 1 + random.integer(19);
      const together = random.uniform() < whole ? flip() : null;
      for (let each = 0; each < size && row < rows; each += 1, row += 1) {
        clusters[row] = cluster;
        // Who is wrong: the champion where the candidate gains.
        const wrong = scores[together ?? flip()];
        if (wrong !== undefined) wrong[row] = 0.2;
      }
    }
    return binary(new Float64Array(rows).fill(1), scores[0], scores[1], clusters);
  };
}

const sizes = [500, 2000, 10_000] as const;

function scenarios(): Scenario[] {
  const zero = (...metrics: string[]): Record<string, number> => Object.fromEntries(metrics.map((name) => [name, 0]));
  const [better, worse] = [rankedValues(0), rankedValues(0.2)];
  const rankedLoss = Object.fromEntries(
    Object.entries(better).map(([name, value]) => [name, value - (worse[name] as number)]),
  );
  const { accuracy, f1 } = lossesOfDecisions(0.85, 0.82, 0.4) as { accuracy: number; f1: number };
  const { roc_auc, average_precision } = rankedLoss as { roc_auc: number; average_precision: number };
  const regressions = [
    { draw: regression(1.05), requirement: 'non-inferior', losses: { rmse: 0.05 * championError } },
    { draw: regression(1), requirement: 'superior', losses: zero('rmse', 'mae') },
  ] as const;
  const persons = [
    { draw: clustered(0.03), requirement: 'non-inferior', losses: { accuracy, f1 } },
    { draw: clustered(0), requirement: 'superior', losses: zero('accuracy', 'f1') },
  ] as const;
  const rankings = [
    { draw: ranked(0.2), requirement: 'non-inferior', losses: { roc_auc, average_precision } },
    { draw: ranked(0), requirement: 'superior', losses: zero('roc_auc', 'average_precision') },
  ] as const;
  return [
    {
      what: 'decisions',
      rows: sizes,
      times: 1,
      draw: decisions([0.9, 0.88], 0.8),
      requirement: 'non-inferior',
      losses: lossesOfDecisions(0.9, 0.88, prevalence),
    },
    {
      what: 'decisions',
      rows: sizes,
      times: 1,
      draw: decisions([0.9, 0.9], 0.8),
      requirement: 'superior',
      losses: zero('accuracy', 'recall', 'f1', 'log_loss'),
    },
    ...rankings.map(({ losses, ...each }) => ({
      ...each,
      what: 'ranked',
      rows: sizes,
      times: 2,
      losses: { roc_auc: losses['roc_auc'] },
    })),
    ...regressions.map((each) => ({ ...each, what: 'regression', rows: sizes, times: 1 })),
    ...persons.map((each) => ({ ...each, what: 'persons', rows: [2000], times: 1 })),
    ...[0, 0.3, 0.7, 1].flatMap((whole): Scenario[] => [
      {
        what: `flips, ${100 * whole}% together`,
        rows: [500],
        times: 1,
        draw: flips(whole, 0.005, 0.025),
        requirement: 'non-inferior',
        losses: { accuracy: 0.02 },
      },
      {
        what: `flips, ${100 * whole}% together`,
        rows: [500],
        times: 1,
        draw: flips(whole, 0.01, 0.01),
        requirement: 'superior',
        losses: zero('accuracy'),
      },
    ]),
    ...rankings.map(({ losses, ...each }) => ({
      ...each,
      what: 'ranked',
      rows: [500, 10_000],
      times: 1,
      losses: { average_precision: losses['average_precision'] },
    })),
    {
      what: 'decisions',
      rows: [2000],
      times: 2,
      draw: decisions([0.9, 0.9], 0.8),
      requirement: 'superior',
      losses: zero('ece'),
    },
  ];
}

/** Slices of 200 rows, the first with another candidate than the rest. */
interface Family {
  what: string;
  champion: number;
  /** Probabilities that the candidate is right, on the first slice and on the others. */
  first: number;
  others: number;
  agreement: number;
  margin: number;
  /** At most this share may be blocked, or at least. */
  claim: string;
}

const everySlice = { what: 'every slice loses the margin', claim: 'at most 7%' };
const oneSlice = 'one slice loses 10 points';
const families: Family[] = [
  { ...everySlice, champion: 0.9, first: 0.88, others: 0.88, agreement: 0.8, margin: 0.02 },
  { ...everySlice, champion: 0.9, first: 0.89, others: 0.89, agreement: 0.97, margin: 0.01 },
  { ...everySlice, champion: 0.97, first: 0.96, others: 0.96, agreement: 0.72, margin: 0.01 },
  {
    ...everySlice,
    what: 'no slice loses anything',
    champion: 0.9,
    first: 0.9,
    others: 0.9,
    agreement: 0.8,
    margin: 0.02,
  },
  { what: oneSlice, champion: 0.9, first: 0.8, others: 0.9, agreement: 0.97, margin: 0.01, claim: 'at least 95%' },
  { what: oneSlice, champion: 0.97, first: 0.87, others: 0.97, agreement: 0.72, margin: 0.01, claim: 'at least 95%' },
  { what: oneSlice, champion: 0.97, first: 0.87, others: 0.97, agreement: 0.72, margin: 0, claim: 'information' },
  { what: oneSlice, champion: 0.9, first: 0.8, others: 0.9, agreement: 0.8, margin: 0.01, claim: 'information' },
];
const sliceSize = 200;
const slices = Array.from({ length: 10 }, (_, slice): SliceRows => ({
  name: `slice=${slice}`,
  rows: Uint32Array.from({ length: sliceSize }, (__, each) => slice * sliceSize + each),
}));

/** Rows on which the models differ: so few are expected, and either is right on half of them. */
const expectedDifferences = [1, 2, 5, 10, 15] as const;
const fewRows = 500;

/** Both models are right on 85% of the rows; the candidate's scores differ a little on every row, and on few by the decision. */
function fewDifferent(expected: number) {
  return (random: Random, rows: number): World => {
    const truth = Float64Array.from({ length: rows }, () => (random.uniform() < 0.4 ? 1 : 0));
    const scores = [new Float64Array(rows), new Float64Array(rows)] as const;
    for (let row = 0; row < rows; row += 1) {
      const both = random.uniform() < 0.85;
      const differs = random.uniform() < expected / rows;
      const first = random.uniform() < 0.5;
      const sure = 0.6 + 0.35 * random.uniform();
      for (const model of [0, 1] as const) {
        const correct = differs ? first === (model === 0) : both;
        const score = sure + 1e-4 * random.uniform();
        scores[model][row] = (truth[row] === 1) === correct ? score : 1 - score;
      }
    }
    return binary(truth, scores[0], scores[1]);
  };
}

/** Metric, what differs, repetitions, passes and error: the other columns are the same in every row. */
const shownOfFew = new Set([1, 2, 5, 6, 7]);

/** Gaps of the champion and of the candidate, which loses the margin. */
interface Gaps {
  rows: number;
  groups: number;
  champion: number;
  margin: number;
}

const gapFamilies: Gaps[] = [
  { rows: 400, groups: 2, champion: 0, margin: 0.05 },
  { rows: 400, groups: 5, champion: 0, margin: 0.05 },
  { rows: 2000, groups: 2, champion: 0, margin: 0.05 },
  { rows: 2000, groups: 5, champion: 0, margin: 0.05 },
  { rows: 2000, groups: 2, champion: 0.1, margin: 0.05 },
  { rows: 2000, groups: 5, champion: 0.1, margin: 0.05 },
];

/** How often the change of a demographic parity difference passes as non-inferior, and is blocked as harm. */
function gapRate({ rows, groups, champion, margin }: Gaps, repetitions: number): (string | number)[] {
  const rates = { pass: 0, fail: 0 };
  const texts = new Map([['group', Array.from({ length: rows }, (_, row) => String(row % groups))]]);
  for (let run = 0; run < repetitions; run += 1) {
    const random = randomFrom(9_000_011 * (run + 1) + rows + groups);
    const decided = (gap: number): Outputs => ({
      scores: null,
      probabilities: false,
      decisions: Int32Array.from({ length: rows }, (_, row) =>
        random.uniform() < 0.5 + (row % groups === 0 ? gap : 0) ? 1 : 0,
      ),
    });
    const truth = Float64Array.from({ length: rows }, () => (random.uniform() < 0.5 ? 1 : 0));
    const sides = { champion: decided(champion), candidate: decided(champion + margin) };
    for (const [requirement, verdict] of [
      ['non-inferior', 'pass'],
      ['not-inferior', 'fail'],
    ] as const) {
      const gates = [{ metric: 'demographic_parity_difference', margin, require: requirement } as const];
      const { checks } = fairnessChecks({
        fairness: { columns: ['group'], gates },
        task: 'binary-classification',
        sample: { rows, classes: 2, names, truth, weights: null, clusters: null },
        ...sides,
        alpha: 0.05,
        guardAlpha: 0.05,
        seed: run,
        texts,
      });
      if (checks[0]?.verdict === verdict) rates[verdict] += 1;
    }
  }
  return [
    rows,
    groups,
    champion,
    margin,
    repetitions,
    percent(rates.pass, repetitions),
    error(rates.pass, repetitions),
    percent(rates.fail, repetitions),
    error(rates.fail, repetitions),
  ];
}

/** A line of models, each half a point worse than its champion, judged on one evaluation set. */
interface Line {
  rows: number;
  proposals: number;
  /** Margins against the champion and against the anchor; null: there is none. */
  margin: number;
  total: number | null;
}

const lines: Line[] = [null, 0.02].map((total) => ({ rows: 4000, proposals: 50, margin: 0.01, total }));

/** What each candidate truly loses, and on how many rows it is right where the champion is wrong. */
const stepLoss = 0.005;
const stepGain = 0.01;

/** How far a champion sinks that is replaced by each candidate that the gate passes. */
function creep({ rows, proposals, margin, total }: Line, repetitions: number): (string | number)[] {
  const policy: Policy = {
    primary: { metric: 'accuracy', margin, require: 'non-inferior' },
    ...(total === null ? {} : { anchor: { version: 'best', margin: total } }),
  };
  const plan = planOf(policy, 'binary-classification');
  const truth = new Float64Array(rows).fill(1);
  const shareOf = (right: Uint8Array): number => right.reduce((sum, each) => sum + each, 0) / rows;
  const outputsOf = (right: Uint8Array): Float64Array => Float64Array.from(right, (each) => (each === 1 ? 0.9 : 0.1));
  const sunk: number[] = [];
  let promotions = 0;
  for (let run = 0; run < repetitions; run += 1) {
    const random = randomFrom(11_000_003 * (run + 1) + rows);
    // Population accuracies, which no evaluation sees; what is right on the evaluation set follows from them row by row.
    let accuracy = 0.9;
    let champion = Uint8Array.from({ length: rows }, () => (random.uniform() < accuracy ? 1 : 0));
    let best = champion;
    for (let proposal = 0; proposal < proposals; proposal += 1) {
      const lost = (stepLoss + stepGain) / accuracy;
      const gained = stepGain / (1 - accuracy);
      const candidate = champion.map((right) => (random.uniform() < (right === 1 ? lost : gained) ? 1 - right : right));
      const world = binary(truth, outputsOf(champion), outputsOf(candidate));
      const compared = [...comparisonChecks({ plan, ...world }, [])];
      const anchored = anchorChecks(
        { plan, ...world },
        {
          version: '1.0.0',
          outputs: best === champion ? world.champion : binary(truth, outputsOf(best), outputsOf(best)).champion,
          same: best === champion ? 'champion' : null,
          fault: null,
        },
        compared,
      );
      if ([...compared.map(({ check }) => check), ...anchored].some(({ verdict }) => verdict !== 'pass')) continue;
      promotions += 1;
      accuracy -= stepLoss;
      champion = candidate;
      if (shareOf(candidate) > shareOf(best)) best = candidate;
    }
    sunk.push(0.9 - accuracy);
  }
  sunk.sort((one, other) => one - other);
  const points = (value: number | undefined): string => (100 * (value ?? 0)).toFixed(2);
  const beyond = sunk.filter((loss) => loss > (total ?? 0.02) + 1e-9).length;
  return [
    rows,
    proposals,
    total === null ? 'none' : `best, ${100 * total} points`,
    repetitions,
    (promotions / repetitions).toFixed(1),
    points(sunk.reduce((sum, loss) => sum + loss, 0) / repetitions),
    points(sunk[Math.ceil(0.95 * repetitions) - 1]),
    points(sunk.at(-1)),
    percent(beyond, repetitions),
  ];
}

const choices = [1, 3, 10];
const chosenBy = ['accuracy', 'roc_auc', 'log_loss'] as const;

/** Candidates as good as the champion: how often the one that looks best passes as better. */
function selected(candidates: number, rows: number, repetitions: number): (string | number)[][] {
  const plans = chosenBy.map((metric) => {
    const policy: Policy = { primary: { metric, require: 'superior' } };
    const planFor = (considered: number) => planOf(policy, 'binary-classification', 0, undefined, considered);
    return { metric, corrected: planFor(candidates), plain: planFor(1), passes: { corrected: 0, plain: 0 } };
  });
  for (let run = 0; run < repetitions; run += 1) {
    const random = randomFrom(17_000_023 * (run + 1) + 1000 * candidates + rows);
    const truth = Float64Array.from({ length: rows }, () => (random.uniform() < 0.3 ? 1 : 0));
    const shared = Float64Array.from(truth, () => normal(random));
    const scores = (): Float64Array =>
      truth.map(
        (label, row) =>
          1 / (1 + Math.exp(-(1.5 * (2 * label - 1) + 0.8 * (shared[row] as number) + 0.6 * normal(random)))),
      );
    const champion = scores();
    const worlds = Array.from({ length: candidates }, () => binary(truth, champion, scores()));
    const [first] = worlds as [World];
    for (const { corrected, plain, passes } of plans) {
      const places = leaderboard(
        { plan: corrected, sample: first.sample },
        first.champion,
        worlds.map((world) => world.candidate),
      );
      const world = worlds[places.findIndex(({ chosen }) => chosen)] as World;
      for (const [name, plan] of Object.entries({ corrected, plain }) as ['corrected' | 'plain', typeof plain][]) {
        const [compared] = comparisonChecks({ plan, ...world }, []);
        if (compared?.check.verdict === 'pass') passes[name] += 1;
      }
    }
  }
  return plans.map(({ metric, passes }) => [
    candidates,
    metric,
    rows,
    repetitions,
    percent(passes.corrected, repetitions),
    error(passes.corrected, repetitions),
    percent(passes.plain, repetitions),
  ]);
}

async function main(): Promise<void> {
  const repetitions = Number(process.argv[2] ?? 3000);
  const output = process.argv[3] ?? join(projectRoot, 'docs/calibration.md');
  const only = process.argv[4];
  const startedAt = Date.now();
  const progress = (cells: readonly (string | number)[]): string => {
    process.stderr.write(`${Math.round((Date.now() - startedAt) / 1000)} s  ${cells.join('  ')}\n`);
    return `| ${cells.join(' | ')} |`;
  };
  const measured: Record<SectionName, () => string[]> = {
    levels: () =>
      scenarios().flatMap((scenario) =>
        scenario.rows.flatMap((rows) =>
          passRates(scenario, rows, Math.ceil(scenario.times * repetitions)).map(progress),
        ),
      ),
    few: () =>
      expectedDifferences.flatMap((expected) =>
        passRates(
          {
            what: `${expected} expected`,
            rows: [fewRows],
            times: 1,
            draw: fewDifferent(expected),
            requirement: 'superior',
            losses: { accuracy: 0, f1: 0, log_loss: 0, roc_auc: 0 },
          },
          fewRows,
          repetitions,
        ).map((cells) => progress(cells.filter((_, column) => shownOfFew.has(column)))),
      ),
    guards: () => families.map((family) => progress(blockRate(family, repetitions))),
    gaps: () => gapFamilies.map((family) => progress(gapRate(family, Math.ceil(repetitions / 3)))),
    creep: () => lines.map((line) => progress(creep(line, Math.ceil(repetitions / 10)))),
    selection: () => choices.flatMap((candidates) => selected(candidates, 2000, repetitions).map(progress)),
  };
  const names = Object.keys(measured) as SectionName[];
  if (only === undefined) {
    await writeFile(
      output,
      [introduction, ...names.map((name) => section(name, measured[name]()))].join('\n\n') + '\n',
    );
    return;
  }
  const name = names.find((each) => each === only);
  if (name === undefined) throw new Error(`no section ${only}: there are ${names.join(', ')}`);
  const text = section(name, measured[name]());
  const title = text.split('\n', 1)[0];
  const [head, ...parts] = (await readFile(output, 'utf8')).trimEnd().split(/\n\n(?=## )/u);
  const kept = parts.some((part) => part.startsWith(`${title}\n`)) ? parts : [...parts, `${title}\n`];
  await writeFile(
    output,
    `${[head, ...kept.map((part) => (part.startsWith(`${title}\n`) ? text : part))].join('\n\n')}\n`,
  );
}

/** How often each metric passes, all of them judged on the same worlds. */
function passRates(
  { what, draw, requirement, losses }: Scenario,
  rows: number,
  repetitions: number,
): (string | number)[][] {
  const metrics = Object.entries(losses);
  const planned = metrics.map(([metric, margin]) => ({ metric, margin, require: requirement }));
  const [primary, ...guardrails] = planned as [(typeof planned)[number], ...typeof planned];
  const passes = new Map(metrics.map(([metric]) => [metric, 0]));
  const methods = new Map<string, string>();
  for (let run = 0; run < repetitions; run += 1) {
    const world = draw(randomFrom(1_000_003 * (run + 1) + rows), rows);
    const policy: Policy = { primary, guardrails, seed: run };
    for (const { check, comparison } of comparisonChecks({ plan: planOf(policy, world.task), ...world }, [])) {
      const metric = comparison?.metric.name ?? '';
      if (check.verdict === 'pass') passes.set(metric, (passes.get(metric) ?? 0) + 1);
      methods.set(metric, comparison?.interval.method ?? '');
    }
  }
  return metrics.map(([metric, margin]) => {
    const passed = passes.get(metric) ?? 0;
    return [
      requirement,
      metric,
      what,
      rows,
      margin.toFixed(5),
      repetitions,
      percent(passed, repetitions),
      error(passed, repetitions),
      methods.get(metric) ?? '',
    ];
  });
}

function blockRate(
  { what, champion, first, others, agreement, margin, claim }: Family,
  repetitions: number,
): (string | number)[] {
  const policy: Policy = {
    primary: { metric: 'accuracy', margin: 0.99, require: 'non-inferior' },
    guardrails: [{ metric: 'accuracy', margin, slices: ['slice'] }],
  };
  const plan = planOf(policy, 'binary-classification');
  let blocked = 0;
  for (let run = 0; run < repetitions; run += 1) {
    const random = randomFrom(7_000_003 * (run + 1));
    const parts = slices.map((_, slice) =>
      decisions([champion, slice === 0 ? first : others], agreement)(random, sliceSize),
    );
    const joined = (pick: (world: World) => Float64Array): Float64Array => {
      const values = new Float64Array(parts.length * sliceSize);
      for (const [index, part] of parts.entries()) values.set(pick(part), index * sliceSize);
      return values;
    };
    const world = binary(
      joined((part) => part.sample.truth),
      joined((part) => part.champion.scores as Float64Array),
      joined((part) => part.candidate.scores as Float64Array),
    );
    const checks = [...comparisonChecks({ plan, ...world }, [slices])];
    // "One slice" means that one: blocking for another reason does not count as finding it.
    const named = first === others ? '@' : '@slice=0';
    if (checks.some(({ check }) => check.id.includes(named) && check.verdict === 'fail')) blocked += 1;
  }
  return [
    what,
    percent(champion, 1),
    margin,
    percent(agreement, 1),
    repetitions,
    percent(blocked, repetitions),
    error(blocked, repetitions),
    claim,
  ];
}

type SectionName = 'levels' | 'few' | 'guards' | 'gaps' | 'creep' | 'selection';

const introduction = [
  '# Calibration of the gate',
  '',
  'How often the gate passes a candidate it must not pass, or blocks one it must not block, measured by simulation on the',
  'production code (`bench/calibration.ts`, fixed seeds), at alpha 0.05. The generators are not what the methods assume: scores tie,',
  'errors are skewed and grow with the target, rows of one person are correlated. True losses are computed, not simulated.',
  '"Monte Carlo error" is two standard errors of the rate. The metrics of one generator are judged on the same repetitions, so that their',
  'rates err together.',
].join('\n');

/** What stands above the table of each section. */
const texts: Record<SectionName, readonly string[]> = {
  levels: [
    '## A candidate exactly at the margin, and one exactly equal',
    '',
    'Non-inferiority must pass a candidate whose true loss equals the margin in at most 5% of evaluations; superiority must pass an',
    'equal candidate in at most 5%.',
    '',
    '- `decisions`: labels 30% positive; both models are right on 90% of the rows (88% the worse candidate), with the same random draw on 80% of them.',
    '- `ranked`: 20% positive; scores on a grid of 101 values with shared exponential and own normal noise.',
    '- `regression`: log-normal targets, exponential errors that grow with them; the worse candidate errs by 5% more.',
    '- `persons`: one to seven rows of a person, right or wrong mostly together; 85% right (82% the worse candidate).',
    '- `flips`: clusters of one to 19 rows, about 50 of them; 0.5% of the rows gained and 2.5% lost (1% each where equal), a share of the',
    '  clusters flipping as a whole. Where a loss comes mostly by whole clusters and the sample has few of them, no method can know this without being told.',
    '',
    '| requirement | metric | generator | rows | true loss = margin | repetitions | passes | Monte Carlo error | method |',
    '|---|---|---|---|---|---|---|---|---|',
  ],
  few: [
    '## Few rows that differ',
    '',
    `Equal models that decide few of ${fewRows} rows differently: superiority must pass at most 6% of evaluations. Differences carried by few rows have`,
    'cautious bounds, the more so the more the rows differ in weight.',
    '',
    '| metric | rows that differ | repetitions | passes | Monte Carlo error |',
    '|---|---|---|---|---|',
  ],
  guards: [
    '## Ten slices of 200 rows in guard mode',
    '',
    'Every slice exactly at the margin: the guard must block at most 7% of evaluations. One slice ten points worse, the others equal: the',
    'guard must find it. How often it can depends on how many rows the models decide differently beside the loss itself, which no',
    'method changes: on 200 rows at a level of 0.05 / 10, it is found in 95% of evaluations where both models are nearly always right, or',
    'are right and wrong with the same random draw. Retrained models in the fixtures share it on 40 to 85% of the rows, mostly about 72%.',
    '',
    '| candidate | champion right on | margin | same draw on | repetitions | blocked | Monte Carlo error | target |',
    '|---|---|---|---|---|---|---|---|',
  ],
  gaps: [
    '## Changes of fairness gaps',
    '',
    'Demographic parity difference, decisions of either model by chance, the candidate selecting one group more often. It loses exactly',
    'the margin: non-inferiority must pass at most 5% of evaluations, and a guard must block at most 5%.',
    '',
    "| rows | groups | champion's gap | margin | repetitions | passes | Monte Carlo error | blocked | Monte Carlo error |",
    '|---|---|---|---|---|---|---|---|---|',
  ],
  creep: [
    '## Small losses over fifty candidates',
    '',
    'Each candidate truly loses half a point of accuracy against the champion of its day (right on 1% of the rows where that is wrong, wrong',
    'on 1.5% where that is right), and must be non-inferior within 1 point; what passes is the next champion. One evaluation set for all. With an',
    'anchor each must be non-inferior to the best version so far within 2 points, too. "Sunk" is what the last champion truly loses against the',
    'first. A level of 5% holds for each candidate: of many that are tried on one set some pass that should not (`holdout.spend` shares it out).',
    '',
    '| rows | candidates | anchor | repetitions | promotions | sunk, mean (points) | 95th percentile | most | sunk by more than 2 points |',
    '|---|---|---|---|---|---|---|---|---|',
  ],
  selection: [
    '## The best of several candidates',
    '',
    'Candidates that are all exactly as good as the champion, with scores that share two thirds of their noise with it; superiority is required',
    'of the one that looks best on the primary metric. It must pass in at most 6%. "Without" is the same choice tested at the undivided alpha.',
    '',
    '| candidates | metric | rows | repetitions | passes | Monte Carlo error | without |',
    '|---|---|---|---|---|---|---|',
  ],
};

function section(name: SectionName, rows: readonly string[]): string {
  return [...texts[name], ...rows].join('\n');
}

function percent(count: number, of: number): string {
  return `${((100 * count) / of).toFixed(2)}%`;
}

function error(count: number, of: number): string {
  const rate = count / of;
  return `±${(200 * Math.sqrt((rate * (1 - rate)) / of)).toFixed(2)}`;
}

await main();
