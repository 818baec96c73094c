/** What a server counts of itself. Counts of several are added up. */
export interface Counts {
  byStatus: Record<number, number>;
  /** Requests that took longer than a bound and no longer than the next; the last took longer than all. */
  buckets: number[];
  seconds: number;
  runs: number;
  runRequests: number;
  runRows: number;
  inFlight: number;
  limit: number;
  memoryBytes: number;
  cpuSeconds: number;
}

export interface ServerMetrics {
  /** An inference request was answered. */
  answered(status: number, seconds: number): void;
  ran(requests: number, rows: number): void;
  counts(now: { inFlight: number; limit: number }): Counts;
}

/** Upper bounds in seconds. */
const bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function serverMetrics(): ServerMetrics {
  const byStatus: Record<number, number> = {};
  const buckets = new Array<number>(bounds.length + 1).fill(0);
  let [seconds, runs, runRequests, runRows] = [0, 0, 0, 0];
  return {
    answered(status, took) {
      byStatus[status] = (byStatus[status] ?? 0) + 1;
      seconds += took;
      let bucket = 0;
      while (bucket < bounds.length && took > (bounds[bucket] as number)) bucket += 1;
      buckets[bucket] = (buckets[bucket] as number) + 1;
    },
    ran(requests, rows) {
      runs += 1;
      runRequests += requests;
      runRows += rows;
    },
    counts(now) {
      const { user, system } = process.cpuUsage();
      const usage = { memoryBytes: process.memoryUsage.rss(), cpuSeconds: (user + system) / 1e6 };
      return { byStatus, buckets, seconds, runs, runRequests, runRows, ...now, ...usage };
    },
  };
}

/** What nothing adds to others. */
export function nothingCounted(): Counts {
  return { ...serverMetrics().counts({ inFlight: 0, limit: 0 }), memoryBytes: 0, cpuSeconds: 0 };
}

export function added(left: Counts, right: Counts): Counts {
  const sums = structuredClone(left);
  for (const [status, total] of Object.entries(right.byStatus))
    sums.byStatus[Number(status)] = (sums.byStatus[Number(status)] ?? 0) + total;
  for (const [index, count] of right.buckets.entries()) sums.buckets[index] = (sums.buckets[index] ?? 0) + count;
  const { byStatus: _byStatus, buckets: _buckets, ...numbers } = right;
  for (const name of Object.keys(numbers) as (keyof typeof numbers)[]) sums[name] += numbers[name];
  return sums;
}

/** As Prometheus reads it (text format 0.0.4). */
export function metricsText(counts: Counts): string {
  const name = 'contender_request_duration_seconds';
  let within = 0;
  const cumulated = counts.buckets.map((count) => (within += count));
  return [
    '# HELP contender_requests_total Inference requests by status.',
    '# TYPE contender_requests_total counter',
    ...Object.entries(counts.byStatus).map(
      ([status, total]) => `contender_requests_total{status="${status}"} ${total}`,
    ),
    `# HELP ${name} From the request to its answer.`,
    `# TYPE ${name} histogram`,
    ...bounds.map((bound, index) => `${name}_bucket{le="${bound}"} ${cumulated[index]}`),
    `${name}_bucket{le="+Inf"} ${within}`,
    `${name}_sum ${counts.seconds}`,
    `${name}_count ${within}`,
    ...metric('contender_requests_in_flight', 'Requests that are being answered or wait.', counts.inFlight),
    ...metric('contender_requests_in_flight_limit', 'As many at once; more are refused with 429.', counts.limit),
    ...metric('contender_model_runs_total', 'Runs of the model.', counts.runs),
    ...metric('contender_model_run_requests_total', 'Requests answered by these runs.', counts.runRequests),
    ...metric('contender_model_run_rows_total', 'Rows of these runs.', counts.runRows),
    ...metric('process_resident_memory_bytes', 'Resident memory.', counts.memoryBytes),
    ...metric('process_cpu_seconds_total', 'CPU time used.', counts.cpuSeconds),
    '',
  ].join('\n');
}

/** By its name a counter, which only grows, or a gauge. */
function metric(name: string, help: string, value: number): string[] {
  const type = name.endsWith('_total') ? 'counter' : 'gauge';
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, `${name} ${value}`];
}
