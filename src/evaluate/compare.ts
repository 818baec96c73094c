import { confusionOf, type Confusion } from './metrics/confusion.ts';
import { evaluator, type Metric, type ShownMetric } from './metrics/metric.ts';
import { decisionsOf, scoresOf, type Outputs, type Sample } from './sample.ts';
import { bcaInterval, jackknifeAcceleration } from './statistics/bootstrap.ts';
import { delong, normalInterval } from './statistics/delong.ts';
import { normalQuantile } from './statistics/distributions.ts';
import { mirrored, type PairedInterval } from './statistics/interval.ts';
import { pairedMeanInterval, pointInterval } from './statistics/paired-mean.ts';
import {
  cellReplicates,
  clusterUnits,
  groupJackknife,
  pooledUnits,
  rowReplicates,
  rowUnits,
  type Units,
} from './statistics/resample.ts';
import { tangoInterval } from './statistics/tango.ts';

/** A metric of both models on one sample, and what is known of their difference. */
export interface MetricComparison {
  metric: Metric;
  champion: number;
  candidate: number;
  /** Oriented: positive delta means the candidate is better. */
  interval: PairedInterval;
  /** Rows of the sample, or the queries of a ranking that count. */
  rows: number;
  unit: 'rows' | 'queries';
  /** Rows the metric counts (recall: the positives). */
  counted: number;
  /** Why the numbers rest on little. */
  lowEvidence: string[];
}

export interface CompareOptions {
  seed: number;
  /** Bootstrap resamples (default 2,000; fewer where rows are very many). */
  resamples?: number;
}

const defaultResamples = 2000;
/** Row visits a bootstrap over rows may cost; beyond it resamples become fewer, never under 200. */
const visitLimit = 4e8;
/** Units a bootstrap of means draws from; more are pooled at random. */
const unitLimit = 2_500;
/** Above this many rows a statistic with a known influence function is linearised instead of resampled. */
const influenceRows = 20_000;

/**
 * Compare two models on one metric, by the method docs/statistics.md names for its form.
 * Pure and seeded: the same arguments give the same numbers.
 */
export function compareMetric(
  metric: Metric,
  sample: Sample,
  champion: Outputs,
  candidate: Outputs,
  options: CompareOptions,
): MetricComparison {
  if (metric.kind === 'view') {
    const seen = (outputs: Outputs): Outputs => metric.outputs(sample, outputs);
    return { ...compareMetric(metric.of, metric.sample(sample), seen(champion), seen(candidate), options), metric };
  }
  const ofChampion = evaluator(metric, sample, champion);
  const ofCandidate = evaluator(metric, sample, candidate);
  const difference = (weights: Float64Array | null): number => ofCandidate(weights) - ofChampion(weights);
  const values = { champion: ofChampion(sample.weights), candidate: ofCandidate(sample.weights) };
  const context: Context = {
    metric,
    sample,
    champion,
    candidate,
    difference,
    options,
    delta: values.candidate - values.champion,
  };
  const interval = Number.isNaN(context.delta) ? pointInterval(Number.NaN, 'undefined') : intervalOf(context);
  return {
    metric,
    ...values,
    interval: metric.better === 'higher' ? interval : mirrored(interval),
    rows: sample.rows,
    unit: sample.unit ?? 'rows',
    counted: metric.kind === 'proportion' ? countedRows(metric.successes(sample, champion)) : sample.rows,
    lowEvidence: lowEvidence(context, interval),
  };
}

interface Context {
  metric: ShownMetric;
  sample: Sample;
  champion: Outputs;
  candidate: Outputs;
  delta: number;
  difference: (weights: Float64Array | null) => number;
  options: CompareOptions;
}

function intervalOf(context: Context): PairedInterval {
  const { metric, sample, champion, candidate, options } = context;
  const plain = sample.weights === null && sample.clusters === null;
  switch (metric.kind) {
    case 'proportion': {
      const before = metric.successes(sample, champion);
      const after = metric.successes(sample, candidate);
      return plain ? tangoInterval(pairedCounts(before, after)) : ratioInterval(context, before, after);
    }
    case 'moments':
      if (metric.value === undefined) {
        return ratioInterval(
          context,
          metric.terms(sample, champion)[0] as Float64Array,
          metric.terms(sample, candidate)[0] as Float64Array,
        );
      }
      return momentsInterval(context, metric.value);
    case 'area': {
      const label = metric.positive?.(sample) ?? 1;
      const positive = Uint8Array.from(sample.truth, (truth) => (truth === label ? 1 : 0));
      const positives = positive.reduce((sum, each) => sum + each, 0);
      if (!plain || positives < 2 || sample.rows - positives < 2) return rowsInterval(context);
      const scores = (outputs: Outputs): Float64Array => metric.ranking?.(sample, outputs) ?? scoresOf(outputs);
      const areas = delong(positive, scores(champion), scores(candidate));
      return normalInterval(areas.delta, areas.standardError, 'delong');
    }
    case 'cells':
      return plain ? cellsInterval(context, (matrix) => metric.value(matrix, sample)) : rowsInterval(context);
    case 'statistic':
      if (options.resamples === 0) return pointInterval(context.delta, 'none');
      if (metric.influence !== undefined && sample.rows > influenceRows)
        return influenceInterval(context, metric.influence);
      return rowsInterval(context);
  }
}

/** Rows gained and lost among those that count. */
export function pairedCounts(
  champion: Int8Array,
  candidate: Int8Array,
): { gained: number; lost: number; rows: number } {
  let gained = 0;
  let lost = 0;
  for (let row = 0; row < champion.length; row += 1) {
    if (champion[row] === 0 && candidate[row] === 1) gained += 1;
    else if (champion[row] === 1 && candidate[row] === 0) lost += 1;
  }
  return { gained, lost, rows: countedRows(champion) };
}

function countedRows(successes: Int8Array): number {
  return successes.reduce((sum, success) => sum + (success >= 0 ? 1 : 0), 0);
}

/** A mean of differences over rows or clusters, weighted; rows of value -1 in an Int8Array do not count. */
function ratioInterval(
  { sample, options }: Context,
  champion: Float64Array | Int8Array,
  candidate: Float64Array | Int8Array,
): PairedInterval {
  const units = unitsOf(sample, false);
  const marked = champion instanceof Int8Array;
  const differences = new Float64Array(units.count);
  const weights = new Float64Array(units.count);
  for (let row = 0; row < sample.rows; row += 1) {
    if (marked && (champion[row] as number) < 0) continue;
    const unit = units.ofRow === null ? row : (units.ofRow[row] as number);
    const weight = sample.weights === null ? 1 : (sample.weights[row] as number);
    differences[unit]! += weight * ((candidate[row] as number) - (champion[row] as number));
    weights[unit]! += weight;
  }
  // Units without a counting row are no units.
  const kept = weights.every((weight) => weight > 0)
    ? null
    : Uint32Array.from(weights.keys()).filter((unit) => (weights[unit] as number) > 0);
  const keep = (values: Float64Array): Float64Array =>
    kept === null ? values : Float64Array.from(kept, (unit) => values[unit] as number);
  const uniform = sample.weights === null && sample.clusters === null;
  return clustered(
    pairedMeanInterval(
      { differences: keep(differences), weights: uniform ? null : keep(weights) },
      options.seed,
      options.resamples ?? defaultResamples,
    ),
    sample,
  );
}

/** A smooth function of means: sums by unit, units drawn anew. */
function momentsInterval(
  { metric, sample, champion, candidate, delta, options }: Context,
  value: (means: Float64Array) => number,
): PairedInterval {
  if (metric.kind !== 'moments') throw new Error('not a metric of moments');
  const units = pooledUnits(unitsOf(sample, false), sample.rows, unitLimit, options.seed);
  const terms = [metric.terms(sample, champion), metric.terms(sample, candidate)].flat();
  const half = terms.length / 2;
  const width = terms.length + 1;
  const sums = new Float64Array(units.count * width);
  for (let row = 0; row < sample.rows; row += 1) {
    const start = (units.ofRow === null ? row : (units.ofRow[row] as number)) * width;
    const weight = sample.weights === null ? 1 : (sample.weights[row] as number);
    sums[start]! += weight;
    for (const [term, values] of terms.entries()) sums[start + 1 + term]! += weight * (values[row] as number);
  }
  const means = [new Float64Array(half), new Float64Array(half)] as const;
  const total = new Float64Array(width);
  const difference = (counts: Float64Array): number => {
    total.fill(0);
    for (let unit = 0; unit < units.count; unit += 1) {
      const count = counts[unit] as number;
      if (count === 0) continue;
      for (let term = 0; term < width; term += 1) total[term]! += count * (sums[unit * width + term] as number);
    }
    for (let term = 0; term < half; term += 1) {
      means[0][term] = (total[1 + term] as number) / (total[0] as number);
      means[1][term] = (total[1 + half + term] as number) / (total[0] as number);
    }
    return value(means[1]) - value(means[0]);
  };
  const drawn: Units = {
    ofRow: null,
    count: units.count,
    strata: [Uint32Array.from({ length: units.count }, (_, unit) => unit)],
  };
  return bootstrapped(difference, drawn, units.count, null, delta, sample, options, 'bootstrap-rows');
}

/** Normal interval from the paired differences of influence (the infinitesimal jackknife), summed by cluster where there are any. */
function influenceInterval(
  context: Context,
  influence: (sample: Sample, outputs: Outputs) => Float64Array,
): PairedInterval {
  const { sample, champion, candidate, delta } = context;
  const { standardError } = ratioInterval(context, influence(sample, champion), influence(sample, candidate));
  return clustered(normalInterval(delta, standardError, 'influence'), sample);
}

/** Any statistic of row weights, rows drawn within their true class, or whole clusters. */
function rowsInterval({ sample, difference, delta, options }: Context): PairedInterval {
  return bootstrapped(
    difference,
    unitsOf(sample, true),
    sample.rows,
    sample.weights,
    delta,
    sample,
    options,
    'bootstrap-rows',
  );
}

function bootstrapped(
  statistic: (weights: Float64Array) => number,
  units: Units,
  rows: number,
  base: Float64Array | null,
  delta: number,
  sample: Sample,
  options: CompareOptions,
  method: string,
): PairedInterval {
  const resamples = Math.max(200, Math.min(options.resamples ?? defaultResamples, Math.floor(visitLimit / rows)));
  const { seed } = options;
  const values = rowReplicates({ statistic, units, rows, base, resamples, seed });
  const acceleration = jackknifeAcceleration(groupJackknife({ statistic, units, rows, base, groups: 200, seed }), null);
  return clustered(bcaInterval({ delta, values, acceleration, method, seed }), sample);
}

function clustered(interval: PairedInterval, sample: Sample): PairedInterval {
  return sample.clusters === null
    ? interval
    : { ...interval, method: `${interval.method.replace('-rows', '')}-clusters` };
}

function unitsOf(sample: Sample, stratified: boolean): Units {
  if (sample.clusters !== null) return clusterUnits(sample.clusters);
  return rowUnits(sample.rows, stratified && sample.classes > 0 ? sample.truth : null);
}

/** A function of the confusion matrix: the joint counts of truth, champion and candidate are drawn anew, whatever the rows. */
function cellsInterval(
  { sample, champion, candidate, delta, options }: Context,
  value: (matrix: Confusion) => number,
): PairedInterval {
  const joint = jointCells(sample, champion, candidate);
  if (joint.discordant === 0) return agreementInterval(confusionOf(sample, candidate, null), value, sample.rows);
  const difference = (counts: Float64Array): number => {
    const [before, after] = margins(joint, counts);
    return value(after) - value(before);
  };
  const values = cellReplicates(difference, joint.counts, options.resamples ?? defaultResamples, options.seed);
  const without = Float64Array.from(joint.counts, (count, cell) => {
    const counts = Float64Array.from(joint.counts);
    counts[cell] = count - 1;
    return difference(counts);
  });
  const acceleration = jackknifeAcceleration(without, joint.counts);
  return bcaInterval({
    delta,
    values,
    acceleration,
    observations: joint.discordant,
    method: 'bootstrap-cells',
    seed: options.seed,
  });
}

interface JointCells {
  classes: number;
  /** Truth, champion's and candidate's decision of each cell that occurs. */
  truth: Int32Array;
  champion: Int32Array;
  candidate: Int32Array;
  counts: Float64Array;
  /** Rows on which the decisions differ. */
  discordant: number;
}

function jointCells(sample: Sample, champion: Outputs, candidate: Outputs): JointCells {
  const { classes } = sample;
  const before = decisionsOf(champion);
  const after = decisionsOf(candidate);
  const counts = classes <= 100 ? new Float64Array(classes ** 3) : new Map<number, number>();
  for (let row = 0; row < sample.rows; row += 1) {
    const cell = ((sample.truth[row] as number) * classes + (before[row] as number)) * classes + (after[row] as number);
    if (counts instanceof Map) counts.set(cell, (counts.get(cell) ?? 0) + 1);
    else counts[cell]! += 1;
  }
  const countOf = (cell: number): number => (counts instanceof Map ? counts.get(cell) : counts[cell]) ?? 0;
  const cells = [...counts.keys()].filter((cell) => countOf(cell) > 0).sort((a, b) => a - b);
  const joint: JointCells = {
    classes,
    truth: Int32Array.from(cells, (cell) => Math.floor(cell / (classes * classes))),
    champion: Int32Array.from(cells, (cell) => Math.floor(cell / classes) % classes),
    candidate: Int32Array.from(cells, (cell) => cell % classes),
    counts: Float64Array.from(cells, countOf),
    discordant: 0,
  };
  for (const [cell, count] of joint.counts.entries()) {
    if (joint.champion[cell] !== joint.candidate[cell]) joint.discordant += count;
  }
  return joint;
}

function margins(joint: JointCells, counts: Float64Array): [Confusion, Confusion] {
  const { classes } = joint;
  const before = new Float64Array(classes * classes);
  const after = new Float64Array(classes * classes);
  for (let cell = 0; cell < counts.length; cell += 1) {
    const truth = (joint.truth[cell] as number) * classes;
    const count = counts[cell] as number;
    before[truth + (joint.champion[cell] as number)]! += count;
    after[truth + (joint.candidate[cell] as number)]! += count;
  }
  return [
    { classes, cells: before },
    { classes, cells: after },
  ];
}

/**
 * No row is decided differently, and a bootstrap would call the difference exactly 0. As the score interval does, allow for
 * rows / (rows + z^2) * z^2 rows that a larger sample may flip: the bounds are the worst and best the metric could do with them.
 */
function agreementInterval(matrix: Confusion, value: (matrix: Confusion) => number, rows: number): PairedInterval {
  const now = value(matrix);
  const reach = (z: number): number => {
    const flipped = (rows * z * z) / (rows + z * z);
    let worst = 0;
    for (let truth = 0; truth < matrix.classes; truth += 1) {
      for (let decision = 0; decision < matrix.classes; decision += 1) {
        if (decision === truth) continue;
        const cells = Float64Array.from(matrix.cells);
        const moved = Math.min(flipped, cells[truth * matrix.classes + truth] as number);
        cells[truth * matrix.classes + truth]! -= moved;
        cells[truth * matrix.classes + decision]! += moved;
        worst = Math.max(worst, Math.abs(now - value({ classes: matrix.classes, cells })));
      }
    }
    return worst;
  };
  const level = (value_: number): number => {
    // The level at which the reach equals the value, by bisection: the reach grows with z.
    let low = 1e-9;
    let high = 0.5;
    for (let step = 0; step < 50; step += 1) {
      const middle = (low + high) / 2;
      if (reach(normalQuantile(1 - middle)) > value_) low = middle;
      else high = middle;
    }
    return high;
  };
  const tail = (distance: number): number => (distance > 0 ? level(distance) : 1 - level(-distance));
  return {
    delta: 0,
    standardError: reach(1),
    method: 'score-agreement',
    lower: (alpha) => -reach(normalQuantile(1 - alpha)),
    upper: (alpha) => reach(normalQuantile(1 - alpha)),
    pBelow: tail,
    pAbove: (value_) => tail(-value_),
  };
}

function lowEvidence({ metric, sample, champion, candidate }: Context, interval: PairedInterval): string[] {
  const reasons: string[] = [];
  if (sample.rows < 30) reasons.push(`only ${sample.rows} ${sample.unit ?? 'rows'}`);
  if (metric.kind === 'proportion') {
    const { gained, lost, rows } = pairedCounts(
      metric.successes(sample, champion),
      metric.successes(sample, candidate),
    );
    if (rows < 30 && rows < sample.rows) reasons.push(`only ${rows} rows count`);
    if (gained + lost < 10) reasons.push(`the models differ on only ${gained + lost} of the rows that count`);
  } else if (sample.classes > 0) {
    const sizes = new Map<number, number>();
    for (const label of sample.truth) sizes.set(label, (sizes.get(label) ?? 0) + 1);
    const smallest = Math.min(...sizes.values());
    if (smallest < 10) reasons.push(`only ${smallest} rows of one class`);
  }
  if (sample.clusters !== null) {
    const clusters = new Set(sample.clusters).size;
    if (clusters < 30) reasons.push(`only ${clusters} clusters`);
  }
  if (interval.standardError === 0) reasons.push('the difference does not vary');
  return reasons;
}
