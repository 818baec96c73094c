import { serviceSettings } from '../../config/staging.ts';
import { labelColumns } from '../../config/columns.ts';
import { classPosition, classText } from '../../data/class-text.ts';
import { isNumeric, readColumns, type ColumnVector, type Dataset } from '../../data/dataset.ts';
import { ConfigError, ContenderError, StagingError } from '../../errors.ts';
import { planInputs, type InputPlan } from '../../model/features.ts';
import { inspectModel } from '../../model/inspect.ts';
import type { Predictions } from '../../model/predictions.ts';
import { answerReader, type Answer, type AnswerReader } from '../../model/read-outputs/answers.ts';
import type { OutputValues } from '../../model/read-outputs/rows.ts';
import {
  formUse,
  inferRequest,
  isOfRows,
  onnxTypeOf,
  parseJson,
  quote,
  readInferResponse,
  requestWriter,
  rowPointer,
  type FeatureColumn,
} from '../../protocol/index.ts';
import { post } from '../../staging/get.ts';
import type { Service, StagingTarget } from '../../staging/index.ts';
import type { ContestantsContext, LocalModel } from '../stage.ts';

/** How rows are asked about and answers are read, whatever the server speaks. */
export interface Exchange {
  /** Address of the predictions. */
  url: string;
  headers: Readonly<Record<string, string>>;
  /** Bodies are sent packed, and answers may come packed. */
  gzip: boolean;
  tls: Service['tls'];
  /** The body of a request about rows of the dataset. */
  body(rows: ArrayLike<number>): string;
  /** What an answer about so many rows says. @throws ContenderError where it cannot be read */
  read(body: Buffer, rows: number): Answer;
}

export interface ExchangeInput extends Pick<ContestantsContext, 'task' | 'columns' | 'dataset' | 'config' | 'signal'> {
  /** The model as the target serves it; null: there is no file of it. */
  served: LocalModel | null;
  offline: Predictions;
}

/**
 * @param rowsPerRequest as many as one request will ask about
 * @throws StagingError where the server does not go with the model and its data; ConfigError, DataError for what a person must mend
 */
export function exchangeWith(target: StagingTarget, input: ExchangeInput, rowsPerRequest: number): Promise<Exchange> {
  return target.metadata === null
    ? jsonExchange(target, input, rowsPerRequest)
    : inferenceExchange(target, target.metadata, input);
}

type Metadata = NonNullable<StagingTarget['metadata']>;

/** The Open Inference Protocol: the server says what it reads and gives. */
async function inferenceExchange(target: StagingTarget, metadata: Metadata, input: ExchangeInput): Promise<Exchange> {
  const columns = await inferenceColumns(metadata, input);
  const where = `the served model ${JSON.stringify(metadata.name).slice(0, 100)}`;
  return {
    ...addressOf(target),
    body: (rows) => inferRequest({ columns, rows }, metadata),
    read: inferenceAnswers(metadata.outputs, input, where),
  };
}

function addressOf({ url, service }: StagingTarget): Pick<Exchange, 'url' | 'headers' | 'gzip' | 'tls'> {
  const { headers, gzip, tls } = service;
  return { url: new URL(service.path, url).href, headers, gzip, tls };
}

/** How the outputs of a server are read: as the model was offline. @throws StagingError where its outputs do not allow it */
export function inferenceAnswers(
  declared: Metadata['outputs'],
  { task, offline, columns, served }: Pick<ExchangeInput, 'task' | 'offline' | 'columns' | 'served'>,
  where: string,
): Exchange['read'] {
  const outputs = declared.map(({ name, datatype, shape }) => ({ name, type: onnxTypeOf(datatype), shape }));
  let read: AnswerReader;
  try {
    read = answerReader(outputs, { task, columns, reading: served?.reading ?? {}, offline });
  } catch (error) {
    if (!(error instanceof ContenderError)) throw error;
    throw new StagingError({ ...error.fault, where });
  }
  return (body, rows) => {
    const values = readInferResponse(body).map(({ name, shape, data }) => [name, { dims: shape, data }]);
    return read(Object.fromEntries(values) as Record<string, OutputValues>, rows);
  };
}

/** The features, as the inputs of the server want them: as texts, or as numbers (of booleans 1 and 0). */
async function inferenceColumns({ inputs }: Metadata, input: ExchangeInput): Promise<FeatureColumn[]> {
  const { dataset } = input;
  const names = inputs.map(({ name }) => name);
  const features = (await featuresOf(input)).map(({ name }) => name);
  const byOrder =
    names.length > 1 && names.length === features.length && !names.some((name) => features.includes(name));
  const datatypeOf = (feature: string, index: number): string | undefined => {
    const [only, ...others] = inputs;
    if (others.length === 0) return only?.datatype;
    return (byOrder ? inputs[index] : inputs.find(({ name }) => name === feature))?.datatype;
  };
  const isText = features.map((name, index) => datatypeOf(name, index) === 'BYTES');
  const vectors = await columnsOf(
    dataset,
    features.map((name, index) => ({ name, isText: isText[index] === true })),
  );
  return features.map((feature, index) => {
    const column = vectors.get(feature) as ColumnVector;
    return byOrder ? { ...column, name: names[index] as string } : column;
  });
}

interface Feature {
  name: string;
  isText: boolean;
}

/** The features in the order in which the offline predictions were made from them; without a model, those that are configured. */
async function featuresOf({ columns, dataset, served }: ExchangeInput): Promise<Feature[]> {
  if (served !== null) {
    const plans = planInputs(await inspectModel(served.artifact.path), columns, dataset.columns);
    const typed = new Map(
      plans.flatMap(({ input, columns: names }: InputPlan) =>
        names.map((name) => [name, input.type === 'string'] as const),
      ),
    );
    return [...typed].map(([name, isText]) => ({ name, isText }));
  }
  if (columns.features === undefined) return [];
  return columns.features.map((name) => ({ name, isText: !isNumberLike(dataset, name) }));
}

function isNumberLike({ columns }: Dataset, name: string): boolean {
  const type = columns.find((column) => column.name === name)?.type ?? '';
  return isNumeric(type) || type === 'BOOLEAN';
}

async function columnsOf(dataset: Dataset, wanted: readonly Feature[]): Promise<Map<string, ColumnVector>> {
  const named = (isText: boolean): string[] => wanted.filter((each) => each.isText === isText).map(({ name }) => name);
  const { texts, numbers } = await readColumns(dataset, { texts: named(true), numbers: named(false) });
  return new Map<string, ColumnVector>([...texts, ...numbers]);
}

/** Any other API over JSON: a form says what is sent, pointers where the answers stand. */
async function jsonExchange(target: StagingTarget, input: ExchangeInput, rowsPerRequest: number): Promise<Exchange> {
  const { config, columns, dataset } = input;
  const settings = config.staging === undefined ? {} : serviceSettings(config.staging);
  const where = 'staging.request';
  const form = settings.request ?? target.service.api?.request;
  if (form === undefined) {
    throw new ConfigError({
      found: `no request for protocol: ${target.service.protocol}`,
      expected: 'the body of a request, such as {"inputs": "{{$features}}"}',
      where,
    });
  }
  const use = formUse(form, where);
  if (!use.repeats && rowsPerRequest > 1) {
    throw new ConfigError({
      found: `rows_per_request: ${rowsPerRequest} with a request of one row`,
      expected: 'a request with {"$each": form}, which holds several rows',
      where,
    });
  }
  const label = labelColumns(columns).find((name) => use.columns.includes(name));
  if (label !== undefined) {
    throw new ConfigError({
      found: `the request holds {{${label}}}, the label`,
      expected: 'columns that are known before the label is',
      where,
    });
  }
  const known = dataset.columns.map(({ name }) => name);
  const unknown = use.columns.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new ConfigError({
      found: `the request holds {{${unknown}}}`,
      expected: `a column of the evaluation set: ${known.slice(0, 20).join(', ')}`,
      where,
    });
  }
  const features = await featuresOf(input);
  if (use.features && features.length === 0) {
    throw new ConfigError({
      found: 'the request holds all features, and there is no model file to tell which these are',
      expected: 'their names, in the order of the model',
      where: 'columns.features',
    });
  }
  const others = use.columns.filter((name) => !features.some((feature) => feature.name === name));
  const wanted = [...features, ...others.map((name) => ({ name, isText: !isNumberLike(dataset, name) }))];
  const vectors = await columnsOf(dataset, wanted);
  const asSent = (name: string): FeatureColumn => {
    const column = vectors.get(name) as ColumnVector;
    const isBoolean = dataset.columns.find((each) => each.name === name)?.type === 'BOOLEAN';
    return column.kind === 'number' && isBoolean ? { ...column, isBoolean } : column;
  };
  const body = requestWriter(form, {
    columns: features.map(({ name }) => asSent(name)),
    named: new Map(wanted.map(({ name }) => [name, asSent(name)])),
    model: target.service.model,
  });
  const address = addressOf(target);
  const places = settings.answer ?? (await placesOf(target, input, { ...address, body }, rowsPerRequest));
  for (const pointer of [places.scores, places.label]) {
    if (pointer === undefined || isOfRows(pointer) || rowsPerRequest === 1) continue;
    throw new ConfigError({
      found: `${JSON.stringify(pointer)} with rows_per_request: ${rowsPerRequest}`,
      expected: 'a pointer with * for each row, such as /predictions/*',
      where: 'staging.answer',
    });
  }
  return { ...address, body, read: jsonReader(places, input) };
}

interface Places {
  scores?: string;
  label?: string;
}

/**
 * Whether the predictions of a published protocol are scores or labels, which none of them says: as the task has it, else as the
 * answer to a first request shows.
 * @throws ConfigError where both readings are possible
 */
async function placesOf(
  target: StagingTarget,
  { task, dataset, signal }: ExchangeInput,
  exchange: Pick<Exchange, 'url' | 'headers' | 'gzip' | 'tls' | 'body'>,
  rowsPerRequest: number,
): Promise<Places> {
  const pointer = target.service.api?.predictions;
  if (pointer === undefined) {
    throw new ConfigError({
      found: `no answer for protocol: ${target.service.protocol}`,
      expected: 'where scores or label stand in an answer, such as answer: {scores: /score}',
      where: 'staging.answer',
    });
  }
  if (task === 'regression' || task === 'ranking') return { scores: pointer };
  const rows = Uint32Array.from({ length: Math.min(rowsPerRequest, dataset.rows) }, (_, row) => row);
  const { status, body, contentType } = await post(exchange.url, exchange.body(rows), 10_000, signal, exchange).catch(
    (error: unknown) => {
      signal?.throwIfAborted();
      throw new StagingError({
        found: `The first request failed: ${error instanceof Error ? error.message : String(error)}`,
      });
    },
  );
  const fault = (found: string): StagingError =>
    new StagingError({
      found: `The first request to ${exchange.url} ${found} (${contentType ?? 'no content type'}): ${JSON.stringify(body.slice(0, 200))}`,
      expected: `an answer of the protocol ${target.service.protocol}`,
      remedy: 'Set staging.path, staging.request and staging.answer to what the server reads and gives',
    });
  if (status < 200 || status >= 300) throw fault(`was answered ${status}`);
  const [value] = rowPointer(pointer)(parsed(body, fault), rows.length);
  const single = Array.isArray(value) && value.length === 1 ? (value as unknown[])[0] : value;
  const several = typeof single === 'object' && single !== null;
  if (typeof single === 'string' || typeof single === 'boolean') return { label: pointer };
  if (several && !(task === 'multilabel-classification' && Object.values(single).every(Number.isInteger))) {
    return { scores: pointer };
  }
  if (typeof single === 'number' && !Number.isInteger(single)) return { scores: pointer };
  throw new ConfigError({
    found: `the server predicts ${(JSON.stringify(value) ?? 'nothing').slice(0, 100)} for the first row`,
    expected: `to be told whether that is a label, answer: {label: ${pointer}}, or a score, answer: {scores: ${pointer}}`,
    where: 'staging.answer',
  });
}

function parsed(body: string | Buffer, fault: (found: string) => StagingError): unknown {
  try {
    return parseJson(body);
  } catch (error) {
    throw fault(`was answered with what is not JSON (${(error as Error).message.slice(0, 100)})`);
  }
}

/** Reads answers of any JSON API as outputs of a model: a matrix of scores, a list of labels. */
function jsonReader({ scores, label }: Places, { task, columns, offline, served }: ExchangeInput): Exchange['read'] {
  const classes = (offline.classes ?? []).map(classText);
  const scoresAt = scores === undefined ? null : rowPointer(scores);
  const labelAt = label === undefined ? null : rowPointer(label);
  const chosen = { scores: scoresAt === null ? null : 'scores', labels: labelAt === null ? null : 'label' };
  const outputs = [
    { name: 'scores', type: 'double', shape: [-1, -1] },
    { name: 'label', type: 'string', shape: [-1] },
  ];
  const { transform, threshold } = served?.reading ?? {};
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
  throw unreadable(`${quote(value).slice(0, 60)} where a score stands`, 'a number');
}

function matrix(rows: readonly number[][]): OutputValues {
  const width = rows[0]?.length ?? 0;
  const other = rows.find((row) => row.length !== width);
  if (other !== undefined)
    throw unreadable(`${width} scores in one row and ${other.length} in another`, 'as many in each');
  return { dims: [rows.length, width], data: rows.flat() };
}

function flat(rows: readonly unknown[]): OutputValues {
  const parts = rows.map((row) => (Array.isArray(row) ? (row as unknown[]) : [row]));
  const width = parts[0]?.length ?? 0;
  const data = parts.flat();
  const wrong = data.find((value) => !['string', 'number', 'boolean'].includes(typeof value));
  if (wrong !== undefined) throw unreadable(`${quote(wrong).slice(0, 60)} where a label stands`, 'a text or a number');
  if (data.length !== width * rows.length) throw unreadable('rows with different numbers of labels', 'as many in each');
  return { dims: width === 1 ? [rows.length] : [rows.length, width], data: data as (string | number | boolean)[] };
}

function unreadable(found: string, expected: string): StagingError {
  return new StagingError({ found: `The answer has ${found}`, expected });
}
