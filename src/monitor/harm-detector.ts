/*
 * Harm that late labels show: an e-detector of Shiryaev-Roberts form (Shin, Ramdas and Rinaldo, "E-detectors", 2022) over windows.
 * Each window has an e-value against "the share of wrong predictions is at most the tolerated one": capital of a bet on every row.
 * Alarm at M >= c: with nothing wrong the run length is at least c windows, whatever the distribution and however often one looks.
 */

/** Capital of each bet of the grid, as its logarithm; the detector is their mean. */
export type HarmDetector = readonly number[];

/** Bets as shares of the largest one at which no loss ruins: small ones find small harm in many rows, large ones the opposite. */
const bets = [0.02, 0.05, 0.1, 0.2, 0.4];

export const startOfHarm: HarmDetector = bets.map(() => Number.NEGATIVE_INFINITY);

/**
 * The detector after one more window.
 * @param wrong losses of the window, summed, each of 0 to 1
 * @param tolerated the mean loss that is no harm, more than 0 and less than 1
 */
export function harmStep(
  state: HarmDetector,
  { wrong, rows }: { wrong: number; rows: number },
  tolerated: number,
): HarmDetector {
  return bets.map((share, index) => {
    const bet = share / tolerated;
    // log of the product of 1 + bet (x - tolerated), of x in 0 and 1; of x between them it is at least this, by concavity.
    const growth = wrong * Math.log1p(bet * (1 - tolerated)) + (rows - wrong) * Math.log1p(-bet * tolerated);
    return logAdd(state[index] as number, 0) + growth;
  });
}

/** Logarithm of the mean capital. Alarm at the logarithm of the run length, in windows. */
export function harmOf(state: HarmDetector): number {
  return state.reduce(logAdd, Number.NEGATIVE_INFINITY) - Math.log(state.length);
}

function logAdd(a: number, b: number): number {
  const larger = Math.max(a, b);
  return larger === Number.NEGATIVE_INFINITY ? larger : larger + Math.log(Math.exp(a - larger) + Math.exp(b - larger));
}
