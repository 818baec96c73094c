import { classText, type ClassValue } from '../../data/class-text.ts';
import { ConfigError } from '../../errors.ts';

/** Scores that differ by less are a tie: labels are often made before the last rounding. */
const tie = 1e-6;

/** The labels a model gives beside its scores, in the terms of its classes. */
export interface LabelledScores {
  /** Position of the label among the classes, of each row. */
  labels: Int32Array;
  /** Row-major, one column a class; one column alone is of the class at `positive`. */
  values: Float64Array;
  width: number;
  classes: readonly ClassValue[];
  positive: number;
  /** Of one column: from here on the label is positive. */
  cut: number;
}

export interface Contradiction {
  rows: number;
  /** First of them. */
  row: number;
  /** The order of the classes that agrees with more rows, if there is one. */
  order: ClassValue[] | null;
}

/** Compare the label of each row with its highest score; ties contradict nothing. Null: no row contradicts. */
export function contradictionOf(input: LabelledScores): Contradiction | null {
  const { labels, classes } = input;
  const size = classes.length;
  const counts = new Float64Array(size * size);
  let rows = 0;
  let first = -1;
  for (let row = 0; row < labels.length; row += 1) {
    const highest = clearHighest(input, row);
    if (highest < 0) continue;
    const label = labels[row] as number;
    counts[label * size + highest]! += 1;
    if (label === highest) continue;
    if (first < 0) first = row;
    rows += 1;
  }
  return rows === 0 ? null : { rows, row: first, order: betterOrder(counts, classes) };
}

/** The class of the highest score, -1 where another comes as near as a rounding. */
function clearHighest({ values, width, positive, cut }: LabelledScores, row: number): number {
  if (width === 1) {
    const score = values[row] as number;
    if (Math.abs(score - cut) <= tie) return -1;
    return score > cut ? positive : 1 - positive;
  }
  let [most, next, at] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, -1];
  for (let column = 0; column < width; column += 1) {
    const score = values[row * width + column] as number;
    if (score > most) [most, next, at] = [score, most, column];
    else if (score > next) next = score;
  }
  return most - next <= tie * Math.max(1, Math.abs(most)) ? -1 : at;
}

/** Each label goes to the column that is highest most often, if no two go to one; one label in all rows shows no order. */
function betterOrder(counts: Float64Array, classes: readonly ClassValue[]): ClassValue[] | null {
  const size = classes.length;
  const order = new Array<ClassValue | undefined>(size).fill(undefined);
  const left: ClassValue[] = [];
  let [agreeing, before] = [0, 0];
  for (const [label, value] of classes.entries()) {
    const row = counts.subarray(label * size, (label + 1) * size);
    before += row[label] as number;
    const most = Math.max(...row);
    if (most === 0) {
      left.push(value);
      continue;
    }
    const column = row.indexOf(most);
    if (order[column] !== undefined) return null;
    order[column] = value;
    agreeing += most;
  }
  if (agreeing <= before || left.length > size - 2) return null;
  return order.map((value) => value ?? (left.shift() as ClassValue));
}

/**
 * Whether a lone score is that of the label beside it, whichever it is, as text-classification pipelines give it: below the cut in no
 * row, and rows of the one label lie among those of the other, so that no threshold tells them apart.
 */
export function areOfTheirLabels({ labels, values, width, positive, cut }: LabelledScores): boolean {
  if (width !== 1) return false;
  let [highest, lowest] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const [row, label] of labels.entries()) {
    const score = values[row] as number;
    if (score < cut - tie) return false;
    if (label === positive) lowest = Math.min(lowest, score);
    else highest = Math.max(highest, score);
  }
  return highest > lowest + tie;
}

/** What to say of labels that contradict the scores. */
export function contradictionError(
  { rows, row, order }: Contradiction,
  input: LabelledScores & {
    scoreName: string;
    labelName: string;
    stated: boolean;
    unnamed?: boolean;
    positions?: boolean;
  },
): ConfigError {
  const { labels, classes, width, scoreName, labelName, stated, unnamed } = input;
  const name = (value: ClassValue | undefined): string => JSON.stringify(value === undefined ? '' : classText(value));
  const highest = name(classes[clearHighest(input, row)]);
  const found = `Output ${labelName} contradicts the scores of output ${scoreName} in ${rows} of ${labels.length} rows (the first, row ${row + 1}, is labelled ${name(classes[labels[row] as number])}, and ${width === 1 ? `its score says ${highest}` : `the highest score is that of ${highest}`})`;
  if (order === null) {
    if (areOfTheirLabels(input)) {
      return new ConfigError({
        found: `${found}: no score is below ${input.cut}, so each looks like the score of the label predicted for its row`,
        expected: `scores of ${name(classes[input.positive])}`,
        remedy: `Export the probability of ${name(classes[input.positive])}, or those of both classes; or use only the labels: {uri, output: ${labelName}}`,
      });
    }
    return new ConfigError({
      found,
      expected:
        'labels that equal the class of the highest score; no other order of the classes agrees better, so the labels follow another rule',
      remedy: `State which output decides: {uri, output: ${scoreName}} for the scores${width <= 2 ? ' ({uri, threshold} to move the threshold)' : ''}, or {uri, output: ${labelName}} for the labels`,
    });
  }
  const agrees = order.map(name).join(', ');
  const settled =
    unnamed === true
      ? `; or, if ${labelName} is not a label, name the output of the scores: {uri, output: ${scoreName}}`
      : '';
  const read = classes.map(name).join(', ');
  const areKeys = stated && classes.every((_, index) => classes.map(classText).includes(String(index + 1)));
  if (width === 1 && input.positions === true) {
    const turned = classes.toReversed().map(name).join(', ');
    return new ConfigError({
      found,
      expected: `a statement what the labels of output ${labelName} mean: they were read as the positions of the classes ${read}`,
      remedy: `Set columns.classes: [${turned}] where they are positions in that order; else the score is that of ${highest}: export the probabilities of both classes`,
    });
  }
  if (width === 1) {
    return new ConfigError({
      found,
      expected: `scores of ${highest}: these are the scores of the other class`,
      remedy: `Export the probabilities of both classes, or set columns.positive to the class that the scores are of${settled}`,
    });
  }
  return new ConfigError({
    found,
    expected: `the order of the classes that agrees with the labels: ${agrees} (it was read as ${read}${stated ? ', from columns.classes' : ''})`,
    remedy: `Set columns.classes: [${agrees}]${settled}${areKeys ? `; or, if ${labelName} counts the classes of columns.classes from 1 (ML.NET), name the output of the scores too: {uri, output: ${scoreName}}` : ''}`,
  });
}
