import type { Task } from '../../../config/schema.ts';
import { remembered } from '../remember.ts';
import { decisionsOf, scoresOf, type Outputs, type Sample } from '../sample.ts';
import {
  binned,
  calibrationError,
  maximumCalibrationError,
  type Binned,
  type Binning,
  type CalibrationBin,
} from './calibration.ts';
import { averagedArea, precisionCurve, rankClass, rocCurve, type Curve, type RankedClass } from './averaged-areas.ts';
import * as confusion from './confusion.ts';
import { averaged, fScore, precision } from './label-counts.ts';
import { brierLosses, logLosses } from './losses.ts';
import type { Evaluator, Metric, Untitled } from './metric.ts';
import { averagePrecision, averagePrecisionInfluence, rankScores, rocArea } from './ranked.ts';

const binary: readonly Task[] = ['binary-classification'];
const multiclass: readonly Task[] = ['multiclass-classification'];
const classification: readonly Task[] = ['binary-classification', 'multiclass-classification'];

const shares = { better: 'higher', scale: 'share' } as const;
const ofDecisions = { ...shares, needs: 'decisions' } as const;

const binaryMetrics: Untitled[] = [
  rightShare('recall', binary, 1),
  rightShare('specificity', binary, 0),
  ofCells('precision', binary, (matrix) => confusion.ofClass(matrix, 1, precision)),
  ofCells('negative_predictive_value', binary, (matrix) => confusion.ofClass(matrix, 0, precision)),
  ...[1, 2, 0.5].map((beta) => ofCells(`f${beta}`, binary, (matrix) => confusion.ofClass(matrix, 1, fScore(beta)))),
  {
    ...shares,
    kind: 'area',
    name: 'roc_auc',
    needs: 'scores',
    tasks: binary,
    prepare: (sample, outputs) => {
      const ranked = rankScores(scoresOf(outputs), sample.truth);
      return (weights) => rocArea(ranked, weights);
    },
    undefinedOn: (sample) => (occurs(sample, 0) && occurs(sample, 1) ? null : 'all rows are of one class'),
  },
  {
    ...shares,
    kind: 'statistic',
    ofOrder: true,
    name: 'average_precision',
    needs: 'scores',
    tasks: binary,
    prepare: (sample, outputs) => {
      const ranked = rankScores(scoresOf(outputs), sample.truth);
      return (weights) => averagePrecision(ranked, weights);
    },
    influence: (sample, outputs) =>
      averagePrecisionInfluence(rankScores(scoresOf(outputs), sample.truth), sample.weights),
    undefinedOn: (sample) => (occurs(sample, 1) ? null : 'no row is positive'),
  },
  calibrationMetric('ece', scoreBins, 'width'),
  calibrationMetric('ece_quantile', scoreBins, 'mass'),
  calibrationMetric('mce', scoreBins, 'width', maximumCalibrationError),
];

const sharedMetrics: Untitled[] = [
  rightShare('accuracy', classification, null),
  ofCells('balanced_accuracy', classification, confusion.balancedAccuracy),
  // Unweighted, by how often classes occur, or over all rows together.
  ...averaged.flatMap(({ name, value, ...usual }): Untitled[] => {
    const common = { ...ofDecisions, ...usual, tasks: classification } as const;
    return [
      { ...common, kind: 'cells', name: `${name}_macro`, value: (matrix) => confusion.macro(matrix, value) },
      {
        ...common,
        kind: 'cells',
        name: `${name}_weighted`,
        value: (matrix) => confusion.weighted(matrix, value),
        // Weighted by how often classes occur, recall is the accuracy.
        ...(name === 'recall' ? { onRequest: true } : {}),
      },
      {
        // Every row has one true and one decided class: every micro average is the accuracy.
        ...common,
        onRequest: true,
        kind: 'proportion',
        name: `${name}_micro`,
        successes: (sample, outputs) => rightWithin(sample, outputs, null),
      },
    ];
  }),
  ...[
    { name: 'mcc', value: confusion.matthews },
    { name: 'kappa', value: confusion.kappa },
  ].map((own): Untitled => ({
    better: 'higher',
    scale: 'value',
    needs: 'decisions',
    kind: 'cells',
    correlation: true,
    tasks: classification,
    ...own,
  })),
  ...[
    { name: 'log_loss', losses: logLosses },
    { name: 'brier', losses: brierLosses },
  ].map(({ name, losses }): Untitled => ({
    better: 'lower',
    scale: 'value',
    needs: 'probabilities',
    kind: 'moments',
    name,
    tasks: classification,
    terms: (sample, outputs) => [losses(sample, outputs)],
  })),
  calibrationMetric('ece_confidence', confidenceBins, 'width'),
  calibrationMetric('ece_confidence_quantile', confidenceBins, 'mass'),
];

const areaMetrics: Untitled[] = [
  ...[false, true].map((weighted) =>
    againstRest(weighted ? 'roc_auc_ovr_weighted' : 'roc_auc_ovr', rocCurve, weighted),
  ),
  multiclassArea('roc_auc_ovo', { prepare: (sample, outputs) => pairwiseAreas(sample, outputs, false) }),
  {
    ...multiclassArea('roc_auc_ovo_weighted', { prepare: (sample, outputs) => pairwiseAreas(sample, outputs, true) }),
    onRequest: true,
  },
  againstRest('average_precision_macro', precisionCurve, false),
];

/** Metrics of a task with one class a row. Those of one class of several are the binary ones of a view: `recall[spam]`. */
export const classificationMetrics: readonly Untitled[] = [
  ...sharedMetrics,
  ...binaryMetrics,
  ...[2, 3, 5].map(topAccuracy),
  ...areaMetrics,
];

/** The metric `top_4_accuracy`, of any number of classes up to 999; undefined for any other name. */
export function topMetric(name: string): Untitled | undefined {
  const k = Number(/^top_([1-9][0-9]{0,2})_accuracy$/u.exec(name)?.[1]);
  return k > 0 ? topAccuracy(k) : undefined;
}

function topAccuracy(k: number): Untitled {
  return {
    ...shares,
    kind: 'proportion',
    needs: 'scores',
    name: `top_${k}_accuracy`,
    tasks: multiclass,
    successes: (sample, outputs) => amongTop(sample, outputs, k),
  };
}

/** The share of the rows of a class, or of all (null), that are decided right. */
function rightShare(name: string, tasks: readonly Task[], label: 0 | 1 | null): Untitled {
  return {
    ...ofDecisions,
    kind: 'proportion',
    name,
    tasks,
    successes: (sample, outputs) => rightWithin(sample, outputs, label),
    undefinedOn: (sample) =>
      label === null || occurs(sample, label) ? null : `no row is ${label === 1 ? 'positive' : 'negative'}`,
  };
}

function ofCells(name: string, tasks: readonly Task[], value: Extract<Metric, { kind: 'cells' }>['value']): Untitled {
  return { ...ofDecisions, kind: 'cells', name, tasks, value };
}

function occurs(sample: Sample, label: number): boolean {
  return sample.truth.includes(label);
}

/** 1 where decided right, 0 where wrong, -1 where the row is not of `label` (null: every row counts). */
function rightWithin(sample: Sample, outputs: Outputs, label: number | null): Int8Array {
  return rightDecisions(decisionsOf(outputs), sample.truth, label);
}

const rightDecisions = remembered((decisions: Int32Array, labels: Float64Array, label: number | null): Int8Array => {
  const successes = new Int8Array(decisions.length);
  for (let row = 0; row < decisions.length; row += 1) {
    const truth = labels[row] as number;
    successes[row] = label !== null && truth !== label ? -1 : decisions[row] === truth ? 1 : 0;
  }
  return successes;
});

/** 1 where fewer than k classes come before the true one: a higher score, or an equal one and a lower number. */
function amongTop(sample: Sample, outputs: Outputs, k: number): Int8Array {
  const scores = scoresOf(outputs);
  const { classes } = sample;
  const successes = new Int8Array(sample.rows);
  for (let row = 0; row < sample.rows; row += 1) {
    const label = sample.truth[row] as number;
    const own = scores[row * classes + label] as number;
    let before = 0;
    for (let each = 0; each < classes; each += 1) {
      const score = scores[row * classes + each] as number;
      if (score > own || (score === own && each < label)) before += 1;
    }
    successes[row] = before < k ? 1 : 0;
  }
  return successes;
}

function calibrationMetric(
  name: string,
  bins: typeof scoreBins,
  binning: Binning,
  error: (bins: readonly CalibrationBin[]) => number = calibrationError,
): Untitled {
  return {
    better: 'lower',
    scale: 'share',
    needs: 'probabilities',
    kind: 'calibration',
    name,
    tasks: bins === scoreBins ? binary : classification,
    bins: (sample, outputs) => bins(sample, outputs, binning),
    error,
  };
}

function scoreBins({ truth }: Sample, outputs: Outputs, binning: Binning): Binned {
  return binned(scoresOf(outputs), truth, binning);
}

/** Calibration of the highest class probability against being right; binary counts a tie for the positive class. */
function confidenceBins({ truth, classes }: Sample, outputs: Outputs, binning: Binning): Binned {
  const { confidence, right } = confidences(scoresOf(outputs), truth, classes);
  return binned(confidence, right, binning);
}

const confidences = remembered((scores: Float64Array, truth: Float64Array, classes: number) => {
  const rows = truth.length;
  const confidence = new Float64Array(rows);
  const right = new Uint8Array(rows);
  for (let row = 0; row < rows; row += 1) {
    let best = 0;
    let highest = Number.NEGATIVE_INFINITY;
    if (classes === 2) {
      const score = scores[row] as number;
      best = score >= 0.5 ? 1 : 0;
      highest = Math.max(score, 1 - score);
    } else {
      for (let label = 0; label < classes; label += 1) {
        const score = scores[row * classes + label] as number;
        if (score <= highest) continue;
        best = label;
        highest = score;
      }
    }
    confidence[row] = highest;
    right[row] = truth[row] === best ? 1 : 0;
  }
  return { confidence, right };
});

/** The areas of a curve of every class against the rest, averaged. */
function againstRest(name: string, curve: Curve, weighted: boolean): Untitled {
  return multiclassArea(name, averagedArea(eachAgainstRest, curve, weighted));
}

type Statistic = Extract<Untitled, { kind: 'statistic' }>;

function multiclassArea(name: string, how: Pick<Statistic, 'prepare' | 'influence'>): Statistic {
  return {
    ...shares,
    kind: 'statistic',
    needs: 'scores',
    name,
    tasks: multiclass,
    ...how,
    undefinedOn: (sample) => {
      const missing = Array.from({ length: sample.classes }, (_, label) => label).find(
        (label) => !occurs(sample, label),
      );
      return missing === undefined ? null : `no row is of class "${sample.names?.[missing] ?? missing}"`;
    },
  };
}

function eachAgainstRest(sample: Sample, outputs: Outputs): RankedClass[] {
  const scores = scoresOf(outputs);
  return Array.from({ length: sample.classes }, (_, label) =>
    rankClass(
      sample.truth.map((truth) => (truth === label ? 1 : 0)),
      Float64Array.from({ length: sample.rows }, (__, row) => scores[row * sample.classes + label] as number),
    ),
  );
}

/** Hand and Till's M (Machine Learning 45, 2001): each pair of classes alone, by the scores of either, averaged. */
function pairwiseAreas(sample: Sample, outputs: Outputs, weighted: boolean): Evaluator {
  const scores = scoresOf(outputs);
  const rowsOf = Array.from({ length: sample.classes }, (_, label) =>
    Uint32Array.from(sample.truth.keys()).filter((row) => sample.truth[row] === label),
  );
  const pairs = rowsOf.flatMap((ownRows, label) =>
    rowsOf.flatMap((otherRows, other) => {
      if (other === label) return [];
      const rows = Uint32Array.from([...ownRows, ...otherRows]);
      const own = Float64Array.from(rows, (row) => scores[row * sample.classes + label] as number);
      const truth = new Uint8Array(rows.length).fill(1, 0, ownRows.length);
      return [{ rows, ranked: rankScores(own, truth) }];
    }),
  );
  return (weights) => {
    let sum = 0;
    let all = 0;
    for (const { rows, ranked } of pairs) {
      const own = weights === null ? null : Float64Array.from(rows, (row) => weights[row] as number);
      // By how often either class of the pair occurs, as scikit-learn.
      const mass = !weighted ? 1 : own === null ? rows.length : own.reduce((total, weight) => total + weight, 0);
      sum += mass * rocArea(ranked, own);
      all += mass;
    }
    return sum / all;
  };
}
