import type { Finding } from '../../monitor/findings.ts';
import type { Observation } from '../../monitor/judge.ts';
import { exposition, gauge, type Sample } from '../openmetrics.ts';

/**
 * Gauges for Prometheus in text that is valid as format 0.0.4 and as OpenMetrics: HELP and TYPE, no timestamps, a line feed at the end
 * and `# EOF` as the last line. Old values stay in a Pushgateway for ever: alert on the time of the last success.
 */
export function metricsText(input: {
  model: string;
  now: Date;
  findings: readonly Finding[];
  observations: readonly Observation[];
  lastEnd: string | null;
  rows: number;
}): string {
  const { model, now, findings, observations, lastEnd, rows } = input;
  const gauges = [
    gauge('contender_monitor_last_success_timestamp_seconds', 'Time of the last complete monitoring run.', [
      [{ model }, now.getTime() / 1000],
    ]),
    gauge(
      'contender_monitor_last_window_timestamp_seconds',
      'End of the last evaluated window of production.',
      lastEnd === null ? [] : [[{ model }, Date.parse(lastEnd) / 1000]],
    ),
    gauge('contender_monitor_window_rows', 'Rows of the champion in the last window.', [[{ model }, rows]]),
    gauge(
      'contender_monitor_finding_open',
      'Whether a finding is open: 1, or 0 after it recovered.',
      latest(findings).map(({ signal, rank, level, closed }) => [
        { model, signal, rank, level },
        closed === null ? 1 : 0,
      ]),
    ),
    gauge(
      'contender_monitor_signal_value',
      'Value of a signal in the last window.',
      observations.flatMap(({ signal, value }) => (value === null ? [] : [[{ model, signal }, value] as Sample])),
    ),
    gauge(
      'contender_monitor_signal_limit',
      'The limit or expected value of a signal.',
      observations.flatMap(({ signal, limit }) => (limit === null ? [] : [[{ model, signal }, limit] as Sample])),
    ),
  ];
  return exposition(gauges);
}

/** The last of each signal: a series must not be there twice. */
function latest(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [finding.signal, finding])).values()];
}
