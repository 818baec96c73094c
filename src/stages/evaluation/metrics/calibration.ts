import { quantileOf } from '../../../statistics/quantile.ts';
import { remembered } from '../remember.ts';
import { orderOf } from '../sort.ts';

/** One bin of a reliability diagram. */
export interface CalibrationBin {
  from: number;
  to: number;
  weight: number;
  meanScore: number;
  meanOutcome: number;
}

export type Binning = 'width' | 'mass';

/** Scores against outcomes of 0 or 1, and the bin of each: what every calibration error is computed from. */
export interface Binned {
  scores: Float64Array;
  outcomes: ArrayLike<number>;
  edges: Float64Array;
  assigned: Uint8Array;
}

/** Scores in ten bins of equal width on [0, 1], or of equal mass; binned once for all who ask. */
export function binned(scores: Float64Array, outcomes: ArrayLike<number>, binning: Binning): Binned {
  return { width: byWidth, mass: byMass }[binning](scores, outcomes);
}

const binnedBy = (binning: Binning) =>
  remembered((scores: Float64Array, outcomes: ArrayLike<number>): Binned => {
    const edges = binEdges(scores, binning);
    return { scores, outcomes, edges, assigned: assignBins(scores, edges) };
  });
const byWidth = binnedBy('width');
const byMass = binnedBy('mass');

/**
 * Edges of ten bins: of equal width on [0, 1], or of equal mass (quantiles with linear interpolation).
 * Bins are closed on the right, the first on both sides, as scikit-learn's calibration_curve.
 */
function binEdges(scores: Float64Array, binning: Binning): Float64Array {
  const bins = 10;
  if (binning === 'width') return Float64Array.from({ length: bins + 1 }, (_, edge) => edge / bins);
  const order = orderOf(scores);
  return Float64Array.from({ length: bins + 1 }, (_, edge) =>
    quantileOf(order.length, edge / bins, (place) => scores[order[place] as number] as number),
  );
}

function assignBins(scores: Float64Array, edges: Float64Array): Uint8Array {
  const inner = edges.subarray(1, -1);
  const assigned = new Uint8Array(scores.length);
  for (let row = 0; row < scores.length; row += 1) {
    const score = scores[row] as number;
    // Without a branch, since no processor foresees where a score lies.
    let bin = 0;
    for (let edge = 0; edge < inner.length; edge += 1) bin += Number(score > (inner[edge] as number));
    assigned[row] = bin;
  }
  return assigned;
}

/** Expected calibration error: mean over rows of |mean outcome - mean score| of their bin. */
export function calibrationError(bins: readonly CalibrationBin[]): number {
  let error = 0;
  let weight = 0;
  for (const bin of bins) {
    if (bin.weight === 0) continue;
    error += bin.weight * Math.abs(bin.meanOutcome - bin.meanScore);
    weight += bin.weight;
  }
  return error / weight;
}

/** Largest gap between mean outcome and mean score over the bins that hold rows. */
export function maximumCalibrationError(bins: readonly CalibrationBin[]): number {
  return Math.max(...bins.filter((bin) => bin.weight > 0).map((bin) => Math.abs(bin.meanOutcome - bin.meanScore)));
}

/** The reliability diagram of rows. Empty bins have weight 0 and mean 0. */
export function calibrationBins(
  { scores, outcomes, edges, assigned }: Binned,
  weights: Float64Array | null,
): CalibrationBin[] {
  const bins = edges.length - 1;
  const sums = new Float64Array(3 * bins);
  for (let row = 0; row < scores.length; row += 1) {
    const bin = assigned[row] as number;
    const weight = weights === null ? 1 : (weights[row] as number);
    sums[bin]! += weight;
    sums[bins + bin]! += weight * (scores[row] as number);
    sums[2 * bins + bin]! += weight * (outcomes[row] as number);
  }
  return binsOf(sums, edges);
}

/** The reliability diagram of sums: first the weights of the bins, then their weighted scores, then their weighted outcomes. */
export function binsOf(sums: Float64Array, edges: Float64Array): CalibrationBin[] {
  const bins = edges.length - 1;
  return Array.from({ length: bins }, (_, bin) => {
    const weight = sums[bin] as number;
    return {
      from: edges[bin] as number,
      to: edges[bin + 1] as number,
      weight,
      meanScore: weight === 0 ? 0 : (sums[bins + bin] as number) / weight,
      meanOutcome: weight === 0 ? 0 : (sums[2 * bins + bin] as number) / weight,
    };
  });
}
