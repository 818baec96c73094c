import type { Stage } from '../stage.ts';
import { Load, loadSettings } from './schema.ts';
import { sections } from './sections.ts';
import { Type } from 'typebox';

/** Serves the candidate, puts it under load and judges latency, errors, throughput and answers. */
export const load: Stage = {
  kind: 'load',
  title: 'Under load',
  reportOrder: 30,
  command: {
    name: 'load-test',
    summary: 'Load test the served candidate: latency, errors and correctness of answers.',
    examples: ['contender load-test', 'contender load-test --junit load.xml'],
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
  whereOf: (name) => (name === 'staging' ? ['staging'] : ['load', 'slo', objective(name)]),
  sections,
  load: async () => ({ run: (await import('./load-test.ts')).loadTest }),
};

/** The key of the service level objective that a check is of. */
function objective(name: string): string {
  return /^p\d+$/u.test(name) ? `${name}_ms` : ({ 'error-rate': 'error_rate', parity: 'accuracy' }[name] ?? name);
}
