/** Rows of class probabilities may miss 1 by this much: half precision and quantised models do. */
const sumTolerance = 0.01;
/** A probability may lie this far outside [0, 1]: single precision rounds. */
const roundingTolerance = 1e-6;

/** Whether these, such as the lowest and the highest, lie in [0, 1], but for rounding. */
export function inUnitInterval(...values: readonly number[]): boolean {
  return values.every((value) => value >= -roundingTolerance && value <= 1 + roundingTolerance);
}

/** Whether the probabilities of all classes add up to 1, but for rounding. */
export function addsUpToOne(sum: number): boolean {
  return Math.abs(sum - 1) <= sumTolerance;
}

/** The first row of a row-major matrix that does not add up to 1, and to what it adds up. */
export function rowNotAddingUp(values: Float64Array, width: number): { row: number; sum: number } | null {
  for (let start = 0; start < values.length; start += width) {
    let sum = 0;
    for (let index = 0; index < width; index += 1) sum += values[start + index] as number;
    if (!addsUpToOne(sum)) return { row: start / width, sum };
  }
  return null;
}

/** Probability of a logit. */
export function sigmoid(score: number): number {
  return 1 / (1 + Math.exp(-score));
}

/** Probabilities of the logits of a row-major matrix, row by row. */
export function softmax(values: Float64Array, width: number): Float64Array {
  const result = new Float64Array(values.length);
  for (let start = 0; start < values.length; start += width) {
    const row = values.subarray(start, start + width);
    const most = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const sum = row.reduce((total, score) => total + Math.exp(score - most), 0);
    for (let index = 0; index < width; index += 1) {
      result[start + index] = Math.exp((row[index] as number) - most) / sum;
    }
  }
  return result;
}
