import { canonicalClass } from '../../data/class-text.ts';
import { calibrated, fitIsotonic } from '../../monitor/calibration.ts';
import { lossTable } from '../../monitor/loss-table.ts';
import type { ChampionBaseline } from '../../monitor/record.ts';
import { innerEdges, sampleOf } from '../../profile/bins.ts';
import { wilson } from '../../statistics/proportions.ts';
import { bettingBounds } from '../../statistics/bounded-mean.ts';
import type { Task } from '../../config/index.ts';
import type { ChampionOnEvaluation } from './champion-predictions.ts';

/** What the champion does on the evaluation set, to hold production against. Null for tasks that have no loss a row. */
export function baselineOf(champion: ChampionOnEvaluation, task: Task, positive: string): ChampionBaseline | null {
  const { artifact, dataset } = champion;
  const base = { sha256: artifact.sha256, dataset };
  if (task === 'regression') return { ...base, ...ofRegression(champion) };
  if (task !== 'binary-classification' && task !== 'multiclass-classification') return null;
  return { ...base, ...ofClassification(champion, task, canonicalClass(positive)) };
}

function ofClassification(
  { classes, labels, scores, probabilities, decides }: ChampionOnEvaluation,
  task: Task,
  positive: string,
): Omit<ChampionBaseline, 'sha256' | 'dataset'> {
  const known = [...labels.keys()].filter((row) => labels[row] !== null && classes[row] !== null);
  const predicted = known.map((row) => canonicalClass(classes[row] as string));
  const truth = known.map((row) => canonicalClass(labels[row] as string));
  const wrong = predicted.filter((each, index) => each !== truth[index]).length;
  const rows = known.length;
  const counts: Record<string, number> = {};
  for (const each of predicted) counts[each] = (counts[each] ?? 0) + 1;
  const shared = {
    rows,
    loss: wrong / rows,
    upper: wilson(wrong, rows, 0.1).upper,
    scale: 1,
    classes: counts,
    decides: decides === null ? null : { ...decides, negative: canonicalClass(decides.negative) },
    table: null,
  };
  if (scores === null) return { ...shared, confidence: null, calibration: null, scores: [] };
  const own = known.map((row) => scores[row] as number);
  const binary = task === 'binary-classification';
  // Of more than two classes the score is that of the predicted one, and the outcome whether it is right.
  const outcomes = known.map((_, index) => Number(truth[index] === (binary ? positive : predicted[index])));
  const calibration = probabilities || binary ? fitIsotonic(own, outcomes) : null;
  let [sum, variance] = [0, 0];
  if (calibration !== null) {
    for (const [index, score] of own.entries()) {
      const q = confidenceOf(calibration, score, !binary || predicted[index] === positive);
      sum += q;
      variance += (q - sum / (index + 1)) ** 2;
    }
  }
  return {
    ...shared,
    confidence: calibration === null ? null : { mean: sum / rows, variance: variance / Math.max(1, rows - 1) },
    calibration: calibration === null ? null : thinned(calibration),
    scores: thin(own),
  };
}

/** Probability that the prediction is right. @param forPositive the predicted class is the one that the score is of */
export function confidenceOf(
  calibration: NonNullable<ChampionBaseline['calibration']>,
  score: number,
  forPositive: boolean,
): number {
  const p = calibrated(calibration, score);
  return forPositive ? p : 1 - p;
}

function ofRegression({ scores, labels }: ChampionOnEvaluation): Omit<ChampionBaseline, 'sha256' | 'dataset'> {
  const predicted: number[] = [];
  const errors: number[] = [];
  for (const [row, label] of labels.entries()) {
    const [truth, value] = [label === null ? Number.NaN : Number(label), scores?.[row] ?? Number.NaN];
    if (!Number.isFinite(truth) || !Number.isFinite(value)) continue;
    predicted.push(value);
    errors.push(Math.abs(truth - value));
  }
  // An error of twice the largest one seen is as bad as any: one row may not speak for all.
  const scale = 2 * Math.max(...errors, 0) || 1;
  const losses = errors.map((error) => error / scale);
  const edges = innerEdges(sampleOf(Float64Array.from(predicted)), 10);
  return {
    rows: losses.length,
    loss: losses.reduce((sum, each) => sum + each, 0) / losses.length,
    upper: bettingBounds(losses.slice(0, 5000), 0.1).upper,
    scale,
    confidence: null,
    calibration: null,
    scores: thin(predicted),
    classes: {},
    decides: null,
    table: lossTable(predicted, losses, edges),
  };
}

const most = 1000;

function thin(values: readonly number[]): number[] {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length <= most) return [...sorted];
  return Array.from(
    { length: most },
    (_, index) => sorted[Math.floor(((index + 0.5) * sorted.length) / most)] as number,
  );
}

function thinned(
  calibration: NonNullable<ChampionBaseline['calibration']>,
): NonNullable<ChampionBaseline['calibration']> {
  const { scores, probabilities } = calibration;
  if (scores.length <= most) return calibration;
  const kept = Array.from({ length: most }, (_, index) => Math.round((index * (scores.length - 1)) / (most - 1)));
  return {
    scores: kept.map((at) => scores[at] as number),
    probabilities: kept.map((at) => probabilities[at] as number),
  };
}
