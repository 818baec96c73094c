import { classPosition, classText } from '../../data/class-text.ts';
import { ContenderError, StagingError } from '../../errors.ts';
import type { Columns, Task } from '../../config/schema.ts';
import type { Predictions, ReadingOptions } from '../../model/predictions.ts';
import { answerReader, type Answer, type AnswerReader } from '../../model/read-outputs/answers.ts';
import type { OutputValues } from '../../model/read-outputs/rows.ts';
import {
  inferRequest,
  onnxTypeOf,
  parseJson,
  quote,
  readInferResponse,
  requestWriter,
  rowPointer,
  type FeatureColumn,
  type ModelMetadata,
  type TensorMetadata,
} from '../../protocol/index.ts';
import type { Service } from '../../staging/index.ts';

/** How rows are asked about and answers are read, in plain data that another process can be told. */
export interface ExchangePlan {
  /** Address of the predictions. */
  url: string;
  headers: Readonly<Record<string, string>>;
  /** Bodies are sent packed, and answers may come packed. */
  gzip: boolean;
  tls: Service['tls'];
  /** Tensors of the Open Inference Protocol, or a form with marks; see protocol/template.ts. */
  write:
    | { columns: readonly FeatureColumn[]; metadata: Pick<ModelMetadata, 'name' | 'inputs'> }
    | { columns: readonly FeatureColumn[]; form: unknown; named: ReadonlyMap<string, FeatureColumn>; model: string };
  read: ReadingPlan & ({ outputs: readonly TensorMetadata[]; where: string } | { places: Places });
}

export interface ReadingPlan {
  task: Task;
  columns: Columns;
  /** What the model predicts offline: answers are read as these were. */
  offline: Predictions;
  reading: ReadingOptions;
}

export interface Places {
  scores?: string;
  label?: string;
}

/** How rows are asked about and answers are read, whatever the server speaks. */
export interface Exchange {
  plan: ExchangePlan;
  /** The body of a request about rows of the dataset. */
  body(rows: ArrayLike<number>): string;
  /** What an answer about so many rows says. @throws ContenderError where it cannot be read */
  read(body: Buffer, rows: number): Answer;
}

/** @throws StagingError where the outputs of the server cannot be read as the model was offline */
export function exchangeOf(plan: ExchangePlan): Exchange {
  const { read } = plan;
  return {
    plan,
    body: writerOf(plan.write),
    read: 'places' in read ? jsonReader(read.places, read) : tensorReader(read.outputs, read, read.where),
  };
}

export function writerOf(write: ExchangePlan['write']): Exchange['body'] {
  if (!('metadata' in write)) return requestWriter(write.form, write);
  const { columns, metadata } = write;
  return (rows) => inferRequest({ columns, rows }, metadata);
}

/** How the outputs of a server are read: as the model was offline. @throws StagingError where its outputs do not allow it */
function tensorReader(
  declared: readonly TensorMetadata[],
  { task, offline, columns, reading }: ReadingPlan,
  where: string,
): Exchange['read'] {
  const outputs = declared.map(({ name, datatype, shape }) => ({ name, type: onnxTypeOf(datatype), shape }));
  let read: AnswerReader;
  try {
    read = answerReader(outputs, { task, columns, reading, offline });
  } catch (error) {
    if (!(error instanceof ContenderError)) throw error;
    throw new StagingError({ ...error.fault, where });
  }
  return (body, rows) => {
    const values = readInferResponse(body).map(({ name, shape, data }) => [name, { dims: shape, data }]);
    return read(Object.fromEntries(values) as Record<string, OutputValues>, rows);
  };
}

export function parsed(body: string | Buffer, fault: (found: string) => StagingError): unknown {
  try {
    return parseJson(body);
  } catch (error) {
    throw fault(`got an answer that is not JSON (${(error as Error).message.slice(0, 100)})`);
  }
}

/** Reads answers of any JSON API as outputs of a model: a matrix of scores, a list of labels. */
function jsonReader({ scores, label }: Places, { task, columns, offline, reading }: ReadingPlan): Exchange['read'] {
  const classes = (offline.classes ?? []).map(classText);
  const scoresAt = scores === undefined ? null : rowPointer(scores);
  const labelAt = label === undefined ? null : rowPointer(label);
  const chosen = { scores: scoresAt === null ? null : 'scores', labels: labelAt === null ? null : 'label' };
  const outputs = [
    { name: 'scores', type: 'double', shape: [-1, -1] },
    { name: 'label', type: 'string', shape: [-1] },
  ];
  const { transform, threshold } = reading;
  const read = answerReader(outputs, { task, columns, reading: { transform, threshold }, offline, chosen });
  return (body, rows) => {
    const answer = parsed(body, (found) => new StagingError({ found: `A request ${found}` }));
    const values: Record<string, OutputValues> = {};
    if (scoresAt !== null) values['scores'] = matrix(scoresAt(answer, rows).map(numbersOf));
    if (labelAt !== null) values['label'] = flat(labelAt(answer, rows));
    return read(values, rows);
  };

  /** A number, a list of numbers in the order of the classes, or an object of numbers by class. */
  function numbersOf(value: unknown): number[] {
    if (typeof value === 'number') return [value];
    if (value === null) return [Number.NaN];
    if (Array.isArray(value)) return (value as unknown[]).flat(2).map(number);
    if (typeof value === 'object') {
      const given = Object.entries(value as Record<string, unknown>);
      const row = new Array<number>(classes.length).fill(Number.NaN);
      for (const [name, score] of given) {
        const place = classPosition(name, classes);
        if (place === -1)
          throw unreadable(
            `scores of ${JSON.stringify(name).slice(0, 60)}`,
            `of the classes ${classes.slice(0, 10).join(', ')}`,
          );
        row[place] = number(score);
      }
      if (given.length !== classes.length)
        throw unreadable(`scores of ${given.length} classes`, `of ${classes.length}`);
      return row;
    }
    return [number(value)];
  }
}

function number(value: unknown): number {
  if (typeof value === 'number') return value;
  if (value === null) return Number.NaN;
  throw unreadable(`${quote(value).slice(0, 60)} instead of a score`, 'a number');
}

function matrix(rows: readonly number[][]): OutputValues {
  const width = rows[0]?.length ?? 0;
  const other = rows.find((row) => row.length !== width);
  if (other !== undefined)
    throw unreadable(`${width} scores in one row and ${other.length} in another`, 'the same number in each row');
  return { dims: [rows.length, width], data: rows.flat() };
}

function flat(rows: readonly unknown[]): OutputValues {
  const parts = rows.map((row) => (Array.isArray(row) ? (row as unknown[]) : [row]));
  const width = parts[0]?.length ?? 0;
  const data = parts.flat();
  const wrong = data.find((value) => !['string', 'number', 'boolean'].includes(typeof value));
  if (wrong !== undefined) throw unreadable(`${quote(wrong).slice(0, 60)} instead of a label`, 'a text or a number');
  if (data.length !== width * rows.length)
    throw unreadable('rows with different numbers of labels', 'the same number in each row');
  return { dims: width === 1 ? [rows.length] : [rows.length, width], data: data as (string | number | boolean)[] };
}

function unreadable(found: string, expected: string): StagingError {
  return new StagingError({ found: `The answer has ${found}`, expected });
}
