import { setTimeout as sleep } from 'node:timers/promises';
import { defaults } from '../../config/defaults.ts';
import { serviceSettings } from '../../config/staging.ts';
import { labelColumns } from '../../config/columns.ts';
import { milliseconds } from '../../config/units.ts';
import { isNumeric, readColumns, type ColumnVector, type Dataset } from '../../data/dataset.ts';
import { ConfigError, StagingError } from '../../errors.ts';
import { planInputs, type InputPlan } from '../../model/features.ts';
import { inspectModel } from '../../model/inspect.ts';
import type { Predictions } from '../../model/predictions.ts';
import { formUse, isOfRows, rowPointer, type FeatureColumn } from '../../protocol/index.ts';
import { ledTo, post, type Answered } from '../../staging/get.ts';
import { asksElsewhere, isNotYet } from '../../staging/health.ts';
import type { StagingTarget } from '../../staging/index.ts';
import type { ContestantsContext, LocalModel } from '../stage.ts';
import {
  exchangeOf,
  parsed,
  writerOf,
  type Exchange,
  type ExchangePlan,
  type Places,
  type ReadingPlan,
} from './exchange-plan.ts';

export interface ExchangeInput extends Pick<
  ContestantsContext,
  'task' | 'columns' | 'dataset' | 'config' | 'log' | 'signal'
> {
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
  return exchangeOf({
    ...addressOf(target),
    write: { columns, metadata },
    read: { ...readingOf(input), outputs: metadata.outputs, where },
  });
}

function addressOf({ url, service }: StagingTarget): Pick<ExchangePlan, 'url' | 'headers' | 'gzip' | 'tls'> {
  const { headers, gzip, tls } = service;
  return { url: new URL(service.path, url).href, headers, gzip, tls };
}

function readingOf({ task, columns, offline, served }: ExchangeInput): ReadingPlan {
  return { task, columns, offline, reading: served?.reading ?? {} };
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
      found: `staging.request is missing for protocol: ${target.service.protocol}`,
      expected: 'the body of a request, such as {"inputs": "{{$features}}"}',
      where,
    });
  }
  const use = formUse(form, where);
  if (!use.repeats && rowsPerRequest > 1) {
    throw new ConfigError({
      found: `rows_per_request is ${rowsPerRequest}, but staging.request is for one row`,
      expected: 'a request with {"$each": form}, for several rows',
      where,
    });
  }
  const label = labelColumns(columns).find((name) => use.columns.includes(name));
  if (label !== undefined) {
    throw new ConfigError({
      found: `staging.request contains {{${label}}}, the label`,
      expected: 'columns that are known before the label',
      where,
    });
  }
  const known = dataset.columns.map(({ name }) => name);
  const unknown = use.columns.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new ConfigError({
      found: `staging.request contains {{${unknown}}}`,
      expected: `a column of the evaluation set: ${known.slice(0, 20).join(', ')}`,
      where,
    });
  }
  const features = await featuresOf(input);
  if (use.features && features.length === 0) {
    throw new ConfigError({
      found: 'staging.request contains all features, but without a model file these are not known',
      expected: 'the names of the features, in the order of the model',
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
  const write = {
    form,
    columns: features.map(({ name }) => asSent(name)),
    named: new Map(wanted.map(({ name }) => [name, asSent(name)])),
    model: target.service.model,
  };
  const address = addressOf(target);
  const places =
    settings.answer ?? (await placesOf(target, input, { ...address, body: writerOf(write) }, rowsPerRequest));
  for (const pointer of [places.scores, places.label]) {
    if (pointer === undefined || isOfRows(pointer) || rowsPerRequest === 1) continue;
    throw new ConfigError({
      found: `${JSON.stringify(pointer)} is a single answer, but rows_per_request is ${rowsPerRequest}`,
      expected: 'a pointer with * for each row, such as /predictions/*',
      where: 'staging.answer',
    });
  }
  return exchangeOf({ ...address, write, read: { ...readingOf(input), places } });
}

/** Wait until predictions are not refused by a server that said it is ready; whatever else is wrong, the load test says. */
export async function untilAnswered(exchange: Exchange, input: ExchangeInput, rowsPerRequest: number): Promise<void> {
  await firstAnswer(input, { ...exchange.plan, body: exchange.body }, rowsPerRequest).catch(() =>
    input.signal?.throwIfAborted(),
  );
}

type Asked = Pick<ExchangePlan, 'url' | 'headers' | 'gzip' | 'tls'> & Pick<Exchange, 'body'>;

/**
 * The answer about the first rows. A server that says it is ready may still load its model with the first request, or have a proxy
 * before it that does not know of it yet: as long as it says so by the status, it is given as long as to become healthy.
 */
async function firstAnswer(
  { config: { staging }, dataset, signal, log }: ExchangeInput,
  exchange: Asked,
  rowsPerRequest: number,
): Promise<Answered> {
  const rows = Uint32Array.from({ length: Math.min(rowsPerRequest, dataset.rows) }, (_, row) => row);
  const given = staging === undefined || 'target' in staging ? undefined : staging.start_timeout;
  const began = Date.now();
  const deadline = began + milliseconds(given ?? defaults.startTimeout);
  for (let pause = 25; ; pause = Math.min(pause * 1.5, 500)) {
    const timeoutMs = Math.max(10_000, deadline - Date.now());
    const answer = await post(exchange.url, exchange.body(rows), timeoutMs, signal, exchange);
    if (!refusesYet(answer) || Date.now() + pause > deadline) {
      const seconds = ((Date.now() - began) / 1000).toFixed(1);
      if (pause > 25) log.warning(`The server said that it is ready, and refused predictions for ${seconds} s more`);
      return answer;
    }
    await sleep(pause, undefined, signal === undefined ? {} : { signal });
  }
}

/** MLServer answers 400 while a model is not ready. */
function refusesYet({ status, body }: Answered): boolean {
  return isNotYet(status) || (status >= 400 && /\bnot ready\b/iu.test(body));
}

/**
 * Whether the predictions of a published protocol are scores or labels, which none of them says: as the task has it, else as the
 * answer to a first request shows.
 * @throws ConfigError where both readings are possible
 */
async function placesOf(
  target: StagingTarget,
  input: ExchangeInput,
  exchange: Asked,
  rowsPerRequest: number,
): Promise<Places> {
  const { task, dataset, signal } = input;
  const pointer = target.service.api?.predictions;
  if (pointer === undefined) {
    throw new ConfigError({
      found: `staging.answer is missing for protocol: ${target.service.protocol}`,
      expected: 'a pointer to the scores or the label in an answer, such as answer: {scores: /score}',
      where: 'staging.answer',
    });
  }
  if (task === 'regression' || task === 'ranking') return { scores: pointer };
  const { status, body, contentType, location } = await firstAnswer(input, exchange, rowsPerRequest).catch(
    (error: unknown) => {
      signal?.throwIfAborted();
      throw new StagingError({
        found: `The first request failed: ${error instanceof Error ? error.message : String(error)}`,
      });
    },
  );
  const isElsewhere = asksElsewhere(String(status));
  const fault = (found: string): StagingError =>
    new StagingError(
      {
        found: `The first request to ${exchange.url} ${found} (${contentType ?? 'no content type'}): ${JSON.stringify(body.slice(0, 200))}`,
        expected: `an answer of the protocol ${target.service.protocol}`,
        remedy: /^40[137]$/u.test(String(status))
          ? 'Set CONTENDER_TARGET_TOKEN (input target-token) or staging.headers'
          : 'Set staging.path, staging.request and staging.answer to the format of the server',
      },
      isElsewhere,
    );
  if (status < 200 || status >= 300) throw fault(`was answered ${status}${ledTo(location)}`);
  const [value] = rowPointer(pointer)(parsed(body, fault), Math.min(rowsPerRequest, dataset.rows));
  const single = Array.isArray(value) && value.length === 1 ? (value as unknown[])[0] : value;
  const several = typeof single === 'object' && single !== null;
  if (typeof single === 'string' || typeof single === 'boolean') return { label: pointer };
  if (several && !(task === 'multilabel-classification' && Object.values(single).every(Number.isInteger))) {
    return { scores: pointer };
  }
  if (typeof single === 'number' && !Number.isInteger(single)) return { scores: pointer };
  throw new ConfigError({
    found: `the server predicts ${(JSON.stringify(value) ?? 'nothing').slice(0, 100)} for the first row`,
    expected: `a statement whether this is a label, answer: {label: ${pointer}}, or a score, answer: {scores: ${pointer}}`,
    where: 'staging.answer',
  });
}
