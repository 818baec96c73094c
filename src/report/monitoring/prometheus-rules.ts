import { stringify } from 'yaml';

/** A service level: the share of requests that must be good, and how bad and all requests are counted. */
export interface ServiceLevel {
  name: string;
  /** Such as 0.999. */
  objective: number;
  /** PromQL of a rate of bad requests, $window for the range. */
  bad: string;
  all: string;
}

/** Rates at which the error budget of 30 days burns, by a long and a short window (Google, "The Site Reliability Workbook", chapter 5). */
const burns = [
  { rate: 14.4, long: '1h', short: '5m', severity: 'page' },
  { rate: 6, long: '6h', short: '30m', severity: 'page' },
  { rate: 1, long: '3d', short: '6h', severity: 'ticket' },
] as const;

/**
 * Rules for Prometheus that page without us: burn rates of each service level, and monitoring itself that stopped.
 * @param windowSeconds length of a window of monitoring
 */
export function prometheusRules(model: string, levels: readonly ServiceLevel[], windowSeconds: number): string {
  const ratios = (level: ServiceLevel): object[] =>
    [...new Set(burns.flatMap(({ long, short }) => [short, long]))].map((window) => ({
      record: recordOf(level, window),
      expr: `(${inWindow(level.bad, window)}) / (${inWindow(level.all, window)})`,
      labels: { model },
    }));
  const alerts = (level: ServiceLevel): object[] =>
    burns.map(({ rate, long, short, severity }) => {
      const limit = `${rate} * ${round(1 - level.objective)}`;
      const over = (window: string): string => `${recordOf(level, window)}{model="${model}"} > (${limit})`;
      return {
        alert: `ContenderBurnRate${camel(level.name)}`,
        expr: `${over(long)} and ${over(short)}`,
        labels: { severity, model, level: level.name, window: long },
        annotations: {
          summary: `${model}: the error budget of ${level.name} burns ${rate} times too fast`,
          description: `More than ${round(100 * rate * (1 - level.objective))}% of the requests were bad in the last ${long} and the last ${short}; the objective is ${round(100 * level.objective)}%.`,
        },
      };
    });
  const stale = 3 * windowSeconds;
  const own = [
    {
      alert: 'ContenderMonitoringStopped',
      expr: `time() - contender_monitor_last_success_timestamp_seconds{model="${model}"} > ${stale} or absent(contender_monitor_last_success_timestamp_seconds{model="${model}"})`,
      for: '10m',
      labels: { severity: 'ticket', model },
      annotations: {
        summary: `${model}: monitoring has not completed for three windows`,
        description: 'The schedule may be disabled, or the run fails: the model is not monitored.',
      },
    },
    {
      alert: 'ContenderFinding',
      expr: `contender_monitor_finding_open{model="${model}",level="alarm"} == 1`,
      labels: { severity: 'ticket', model },
      annotations: { summary: `${model}: {{ $labels.signal }} ({{ $labels.rank }}) is open` },
    },
  ];
  const groups = [
    ...levels.map((level) => ({
      name: `contender-${model}-${level.name}`,
      rules: [...ratios(level), ...alerts(level)],
    })),
    { name: `contender-${model}-monitoring`, rules: own },
  ];
  return stringify({ groups }, { lineWidth: 0 });
}

function recordOf({ name }: ServiceLevel, window: string): string {
  return `contender:${name.replaceAll(/[^a-zA-Z0-9]/gu, '_')}:ratio_rate${window}`;
}

function inWindow(query: string, window: string): string {
  return query.replaceAll('$window', window);
}

function camel(name: string): string {
  return name.replaceAll(/(?:^|[^a-zA-Z0-9])([a-zA-Z0-9])/gu, (_, letter: string) => letter.toUpperCase());
}

function round(value: number): number {
  return Number(value.toPrecision(12));
}
