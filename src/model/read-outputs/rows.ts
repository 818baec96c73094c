import { labelColumns } from '../../config/columns.ts';
import type { Columns, Task } from '../../config/schema.ts';
import { MismatchError, ModelError } from '../../errors.ts';
import type { DeclaredOutput } from './choose.ts';
import { counted } from '../../wording.ts';

/** The elements of an output, in row-major order, whoever gave it. */
export interface OutputValues {
  dims: readonly number[];
  data: ArrayLike<number | bigint | string | boolean>;
}

/** Values row by row, `width` of each. */
export interface RowValues {
  data: OutputValues['data'];
  width: number;
}

/** Reads the values of one output, batch after batch. @throws MismatchError, ModelError where the dimensions leave open which value is of which row */
export type RowReader = (values: OutputValues, rows: number) => RowValues;

/** How an output of this name is read; null where there is none. */
export function readerOf(
  outputs: readonly DeclaredOutput[],
  name: string | null,
  task: Task,
  columns: Columns,
): RowReader | null {
  const output = outputs.find((each) => each.name === name);
  return output === undefined ? null : rowReader(output, task, columns);
}

/**
 * Rows are the first dimension. Where they are the second, `[columns, rows]`, the matrix is turned, if that is the only reading;
 * `[labels, rows, 2]` are the probabilities of one classifier a label, of which the last is of having the label.
 */
function rowReader(output: DeclaredOutput, task: Task, columns: Columns): RowReader {
  const labels = task === 'multilabel-classification' ? labelColumns(columns).length : null;
  const [first, second, ...others] = output.shape;
  const declaredTurned = isFixed(first) && second !== undefined && !isFixed(second) && others.length === 0;
  /** Rows come second, as an earlier batch shows; null: not known yet. */
  let turned: boolean | null = null;
  /** A batch of as many rows as columns was read with its rows first: a later one that shows otherwise is a contradiction. */
  let assumed = false;
  let fixed: number | null = null;

  return (values, rows) => {
    const { dims } = values;
    const read = stacked(values, rows) ?? straight(values, rows) ?? transposed(values, rows);
    if (read === null || (fixed !== null && fixed !== read.width)) {
      // Rows that are there, and not where the task has them, are read under another task, or from a better export.
      const Fault = rows > 1 && dims.includes(rows) ? MismatchError : ModelError;
      throw new Fault({
        found: `Output ${output.name} has dimensions [${dims.join(', ')}] for ${counted(rows, 'rows')}`,
        expected: `${counted(rows, 'rows')} in the first dimension, and the same number of values for every row`,
        remedy: 'Export the model with the rows first, or name another output: {uri, output}',
      });
    }
    fixed = read.width;
    return read;
  };

  function stacked({ dims, data }: OutputValues, rows: number): RowValues | null {
    if (labels === null || dims.length !== 3 || dims[0] !== labels || dims[1] !== rows || dims[2] !== 2) return null;
    return {
      data: Array.from(
        { length: rows * labels },
        (_, at) => data[((at % labels) * rows + Math.floor(at / labels)) * 2 + 1] as number,
      ),
      width: labels,
    };
  }

  function straight({ dims, data }: OutputValues, rows: number): RowValues | null {
    if (dims.length === 0 && rows === 1) return { data, width: 1 };
    if (dims[0] !== rows) return null;
    // Of as many rows as columns, the dimensions of one batch do not tell which is which.
    const square = dims.length === 2 && dims[1] === rows;
    if (turned === true || (square && rows > 1 && turned === null && declaredTurned)) return null;
    if (!square) turned = false;
    else if (rows > 1) assumed = true;
    return { data, width: data.length / rows };
  }

  function transposed({ dims, data }: OutputValues, rows: number): RowValues | null {
    const [width = 0] = dims;
    if (dims.length !== 2 || dims[1] !== rows || turned === false || assumed || !fits(width)) return null;
    turned = true;
    const target = data instanceof Float64Array ? new Float64Array(data.length) : new Array<number>(data.length);
    for (let column = 0; column < width; column += 1) {
      for (let row = 0; row < rows; row += 1) target[row * width + column] = data[column * rows + row] as number;
    }
    return { data: target, width };
  }

  /** Can there be so many values a row? */
  function fits(width: number): boolean {
    switch (task) {
      case 'multilabel-classification':
        return width === labels;
      case 'multiclass-classification':
        return width === 1 || width === (columns.classes?.length ?? width);
      case 'binary-classification':
        return width === 1 || width === 2;
      default:
        return width === 1;
    }
  }
}

function isFixed(size: number | string | null | undefined): boolean {
  return typeof size === 'number' && size >= 0;
}
