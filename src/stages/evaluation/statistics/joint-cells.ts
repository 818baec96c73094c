import { averagedClasses, type Confusion } from '../metrics/confusion.ts';
import { remembered } from '../remember.ts';
import { bcaInterval } from './bootstrap.ts';
import { bisected } from '../../../statistics/bisection.ts';
import { normalQuantile } from '../../../statistics/distributions.ts';
import { accelerationOf, fewInterval, jackknifeEffects } from './few.ts';
import { scoreInterval, type PairedInterval } from './interval.ts';
import { cellReplicates } from './resample.ts';

/** Rows counted by label and the decisions of both models: all that a function of the confusion matrix can see of a comparison. */
export interface JointCells {
  classes: number;
  /** Truth, champion's and candidate's decision of each cell that occurs, in that order. */
  truth: Int32Array;
  champion: Int32Array;
  candidate: Int32Array;
  counts: Float64Array;
  /** Number of the cell of each row. */
  ofRow: Int32Array;
  /** Rows on which the decisions differ. */
  discordant: number;
}

/** Above this many possible cells only those that occur are given memory. */
const tableLimit = 1e6;

/** Counted once for all who ask. @param classes up to 1,290: the codes of cells are 32-bit integers */
export const jointCells = remembered(countCells);

function countCells(
  candidate: Int32Array,
  champion: Int32Array,
  truth: ArrayLike<number>,
  classes: number,
): JointCells {
  const rows = truth.length;
  const codes = new Int32Array(rows);
  let discordant = 0;
  for (let row = 0; row < rows; row += 1) {
    const before = champion[row] as number;
    const after = candidate[row] as number;
    if (before !== after) discordant += 1;
    codes[row] = ((truth[row] as number) * classes + before) * classes + after;
  }
  const possible = classes ** 3;
  const occurring = possible <= tableLimit ? new Uint8Array(possible) : new Set(codes);
  if (occurring instanceof Uint8Array) for (let row = 0; row < rows; row += 1) occurring[codes[row] as number] = 1;
  const cells =
    occurring instanceof Set
      ? [...occurring].sort((a, b) => a - b)
      : [...occurring.keys()].filter((code) => occurring[code] === 1);
  const place = occurring instanceof Set ? new Map<number, number>() : new Int32Array(possible);
  for (const [index, code] of cells.entries()) {
    if (place instanceof Map) place.set(code, index);
    else place[code] = index;
  }
  const counts = new Float64Array(cells.length);
  for (let row = 0; row < rows; row += 1) {
    const code = codes[row] as number;
    const cell = (place instanceof Map ? place.get(code) : place[code]) as number;
    counts[cell]! += 1;
    codes[row] = cell;
  }
  return {
    classes,
    truth: Int32Array.from(cells, (cell) => Math.floor(cell / (classes * classes))),
    champion: Int32Array.from(cells, (cell) => Math.floor(cell / classes) % classes),
    candidate: Int32Array.from(cells, (cell) => cell % classes),
    counts,
    ofRow: codes,
    discordant,
  };
}

/** Weight of each cell. @param weights of rows; null counts each once */
export function weightsOf({ counts, ofRow }: JointCells, weights: Float64Array | null): Float64Array {
  if (weights === null) return counts;
  const sums = new Float64Array(counts.length);
  for (let row = 0; row < ofRow.length; row += 1) sums[ofRow[row] as number]! += weights[row] as number;
  return sums;
}

/** The confusion matrices of both models where the cells have these counts or weights. */
export function confusionsOf(joint: JointCells, counts: Float64Array): Confusions {
  const { classes } = joint;
  const confusions = {
    champion: { classes, cells: new Float64Array(classes * classes) },
    candidate: { classes, cells: new Float64Array(classes * classes) },
  };
  fillConfusions(joint, counts, confusions);
  return confusions;
}

interface Confusions {
  champion: Confusion;
  candidate: Confusion;
}

function fillConfusions(joint: JointCells, counts: Float64Array, { champion, candidate }: Confusions): void {
  const { classes } = joint;
  champion.cells.fill(0);
  candidate.cells.fill(0);
  for (let cell = 0; cell < joint.counts.length; cell += 1) {
    const truth = (joint.truth[cell] as number) * classes;
    const count = counts[cell] as number;
    champion.cells[truth + (joint.champion[cell] as number)]! += count;
    candidate.cells[truth + (joint.candidate[cell] as number)]! += count;
  }
}

/**
 * Interval on the difference of a function of the confusion matrix: the joint counts are drawn anew, whatever the rows.
 * @param value of a confusion matrix
 */
export function cellsInterval(
  joint: JointCells,
  value: (matrix: Confusion) => number,
  { seed, resamples }: { seed: number; resamples: number },
): PairedInterval {
  const confusions = confusionsOf(joint, joint.counts);
  const observed = [confusions.champion, confusions.candidate].map(({ cells }) => ({
    classes: joint.classes,
    cells: Float64Array.from(cells),
  }));
  const difference = (counts: Float64Array): number => {
    fillConfusions(joint, counts, confusions);
    return value(confusions.candidate) - value(confusions.champion);
  };
  const delta = difference(joint.counts);
  const without = Float64Array.from(joint.counts, (count, cell) => {
    const counts = Float64Array.from(joint.counts);
    counts[cell] = count - 1;
    return difference(counts);
  });
  const effects = jackknifeEffects(without, joint.counts);
  if (joint.discordant === 0 || effects.values.every((effect) => effect === 0))
    return agreementInterval(delta, observed, value);
  return (
    fewInterval(delta, effects, { largest: worstFlip(observed, value, 1) }) ??
    bcaInterval({
      delta,
      values: cellReplicates(difference, joint.counts, resamples, seed),
      acceleration: accelerationOf(effects),
      observations: joint.discordant,
      method: 'bootstrap-cells',
      seed,
    })
  );
}

/**
 * No row is decided differently, or none moves the difference, and a bootstrap would call it exact. As the score interval does, allow
 * for rows / (rows + z^2) * z^2 rows that a larger sample may flip: the bounds are the worst and best the metric could do with them.
 * @param matrices of both models
 */
export function agreementInterval(
  delta: number,
  matrices: readonly Confusion[],
  value: (matrix: Confusion) => number,
): PairedInterval {
  const rows = matrices[0]?.cells.reduce((sum, count) => sum + count, 0) ?? 0;
  const reach = (z: number): number => worstFlip(matrices, value, (rows * z * z) / (rows + z * z));
  // The level at which the reach equals the distance: the reach grows with z.
  const level = (distance: number): number =>
    bisected(1e-9, 0.5, 50, (tried) => !(reach(normalQuantile(1 - tried)) > distance))[1];
  return scoreInterval(delta, reach(1), { width: (alpha) => reach(normalQuantile(1 - alpha)), level });
}

/** How much the metric of either model moves where so many of its right decisions of one class become wrong, at most. */
function worstFlip(matrices: readonly Confusion[], value: (matrix: Confusion) => number, flipped: number): number {
  let worst = 0;
  for (const matrix of matrices) {
    const { classes, cells: counts } = matrix;
    // A class that is nowhere does not enter a macro average with the first part of a row: the mean would leap, however many the rows.
    const averaged = averagedClasses(matrix);
    const now = value({ classes, cells: counts, averaged });
    for (let truth = 0; truth < classes; truth += 1) {
      for (let decision = 0; decision < classes; decision += 1) {
        if (decision === truth) continue;
        const cells = Float64Array.from(counts);
        const moved = Math.min(flipped, cells[truth * classes + truth] as number);
        cells[truth * classes + truth]! -= moved;
        cells[truth * classes + decision]! += moved;
        const distance = Math.abs(now - value({ classes, cells, averaged }));
        if (distance > worst) worst = distance;
      }
    }
  }
  return worst;
}
