import type { Outputs, Sample } from '../sample.ts';
import { weightedSum, type Metric } from './metric.ts';
import {
  averagePrecision,
  averagePrecisionInfluence,
  rankScores,
  rocArea,
  rocAreaInfluence,
  type Ranked,
} from './ranked.ts';

/** The area under a curve, and the influence of each row on it. */
export interface Curve {
  area(ranked: Ranked, weights: Float64Array | null): number;
  influence(ranked: Ranked, weights: Float64Array | null): Float64Array;
}

export const rocCurve: Curve = { area: rocArea, influence: rocAreaInfluence };
export const precisionCurve: Curve = { area: averagePrecision, influence: averagePrecisionInfluence };

/** One class against the rest, or one label: 1 where a row has it, and the rows by their scores for it. */
export interface RankedClass {
  truth: Float64Array;
  ranked: Ranked;
}

export function rankClass(truth: Float64Array, scores: Float64Array): RankedClass {
  return { truth, ranked: rankScores(scores, truth) };
}

/** The mean of the areas of several classes or labels as a metric; `weighted` by how many rows have each. */
export function averagedArea(
  rank: (sample: Sample, outputs: Outputs) => RankedClass[],
  curve: Curve,
  weighted: boolean,
): Required<Pick<Extract<Metric, { kind: 'statistic' }>, 'prepare' | 'influence'>> {
  return {
    prepare: (sample, outputs) => {
      const classes = rank(sample, outputs);
      return (weights) => meanArea(classes, curve, weighted, weights);
    },
    influence: (sample, outputs) => meanAreaInfluence(rank(sample, outputs), curve, weighted, sample.weights),
  };
}

/** Mean of the areas; `weighted` by how many rows have the class. */
function meanArea(
  classes: readonly RankedClass[],
  { area }: Curve,
  weighted: boolean,
  weights: Float64Array | null,
): number {
  let sum = 0;
  let all = 0;
  for (const { truth, ranked } of classes) {
    const mass = weighted ? weightedSum(truth, weights) : 1;
    sum += mass * area(ranked, weights);
    all += mass;
  }
  return sum / all;
}

/** Influence of each row on `meanArea`: the mean of those on the areas; where classes weigh as many rows as have them, a row also moves the weights. */
function meanAreaInfluence(
  classes: readonly RankedClass[],
  curve: Curve,
  weighted: boolean,
  weights: Float64Array | null,
): Float64Array {
  const rows = classes[0]?.truth.length ?? 0;
  const judged = classes.map(({ truth, ranked }) => ({
    truth,
    area: curve.area(ranked, weights),
    share: weightedSum(truth, weights) / (weights === null ? rows : weightedSum(weights, null)),
    influence: curve.influence(ranked, weights),
  }));
  const weigh = (share: number): number => (weighted ? share : 1);
  const all = judged.reduce((sum, { share }) => sum + weigh(share), 0);
  const average = judged.reduce((sum, { share, area }) => sum + weigh(share) * area, 0) / all;
  const influence = new Float64Array(rows);
  for (const { truth, area, share, influence: own } of judged) {
    for (let row = 0; row < rows; row += 1) {
      const moved = weighted ? ((truth[row] as number) - share) * (area - average) : 0;
      influence[row]! += (weigh(share) * (own[row] as number) + moved) / all;
    }
  }
  return influence;
}
