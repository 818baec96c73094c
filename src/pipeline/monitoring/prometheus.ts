import { jsonIn, listOf, objectOf } from '../../json.ts';
import { fetchWithin } from '../fetch-within.ts';

/** What Prometheus says: a number, or why there is none. */
export type PrometheusAnswer = { value: number } | { fault: string };

const timeoutMs = 30_000;

/**
 * Ask for one number at one time. Values are strings ("NaN", "+Inf"); an empty vector is no data and not 0; several series are
 * nobody's number; warnings mean that a part of the data is missing, so that it is no number either.
 */
export async function askPrometheus(
  { url, query, token }: { url: string; query: string; token?: string | undefined },
  at: Date,
  signal?: AbortSignal,
): Promise<PrometheusAnswer> {
  const address = new URL(`${url.replace(/\/+$/u, '')}/api/v1/query`);
  const init = {
    method: 'POST',
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    body: new URLSearchParams({ query, time: String(at.getTime() / 1000) }),
  };
  let answer: Response;
  let text: string;
  try {
    answer = await fetchWithin(timeoutMs, address, init, signal);
    text = (await answer.text()).slice(0, 1_000_000);
  } catch (error) {
    signal?.throwIfAborted();
    return { fault: `Prometheus at ${address.host} cannot be reached (${(error as Error).message})` };
  }
  const said: PrometheusReply = objectOf(jsonIn(text));
  if (said.status !== 'success') {
    return {
      fault: `Prometheus at ${address.host} answered ${answer.status}: ${said.error === undefined ? 'no JSON error message' : wordsOf(said.error)}`,
    };
  }
  const warnings = listOf(said.warnings);
  if (warnings.length > 0) return { fault: `Prometheus reports missing data: ${wordsOf(warnings[0])}` };
  const read = onlyNumber(said.data);
  if ('fault' in read) return read;
  return read.text === null ? { fault: 'Prometheus has no data for this window' } : numberOf(read.text);
}

/** What Prometheus says of a fault: text, or whatever else stands in its place. */
export function wordsOf(value: unknown): string {
  return (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 200);
}

/** The text of the one number that an instant query gives, null where it gives no series, or why it gives something else. */
export function onlyNumber(data: unknown): { text: string | null } | { fault: string } {
  const { resultType, result } = objectOf(data);
  const scalar = resultType === 'scalar';
  if (!scalar && resultType !== 'vector')
    return { fault: `the query gives a ${String(resultType)}, expected one number` };
  const series = listOf(result);
  if (!scalar && series.length === 0) return { text: null };
  if (!scalar && series.length > 1)
    return { fault: `the query gives ${series.length} series, expected one: aggregate it, as with sum(...)` };
  const [, text] = listOf(scalar ? result : objectOf(series[0])['value']);
  if (typeof text === 'string') return { text };
  return {
    fault:
      'the query gives a histogram, expected one number: take histogram_count(...) or histogram_quantile(...) of it',
  };
}

function numberOf(text: string): PrometheusAnswer {
  const value = Number(text.replace('Inf', 'Infinity'));
  return Number.isFinite(value)
    ? { value }
    : { fault: `the query gives ${text.slice(0, 40)}, which is not a finite number` };
}

/** The body of an answer, as far as it is told. */
export interface PrometheusReply {
  status?: unknown;
  error?: unknown;
  warnings?: unknown;
  data?: unknown;
}
