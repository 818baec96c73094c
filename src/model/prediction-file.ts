import type { Columns, Task } from '../config/schema.ts';
import type { Dataset } from '../data/dataset.ts';
import { inWorkspace } from '../data/workspace.ts';
import { filesOf } from './prediction-file/files.ts';
import { interpret } from './prediction-file/interpret.ts';
import { joinedRows } from './prediction-file/join.ts';
import type { PredictionReference } from './prediction-file/layout.ts';
import type { Predictions } from './predictions.ts';

export { digestFiles } from './prediction-file/files.ts';
export type { PredictionReference } from './prediction-file/layout.ts';
export { writePredictionFile } from './prediction-file/write.ts';

/**
 * Read predictions made elsewhere and put them in the order of the dataset, joined by row id. Rows the dataset does not
 * have are left out; every row of the dataset must have exactly one prediction.
 *
 * Columns: the id (`id`, default the id column of the data); scores (`score`, default a column `score`, else all columns
 * `score_<class>`, else none): one column is the positive class or the value, several are class probabilities in the order of
 * `columns.classes` (or of the `<class>` in their names, or 0, 1, 2, ...); the predicted label (`label`, default a column
 * `prediction` if there is one). Of regression and ranking the values may also be in a column `prediction`, if there is no `score`. For several labels: a score, or a predicted 0 or 1, of each, in columns `score_<label>` and
 * `prediction_<label>` or in those that `score` and `label` list in the order of `columns.label`.
 * A column named as the label of the data must agree with it.
 * @throws DataError naming the first rows at fault: ids missing, repeated or null; labels that differ; scores that are missing, NaN or no probabilities
 */
export async function readPredictionFile(input: {
  reference: PredictionReference;
  /** Absolute; the last part may have the wildcards `*` and `?`: shards. */
  path: string;
  /** Only these of the files that `path` stands for. */
  only?: readonly string[];
  dataset: Dataset;
  columns: Columns;
  task: Task;
}): Promise<Predictions> {
  const { reference, dataset, columns, task } = input;
  const paths = input.only ?? (await filesOf(input.path, reference.predictions));
  const rows = await inWorkspace((workspace) => joinedRows(workspace, paths, input));
  return interpret(rows, { reference, rows: dataset.rows, columns, task });
}
