import type { Static } from 'typebox';
import { Closed, Matching, Optional, Part, Text, Type } from '../../forms.ts';
import { Column, Margin, Quantity, Requirement, Severity } from '../../config/forms.ts';
import { settingsAt } from '../../config/schema.ts';

const Days = Matching('^[0-9]+(?:\\.[0-9]+)?(m|h|d)$', 'such as 30m, 12h, 7d');

export const ExperimentMetric = Closed({
  name: Type.String({ pattern: '^[a-z][a-z0-9_]*$', maxLength: 60 }),
  kind: Type.Enum(['conversion', 'sum', 'count', 'ratio'], {
    description:
      'conversion: share of users with an outcome (with column: with a value above 0); sum: sum of the column per user; count: number of outcomes per user; ratio: sum of the column divided by the sum of the denominator',
  }),
  column: Type.Optional(Column),
  denominator: Type.Optional(Column),
  event: Optional.Text('count only outcomes with this name: see columns.name', { maxLength: 200 }),
  better: Optional.Choice(['higher', 'lower'], 'default higher'),
  require: Type.Optional(Requirement),
  margin: Type.Optional(Margin),
  severity: Type.Optional(Severity),
  covariate: Optional.Text(
    'without outcomes: a column of the assignments that was known before the exposure, for CUPED',
  ),
  expected: Optional.Part('for --plan', {
    value: Type.Number({ description: 'value of the champion' }),
    sd: Optional.Number('standard deviation over users; not needed for a conversion', { exclusiveMinimum: 0 }),
    effect: Quantity('the difference to detect', { exclusiveMinimum: 0 }),
  }),
});
export type ExperimentMetric = Static<typeof ExperimentMetric>;

export const AbTest = Closed({
  assignments: Text('CSV, JSONL or Parquet with one row for each exposure of a user'),
  outcomes: Optional.Text(
    'file with one row for each outcome; without it the metrics are columns of the assignments, with one row per user',
  ),
  columns: Part('columns of the files; user and time are in both files', {
    user: Column,
    arm: Column,
    time: Type.Optional(Column),
    event: Optional.Text('in outcomes: an id, to detect outcomes that were logged twice'),
    name: Optional.Text('in outcomes: name of the outcome, such as purchase'),
    version: Optional.Text('in assignments: the model that answered, by sha256 or any unique name'),
  }),
  arms: Part('values of the arm column', {
    champion: Type.String({ minLength: 1 }),
    candidate: Type.String({ minLength: 1 }),
    ignore: Type.Optional(Type.Array(Type.String({ minLength: 1 }))),
  }),
  candidate_share: Optional.Number('planned share of users (default 0.5)', {
    exclusiveMinimum: 0,
    exclusiveMaximum: 1,
  }),
  window: Type.Optional(Days),
  lookback: Type.Optional(Days),
  analysis: Optional.Choice(
    ['sequential', 'fixed'],
    'sequential (default): can be evaluated every day; fixed: one evaluation when the planned number of users is reached, with narrower bounds',
  ),
  users: Type.Integer({
    minimum: 2,
    description: 'planned number of users of both arms, at which the bounds are tightest',
  }),
  users_per_day: Optional.Number('number of users per day in both arms, for --plan', { exclusiveMinimum: 0 }),
  min_users: Optional.Integer('minimum number of users of each arm before metrics are evaluated (default 100)', {
    minimum: 2,
  }),
  max_crossover: Optional.Number('largest allowed share of users in both arms (default 0.01)', {
    minimum: 0,
    maximum: 1,
  }),
  metrics: Type.Array(ExperimentMetric, { minItems: 1 }),
  segments: Optional.List(Column, 'columns of the assignments for which results are shown by value, as advice only'),
});
export type AbTest = Static<typeof AbTest>;

export const abTestSettings = settingsAt<AbTest>('ab_test');

/** Of a metric: a difference of shares is told in points. */
export function scaleOf({ kind }: ExperimentMetric): 'share' | 'value' {
  return kind === 'conversion' ? 'share' : 'value';
}

/** Level of each bound: guardrails share alpha, since any of them rejects; advice shares it too; what must all pass needs no share. */
export function levelsOf(metrics: readonly ExperimentMetric[], alpha: number): number[] {
  const family = ({ require, severity = 'block' }: ExperimentMetric): string =>
    require === undefined ? 'advice' : require === 'not-inferior' && severity === 'block' ? 'guardrail' : 'gate';
  return metrics.map((metric) => {
    const own = family(metric);
    return own === 'gate' ? alpha : alpha / metrics.filter((each) => family(each) === own).length;
  });
}
