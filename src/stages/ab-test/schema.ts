import { Type, type Static } from 'typebox';
import { Column, Margin, Quantity, Requirement, Severity, strict } from '../../config/forms.ts';
import type { Model } from '../../config/schema.ts';

const Days = Type.String({ pattern: '^[0-9]+(?:\\.[0-9]+)?(m|h|d)$', description: 'such as 30m, 12h, 7d' });

export const ExperimentMetric = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z][a-z0-9_]*$', maxLength: 60 }),
    kind: Type.Enum(['conversion', 'sum', 'count', 'ratio'], {
      description:
        'conversion: the share of users with an outcome (where a column is named, one above 0); sum: the column, by user; count: outcomes by user; ratio: the sum of the column over that of the denominator',
    }),
    column: Type.Optional(Column),
    denominator: Type.Optional(Column),
    event: Type.Optional(
      Type.String({ minLength: 1, description: 'only outcomes of this name: see columns.name', maxLength: 200 }),
    ),
    better: Type.Optional(Type.Enum(['higher', 'lower'], { description: 'default higher' })),
    require: Type.Optional(Requirement),
    margin: Type.Optional(Margin),
    severity: Type.Optional(Severity),
    covariate: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'without outcomes: a column of the assignments that was known before the exposure, for CUPED',
      }),
    ),
    expected: Type.Optional(
      Type.Object(
        {
          value: Type.Number({ description: 'what the champion has' }),
          sd: Type.Optional(
            Type.Number({
              exclusiveMinimum: 0,
              description: 'standard deviation over users; of a conversion it follows',
            }),
          ),
          effect: Quantity({ exclusiveMinimum: 0, description: 'the difference that should be found' }),
        },
        { ...strict, description: 'for --plan' },
      ),
    ),
  },
  strict,
);
export type ExperimentMetric = Static<typeof ExperimentMetric>;

export const AbTest = Type.Object(
  {
    assignments: Type.String({ minLength: 1, description: 'CSV, JSONL or Parquet: a row for each exposure of a user' }),
    outcomes: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'a row for each outcome; without it the metrics are columns of the assignments, one row a user',
      }),
    ),
    columns: Type.Object(
      {
        user: Column,
        arm: Column,
        time: Type.Optional(Column),
        event: Type.Optional(
          Type.String({
            minLength: 1,
            description: 'of outcomes: an id, by which those that were logged twice are found',
          }),
        ),
        name: Type.Optional(Type.String({ minLength: 1, description: 'of outcomes: what happened, such as purchase' })),
        version: Type.Optional(
          Type.String({
            minLength: 1,
            description: 'of assignments: which model answered, by its sha256 or any name that tells versions apart',
          }),
        ),
      },
      { ...strict, description: 'user and time are of both files' },
    ),
    arms: Type.Object(
      {
        champion: Type.String({ minLength: 1 }),
        candidate: Type.String({ minLength: 1 }),
        ignore: Type.Optional(Type.Array(Type.String({ minLength: 1 }))),
      },
      { ...strict, description: 'what stands in the column of the arm' },
    ),
    candidate_share: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1, description: 'planned share of users (default 0.5)' }),
    ),
    window: Type.Optional(Days),
    lookback: Type.Optional(Days),
    analysis: Type.Optional(
      Type.Enum(['sequential', 'fixed'], {
        description:
          'sequential (default): may be looked at every day; fixed: one look, once the planned users are there, with narrower bounds',
      }),
    ),
    users: Type.Integer({ minimum: 2, description: 'planned users of both arms: where the bounds are tightest' }),
    users_per_day: Type.Optional(Type.Number({ exclusiveMinimum: 0, description: 'of both arms, for --plan' })),
    min_users: Type.Optional(
      Type.Integer({ minimum: 2, description: 'of each arm, before anything is judged (default 100)' }),
    ),
    max_crossover: Type.Optional(
      Type.Number({ minimum: 0, maximum: 1, description: 'share of users that may be in both arms (default 0.01)' }),
    ),
    metrics: Type.Array(ExperimentMetric, { minItems: 1 }),
    segments: Type.Optional(
      Type.Array(Column, { description: 'columns of the assignments: shown by value, as advice, never a gate' }),
    ),
  },
  strict,
);
export type AbTest = Static<typeof AbTest>;

/** What a model asks of the stage. */
export function abTestSettings(model: Model & { ab_test?: AbTest }): AbTest | undefined {
  return model.ab_test;
}

/** Of a metric: a difference of shares is told in points. */
export function scaleOf({ kind }: ExperimentMetric): 'share' | 'value' {
  return kind === 'conversion' ? 'share' : 'value';
}
