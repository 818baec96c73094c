import type { Stage } from '../stage.ts';
import { Load, loadSettings } from './schema.ts';
import { sections } from './sections.ts';
import { problems } from './problems.ts';
import { Type } from '../../forms.ts';

/** Serves the candidate, puts it under load and judges latency, errors, throughput and answers. */
export const load: Stage = {
  kind: 'load',
  title: 'Under load',
  reportOrder: 30,
  command: {
    name: 'load-test',
    summary: 'Load test the served candidate: latency, errors and correctness of answers.',
    examples: [
      'contender load-test',
      'contender load-test --junit load.xml',
      'contender load-test --shard 1/3 --start 2026-03-01T12:00:00Z --file parts/load-1.json.gz',
    ],
    part: { load: async () => (await import('./load-test.ts')).loadPart },
  },
  action: 'load-test',
  page: 'docs/load.md',
  keys: { model: { load: Type.Optional(Load) } },
  needs: 'target',
  enabled: (model) => loadSettings(model) !== undefined,
  absent: {
    found: 'there is no load section',
    remedy: 'Add load: {profile: {rate, duration}, slo: {p95_ms}} to load test the candidate',
  },
  required: (model) => loadSettings(model) !== undefined,
  whereOf,
  problems,
  sections,
  load: async () => ({ run: (await import('./load-test.ts')).loadTest }),
};

/** Where the configuration asks for a check: an objective, the comparison, the staging target or the profile. */
function whereOf(name: string): (string | number)[] {
  const plain = name.split('@')[0] ?? name;
  if (plain === 'staging') return ['staging'];
  if (plain.endsWith('-ratio')) return ['load', 'compare', 'max_ratio'];
  if (plain === 'replicas') return ['load', 'sizing', 'target_rps'];
  const key = /^(?:p[\d.]+|max)$/u.test(plain)
    ? `${plain.replace('.', '_')}_ms`
    : ({ parity: 'accuracy', 'accuracy-when-busy': 'accuracy' }[plain] ?? plain.replaceAll('-', '_'));
  return ['load', 'slo', key];
}
