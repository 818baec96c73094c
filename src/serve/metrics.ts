/** What a server counts of itself, as Prometheus reads it (text format 0.0.4). */
export interface ServerMetrics {
  /** An inference request was answered. */
  answered(status: number, seconds: number): void;
  ran(requests: number, rows: number): void;
  text(now: { inFlight: number; limit: number }): string;
}

/** Upper bounds in seconds. */
const bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function serverMetrics(): ServerMetrics {
  const byStatus = new Map<number, number>();
  /** Requests between a bound and the one before it; the last are above all. */
  const buckets = new Array<number>(bounds.length + 1).fill(0);
  let [count, sum, runs, batchedRequests, batchedRows] = [0, 0, 0, 0, 0];
  return {
    answered(status, seconds) {
      byStatus.set(status, (byStatus.get(status) ?? 0) + 1);
      count += 1;
      sum += seconds;
      let bucket = 0;
      while (bucket < bounds.length && seconds > (bounds[bucket] as number)) bucket += 1;
      buckets[bucket] = (buckets[bucket] as number) + 1;
    },
    ran(requests, rows) {
      runs += 1;
      batchedRequests += requests;
      batchedRows += rows;
    },
    text({ inFlight, limit }) {
      const { rss } = process.memoryUsage();
      const { user, system } = process.cpuUsage();
      const name = 'contender_request_duration_seconds';
      let within = 0;
      return [
        '# HELP contender_requests_total Inference requests by status.',
        '# TYPE contender_requests_total counter',
        ...[...byStatus].map(([status, total]) => `contender_requests_total{status="${status}"} ${total}`),
        `# HELP ${name} From the request to its answer.`,
        `# TYPE ${name} histogram`,
        ...bounds.map((bound, index) => `${name}_bucket{le="${bound}"} ${(within += buckets[index] as number)}`),
        `${name}_bucket{le="+Inf"} ${count}`,
        `${name}_sum ${sum}`,
        `${name}_count ${count}`,
        ...gauge('contender_requests_in_flight', 'Requests that are being answered or wait.', inFlight),
        ...gauge('contender_requests_in_flight_limit', 'As many at once; more are refused with 429.', limit),
        ...counter('contender_model_runs_total', 'Runs of the model.', runs),
        ...counter('contender_model_run_requests_total', 'Requests answered by these runs.', batchedRequests),
        ...counter('contender_model_run_rows_total', 'Rows of these runs.', batchedRows),
        ...gauge('process_resident_memory_bytes', 'Resident memory.', rss),
        ...counter('process_cpu_seconds_total', 'CPU time used.', (user + system) / 1e6),
        '',
      ].join('\n');
    },
  };
}

function gauge(name: string, help: string, value: number): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${value}`];
}

function counter(name: string, help: string, value: number): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} counter`, `${name} ${value}`];
}
