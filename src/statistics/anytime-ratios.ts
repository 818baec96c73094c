import { mixtureEvidence, sequenceFactor } from './anytime-means.ts';
import { bisected } from './bisection.ts';
import { differenceVariance } from './difference-variance.ts';
import { normalCdf } from './distributions.ts';

/* Means of both arms while the candidate had one share of the traffic: is the candidate's higher than it may be, at any look? */

export interface MeanOf {
  /** Units, such as users. */
  n: number;
  mean: number;
  /** Of a sample (n - 1). */
  variance: number;
}

export type MeanWindow = Record<'champion' | 'candidate', MeanOf>;

/** Fewer units of an arm have no normal mean. */
const fewest = 30;
/** Effects that are looked for, in standard deviations of one unit; and units at which bounds are tightest. */
const effect = 0.2;
const tuned = 2000;
/** What is not bet in a window: a candidate that is much better at first can still be found to be worse later. */
const kept = 0.01;

/**
 * Is the candidate's mean more than `ratio` times the champion's? Log of an e-value, asymptotically, that may be looked at at any time: in each
 * window the mixture likelihood ratio (Johari et al., Oper. Res. 2022, arXiv 1512.04922) over harmful effects alone, of a half-normal prior. Windows are of
 * different requests and multiply; means of different weights are never pooled.
 */
export function harmfulMeanEvidence(windows: readonly MeanWindow[], ratio = 1): number {
  return windows.reduce((sum, window) => {
    const { delta, variance, unit } = differenceOf(window, ratio);
    if (!isEnough(window) || variance === 0) return sum;
    const prior = effect * effect * unit;
    const half = Math.log(2 * normalCdf(delta * Math.sqrt(prior / (variance * (variance + prior)))));
    const evidence = mixtureEvidence(delta, variance, prior) + half;
    // Of both logs the larger one first, so that nothing overflows.
    const [large, small] = [evidence + Math.log1p(-kept), Math.log(kept)].toSorted((a, b) => b - a) as [number, number];
    return sum + large + Math.log1p(Math.exp(small - large));
  }, 0);
}

/** Confidence sequence, asymptotically at any time, of the ratio of the means (candidate / champion), which are above 0. Upper null: open. */
export function meanRatioBounds(window: MeanWindow, alpha: number): { lower: number; upper: number | null } {
  if (!isEnough(window)) return { lower: 0, upper: null };
  const { champion, candidate } = window;
  const factor = sequenceFactor(champion.n + candidate.n, tuned, alpha);
  const isOut = (ratio: number): boolean => {
    const { delta, variance } = differenceOf(window, ratio);
    return Math.abs(delta) > factor * Math.sqrt(variance);
  };
  if (!(champion.mean > 0) || !(candidate.mean > 0)) return { lower: 0, upper: null };
  const centre = candidate.mean / champion.mean;
  const edge = (outwards: (ratio: number) => number): number | null => {
    let outside = outwards(centre);
    while (!isOut(outside)) {
      if (outside < 1e-6 * centre || outside > 1e6 * centre) return null;
      outside = outwards(outside);
    }
    return bisected(centre, outside, 60, isOut)[0];
  };
  return { lower: edge((ratio) => ratio / 2) ?? 0, upper: edge((ratio) => ratio * 2) };
}

function isEnough({ champion, candidate }: MeanWindow): boolean {
  return Math.min(champion.n, candidate.n) >= fewest;
}

/** The candidate's mean less what is tolerated of the champion's, its variance, and that of one unit. */
function differenceOf(
  { champion, candidate }: MeanWindow,
  ratio: number,
): { delta: number; variance: number; unit: number } {
  const tolerated = ratio * ratio * champion.variance;
  return {
    delta: candidate.mean - ratio * champion.mean,
    variance: differenceVariance(candidate, { n: champion.n, variance: tolerated }),
    unit: tolerated,
  };
}
