import { decisionsOf, type Outputs, type Sample } from '../sample.ts';
import { sum } from '../../../statistics/sums.ts';
import { ratio, recall, type LabelValue } from './label-counts.ts';

/** Counts (or summed weights), row-major [classes x classes]: rows are the true class, columns the decided one. */
export interface Confusion {
  classes: number;
  cells: Float64Array;
  /** The classes a macro average is over (1), where those of another matrix are held; default: the matrix's own. */
  averaged?: Uint8Array;
}

export function confusionOf(
  sample: Sample,
  outputs: Outputs,
  weights: Float64Array | null = sample.weights,
): Confusion {
  const decisions = decisionsOf(outputs);
  const { classes, truth } = sample;
  const cells = new Float64Array(classes * classes);
  for (let row = 0; row < sample.rows; row += 1) {
    cells[(truth[row] as number) * classes + (decisions[row] as number)]! +=
      weights === null ? 1 : (weights[row] as number);
  }
  return { classes, cells };
}

/** Mean recall over the classes that occur. */
export function balancedAccuracy(matrix: Confusion): number {
  let sum = 0;
  let present = 0;
  for (let label = 0; label < matrix.classes; label += 1) {
    if (support(matrix, label) === 0) continue;
    sum += ofClass(matrix, label, recall);
    present += 1;
  }
  return sum / present;
}

/** A value of the counts of one class. */
export function ofClass(matrix: Confusion, label: number, value: LabelValue): number {
  return value(hits(matrix, label), predicted(matrix, label), support(matrix, label));
}

/**
 * Unweighted mean over the classes that occur or are predicted, as scikit-learn without `labels`. Two models compared are each averaged
 * over their own classes, so that the value of either is scikit-learn's: who predicts a class that does not occur has its 0 in the mean.
 */
export function macro(matrix: Confusion, value: LabelValue): number {
  const { averaged = averagedClasses(matrix) } = matrix;
  let sum = 0;
  let count = 0;
  for (let label = 0; label < matrix.classes; label += 1) {
    if (averaged[label] === 0) continue;
    sum += ofClass(matrix, label, value);
    count += 1;
  }
  return sum / count;
}

/** 1 for each class that occurs or is predicted. */
export function averagedClasses({ classes, cells }: Confusion): Uint8Array {
  const averaged = new Uint8Array(classes);
  for (let truth = 0; truth < classes; truth += 1) {
    for (let decision = 0; decision < classes; decision += 1) {
      if ((cells[truth * classes + decision] as number) > 0) averaged[truth] = averaged[decision] = 1;
    }
  }
  return averaged;
}

/** Mean over classes weighted by how often they occur. */
export function weighted(matrix: Confusion, value: LabelValue): number {
  let weight = 0;
  for (let label = 0; label < matrix.classes; label += 1)
    weight += support(matrix, label) * ofClass(matrix, label, value);
  return weight / sum(matrix.cells);
}

/** Matthews correlation coefficient, multiclass (Gorodkin 2004); 0 where truth or decision is constant. */
export function matthews(matrix: Confusion): number {
  const all = sum(matrix.cells);
  let expected = 0;
  let decided = 0;
  let occurring = 0;
  for (let label = 0; label < matrix.classes; label += 1) {
    const truths = support(matrix, label);
    const decisions = predicted(matrix, label);
    expected += truths * decisions;
    decided += decisions * decisions;
    occurring += truths * truths;
  }
  const [ofDecided, ofOccurring] = [all * all - decided, all * all - occurring];
  // The product of two roots of one number is not always that number, and the best model would not have 1.
  const scale = ofDecided === ofOccurring ? ofDecided : Math.sqrt(ofDecided) * Math.sqrt(ofOccurring);
  return ratio(trace(matrix) * all - expected, scale);
}

/** Cohen's kappa: agreement beyond chance; 0 where agreement by chance is certain. */
export function kappa(matrix: Confusion): number {
  const all = sum(matrix.cells);
  let expected = 0;
  for (let label = 0; label < matrix.classes; label += 1) {
    expected += (support(matrix, label) / all) * (predicted(matrix, label) / all);
  }
  return ratio(trace(matrix) / all - expected, 1 - expected);
}

function support({ classes, cells }: Confusion, label: number): number {
  let sum = 0;
  for (let decision = 0; decision < classes; decision += 1) sum += cells[label * classes + decision] as number;
  return sum;
}

function predicted({ classes, cells }: Confusion, label: number): number {
  let sum = 0;
  for (let truth = 0; truth < classes; truth += 1) sum += cells[truth * classes + label] as number;
  return sum;
}

function hits({ classes, cells }: Confusion, label: number): number {
  return cells[label * classes + label] as number;
}

function trace(matrix: Confusion): number {
  let sum = 0;
  for (let label = 0; label < matrix.classes; label += 1) sum += hits(matrix, label);
  return sum;
}
