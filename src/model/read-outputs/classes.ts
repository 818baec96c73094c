import type { Columns, Task } from '../../config/schema.ts';
import { classPosition, classText, type ClassValue } from '../../data/class-text.ts';
import { ModelError } from '../../errors.ts';
import type { Predictions } from '../predictions.ts';
import type { LoadedModel } from '../run.ts';

type Classes = { classes: ClassValue[] } & Pick<Predictions, 'classesFrom'>;

/** The model's own class labels, else the configured ones, else what its labels or the number of its scores say. */
export function classesOf(
  model: LoadedModel,
  columns: Columns,
  task: Task,
  width: number,
  seen: readonly ClassValue[],
): Classes {
  const count = width === 1 && task === 'binary-classification' ? 2 : width;
  const own = model.inspection.classes ?? columns.classes ?? null;
  if (own !== null) {
    if (width === 0 || own.length === count) return { classes: [...own] };
    throw new ModelError({
      found: `The model gives ${width} scores a row and there are ${own.length} class labels: ${own.slice(0, 10).join(', ')}`,
      expected: 'one score for each label',
      remedy: 'List the classes, in the order of the scores, in columns.classes; or name the output: {uri, output}',
    });
  }
  if (seen.some((label) => typeof label === 'boolean')) return { classes: [false, true] };
  const classesFrom = width === 0 ? 'predicted' : 'counted';
  const numbers = Array.from({ length: count === 0 ? 2 : count }, (_, index) => index);
  if (seen.every((label) => numbers.includes(label as number))) return { classes: numbers, classesFrom };
  // Labels only, or labels such as -1 and 1: in their order, if there is one for each score.
  const sorted = seen.toSorted((a, b) => (a < b ? -1 : 1));
  if (width === 0 || sorted.length === count) return { classes: sorted, classesFrom: 'predicted' };
  throw new ModelError({
    found: `The model gives ${width} scores a row and labels such as ${seen.slice(0, 5).map(String).join(', ')}`,
    expected: 'to know which score belongs to which label',
    remedy: 'List the classes, in the order of the scores, in columns.classes',
  });
}

/** Labels as positions among the classes. @throws ModelError for one that is none of them */
export function labelIndexes(
  labels: Int32Array,
  seen: readonly ClassValue[],
  classes: readonly ClassValue[],
): Int32Array {
  const names = classes.map(classText);
  const positions = seen.map((label) => {
    const position = classPosition(label, names);
    if (position >= 0) return position;
    throw new ModelError({
      found: `The model predicts the label ${JSON.stringify(label)}`,
      expected: `one of its classes: ${names.slice(0, 10).join(', ')}`,
      remedy: 'List every class in columns.classes',
    });
  });
  return labels.map((index) => positions[index] as number);
}
