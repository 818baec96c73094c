import { binsOf, calibrationBins } from './metrics/calibration.ts';
import type { Confusion } from './metrics/confusion.ts';
import { evaluator, successShare, valueOfMoments, type Metric, type ShownMetric } from './metrics/metric.ts';
import { sameOrder } from './metrics/ranked.ts';
import { remembered } from './remember.ts';
import { decisionsOf, measuredOf, scoresOf, type Outputs, type Sample } from './sample.ts';
import { bcaInterval } from './statistics/bootstrap.ts';
import { delong } from './statistics/delong.ts';
import { accelerationOf, errorOf, fewInterval, jackknifeEffects } from './statistics/few.ts';
import {
  agreedInterval,
  mirrored,
  normalInterval,
  pointInterval,
  unknownInterval,
  widerOf,
  within,
  type PairedInterval,
} from './statistics/interval.ts';
import { jackknifeInterval } from './statistics/jackknife.ts';
import { agreementInterval, cellsInterval, confusionsOf, jointCells, weightsOf } from './statistics/joint-cells.ts';
import { linearised, pairedMeanInterval, type PairedRatio } from './statistics/paired-mean.ts';
import {
  clusterUnits,
  groupJackknife,
  pooledUnits,
  rowReplicates,
  rowUnits,
  type Units,
} from './statistics/resample.ts';
import { calibrationInterval } from './statistics/score-cells.ts';
import { drawsFor } from './statistics/tail.ts';
import { tangoInterval, type PairedCounts } from './statistics/tango.ts';
import { addAt, emptySums, sumsInterval, type UnitSums } from './statistics/unit-sums.ts';
import { counted } from '../../wording.ts';

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
  /** How many clusters the rows lie in; null where every row is independent. */
  clusters: number | null;
  /** Why the numbers rest on little. */
  lowEvidence: string[];
}

export interface CompareOptions {
  seed: number;
  /** Bootstrap resamples; by default as many as `level` asks for (fewer where rows are very many). */
  resamples?: number;
  /** Smallest level that bounds and p-values are asked at (default 0.05). */
  level?: number;
  /** The tolerated loss as a share of the champion's value, and so as uncertain as that; 0 (default) where it is a number. */
  relative?: number;
}

/** Draws of a bootstrap: what usual levels take, and what the smallest may cost; beyond, bounds follow a parametric tail. */
const usualDraws = 2000;
const mostDraws = 10_000;
/** Row visits a bootstrap over rows may cost; beyond it resamples become fewer, never under 200. */
const visitLimit = 4e8;
/** Units a bootstrap of sums draws from; more are pooled at random into groups. */
const unitLimit = 2_500;
const unitGroups = 1_000;
/** Numbers the sums by unit may hold. */
const sumsLimit = 2e7;
/** So many units that differ would show one that flips as a whole, were these not rare among them. */
const fewDiffering = 15;
/**
 * Above this many rows a statistic with a known influence function is linearised instead of resampled; from `least` on also where rows
 * times classes or labels are more than `cells`, each of which a resample looks at.
 */
const influence = { rows: 5_000, least: 1_000, cells: 200_000 };

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
  const { seed, level = 0.05, resamples = drawsFor(level, usualDraws, mostDraws), relative = 0 } = options;
  const pair: Pair = { sample: plainSample(sample), champion, candidate, seed, resamples };
  const judged = judge(metric, pair);
  const interval = within(tolerating(metric, judged, intervalOf(metric, judged, pair), relative), reachOf(metric));
  return {
    metric,
    champion: judged.champion,
    candidate: judged.candidate,
    interval: metric.better === 'higher' ? interval : mirrored(interval),
    rows: sample.rows,
    unit: sample.unit ?? 'rows',
    counted: judged.discordant?.rows ?? sample.rows,
    clusters: pair.sample.clusters === null ? null : new Set(pair.sample.clusters).size,
    lowEvidence: lowEvidence(pair.sample, judged, interval),
  };
}

function intervalOf(metric: ShownMetric, judged: Judged, { champion, candidate }: Pair): PairedInterval {
  const delta = judged.candidate - judged.champion;
  if (!Number.isFinite(delta)) return unknownInterval(delta, `${metric.title} is not finite`);
  // Whatever is computed of the same outputs is the same. What counts rows says how many may differ that were not seen.
  const counts = metric.kind === 'proportion' || metric.kind === 'cells' || metric.kind === 'moments';
  if (!counts && sameOutputs(champion, candidate)) return pointInterval(0, 'same-outputs');
  const { scores } = candidate;
  const ofOrder = metric.kind === 'area' || (metric.kind === 'statistic' && metric.ofOrder === true);
  if (ofOrder && champion.scores !== null && scores !== null) {
    if (sameOrder(champion.scores, scores)) return pointInterval(0, 'same-order');
  }
  return judged.interval();
}

/**
 * With the uncertainty of a margin that is a share of the champion's value: of means and what follows from them, the bounds are also those
 * of the candidate's value less the tolerated one of the champion.
 */
function tolerating(metric: ShownMetric, judged: Judged, own: PairedInterval, relative: number): PairedInterval {
  if (metric.kind !== 'moments' || relative === 0 || own.unknown !== undefined) return own;
  const factor = metric.better === 'higher' ? 1 - relative : 1 + relative;
  return widerOf(own, judged.interval(factor), (1 - factor) * judged.champion);
}

/** The largest difference two models can have. */
function reachOf({ scale, correlation }: ShownMetric): number {
  if (scale === 'share') return 1;
  return correlation === true ? 2 : Number.POSITIVE_INFINITY;
}

/** Equal weights, and clusters of one row each, say nothing: without them the methods for plain rows apply. */
const plainSample = remembered((sample: Sample): Sample => {
  const { weights, clusters, rows } = sample;
  return {
    ...sample,
    weights: weights?.every((weight) => weight === weights[0]) === true ? null : weights,
    clusters: clusters !== null && new Set(clusters).size === rows ? null : clusters,
  };
});

function sameOutputs(champion: Outputs, candidate: Outputs): boolean {
  const same = (before: ArrayLike<number> | null, after: ArrayLike<number> | null): boolean => {
    if (before === null || after === null) return before === after;
    for (let row = 0; row < before.length; row += 1) if (before[row] !== after[row]) return false;
    return before.length === after.length;
  };
  return same(champion.scores, candidate.scores) && same(champion.decisions, candidate.decisions);
}

interface Pair {
  sample: Sample;
  champion: Outputs;
  candidate: Outputs;
  seed: number;
  resamples: number;
}

interface Judged {
  champion: number;
  candidate: number;
  /** Of a proportion: rows gained and lost among those that count. */
  discordant?: ReturnType<typeof pairedCounts>;
  /** Of candidate - champion; asked for where both are numbers. @param factor of means: what the champion's value is multiplied with */
  interval(factor?: number): PairedInterval;
}

function judge(metric: ShownMetric, pair: Pair): Judged {
  const { sample } = pair;
  const plain = sample.weights === null && sample.clusters === null;
  switch (metric.kind) {
    case 'proportion': {
      const before = metric.successes(sample, pair.champion);
      const after = metric.successes(sample, pair.candidate);
      const discordant = pairedCounts(before, after);
      return {
        champion: successShare(before, sample.weights),
        candidate: successShare(after, sample.weights),
        discordant,
        interval: () => (plain ? tangoInterval(discordant) : proportionInterval(pair, before, after)),
      };
    }
    case 'moments':
      return judgeMoments(metric, pair);
    case 'cells':
      return judgeCells(metric, pair, plain);
    case 'calibration':
      return judgeCalibration(metric, pair, plain);
    case 'area': {
      const [negatives = 0, positives = 0] = classSizes(sample.truth, 2);
      if (!plain || positives < 2 || negatives < 2) return judgeRows(metric, pair);
      const areas = delong(sample.truth, scoresOf(pair.champion), scoresOf(pair.candidate));
      return { ...areas, interval: () => areasInterval(areas, Math.min(positives, negatives)) };
    }
    case 'counts':
      return judgeCounts(metric, pair);
    case 'sql':
      return judgeMeasured(metric, pair);
    case 'statistic':
      return judgeRows(metric, pair);
  }
}

/** @param smaller rows of the rarer class */
function areasInterval(
  { delta, standardError, effects, sameOrder }: ReturnType<typeof delong>,
  smaller: number,
): PairedInterval {
  if (sameOrder) return pointInterval(0, 'delong');
  if (!(standardError > 0)) return agreedInterval(delta, smaller);
  // Nothing is drawn anew here that could miss the rows that matter: fewer are enough.
  return fewInterval(delta, effects, { enough: 10 }) ?? normalInterval(delta, standardError, 'delong');
}

/** Rows gained and lost among those that count, or what they weigh. */
export function pairedCounts(
  champion: Int8Array,
  candidate: Int8Array,
  weights: Float64Array | null = null,
): PairedCounts {
  let [gained, lost, rows] = [0, 0, 0];
  for (let row = 0; row < champion.length; row += 1) {
    const before = champion[row] as number;
    if (before < 0) continue;
    const weight = weights === null ? 1 : (weights[row] as number);
    rows += weight;
    if (before === candidate[row]) continue;
    if (before === 0) gained += weight;
    else lost += weight;
  }
  return { gained, lost, rows };
}

function judgeMoments(metric: Extract<Metric, { kind: 'moments' }>, pair: Pair): Judged {
  const { sample } = pair;
  const before = metric.terms(sample, pair.champion);
  const after = metric.terms(sample, pair.candidate);
  const { value } = metric;
  return {
    champion: valueOfMoments(metric, before, sample.weights),
    candidate: valueOfMoments(metric, after, sample.weights),
    interval: (factor = 1) => {
      if (value === undefined) {
        const tolerated = (before[0] as Float64Array).map((term) => factor * term);
        return meanInterval(metric, pair, tolerated, after[0] as Float64Array);
      }
      // The weight, and the terms of both models.
      const sums = emptySums(pooled(pair), sample.rows, 1 + before.length + after.length);
      for (const [term, values] of [null, ...before, ...after].entries())
        addAt(sums, null, term, values, sample.weights);
      return summed(pair, sums, (totals) => {
        const means = totals.map((total) => total / (totals[0] as number));
        return value(means.subarray(1 + before.length)) - factor * value(means.subarray(1, 1 + before.length));
      });
    },
  };
}

function judgeCells(metric: Extract<Metric, { kind: 'cells' }>, pair: Pair, plain: boolean): Judged {
  const { sample } = pair;
  const joint = jointCells(decisionsOf(pair.candidate), decisionsOf(pair.champion), sample.truth, sample.classes);
  const width = joint.counts.length;
  const units = plain ? null : pooled(pair);
  if (units !== null && units.count * width > sumsLimit) return judgeRows(metric, pair);
  const valuesOf = (weights: Float64Array): { champion: number; candidate: number } => {
    const { champion, candidate } = confusionsOf(joint, weights);
    return { champion: metric.value(champion, sample), candidate: metric.value(candidate, sample) };
  };
  const interval = (): PairedInterval => {
    const value = (matrix: Confusion): number => metric.value(matrix, sample);
    if (units === null) return cellsInterval(joint, value, pair);
    if (joint.discordant === 0) {
      const weights = weightsOf(joint, sample.weights);
      const scale = effectiveUnits(pair) / weights.reduce((sum, weight) => sum + weight, 0);
      const effective = confusionsOf(
        joint,
        weights.map((weight) => scale * weight),
      );
      return clustered(agreementInterval(0, [effective.candidate], value), sample);
    }
    const sums = emptySums(units, sample.rows, width);
    addAt(sums, joint.ofRow, 0, null, sample.weights);
    return summed(pair, sums, (totals) => {
      const { champion, candidate } = valuesOf(totals);
      return candidate - champion;
    });
  };
  return { ...valuesOf(weightsOf(joint, sample.weights)), interval };
}

/** What the database measured of both models, as a whole and without the same groups of rows. */
function judgeMeasured({ name }: Metric, { sample, champion, candidate }: Pair): Judged {
  const before = measuredOf(champion, name);
  const after = measuredOf(candidate, name);
  const interval = (): PairedInterval => {
    const left = after.left.map((value, group) => value - (before.left[group] as number));
    return clustered(jackknifeInterval(after.value - before.value, left, 'jackknife-rows'), sample);
  };
  return { champion: before.value, candidate: after.value, interval };
}

/** Sums of counts by unit, units drawn anew. */
function judgeCounts(metric: Extract<Metric, { kind: 'counts' }>, pair: Pair): Judged {
  const { sample } = pair;
  const width = metric.width(sample);
  const interval = (): PairedInterval => {
    // The counts of both models.
    const sums = emptySums(pooled(pair), sample.rows, 2 * width);
    const { ofRow } = sums.units;
    for (let row = 0; row < sample.rows; row += 1) {
      const start = (ofRow === null ? row : (ofRow[row] as number)) * 2 * width;
      const weight = sample.weights === null ? 1 : (sample.weights[row] as number);
      metric.add(sample, pair.champion, row, weight, sums.sums, start);
      metric.add(sample, pair.candidate, row, weight, sums.sums, start + width);
    }
    return summed(
      pair,
      sums,
      (totals) => metric.value(totals.subarray(width)) - metric.value(totals.subarray(0, width)),
    );
  };
  const valueOf = (outputs: Outputs): number => evaluator(metric, sample, outputs)(sample.weights);
  return { champion: valueOf(pair.champion), candidate: valueOf(pair.candidate), interval };
}

function judgeCalibration(metric: Extract<Metric, { kind: 'calibration' }>, pair: Pair, plain: boolean): Judged {
  const { sample } = pair;
  const before = metric.bins(sample, pair.champion);
  const after = metric.bins(sample, pair.candidate);
  const interval = (): PairedInterval => {
    if (plain) return calibrationInterval(before, after, metric.error, pair);
    const bins = before.edges.length - 1;
    const sums = emptySums(pooled(pair), sample.rows, 6 * bins);
    for (const [side, { assigned, scores, outcomes }] of [before, after].entries()) {
      for (const [part, values] of [null, scores, outcomes].entries())
        addAt(sums, assigned, (3 * side + part) * bins, values, sample.weights);
    }
    return summed(
      pair,
      sums,
      (totals) => {
        const error = (side: number, edges: Float64Array): number =>
          metric.error(binsOf(totals.subarray(3 * side * bins, 3 * (side + 1) * bins), edges));
        return error(1, after.edges) - error(0, before.edges);
      },
      true,
    );
  };
  return {
    champion: metric.error(calibrationBins(before, sample.weights)),
    candidate: metric.error(calibrationBins(after, sample.weights)),
    interval,
  };
}

/** Anything that can be read under many row weights: rows, drawn within their true class, or whole clusters. */
function judgeRows(metric: ShownMetric, pair: Pair): Judged {
  const { sample, resamples, seed } = pair;
  const ofChampion = evaluator(metric, sample, pair.champion);
  const ofCandidate = evaluator(metric, sample, pair.candidate);
  const champion = ofChampion(sample.weights);
  const candidate = ofCandidate(sample.weights);
  const interval = (): PairedInterval => {
    const influenceOf = metric.kind === 'statistic' ? metric.influence : undefined;
    const cells = sample.rows * (sample.labels ?? (sample.classes > 2 ? sample.classes : 1));
    const isLarge = sample.rows > influence.rows || (sample.rows >= influence.least && cells > influence.cells);
    if (influenceOf !== undefined && isLarge) {
      // The infinitesimal jackknife: the paired differences of influence, summed by cluster where there are any.
      const { effects } = linearised(
        ratioOf(sample, influenceOf(sample, pair.champion), influenceOf(sample, pair.candidate)),
      );
      const standardError = errorOf(effects);
      const delta = candidate - champion;
      return clustered(fewInterval(delta, effects) ?? normalInterval(delta, standardError, 'influence'), sample);
    }
    if (resamples === 0) return unknownInterval(candidate - champion, 'rows were not resampled');
    const statistic = (weights: Float64Array): number => ofCandidate(weights) - ofChampion(weights);
    const units =
      sample.clusters === null
        ? rowUnits(sample.rows, sample.classes > 0 ? sample.truth : null)
        : clusterUnits(sample.clusters);
    const drawn = { statistic, units, rows: sample.rows, base: sample.weights, seed };
    const affordable = Math.max(200, Math.min(resamples, Math.floor(visitLimit / cells)));
    const delta = candidate - champion;
    const effects = jackknifeEffects(groupJackknife({ ...drawn, groups: 200 }), null);
    const few = fewInterval(delta, effects);
    if (few !== null) return clustered(few, sample);
    const values = rowReplicates({ ...drawn, resamples: affordable });
    return clustered(
      bcaInterval({ delta, values, acceleration: accelerationOf(effects), method: 'bootstrap-rows', seed }),
      sample,
    );
  };
  return { champion, candidate, interval };
}

/**
 * A proportion over weighted rows or clusters: a mean of differences, or, where few units differ, the score interval on counts that are
 * divided, as their total is, by what a flip weighs (Rao and Scott, "A simple method for the analysis of clustered binary data",
 * Biometrics 48, 1992).
 */
function proportionInterval(pair: Pair, champion: Int8Array, candidate: Int8Array): PairedInterval {
  const { sample, seed, resamples } = pair;
  const ratio = ratioOf(sample, champion, candidate);
  const interval = pairedMeanInterval(ratio, seed, resamples);
  if (interval.unknown !== undefined || (interval.standardError > 0 && interval.method !== 't-few-rows'))
    return clustered(interval, sample);
  return clustered(tangoInterval(weighedCounts(sample, champion, candidate, ratio)), sample);
}

/**
 * Rows gained and lost as a number of independent flips. One flip weighs what the flips of a unit sum up to on average, by their squares:
 * a row where rows flip alone, a whole cluster where these flip together. Few units that differ say little of that, so that one more
 * whole unit that flips is taken to be seen (the less of it, the more than few differ): where none differs, units are counted, by Kish's
 * effective number. Never less than the weight of single rows.
 */
function weighedCounts(
  sample: Sample,
  champion: Int8Array,
  candidate: Int8Array,
  { differences, weights: masses }: PairedRatio,
): PairedCounts {
  const { gained, lost, rows } = pairedCounts(champion, candidate, sample.weights);
  const squared = pairedCounts(champion, candidate, sample.weights?.map((weight) => weight * weight) ?? null);
  const squaresOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value * value, 0);
  const unit = masses === null ? 1 : squaresOf(masses) / rows;
  const flipped = gained + lost;
  const differing = differences.reduce((count, difference) => (difference === 0 ? count : count + 1), 0);
  const unseen = Math.min(1, (fewDiffering / differing) ** 2);
  const together = (squaresOf(differences) + unseen * unit * unit) / (flipped + unseen * unit);
  const weight = flipped > 0 ? Math.max(together, (squared.gained + squared.lost) / flipped) : together;
  return { gained: gained / weight, lost: lost / weight, rows: rows / weight };
}

/** A mean of losses. Where no row differs and none can by more than 1, as many may that were not seen as for a proportion. */
function meanInterval(metric: Metric, pair: Pair, champion: Float64Array, candidate: Float64Array): PairedInterval {
  const { sample, seed, resamples } = pair;
  const ratio = ratioOf(sample, champion, candidate);
  const interval = pairedMeanInterval(ratio, seed, resamples);
  const unseen =
    metric.scale === 'share' && interval.unknown === undefined && ratio.differences.every((each) => each === 0);
  return clustered(unseen ? agreedInterval(0, kish(ratio)) : interval, sample);
}

/** Differences and weights by row or cluster; rows of value -1 in an Int8Array do not count. */
function ratioOf(sample: Sample, champion: Float64Array | Int8Array, candidate: Float64Array | Int8Array): PairedRatio {
  const units = unitsOf(sample);
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
  return { differences: keep(differences), weights: uniform ? null : keep(weights) };
}

/** Kish's effective sample size: as many units of equal weight would say as much. */
function kish({ differences, weights }: PairedRatio): number {
  if (weights === null) return differences.length;
  let [sum, squares] = [0, 0];
  for (const weight of weights) {
    sum += weight;
    squares += weight * weight;
  }
  return (sum * sum) / squares;
}

/** Effective sample size of all rows or clusters. */
function effectiveUnits({ sample }: Pair): number {
  const none = new Float64Array(sample.rows);
  return kish(ratioOf(sample, none, none));
}

function summed(
  pair: Pair,
  sums: UnitSums,
  statistic: (totals: Float64Array) => number,
  kinks = false,
): PairedInterval {
  const { sample, seed, resamples } = pair;
  return clustered(sumsInterval(sums, statistic, { seed, resamples, method: 'bootstrap-rows', kinks }), sample);
}

function clustered(interval: PairedInterval, sample: Sample): PairedInterval {
  return sample.clusters === null
    ? interval
    : { ...interval, method: `${interval.method.replace('-rows', '')}-clusters` };
}

function unitsOf(sample: Sample): Units {
  return sample.clusters === null ? rowUnits(sample.rows, null) : clusterUnits(sample.clusters);
}

function pooled({ sample, seed }: Pair): Units {
  return pooledUnits(unitsOf(sample), sample.rows, { limit: unitLimit, into: unitGroups, seed });
}

const classSizes = remembered((truth: Float64Array, classes: number): Uint32Array => {
  const sizes = new Uint32Array(classes);
  for (let row = 0; row < truth.length; row += 1) sizes[truth[row] as number]! += 1;
  return sizes;
});

function lowEvidence(sample: Sample, { discordant }: Judged, interval: PairedInterval): string[] {
  const reasons: string[] = [];
  if (sample.rows < 30) reasons.push(`only ${counted(sample.rows, sample.unit ?? 'rows')}`);
  if (discordant !== undefined) {
    const { gained, lost, rows } = discordant;
    if (rows < 30 && rows < sample.rows)
      reasons.push(`only ${counted(rows, 'rows')} ${rows === 1 ? 'counts' : 'count'}`);
    if (gained + lost < 10) reasons.push(`the models differ on only ${gained + lost} of the rows that count`);
  } else if (sample.classes > 0) {
    const smallest = Math.min(...classSizes(sample.truth, sample.classes).filter((size) => size > 0));
    if (smallest < 10) reasons.push(`only ${counted(smallest, 'rows')} of one class`);
  }
  if (sample.clusters !== null) {
    const clusters = new Set(sample.clusters).size;
    if (clusters < 30) reasons.push(`only ${counted(clusters, 'clusters')}`);
  }
  if (interval.method.startsWith('t-few'))
    reasons.push(`few ${sample.clusters === null ? (sample.unit ?? 'rows') : 'clusters'} contribute to the difference`);
  if (interval.standardError === 0) reasons.push('the difference is the same in all rows');
  return reasons;
}
