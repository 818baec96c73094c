import { Type } from '../../forms.ts';
import type { Model, Problem } from '../../config/index.ts';
import type { Stage } from '../stage.ts';
import { sampleFile, Shadow, shadowSettings } from './schema.ts';
import { sections } from './sections.ts';

const limits = ['max_disagreement', 'max_score_shift', 'max_latency_ratio', 'max_error_rate'] as const;

/** The same requests through champion and candidate, without a user seeing what the candidate says. */
export const shadow: Stage = {
  kind: 'shadow',
  title: 'Shadow',
  reportOrder: 32,
  command: {
    name: 'shadow',
    summary: 'Compare the answers of champion and candidate to the same production requests, replayed or mirrored.',
    examples: ['contender shadow', 'contender shadow && contender promote'],
  },
  action: 'shadow',
  page: 'docs/shadow.md',
  keys: { model: { shadow: Type.Optional(Shadow) } },
  problems,
  needs: 'logs',
  logs(model) {
    const settings = shadowSettings(model);
    if (settings === undefined) return {};
    const { log, format, replay, labels } = settings;
    return {
      ...(log === undefined ? {} : { mirrored: { file: log, key: 'shadow.log', format } }),
      ...(replay === undefined ? {} : { requests: { file: replay.requests, key: 'shadow.replay.requests' } }),
      ...(labels === undefined ? {} : { labels: { file: labels.file, key: 'shadow.labels.file' } }),
    };
  },
  enabled: (model) => shadowSettings(model) !== undefined,
  absent: {
    found: 'there is no shadow section',
    remedy: 'Add shadow: {log: FILE, max_disagreement: 2pp}, or shadow: {replay: {requests, champion, candidate}}',
  },
  required(model) {
    const settings = shadowSettings(model);
    return (settings?.severity ?? 'block') === 'block' && limits.some((limit) => settings?.[limit] !== undefined);
  },
  whereOf: (name) => [
    'shadow',
    ...(name === 'requests' ? ['min_requests'] : name === 'labels' ? ['labels'] : [`max_${name.replaceAll('-', '_')}`]),
  ],
  sections,
  files: [sampleFile],
  load: async () => ({ run: (await import('./shadow.ts')).compareInShadow }),
};

function problems(model: Model): Problem[] {
  const settings = shadowSettings(model);
  if (settings === undefined || (settings.log === undefined) !== (settings.replay === undefined)) return [];
  const found = settings.log === undefined ? 'neither a log nor a replay' : 'both a log and a replay';
  return [{ pointer: '/shadow', key: 'shadow', message: `there is ${found}: name one of them` }];
}
