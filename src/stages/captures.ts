import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CaptureFormat } from '../config/forms.ts';
import { openDataset, type OpenOptions } from '../data/dataset.ts';
import { lineBatches } from '../data/lines.ts';
import type { Dataset, DatasetSource } from '../data/relation.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { DataError } from '../errors.ts';
import { fileDigest } from '../file-digest.ts';
import { millisecondsIn } from '../iso-time.ts';
import { isObject, jsonIn } from '../json.ts';

/*
 * Requests and responses as servers capture them, as rows: KServe's payload logger (CloudEvents), the request logger of Seldon Core,
 * MLServer, and the log of our own server.
 */
type Json = Record<string, unknown>;

/** One captured message. */
interface Message {
  of: 'request' | 'response';
  id: string;
  time: number | null;
  arm: string | null;
  status: number | null;
  payload: unknown;
}

/** What is known of one request so far. */
interface Exchange {
  request: Message | null;
  response: Message | null;
}

/**
 * Open a capture as a table of one row for each instance that was asked for. The digest of the dataset is that of the capture.
 * @param features names of the features, where requests hold lists of numbers
 * @throws DataError where a line is no message of the format
 */
export async function openCapture(
  source: DatasetSource,
  format: CaptureFormat,
  features: readonly string[],
  options: OpenOptions = {},
): Promise<Dataset> {
  const file = await stat(source.path).catch(() => null);
  if (file?.isFile() !== true) {
    throw new DataError({
      found: file === null ? 'there is no such file' : 'this is not a file',
      expected: 'one file of captured messages',
      where: source.uri,
      remedy: 'Merge captures of several files into one file',
    });
  }
  const folder = await temporaryFolder('workspace');
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const path = join(folder, 'capture.jsonl');
    await writeRows(source, format, features, path);
    const sha256 = options.sha256 ?? (await fileDigest(source.path));
    const dataset = await openDataset({ ...source, path }, { ...options, sha256 });
    return {
      ...dataset,
      close: () => {
        dataset.close();
        void remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function writeRows(
  { path, uri }: DatasetSource,
  format: CaptureFormat,
  features: readonly string[],
  target: string,
): Promise<void> {
  const writer = createWriteStream(target);
  const write = async (rows: readonly Json[]): Promise<void> => {
    for (const row of rows) if (!writer.write(`${JSON.stringify(row)}\n`)) await once(writer, 'drain');
  };
  const open = new Map<string, Exchange>();
  let messages = 0;
  for await (const batch of lineBatches(path, uri)) {
    for (const { number, bytes } of batch) {
      const line = parsed(bytes, uri, number);
      if (format === 'contender') {
        // What somebody says of an answer is no request.
        if (line['feedback'] === undefined) await write([line]);
        continue;
      }
      for (const message of messagesIn(line)) {
        messages += 1;
        const exchange = open.get(message.id) ?? { request: null, response: null };
        // Delivered at least once: the first counts.
        exchange[message.of] ??= message;
        open.set(message.id, exchange);
      }
    }
  }
  if (format !== 'contender' && messages === 0 && open.size === 0) throw noMessages(uri, format);
  for (const [id, exchange] of open) await write(rowsOf(id, exchange, features));
  writer.end();
  await once(writer, 'close');
}

function parsed(bytes: Buffer, uri: string, number: number): Json {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (isObject(value)) return value;
  } catch {
    // Told below.
  }
  throw new DataError({
    found: 'the line is not a JSON object',
    expected: 'one captured message per line',
    where: `${uri}:${number}`,
    remedy: 'Fix this line, or name another format',
  });
}

function noMessages(uri: string, format: CaptureFormat): DataError {
  return new DataError({
    found: 'no line contains a request or a response',
    expected: `captures of ${format}`,
    where: uri,
    remedy: 'Set format to the format of the log, or remove format if the log is a table',
  });
}

/** The messages of a line: one of an event, both of a document of Seldon's request logger. */
function messagesIn(line: Json): Message[] {
  // Documents as Elasticsearch gives them.
  const document = isObject(line['_source']) ? line['_source'] : line;
  const id = textOf(
    field(document, 'requestid'),
    field(document, 'id'),
    line['_id'],
    field(headersOf(document), 'requestid'),
  );
  const base = {
    id,
    time: timeOf(
      field(document, 'time'),
      document['@timestamp'],
      document['timestamp'],
      field(headersOf(document), 'time'),
    ),
    arm: textOrNull(
      field(document, 'inferenceservicename'),
      field(document, 'modelid'),
      document['model_name'],
      field(headersOf(document), 'inferenceservicename'),
      field(headersOf(document), 'modelid'),
    ),
    status: numberOf(field(document, 'statuscode'), document['status']),
  };
  const message = (of: Message['of'], payload: unknown): Message[] =>
    id === '' || payload === undefined ? [] : [{ ...base, of, payload }];
  const type = textOf(field(document, 'type'), field(headersOf(document), 'type'));
  const kind = /\.(request|response)$/u.exec(type)?.[1] as Message['of'] | undefined;
  const isInference = Array.isArray(document['inputs']) || Array.isArray(document['outputs']);
  if (kind !== undefined && !isInference) {
    const data = document['data'] ?? decoded(document['data_base64']);
    return message(kind, typeof data === 'string' ? (jsonIn(data) ?? data) : data);
  }
  if (isObject(document['request']) || isObject(document['response'])) {
    const of = (part: 'request' | 'response'): Message[] => {
      const held = document[part];
      return isObject(held) ? message(part, held['payload'] ?? held) : [];
    };
    return [...of('request'), ...of('response')];
  }
  if (Array.isArray(document['inputs'])) return message('request', document);
  if (Array.isArray(document['outputs'])) return message('response', document);
  return [];
}

/** MLServer keeps the attributes of the event among the parameters of a message. */
function headersOf({ parameters }: Json): Json {
  return isObject(parameters) && isObject(parameters['headers']) ? parameters['headers'] : {};
}

/** An attribute of an event, as itself or as a header: `id`, `ce-id`, `Ce-Id`. */
function field(document: Json, name: string): unknown {
  const entry = Object.entries(document).find(([key]) => key.toLowerCase().replace(/^ce-/u, '') === name);
  return entry?.[1];
}

function rowsOf(id: string, { request, response }: Exchange, features: readonly string[]): Json[] {
  const asked = request === null ? [] : instancesOf(request.payload, features);
  const answered = response === null ? [] : answersOf(response.payload);
  const count = Math.max(asked.length, answered.length, 1);
  const time = request?.time ?? response?.time ?? null;
  const took = (response?.time ?? Number.NaN) - (request?.time ?? Number.NaN);
  const base = {
    time: time === null ? null : new Date(time).toISOString(),
    arm: response?.arm ?? request?.arm ?? null,
    // The payload logger of KServe tells of answers alone: what has none has failed.
    status: response?.status ?? (response === null ? 0 : 200),
    ms: took >= 0 ? took : null,
  };
  return Array.from({ length: count }, (_, row) => ({
    ...asked[row],
    ...base,
    id: count === 1 ? id : `${id}#${row}`,
    score: null,
    label: null,
    ...answered[row],
  }));
}

/** The rows of a request: of protocol v1 (instances), v2 (inputs), or a message of Seldon. */
function instancesOf(payload: unknown, features: readonly string[]): Json[] {
  if (!isObject(payload)) return [];
  const { instances, inputs } = payload;
  if (Array.isArray(instances)) return instances.map((each: unknown) => named(each, features));
  if (Array.isArray(inputs)) return rowsOfTensors(inputs as unknown[], features);
  const table = tableOf(payload);
  return table === null ? [] : table.rows.map((row) => named(row, table.names ?? features));
}

/** The answers of a response, row by row: the last fraction is the score, a whole number or a text the label. */
function answersOf(payload: unknown): Json[] {
  if (!isObject(payload)) return [];
  const { predictions, outputs } = payload;
  if (Array.isArray(predictions)) return (predictions as unknown[]).map(answerOf);
  if (Array.isArray(outputs)) {
    const answers: Json[] = [];
    for (const output of outputs as unknown[]) {
      if (!isObject(output) || !Array.isArray(output['data'])) continue;
      const isScore = /^(?:FP|BF)/u.test(textOf(output['datatype']));
      for (const [row, cells] of split(output).entries()) {
        const answer = (answers[row] ??= {});
        if (isScore) Object.assign(answer, scoresOf(cells));
        else answer['label'] ??= cells[0] ?? null;
      }
    }
    return answers;
  }
  return tableOf(payload)?.rows.map(answerOf) ?? [];
}

function answerOf(answer: unknown): Json {
  if (typeof answer === 'number') return Number.isInteger(answer) ? { label: answer } : { score: answer };
  if (typeof answer === 'string' || typeof answer === 'boolean') return { label: answer };
  if (Array.isArray(answer)) {
    const cells = (answer as unknown[]).flat();
    return cells.every((cell) => typeof cell === 'number')
      ? cells.length === 1 && Number.isInteger(cells[0]) && cells[0] !== 0 && cells[0] !== 1
        ? { label: cells[0] }
        : scoresOf(cells)
      : { label: cells[0] ?? null };
  }
  if (!isObject(answer)) return {};
  const scores = answer['score'] ?? answer['probabilities'] ?? answer['probability'] ?? answer['scores'];
  const label = answer['label'] ?? answer['prediction'] ?? answer['class'];
  return {
    ...(Array.isArray(scores) ? scoresOf(scores as unknown[]) : scores === undefined ? {} : { score: scores }),
    ...(label === undefined ? {} : { label }),
  };
}

/** Of several scores each has a column of its own too, for models of several classes. */
function scoresOf(cells: readonly unknown[]): Json {
  const all = cells.length > 1 ? Object.fromEntries(cells.map((cell, index) => [`score_${index}`, cell])) : {};
  return { ...all, score: cells.at(-1) ?? null };
}

/** `data` of Seldon: an array of rows with names, or a tensor. */
function tableOf({ data }: Json): { names: string[] | null; rows: unknown[] } | null {
  if (!isObject(data)) return null;
  const { names, ndarray, tensor } = data;
  const given = Array.isArray(names) && names.length > 0 ? (names as unknown[]).map(String) : null;
  if (Array.isArray(ndarray)) return { names: given, rows: ndarray as unknown[] };
  if (!isObject(tensor) || !Array.isArray(tensor['values'])) return null;
  return { names: given, rows: split({ shape: tensor['shape'], data: tensor['values'] }) };
}

function rowsOfTensors(tensors: readonly unknown[], features: readonly string[]): Json[] {
  const rows: Json[] = [];
  for (const tensor of tensors) {
    if (!isObject(tensor) || !Array.isArray(tensor['data'])) continue;
    const name = textOf(tensor['name']);
    for (const [row, cells] of split(tensor).entries()) {
      const here = (rows[row] ??= {});
      if (cells.length === 1) here[name] = cells[0];
      else Object.assign(here, named(cells, features));
    }
  }
  return rows;
}

/** A tensor row by row, flat or nested as it came. */
function split({ shape, data }: Json): unknown[][] {
  const flat = (data as unknown[]).flat(Infinity);
  const [rows = flat.length] = Array.isArray(shape) ? (shape as unknown[]).map(Number) : [];
  const count = Number.isInteger(rows) && rows > 0 ? rows : flat.length;
  const width = Math.max(1, Math.floor(flat.length / Math.max(1, count)));
  return Array.from({ length: Math.min(count, flat.length) }, (_, row) => flat.slice(row * width, (row + 1) * width));
}

/** Cells by name: those of the configuration where there are as many, else by their place. */
function named(instance: unknown, names: readonly string[]): Json {
  if (isObject(instance)) return instance;
  const cells = Array.isArray(instance) ? (instance as unknown[]).flat(Infinity) : [instance];
  const known = names.length === cells.length ? names : cells.map((_, index) => `feature_${index}`);
  return Object.fromEntries(cells.map((cell, index) => [known[index] as string, cell]));
}

function textOf(...values: unknown[]): string {
  return textOrNull(...values) ?? '';
}

function textOrNull(...values: unknown[]): string | null {
  const found = values.find(
    (value): value is string | number => (typeof value === 'string' && value !== '') || typeof value === 'number',
  );
  return found === undefined ? null : String(found);
}

function numberOf(...values: unknown[]): number | null {
  const text = textOrNull(...values);
  return text !== null && Number.isFinite(Number(text)) ? Number(text) : null;
}

function timeOf(...values: unknown[]): number | null {
  const text = textOrNull(...values);
  if (text === null) return null;
  const time = millisecondsIn(text) ?? Date.parse(text);
  return Number.isNaN(time) ? null : time;
}

function decoded(base64: unknown): string | undefined {
  return typeof base64 === 'string' ? Buffer.from(base64, 'base64').toString('utf8') : undefined;
}
