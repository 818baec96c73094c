import type { ChampionBaseline } from './record.ts';

export type Calibration = NonNullable<ChampionBaseline['calibration']>;

/**
 * Isotonic regression of outcomes on scores: pool adjacent violators (Barlow et al. 1972). Between two blocks the line that joins
 * them, as scikit-learn's interpolation has it.
 * @param outcomes 1 for the positive class, 0 for others
 */
export function fitIsotonic(scores: ArrayLike<number>, outcomes: ArrayLike<number>): Calibration {
  const order = Array.from({ length: scores.length }, (_, row) => row).sort(
    (a, b) => (scores[a] as number) - (scores[b] as number),
  );
  const blocks: { first: number; last: number; sum: number; rows: number }[] = [];
  for (const row of order) {
    const score = scores[row] as number;
    const outcome = outcomes[row] as number;
    const top = blocks.at(-1);
    // Rows of one score have one probability.
    if (top !== undefined && top.last === score && top.first === score) {
      top.sum += outcome;
      top.rows += 1;
    } else blocks.push({ first: score, last: score, sum: outcome, rows: 1 });
  }
  const pooled: typeof blocks = [];
  for (const block of blocks) {
    let current = { ...block };
    for (let below = pooled.at(-1); below !== undefined; below = pooled.at(-1)) {
      if (below.sum * current.rows < current.sum * below.rows) break;
      pooled.pop();
      current = {
        first: below.first,
        last: current.last,
        sum: below.sum + current.sum,
        rows: below.rows + current.rows,
      };
    }
    pooled.push(current);
  }
  const fitted: Calibration = { scores: [], probabilities: [] };
  for (const { first, last, sum, rows } of pooled) {
    fitted.scores.push(first);
    fitted.probabilities.push(sum / rows);
    if (last !== first) {
      fitted.scores.push(last);
      fitted.probabilities.push(sum / rows);
    }
  }
  return fitted;
}

/** The probability of a score: that of its block, or on the line between two. */
export function calibrated({ scores, probabilities }: Calibration, score: number): number {
  const last = scores.length - 1;
  if (!(score > (scores[0] as number))) return probabilities[0] as number;
  if (score >= (scores[last] as number)) return probabilities[last] as number;
  let [low, high] = [0, last];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((scores[middle] as number) <= score) low = middle;
    else high = middle;
  }
  const [from, to] = [scores[low] as number, scores[high] as number];
  const [below, above] = [probabilities[low] as number, probabilities[high] as number];
  return below + ((above - below) * (score - from)) / (to - from);
}
