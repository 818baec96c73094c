import { sortedOrder } from './sort.ts';
import type { Outputs, Sample } from './sample.ts';

/** A row whose label both models contradict with confidence. */
export interface DoubtfulLabel {
  /** Of the sample, from 0. */
  row: number;
  /** Numbers of classes: the label, and what both models name. */
  label: number;
  named: number;
  /** The probability that each model gives to the class that it names. */
  champion: number;
  candidate: number;
}

export interface DoubtfulLabels {
  /** The most doubtful first: at most `mostListed`. */
  listed: DoubtfulLabel[];
  /** How many there are. */
  rows: number;
  /** How many there would be if every label were right and the probabilities too: so many rows are only hard. */
  expected: number;
}

const mostListed = 50;

/**
 * Rows whose label champion and candidate both contradict, naming one other class, each at least as surely as it names that class on
 * the rows that are labelled so (Northcutt, Jiang and Chuang, Confident Learning, JAIR 70, 2021), and more surely than not. Two models
 * that learnt from the same wrong labels agree with them: this finds some wrong labels, not all, and right ones of hard rows.
 * @returns null where a model has no probabilities of classes
 */
export function doubtfulLabels(sample: Sample, champion: Outputs, candidate: Outputs): DoubtfulLabels | null {
  const sides = [probabilitiesOf(sample, champion), probabilitiesOf(sample, candidate)] as const;
  const [before, now] = sides;
  if (before === null || now === null) return null;
  const found: number[] = [];
  let expected = 0;
  const thresholds = [confidences(sample, before), confidences(sample, now)] as const;
  for (let row = 0; row < sample.rows; row += 1) {
    const named = surest(before, row);
    if (named !== surest(now, row)) continue;
    const [a, b] = [before.of(row, named), now.of(row, named)];
    if (a < (thresholds[0][named] as number) || b < (thresholds[1][named] as number)) continue;
    expected += 1 - (a + b) / 2;
    if (sample.truth[row] !== named) found.push(row);
  }
  const doubts = Float64Array.from(
    found,
    (row) => -Math.min(before.of(row, surest(before, row)), now.of(row, surest(now, row))),
  );
  const listed = Array.from(sortedOrder(doubts).subarray(0, mostListed), (place): DoubtfulLabel => {
    const row = found[place] as number;
    const named = surest(before, row);
    const label = sample.truth[row] as number;
    return { row, label, named, champion: before.of(row, named), candidate: now.of(row, named) };
  });
  return { listed, rows: found.length, expected };
}

interface Probabilities {
  classes: number;
  of(row: number, each: number): number;
}

function probabilitiesOf(sample: Sample, { scores, probabilities }: Outputs): Probabilities | null {
  if (scores === null || !probabilities || sample.classes < 2 || sample.labels !== undefined) return null;
  const { classes } = sample;
  if (scores.length === sample.rows) {
    if (classes !== 2) return null;
    return { classes, of: (row, each) => (each === 1 ? (scores[row] as number) : 1 - (scores[row] as number)) };
  }
  return { classes, of: (row, each) => scores[row * classes + each] as number };
}

function surest({ classes, of }: Probabilities, row: number): number {
  let best = 0;
  for (let each = 1; each < classes; each += 1) if (of(row, each) > of(row, best)) best = each;
  return best;
}

/** Of each class its mean probability on the rows that are labelled so, at least a half: how sure is sure for this model. */
function confidences({ rows, truth, classes }: Sample, { of }: Probabilities): number[] {
  const sums = Array.from({ length: classes }, () => ({ sum: 0, rows: 0 }));
  for (let row = 0; row < rows; row += 1) {
    const label = truth[row] as number;
    const own = sums[label];
    if (own === undefined) continue;
    own.sum += of(row, label);
    own.rows += 1;
  }
  return sums.map((each) => Math.max(0.5, each.rows === 0 ? 1 : each.sum / each.rows));
}
