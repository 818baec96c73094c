import { jsonIn, objectOf } from '../../json.ts';
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
    return { fault: `Prometheus at ${address.host} cannot be asked (${(error as Error).message})` };
  }
  const said: PrometheusReply = objectOf(jsonIn(text));
  if (said.status !== 'success') {
    return {
      fault: `Prometheus at ${address.host} answered ${answer.status}: ${(said.error ?? 'no JSON of its own').slice(0, 200)}`,
    };
  }
  const warnings = said.warnings ?? [];
  if (warnings.length > 0)
    return { fault: `Prometheus says that data are missing: ${String(warnings[0]).slice(0, 200)}` };
  const { resultType, result } = said.data ?? {};
  if (resultType === 'scalar') return numberOf((result as [number, string])[1]);
  if (resultType !== 'vector' || !Array.isArray(result))
    return { fault: `the query gives a ${String(resultType)}, expected one number` };
  const series = result as { value: [number, string] }[];
  if (series.length === 0) return { fault: 'Prometheus has no data for this window' };
  if (series.length > 1)
    return { fault: `the query gives ${series.length} series, expected one: aggregate it, as with sum(...)` };
  return numberOf((series[0] as { value: [number, string] }).value[1]);
}

function numberOf(text: string): PrometheusAnswer {
  const value = Number(text.replace('Inf', 'Infinity'));
  return Number.isFinite(value)
    ? { value }
    : { fault: `the query gives ${text.slice(0, 40)}, which is no number to judge` };
}

/** The body of an answer, as far as it is told. */
export interface PrometheusReply {
  status?: string;
  error?: string;
  warnings?: unknown[];
  data?: { resultType?: string; result?: unknown };
}
