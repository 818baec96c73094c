import { chanceOfArea } from './assumed-order.ts';
import type { Check } from '../../evidence/check.ts';
import type { PredictionResult } from '../../model/predictions.ts';
import { rankScores, rocArea } from './metrics/ranked.ts';
import type { Outputs, Sample } from './sample.ts';
import { moments } from './scale.ts';

/** Standard errors above chance within which predictions may be nothing but chance. */
const aboveChance = 3;

/**
 * A model that does not name its features takes them in the order of the data. Where its predictions are no better than chance, that
 * may well be another order than in training, and a champion that is fed the same way is no better.
 */
export function featureOrderChecks(sample: Sample, candidate: Outputs, result: PredictionResult): Check[] {
  const features = result.ok ? (result.featuresInDataOrder ?? []) : [];
  if (features.length === 0 || !isChance(sample, candidate)) return [];
  const order = features
    .slice(0, 8)
    .map((name) => JSON.stringify(name))
    .join(', ');
  return [
    {
      id: 'evaluation/feature-order',
      title: 'Order of the features',
      verdict: 'fail',
      severity: 'warn',
      message: `The candidate predicts no better than chance, and does not state the order of its ${features.length} features: they were passed in the order of the data (${order}${features.length > 8 ? ', …' : ''}). List them, in the order of the training, in columns.features; this also removes the warning if the order is right.`,
      observed: 'the order of the data',
      required: 'a stated order',
    },
  ];
}

/** Do predictions tell nothing of the labels, as far as so many rows can show? */
function isChance(sample: Sample, { scores, decisions }: Outputs): boolean {
  const { rows, truth, classes, weights } = sample;
  if (sample.labels !== undefined || sample.queries !== undefined || rows < 30) return false;
  if (classes === 0) {
    // Of a constant there is no correlation.
    return scores !== null && Math.abs(moments(truth, scores, null).correlation || 0) < aboveChance / Math.sqrt(rows);
  }
  if (classes === 2 && scores !== null) {
    const positives = truth.reduce((sum, value) => sum + value, 0);
    if (positives === 0 || positives === rows) return false;
    return rocArea(rankScores(scores, truth), weights) < 0.5 + aboveChance * chanceOfArea(truth);
  }
  if (decisions === null) return false;
  const [ofTruth, ofDecisions] = [new Float64Array(classes), new Float64Array(classes)];
  let right = 0;
  for (const [row, label] of truth.entries()) {
    const decided = decisions[row] as number;
    if (decided === label) right += 1;
    ofTruth[label]! += 1;
    ofDecisions[decided]! += 1;
  }
  const expected = ofTruth.reduce((sum, count, label) => sum + (count * (ofDecisions[label] as number)) / rows, 0);
  return right < expected + aboveChance * Math.sqrt(expected * (1 - expected / rows));
}
