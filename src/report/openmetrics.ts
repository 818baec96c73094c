import type { Comparison } from '../evidence/index.ts';
import { standing, type Result } from './standing.ts';
import { withWaivers } from './waived.ts';

export type Sample = [labels: Record<string, string>, value: number];

/** One family of gauges in text that is valid as Prometheus' format 0.0.4 and as OpenMetrics; nothing where there are no samples. */
export function gauge(name: string, help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return '';
  const lines = samples.map(([labels, value]) => {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
    return `${name}{${pairs.join(',')}} ${numberText(value)}`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join('\n')}\n`;
}

/** Families with the end that OpenMetrics asks for. */
export function exposition(families: readonly string[]): string {
  return `${families.filter((text) => text !== '').join('')}# EOF\n`;
}

const metricGauges = [
  ['candidate', 'candidate', 'A metric of the candidate.'],
  ['champion', 'champion', 'The same metric of the champion, or of the anchor.'],
  ['delta', 'gain', 'Gain of the candidate; positive is better.'],
  ['lower', 'gain_lower', 'One-sided lower bound of the gain.'],
  ['upper', 'gain_upper', 'One-sided upper bound of the gain.'],
  ['margin', 'margin', 'The largest loss that is allowed.'],
] as const;

/** A scrape of this size is read in a moment; what decided comes first. */
const mostComparisons = 1000;

/**
 * A decision as gauges: how it stands, how many checks came out how, and each comparison. Of the gain and its bounds positive is better.
 * A series has the same labels from run to run, so that what changed is a value: of four outcomes one is 1.
 */
export function openMetrics(given: Result): string {
  const { decision, evidence } = withWaivers(given);
  const model = decision?.model ?? evidence[0]?.model ?? '';
  const compared = evidence
    .flatMap((each) => each.checks)
    .flatMap(({ comparison }) => (comparison === undefined ? [] : [comparison]))
    .slice(0, mostComparisons);
  const seen = new Map(compared.map((each) => [JSON.stringify(labelsOf(each)), each] as const));
  const each = (value: (typeof metricGauges)[number][0]): Sample[] =>
    [...seen.values()].map((comparison) => [{ model, ...labelsOf(comparison) }, comparison[value]]);
  const counts = new Map<string, Sample>();
  for (const { kind, checks } of evidence) {
    for (const { verdict, severity } of checks) {
      const labels = { model, stage: kind, severity, verdict };
      const key = JSON.stringify(labels);
      counts.set(key, [labels, (counts.get(key)?.[1] ?? 0) + 1]);
    }
  }
  const outcomes = decision === null ? [] : (['promote', 'hold', 'reject', 'no-change'] as const);
  return exposition([
    gauge(
      'contender_gate_outcome',
      'Whether this is the outcome of the last decision: 1 or 0.',
      outcomes.map((outcome) => [{ model, outcome }, decision?.outcome === outcome ? 1 : 0]),
    ),
    gauge(
      'contender_gate_decision_timestamp_seconds',
      'Time of the last decision.',
      decision === null ? [] : [[{ model }, Date.parse(decision.time) / 1000]],
    ),
    gauge('contender_gate_checks', 'Checks by stage, severity and verdict.', [...counts.values()]),
    ...metricGauges.map(([value, name, help]) => gauge(`contender_gate_metric_${name}`, help, each(value))),
  ]);
}

/** A label that is empty is as one that is not there. */
function labelsOf({ metric, slice = '', anchor = '' }: Comparison): Record<string, string> {
  return { metric, slice, anchor };
}

/** A badge as shields.io takes it from an address (https://shields.io/badges/endpoint-badge). */
export interface Badge {
  schemaVersion: 1;
  label: string;
  message: string;
  color: string;
}

const colours = { good: 'brightgreen', bad: 'red', open: 'yellow', none: 'lightgrey' } as const;

/** How it stands, as a badge: `spam-filter | promoted 1.1.0, 2026-05-01`. A badge that nobody renews must not look fresh. */
export function badge(result: Result): Badge {
  const { decision, evidence } = result;
  const { word, mood } = standing(result);
  const version = decision?.outcome === 'promote' ? decision.to?.version : undefined;
  return {
    schemaVersion: 1,
    label: decision?.model ?? evidence[0]?.model ?? 'contender',
    message: `${[word.toLowerCase(), ...(version === undefined ? [] : [version])].join(' ')}${decision === null ? '' : `, ${decision.time.slice(0, 10)}`}`,
    color: colours[mood],
  };
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
