import type { Task } from '../../../config/schema.ts';
import type { DatasetColumn } from '../../../data/relation.ts';
import { measuredOf, type Outputs, type Sample } from '../sample.ts';
import { calibrationBins, type Binned, type CalibrationBin } from './calibration.ts';
import { confusionOf, type Confusion } from './confusion.ts';

interface MetricCommon {
  name: string;
  /** As in a sentence: "recall is 0.92". */
  title: string;
  better: 'higher' | 'lower';
  /** A share is shown in percentage points; a value in its own units. */
  scale: 'share' | 'value';
  /** Of a value that lies between -1 and 1. */
  correlation?: true;
  needs: 'decisions' | 'scores' | 'probabilities';
  tasks: readonly Task[];
  /** Reported only where the policy names it. */
  onRequest?: true;
  /** Why the metric means nothing on this sample, if so. */
  undefinedOn?(sample: Sample): string | null;
}

/** Weighted metric of prepared outputs; `null` weights count every row once. */
export type Evaluator = (weights: Float64Array | null) => number;

/**
 * A metric, by the form its comparison rests on:
 * - `proportion`: the share of counting rows that succeed (1, 0, or -1 where the row does not count).
 * - `moments`: a function of the means of a few per-row terms (all finite). One term and no function: a mean loss.
 * - `area`: area under the ROC curve of binary scores.
 * - `cells`: a function of the confusion matrix.
 * - `counts`: a function of sums over rows of `width` counts.
 * - `sql`: an aggregate that only the database computes: read from what was measured of a model's outputs.
 * - `view`: another metric of a view of the sample: one class against the rest, one label of several, a row for every query.
 * - `calibration`: a function of the mean score and the mean outcome of bins of the scores.
 * - `statistic`: anything else that can be prepared once (sorted, binned) and then read under many row weights.
 */
export type Metric = MetricCommon &
  (
    | { kind: 'proportion'; successes(sample: Sample, outputs: Outputs): Int8Array }
    | {
        kind: 'moments';
        terms(sample: Sample, outputs: Outputs): Float64Array[];
        /** @param means of the terms; absent: the mean of the only term */
        value?(means: Float64Array): number;
      }
    | { kind: 'area'; prepare(sample: Sample, outputs: Outputs): Evaluator }
    | { kind: 'cells'; value(matrix: Confusion, sample: Sample): number }
    | {
        kind: 'counts';
        width(sample: Sample): number;
        /** Add a row of this weight to the counts from `start` on. */
        add(sample: Sample, outputs: Outputs, row: number, weight: number, counts: Float64Array, start: number): void;
        value(counts: Float64Array): number;
      }
    | {
        kind: 'sql';
        expression: string;
        /** Columns of the data that it reads. */
        columns: readonly DatasetColumn[];
        /** Where the policy defines it. */
        where: string;
      }
    | { kind: 'view'; of: Metric; sample(sample: Sample): Sample; outputs(sample: Sample, outputs: Outputs): Outputs }
    | {
        kind: 'calibration';
        bins(sample: Sample, outputs: Outputs): Binned;
        error(bins: readonly CalibrationBin[]): number;
      }
    | {
        kind: 'statistic';
        /** It looks at the order of the scores alone. */
        ofOrder?: true;
        prepare(sample: Sample, outputs: Outputs): Evaluator;
        /** First-order effect of each row on the metric (its influence function), for samples too large to resample. */
        influence?(sample: Sample, outputs: Outputs): Float64Array;
      }
  );

/** A metric as its file defines it: the catalogue names it. */
export type Untitled<M = Metric> = M extends Metric ? Omit<M, 'title'> : never;

/** A metric that is no view of another. */
export type ShownMetric = Exclude<Metric, { kind: 'view' }>;

/** The metric that is computed in the end: what a view shows, or the metric itself. */
export function shownMetric(metric: Metric): ShownMetric {
  return metric.kind === 'view' ? shownMetric(metric.of) : metric;
}

/** The metric of one model on the sample under its row weights; NaN where it is undefined. */
export function metricValue(metric: Metric, sample: Sample, outputs: Outputs): number {
  return evaluator(metric, sample, outputs)(sample.weights);
}

/** The metric of one model as a function of row weights. */
export function evaluator(metric: Metric, sample: Sample, outputs: Outputs): Evaluator {
  switch (metric.kind) {
    case 'proportion': {
      const successes = metric.successes(sample, outputs);
      return (weights) => successShare(successes, weights);
    }
    case 'moments': {
      const terms = metric.terms(sample, outputs);
      return (weights) => valueOfMoments(metric, terms, weights);
    }
    case 'calibration': {
      const bins = metric.bins(sample, outputs);
      return (weights) => metric.error(calibrationBins(bins, weights));
    }
    case 'cells':
      return (weights) => metric.value(confusionOf(sample, outputs, weights), sample);
    case 'sql':
      return () => measuredOf(outputs, metric.name).value;
    case 'counts':
      return (weights) => {
        const counts = new Float64Array(metric.width(sample));
        for (let row = 0; row < sample.rows; row += 1) {
          metric.add(sample, outputs, row, weights === null ? 1 : (weights[row] as number), counts, 0);
        }
        return metric.value(counts);
      };
    case 'view': {
      const { of, sample: view } = metric;
      const viewed = metric.outputs(sample, outputs);
      const ofView = evaluator(of, view(sample), viewed);
      return (weights) => ofView(view({ ...sample, weights }).weights);
    }
    case 'area':
    case 'statistic':
      return metric.prepare(sample, outputs);
  }
}

/** Share of successes among the rows that count: those that are not -1. */
export function successShare(successes: Int8Array, weights: Float64Array | null): number {
  let hit = 0;
  let all = 0;
  for (let row = 0; row < successes.length; row += 1) {
    const success = successes[row] as number;
    if (success < 0) continue;
    const weight = weights === null ? 1 : (weights[row] as number);
    all += weight;
    if (success === 1) hit += weight;
  }
  return all === 0 ? Number.NaN : hit / all;
}

export function valueOfMoments(
  metric: Extract<Metric, { kind: 'moments' }>,
  terms: readonly Float64Array[],
  weights: Float64Array | null,
): number {
  let all = 0;
  if (weights === null) all = terms[0]?.length ?? 0;
  else for (const weight of weights) all += weight;
  const means = Float64Array.from(terms, (term) => weightedSum(term, weights) / all);
  return metric.value === undefined ? (means[0] as number) : metric.value(means);
}

/** Summed with Neumaier's compensation: a mean of a million losses keeps its digits. */
export function weightedSum(values: Float64Array, weights: Float64Array | null): number {
  let sum = 0;
  let lost = 0;
  for (let row = 0; row < values.length; row += 1) {
    const value = weights === null ? (values[row] as number) : (values[row] as number) * (weights[row] as number);
    const next = sum + value;
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  return sum + lost;
}
