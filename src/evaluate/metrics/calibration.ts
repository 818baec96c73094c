/** One bin of a reliability diagram. */
export interface CalibrationBin {
  from: number;
  to: number;
  weight: number;
  meanScore: number;
  meanOutcome: number;
}

export type Binning = 'width' | 'mass';

/**
 * Edges of `bins` bins: of equal width on [0, 1], or of equal mass (quantiles with linear interpolation).
 * Bins are closed on the right, the first on both sides, as scikit-learn's calibration_curve.
 */
export function binEdges(scores: Float64Array, binning: Binning, bins = 10): Float64Array {
  const edges = new Float64Array(bins + 1);
  if (binning === 'width') {
    for (let edge = 0; edge <= bins; edge += 1) edges[edge] = edge / bins;
    return edges;
  }
  const sorted = Float64Array.from(scores).sort();
  for (let edge = 0; edge <= bins; edge += 1) edges[edge] = quantileOfSorted(sorted, edge / bins);
  return edges;
}

/** Quantile by linear interpolation of the order statistics (Hyndman and Fan's type 7). NaN of nothing. */
export function quantileOfSorted(sorted: Float64Array, probability: number): number {
  if (sorted.length === 0) return Number.NaN;
  const place = (sorted.length - 1) * probability;
  const below = Math.floor(place);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  const share = place - below;
  // As numpy: interpolate from the nearer end.
  return share < 0.5 ? low + (high - low) * share : high - (high - low) * (1 - share);
}

/** Bin number of each score. */
export function assignBins(scores: Float64Array, edges: Float64Array): Uint8Array {
  const last = edges.length - 2;
  return Uint8Array.from(scores, (score) => {
    let bin = 0;
    while (bin < last && score > (edges[bin + 1] as number)) bin += 1;
    return bin;
  });
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

/** The reliability diagram. `outcomes` are 0 or 1; empty bins have weight 0 and mean 0. */
export function calibrationBins(
  scores: Float64Array,
  outcomes: ArrayLike<number>,
  weights: Float64Array | null,
  assigned: Uint8Array,
  edges: Float64Array,
): CalibrationBin[] {
  const bins = edges.length - 1;
  const weight = new Float64Array(bins);
  const score = new Float64Array(bins);
  const outcome = new Float64Array(bins);
  for (let row = 0; row < scores.length; row += 1) {
    const bin = assigned[row] as number;
    const each = weights === null ? 1 : (weights[row] as number);
    weight[bin]! += each;
    score[bin]! += each * (scores[row] as number);
    outcome[bin]! += each * (outcomes[row] as number);
  }
  return Array.from(weight, (mass, bin) => ({
    from: edges[bin] as number,
    to: edges[bin + 1] as number,
    weight: mass,
    meanScore: mass === 0 ? 0 : (score[bin] as number) / mass,
    meanOutcome: mass === 0 ? 0 : (outcome[bin] as number) / mass,
  }));
}
