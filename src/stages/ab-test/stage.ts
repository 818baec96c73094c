import { Type } from '../../forms.ts';
import type { Model, Problem } from '../../config/index.ts';
import type { Stage } from '../stage.ts';
import { AbTest, abTestSettings } from './schema.ts';
import { sections } from './sections.ts';

/** Judges a randomised experiment between champion and candidate from its logs. */
export const abTest: Stage = {
  kind: 'ab-test',
  title: 'A/B test',
  reportOrder: 35,
  command: {
    name: 'ab-test',
    summary: 'Evaluate a randomised experiment in production from its logs: users, bounds, guardrails.',
    examples: ['contender ab-test', 'contender ab-test --plan', 'contender ab-test && contender promote'],
    plan: {
      description:
        'before the experiment: show how many users and days are needed to detect the effect; no logs are read',
      of: async (model) => (await import('./plan.ts')).planOf(abTestSettings(model) as AbTest, model),
    },
  },
  action: 'ab-test',
  page: 'docs/ab-test.md',
  keys: { model: { ab_test: Type.Optional(AbTest) } },
  problems,
  needs: 'logs',
  logs(model) {
    const settings = abTestSettings(model);
    if (settings === undefined) return {};
    const { assignments, outcomes } = settings;
    return {
      assignments: { file: assignments, key: 'ab_test.assignments' },
      ...(outcomes === undefined ? {} : { outcomes: { file: outcomes, key: 'ab_test.outcomes' } }),
    };
  },
  enabled: (model) => abTestSettings(model) !== undefined,
  absent: {
    found: 'there is no ab_test section',
    remedy: 'Add ab_test: {assignments, columns: {user, arm}, arms: {champion, candidate}, users, metrics: [...]}',
  },
  required: (model) =>
    (abTestSettings(model)?.metrics ?? []).some(
      ({ require, severity = 'block' }) => require !== undefined && severity === 'block',
    ),
  whereOf(name, model) {
    const metric = name.split('@')[0];
    const index = (abTestSettings(model)?.metrics ?? []).findIndex((each) => each.name === metric);
    if (index !== -1) return ['ab_test', 'metrics', index];
    return [
      'ab_test',
      { 'sample-ratio': 'candidate_share', 'one-arm': 'max_crossover', outcomes: 'outcomes' }[name] ?? 'assignments',
    ];
  },
  lead: (model) => `ab-test/${(abTestSettings(model)?.metrics ?? [])[0]?.name ?? ''}`,
  sections,
  load: async () => ({ run: (await import('./ab-test.ts')).judgeExperiment }),
};

/** What a schema cannot say: which keys of a metric go together. */
function problems(model: Model): Problem[] {
  const settings = abTestSettings(model);
  if (settings === undefined) return [];
  const { metrics, outcomes, columns, arms, window, lookback } = settings;
  const found: Problem[] = [];
  const problem = (pointer: string, key: string, message: string): void => {
    found.push({ pointer: `/ab_test/${pointer}`, key, message });
  };
  if (
    arms.champion === arms.candidate ||
    arms.ignore?.some((each) => each === arms.champion || each === arms.candidate)
  ) {
    problem('arms', 'candidate', 'champion, candidate and ignore name the same arm');
  }
  if (outcomes !== undefined && columns.time === undefined) {
    problem('columns', 'time', 'with outcomes a time column is needed: only outcomes after an exposure count');
  }
  for (const [key, value] of Object.entries({ window, lookback })) {
    if (value !== undefined && outcomes === undefined)
      problem(key, key, `${key} applies to outcomes, but outcomes is not set`);
  }
  for (const [index, { name, kind, column, denominator, event, require, margin, covariate }] of metrics.entries()) {
    const at = (key: string, message: string): void => problem(`metrics/${index}/${key}`, key, message);
    if (metrics.findIndex((each) => each.name === name) !== index) at('name', `there are two metrics ${name}`);
    const needs = kind === 'sum' || kind === 'ratio' || outcomes === undefined;
    if (needs && column === undefined) at('column', `${kind} needs a column`);
    if (kind === 'ratio' && denominator === undefined && outcomes === undefined)
      at('denominator', 'a ratio needs a denominator');
    if (kind !== 'ratio' && denominator !== undefined) at('denominator', 'only the kind ratio has a denominator');
    if (event !== undefined && columns.name === undefined) at('event', 'name its column in columns.name');
    if (require !== undefined && require !== 'superior' && margin === undefined)
      at('margin', `${require} needs a margin`);
    if (covariate !== undefined && outcomes !== undefined) at('covariate', 'with outcomes use lookback instead');
    if (covariate !== undefined && kind === 'ratio') at('covariate', 'a ratio cannot have a covariate');
  }
  return found;
}
