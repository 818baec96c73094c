import { DataError } from '../../errors.ts';
import type { Check } from '../../evidence/index.ts';
import { parseJson } from '../../protocol/index.ts';
import { percent } from '../../wording.ts';
import { atMost } from '../comparison.ts';
import { leastShare, loadCheck, mostMilliseconds, mostShare } from './check.ts';
import { defaultErrorRate, milliseconds } from './judge.ts';
import { judgeShare, sampleFloor } from './latency.ts';
import { latencyLimits, type LatencyLimit } from './objectives.ts';
import type { Slo } from './schema.ts';
import { defaults } from '../../config/defaults.ts';
import { isObject } from '../../json.ts';
import { readBounded } from '../../data/read-file.ts';

/* What k6 or Locust say of a load that they sent, in place of a load of ours. */

export interface LoadSummary {
  tool: 'k6' | 'Locust';
  requests: number;
  failed: number;
  /** That were due and were never sent. */
  dropped: number;
  /** Checks that the script of k6 made of the answers, such as of a status or a text, and the share of them that failed; null: none. */
  checks: { count: number; failed: number } | null;
  /** Thresholds of the script of k6 that were crossed, with their metric. */
  crossed: string[];
  /** Percentiles that it tells, in milliseconds, by their share. */
  percentiles: ReadonlyMap<number, number>;
  /** How many requests took so many milliseconds, where it tells. */
  counts: ReadonlyMap<number, number> | null;
}

type Json = Record<string, unknown>;

/** More than any summary; a log of every request is none. */
const mostBytes = 64 * 1024 ** 2;

/** Names that versions of Locust give the row of all requests together. */
const total = ['Aggregated', 'Total'];

/**
 * The summary that k6 writes with --summary-export or in handleSummary, or what Locust prints with --json or writes with --csv
 * (`_stats.csv`).
 * @throws DataError
 */
export async function readSummary(path: string, where: string): Promise<LoadSummary> {
  const bytes = await readBounded(path, mostBytes, (found) => unknown(where, found));
  return summaryOf(bytes.toString(), where);
}

export function summaryOf(text: string, where: string): LoadSummary {
  if (/^\uFEFF?"?(?:Type|Method)"?,"?Name"?,"?(?:Request Count|# requests)"?,/u.test(text))
    return ofLocustTable(text, where);
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    throw unknown(where, 'neither JSON nor a table of Locust');
  }
  if (Array.isArray(value)) return ofLocust(value as unknown[], where);
  const { results } = isObject(value) ? value : {};
  const { metrics } = isObject(results) ? results : isObject(value) ? value : {};
  // In the form that has a version (k6 1.5, and the usual one of k6 2) metrics are a list, and have their names in them.
  if (Array.isArray(metrics)) {
    const named = (metrics as unknown[]).map((metric) => [isObject(metric) ? metric['name'] : '', metric] as const);
    return ofK6(Object.fromEntries(named) as Json, where);
  }
  if (isObject(metrics)) return ofK6(metrics, where);
  throw unknown(where, 'JSON without metrics');
}

/** Each metric has its values beside its name, or in `values`. */
function ofK6(metrics: Json, where: string): LoadSummary {
  const valuesOf = (name: string): Json => {
    const metric = metrics[name];
    if (!isObject(metric)) return {};
    return isObject(metric['values']) ? metric['values'] : metric;
  };
  const duration = valuesOf('http_req_duration');
  const requests = numberOf(valuesOf('http_reqs')['count']);
  const failures = valuesOf('http_req_failed');
  // Not its `passes`, which are the requests that failed in one form, and those that did not in another.
  const share = numberOf(failures['rate'] ?? failures['value']);
  if (requests === null || share === null) {
    throw unknown(where, 'a summary of k6 without http_reqs and http_req_failed');
  }
  const percentiles = new Map<number, number>();
  for (const [key, value] of Object.entries(duration)) {
    const p = key === 'med' ? 50 : key === 'max' ? 100 : Number(/^p\(([\d.]+)\)$/u.exec(key)?.[1] ?? Number.NaN);
    const ms = numberOf(value);
    if (Number.isFinite(p) && ms !== null) percentiles.set(shareOf(p), ms);
  }
  const dropped = numberOf(valuesOf('dropped_iterations')['count']) ?? 0;
  const failed = Math.round(share * requests);
  return checked(
    {
      tool: 'k6',
      requests,
      failed,
      dropped,
      checks: checksOf(valuesOf('checks')),
      crossed: crossedOf(metrics),
      percentiles,
      counts: null,
    },
    where,
  );
}

function checksOf(values: Json): LoadSummary['checks'] {
  const passed = numberOf(values['passes'] ?? values['matches']);
  const count = numberOf(values['total'] ?? (passed ?? 0) + Number(values['fails']));
  return passed === null || count === null || count === 0 ? null : { count, failed: count - passed };
}

/** In what --summary-export writes, true says that a threshold was crossed; in handleSummary `ok` says that it was not. */
function crossedOf(metrics: Json): LoadSummary['crossed'] {
  const all = Object.entries(metrics).flatMap(([name, metric]) =>
    isObject(metric) && isObject(metric['thresholds'])
      ? Object.entries(metric['thresholds']).map(([threshold, said]) => ({ name: `${name}: ${threshold}`, said }))
      : [],
  );
  return all.filter(({ said }) => said === true || (isObject(said) && said['ok'] === false)).map(({ name }) => name);
}

function ofLocust(entries: readonly unknown[], where: string): LoadSummary {
  const counts = new Map<number, number>();
  let [requests, failed] = [0, 0];
  // Where there is one of all together, the others are in it.
  const all = entries.filter(
    (entry) => isObject(entry) && total.includes(String(entry['name'])) && isEmpty(entry['method']),
  );
  for (const entry of all.length === 0 ? entries : all) {
    const [sent, wrong] = isObject(entry) ? [numberOf(entry['num_requests']), numberOf(entry['num_failures'])] : [];
    if (!isObject(entry) || sent === null || sent === undefined || wrong === null || wrong === undefined) {
      throw unknown(where, 'a list whose entries have no num_requests and num_failures');
    }
    requests += sent;
    failed += wrong;
    for (const [ms, count] of Object.entries(isObject(entry['response_times']) ? entry['response_times'] : {})) {
      counts.set(Number(ms), (counts.get(Number(ms)) ?? 0) + (numberOf(count) ?? Number.NaN));
    }
  }
  const wrong = [...counts].find(([ms, count]) => !(ms >= 0) || !(count >= 0));
  if (wrong !== undefined) throw unknown(where, `response_times of ${String(wrong[0])}: ${String(wrong[1])}`);
  const slowest = entries.flatMap((entry) => (isObject(entry) ? (numberOf(entry['max_response_time']) ?? []) : []));
  const percentiles = new Map(slowest.length === 0 ? [] : [[1, Math.max(...slowest)]]);
  return checked(
    { tool: 'Locust', requests, failed, dropped: 0, checks: null, crossed: [], percentiles, counts },
    where,
  );
}

/** The row of all requests together. */
function ofLocustTable(text: string, where: string): LoadSummary {
  const [head = [], ...rows] = text
    .replace(/^\uFEFF/u, '')
    .trim()
    .split(/\r?\n/u)
    .map((line) => Array.from(line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/gu), ([, cell = '']) => unquoted(cell)));
  const all = rows.findLast((row) => total.includes(row[head.indexOf('Name')] ?? ''));
  const cell = (name: string): number | null => {
    const value = all?.[head.indexOf(name)];
    return value === undefined || value === '' || value === 'N/A' ? null : numberOf(Number(value));
  };
  const [requests, failed] = [cell('Request Count') ?? cell('# requests'), cell('Failure Count') ?? cell('# failures')];
  if (requests === null || failed === null) throw unknown(where, 'a table of Locust without its row Aggregated');
  const percentiles = new Map<number, number>();
  for (const name of head) {
    const p = /^([\d.]+)%$/u.exec(name)?.[1];
    const ms = cell(name);
    if (p !== undefined && ms !== null) percentiles.set(shareOf(Number(p)), ms);
  }
  const slowest = cell('Max Response Time') ?? cell('Max response time');
  if (slowest !== null) percentiles.set(1, slowest);
  return checked(
    { tool: 'Locust', requests, failed, dropped: 0, checks: null, crossed: [], percentiles, counts: null },
    where,
  );
}

function checked(summary: LoadSummary, where: string): LoadSummary {
  const { requests, failed } = summary;
  if (failed > requests) throw unknown(where, `${failed} failures of ${requests} requests`);
  return summary;
}

/** The checks of a load test, as far as a summary can tell. Answers were not seen. */
export function summaryChecks(summary: LoadSummary, slo: Slo): Check[] {
  const { tool, requests, failed, dropped, checks, crossed } = summary;
  const none = requests === 0;
  const required = { errors: slo.error_rate ?? defaultErrorRate, throughput: slo.throughput ?? defaults.throughput };
  const errors = none ? null : failed / requests;
  const sent = none ? null : requests / (requests + dropped);
  const verdict = (observed: number | null, met: boolean) =>
    observed === null ? 'inconclusive' : met ? 'pass' : 'fail';
  return [
    ...latencyLimits(slo).map((limit) => latencyCheck(summary, limit)),
    loadCheck('throughput', 'Requests that were sent as planned', leastShare, {
      verdict: verdict(sent, sent !== null && sent >= required.throughput),
      observed: sent,
      required: required.throughput,
      message: none
        ? `${tool} sent no request`
        : `${dropped} of ${requests + dropped} requests were due and not sent by ${tool}, since no user was free (at least ${percent(required.throughput)} required)`,
    }),
    loadCheck('error-rate', 'Errors under load', mostShare, {
      verdict: verdict(errors, errors !== null && errors <= required.errors),
      observed: errors,
      required: required.errors,
      message: none
        ? `${tool} sent no request`
        : `${failed} of ${requests} requests failed (${percent(failed / requests)}, at most ${percent(required.errors)}), says ${tool}`,
    }),
    // k6 itself counts no request as failed for them: a server that answers 200 with an error is seen by these alone.
    ...(checks === null
      ? []
      : [
          loadCheck('checks', 'Checks of the script', mostShare, {
            verdict: checks.failed === 0 ? 'pass' : 'fail',
            severity: 'warn',
            observed: checks.failed / checks.count,
            required: 0,
            message: `${checks.failed} of ${checks.count} checks that the script of ${tool} made failed`,
          }),
        ]),
    ...(crossed.length === 0
      ? []
      : [
          {
            id: 'load/thresholds',
            title: 'Thresholds of the script that were crossed',
            verdict: 'fail' as const,
            severity: 'warn' as const,
            message: `${tool} says that these thresholds of its script were crossed: ${crossed.slice(0, 5).join('; ')}.`,
            observed: crossed.length,
            required: 0,
            limit: 'at most' as const,
          },
        ]),
    {
      id: 'load/parity',
      title: 'Served answers that differ from the offline predictions',
      verdict: 'skipped',
      severity: 'info',
      message: `${tool} sent the load, and its summary holds no answers: whether they are those of the candidate was not checked`,
      observed: null,
      required: 0,
    },
  ];
}

function latencyCheck(summary: LoadSummary, { name, p, ms }: LatencyLimit): Check {
  const { tool, requests, failed, percentiles, counts } = summary;
  const title = name === 'max' ? 'Slowest request' : `${name} latency`;
  const finding = (verdict: 'pass' | 'fail' | 'inconclusive', observed: number | null, message: string): Check =>
    loadCheck(name, title, mostMilliseconds, { verdict, observed, required: ms, message });
  if (requests === 0) return finding('inconclusive', null, `${tool} sent no request`);
  const observed = percentiles.get(p) ?? (counts === null ? null : ofCounts(counts, p));
  if (observed === null) {
    const remedy =
      tool === 'k6'
        ? `export it with summaryTrendStats: [${name === 'max' ? "'max'" : `'p(${Number((p * 100).toPrecision(6))})'`}], and where k6 still leaves it out, with --new-machine-readable-summary=false`
        : 'give what locust --json prints';
    return finding('inconclusive', null, `The summary of ${tool} does not tell ${name}: ${remedy}`);
  }
  const numbers = `${name} is ${milliseconds(observed)} against ${milliseconds(ms)} in ${requests} requests, says ${tool}`;
  if (p < 1 && requests < sampleFloor(p)) {
    return finding(
      'inconclusive',
      observed,
      `${numbers}: cannot be tested, at least ${sampleFloor(p)} requests are needed`,
    );
  }
  // The tools count the time of a request that failed at once like any other: quick failures would make a server quick.
  const withoutAnswer = p < 1 ? judgeShare({ over: failed, total: requests, p }) : 'met';
  if (withoutAnswer === 'missed' || (withoutAnswer === 'open' && observed <= ms)) {
    const verdict = withoutAnswer === 'missed' ? 'fail' : 'inconclusive';
    return finding(verdict, observed, `${numbers}; but ${failed} failed, and one that failed counts as too slow`);
  }
  const rounding = tool === 'Locust' && p < 1 ? `, and Locust rounds times of this size to ${2 * halfStep(ms)} ms` : '';
  if (counts === null || percentiles.has(p)) {
    const half = rounding === '' ? 0 : halfStep(observed);
    const verdict = atMost({ lower: observed - half, upper: observed + half }, ms);
    return finding(verdict, observed, verdict === 'inconclusive' ? numbers + rounding : numbers);
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const overBy = (side: -1 | 0 | 1): number =>
    [...counts].reduce((sum, [each, count]) => sum + (each + side * halfStep(each) > ms ? count : 0), 0);
  // Whichever way those were rounded that lie about the limit.
  const isMet = judgeShare({ over: overBy(1), total, p }) === 'met';
  const isMissed = judgeShare({ over: overBy(-1), total, p }) === 'missed';
  const close = isMet || isMissed ? '' : `: too close to call${overBy(1) === overBy(-1) ? '' : rounding}`;
  return finding(
    isMet ? 'pass' : isMissed ? 'fail' : 'inconclusive',
    observed,
    `${numbers} (${overBy(0)} of ${total} over it)${close}`,
  );
}

/** Locust keeps two digits of a time: 600 ms are anything from 595 to 605. */
function halfStep(ms: number): number {
  return ms < 100 ? 0 : ms < 1000 ? 5 : ms < 10_000 ? 50 : 500;
}

/** The nearest-rank percentile. */
function ofCounts(counts: ReadonlyMap<number, number>, p: number): number | null {
  const sorted = [...counts].toSorted(([left], [right]) => left - right);
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  let seen = 0;
  for (const [ms, count] of sorted) {
    seen += count;
    if (seen >= p * total - 1e-9 && count > 0) return ms;
  }
  return null;
}

function shareOf(percentage: number): number {
  return Number((percentage / 100).toPrecision(12));
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

function unquoted(cell: string): string {
  return cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell;
}

function unknown(where: string, found: string): DataError {
  return new DataError({
    found,
    expected: 'a summary of k6 (--summary-export, handleSummary) or of Locust (--json, or --csv: _stats.csv)',
    where,
  });
}
