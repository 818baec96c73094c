import type { DuckDBConnection } from '@duckdb/node-api';
import { readingOfColumns } from '../../data/cells.ts';
import { requireColumns, rowsFrom, type Dataset } from '../../data/relation.ts';
import { readingOfIds } from '../../data/row-ids.ts';
import { DataError, StagingError } from '../../errors.ts';
import { readInferResponse, type Tensor } from '../../protocol/index.ts';
import type { LogsContext } from '../stage.ts';
import type { Shadow } from './schema.ts';
import { jsonIn } from '../../json.ts';

/** Requests under way at once: a replay is no load test. */
const atOnce = 4;
const defaultLimit = 2000;

interface Answer {
  score: number | null;
  label: string | null;
  ms: number;
  failed: boolean;
}

/**
 * Send logged requests to both versions, and to the champion once more, which shows what is noise. The order of the three is another one for
 * each request, so that none is always the first. Fills the table `answer`.
 *
 * @throws DataError for requests that cannot be read, StagingError where a version cannot be reached at all
 */
export async function replayRequests(
  workspace: DuckDBConnection,
  dataset: Dataset,
  settings: Shadow,
  { signal, log }: LogsContext,
): Promise<void> {
  const { replay, slices = [] } = settings;
  if (replay === undefined) throw new Error('there is no replay');
  const { body = 'body', champion, candidate, limit = defaultLimit } = replay;
  const ids = readingOfIds(dataset, settings.columns?.id ?? 'id');
  const columns = requireColumns(dataset, [settings.columns?.id ?? 'id', body, ...slices]);
  const { from, expressions } = readingOfColumns(dataset, columns, 'text');
  const rows = await rowsFrom(
    dataset,
    `select ${[ids.of(expressions[0] as string), ...expressions.slice(1)].join(', ')} from ${from} limit ${limit}`,
  );
  const requests = rows.map(([id, text, ...values], index) => {
    if (id === null || typeof text !== 'string' || jsonIn(text) === undefined) {
      throw new DataError({
        found: `row ${index + 1} has ${id === null ? 'no id' : 'a body that is not JSON'}`,
        expected: 'an id and the request body as JSON',
        where: dataset.uri,
        remedy: 'Name the columns in shadow.columns.id and shadow.replay.body',
      });
    }
    return { id: String(id), text, values: values.map((value) => (value === null ? null : String(value))) };
  });
  const turns = [
    { arm: 0, turn: 1, url: champion },
    { arm: 1, turn: 1, url: candidate },
    { arm: 0, turn: 2, url: champion },
  ];
  await workspace.run(
    `create table answer (id varchar, arm integer, turn integer, score double, label varchar, ms double, failed boolean${slices.map((_, index) => `, s${index} varchar`).join('')})`,
  );
  const appender = await workspace.createAppender('answer');
  const appendText = (text: string | null): void =>
    text === null ? appender.appendNull() : appender.appendVarchar(text);
  let next = 0;
  let answered = 0;
  const worker = async (): Promise<void> => {
    for (let place = next++; place < requests.length; place = next++) {
      signal?.throwIfAborted();
      const { id, text, values } = requests[place] as (typeof requests)[number];
      for (let index = 0; index < turns.length; index += 1) {
        const { arm, turn, url } = turns[(index + place) % turns.length] as (typeof turns)[number];
        const { score, label, ms, failed } = await askOnce(url, text, signal);
        answered += failed ? 0 : 1;
        appender.appendVarchar(id);
        appender.appendInteger(arm);
        appender.appendInteger(turn);
        if (score === null) appender.appendNull();
        else appender.appendDouble(score);
        appendText(label);
        appender.appendDouble(ms);
        appender.appendBoolean(failed);
        values.forEach(appendText);
        appender.endRow();
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  appender.closeSync();
  log.info(`Replayed ${requests.length} requests to both versions.`);
  if (answered === 0 && requests.length > 0) {
    throw new StagingError({
      found: 'neither version answered any request',
      expected: 'responses of the Open Inference Protocol v2',
      where: `${champion}, ${candidate}`,
      remedy: 'Check that both versions run and that the addresses end in /infer',
    });
  }
}

async function askOnce(url: string, body: string, signal: AbortSignal | undefined): Promise<Answer> {
  const start = performance.now();
  try {
    const response = await fetch(url, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
      redirect: 'error',
      signal: AbortSignal.any([AbortSignal.timeout(10_000), ...(signal === undefined ? [] : [signal])]),
    });
    const text = await response.text();
    const ms = performance.now() - start;
    if (!response.ok) return { score: null, label: null, ms, failed: true };
    const { score, label } = answerIn(readInferResponse(text));
    return { score, label, ms, failed: score === null && label === null };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof TypeError || error instanceof StagingError || (error as Error).name === 'TimeoutError') {
      return { score: null, label: null, ms: performance.now() - start, failed: true };
    }
    throw error;
  }
}

/** The decision of an output of whole numbers or texts, and the last score of the first row of one of fractions. */
function answerIn(outputs: readonly Tensor[]): { score: number | null; label: string | null } {
  const fractions = outputs.find(({ datatype }) => datatype.startsWith('FP'));
  const decided = outputs.find(({ datatype }) => !datatype.startsWith('FP'));
  const columns = fractions === undefined ? 0 : fractions.shape.slice(1).reduce((product, size) => product * size, 1);
  const score = fractions === undefined ? undefined : Array.from(fractions.data as ArrayLike<unknown>)[columns - 1];
  const label = decided === undefined ? undefined : Array.from(decided.data as ArrayLike<string | number | bigint>)[0];
  return {
    score: typeof score === 'number' && Number.isFinite(score) ? score : null,
    label: label === undefined ? null : String(label),
  };
}
