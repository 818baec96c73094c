import type { Static } from 'typebox';
import { Closed, Matching, Optional, Part, Text, Type } from '../../forms.ts';
import { Column, Margin, Quantity, Requirement, Severity } from '../../config/forms.ts';
import { settingsAt } from '../../config/schema.ts';

const Days = Matching('^[0-9]+(?:\\.[0-9]+)?(m|h|d)$', 'such as 30m, 12h, 7d');

export const ExperimentMetric = Closed({
  name: Type.String({ pattern: '^[a-z][a-z0-9_]*$', maxLength: 60 }),
  kind: Type.Enum(['conversion', 'sum', 'count', 'ratio'], {
    description:
      'conversion: the share of users with an outcome (where a column is named, one above 0); sum: the column, by user; count: outcomes by user; ratio: the sum of the column over that of the denominator',
  }),
  column: Type.Optional(Column),
  denominator: Type.Optional(Column),
  event: Optional.Text('only outcomes of this name: see columns.name', { maxLength: 200 }),
  better: Optional.Choice(['higher', 'lower'], 'default higher'),
  require: Type.Optional(Requirement),
  margin: Type.Optional(Margin),
  severity: Type.Optional(Severity),
  covariate: Optional.Text(
    'without outcomes: a column of the assignments that was known before the exposure, for CUPED',
  ),
  expected: Optional.Part('for --plan', {
    value: Type.Number({ description: 'what the champion has' }),
    sd: Optional.Number('standard deviation over users; of a conversion it follows', { exclusiveMinimum: 0 }),
    effect: Quantity('the difference that should be found', { exclusiveMinimum: 0 }),
  }),
});
export type ExperimentMetric = Static<typeof ExperimentMetric>;

export const AbTest = Closed({
  assignments: Text('CSV, JSONL or Parquet: a row for each exposure of a user'),
  outcomes: Optional.Text(
    'a row for each outcome; without it the metrics are columns of the assignments, one row a user',
  ),
  columns: Part('user and time are of both files', {
    user: Column,
    arm: Column,
    time: Type.Optional(Column),
    event: Optional.Text('of outcomes: an id, by which those that were logged twice are found'),
    name: Optional.Text('of outcomes: what happened, such as purchase'),
    version: Optional.Text('of assignments: which model answered, by its sha256 or any name that tells versions apart'),
  }),
  arms: Part('what stands in the column of the arm', {
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
    'sequential (default): may be looked at every day; fixed: one look, once the planned users are there, with narrower bounds',
  ),
  users: Type.Integer({ minimum: 2, description: 'planned users of both arms: where the bounds are tightest' }),
  users_per_day: Optional.Number('of both arms, for --plan', { exclusiveMinimum: 0 }),
  min_users: Optional.Integer('of each arm, before anything is judged (default 100)', { minimum: 2 }),
  max_crossover: Optional.Number('share of users that may be in both arms (default 0.01)', { minimum: 0, maximum: 1 }),
  metrics: Type.Array(ExperimentMetric, { minItems: 1 }),
  segments: Optional.List(Column, 'columns of the assignments: shown by value, as advice, never a gate'),
});
export type AbTest = Static<typeof AbTest>;

export const abTestSettings = settingsAt<AbTest>('ab_test');

/** Of a metric: a difference of shares is told in points. */
export function scaleOf({ kind }: ExperimentMetric): 'share' | 'value' {
  return kind === 'conversion' ? 'share' : 'value';
}
