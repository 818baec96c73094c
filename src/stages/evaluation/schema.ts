import { Type, type Static } from 'typebox';
import { Column, Margin, Quantity, Requirement, Severity, strict } from '../../config/forms.ts';
import type { Model, Policy as DecisionPolicy } from '../../config/schema.ts';
import { trainingParts } from './training.ts';

/** Slices by the values of a column (its name), by quantile bins, by a SQL predicate, or by crossing columns. */
export const Slice = Type.Union([
  Column,
  Type.Object({ column: Column, bins: Type.Optional(Type.Integer({ minimum: 2, maximum: 20 })) }, strict),
  Type.Object({ name: Type.String({ minLength: 1, maxLength: 100 }), sql: Type.String({ minLength: 1 }) }, strict),
  Type.Object({ cross: Type.Array(Column, { minItems: 2, maxItems: 3 }) }, strict),
]);
export type Slice = Static<typeof Slice>;

const metricFields = {
  metric: Type.String({ minLength: 1, description: 'see docs/metrics.md' }),
  margin: Type.Optional(
    Quantity({
      minimum: 0,
      description: 'the largest tolerated loss, in the units of the metric; no effect with require: superior',
    }),
  ),
  relative_margin: Type.Optional(
    Type.Number({ minimum: 0, description: "the margin as a fraction of the champion's value" }),
  ),
  min: Type.Optional(Quantity({ description: 'absolute floor of the candidate' })),
  max: Type.Optional(Quantity({ description: 'absolute ceiling of the candidate' })),
  severity: Type.Optional(Severity),
};

export const Primary = Type.Object(
  {
    ...metricFields,
    require: Type.Optional(Requirement),
    min_gain: Type.Optional(
      Quantity({
        exclusiveMinimum: 0,
        description: 'the smallest gain worth detecting, in the units of the metric: used to plan the number of rows',
      }),
    ),
  },
  strict,
);
export type Primary = Static<typeof Primary>;

export const Guardrail = Type.Object(
  {
    ...metricFields,
    require: Type.Optional(Requirement),
    slices: Type.Optional(
      Type.Array(Slice, { minItems: 1, description: 'compare on each of these slices instead of on the whole' }),
    ),
    mode: Type.Optional(
      Type.Enum(['guard', 'prove'], {
        description: 'guard: block on demonstrated harm (default); prove: every slice must be shown non-inferior',
      }),
    ),
    min_rows: Type.Optional(
      Type.Integer({ minimum: 1, description: 'smaller slices are skipped, and the report says so (default 30)' }),
    ),
    required: Type.Optional(
      Type.Array(Type.String(), {
        description: 'slices such as source=hard_ham that must exist and be large enough',
      }),
    ),
  },
  strict,
);
export type Guardrail = Static<typeof Guardrail>;

/** Gaps between groups of people, by the values of sensitive columns. */
export const Fairness = Type.Object(
  {
    columns: Type.Array(Column, {
      minItems: 1,
      maxItems: 10,
      description: 'sensitive columns; each is evaluated separately',
    }),
    favourable: Type.Optional(
      Type.Enum(['positive', 'negative'], { description: 'the decision that favours a person (default positive)' }),
    ),
    min_rows: Type.Optional(
      Type.Integer({ minimum: 1, description: 'smaller groups are left out, and the report says so (default 30)' }),
    ),
    gates: Type.Array(
      Type.Object(
        {
          metric: Type.Enum([
            'demographic_parity_difference',
            'demographic_parity_ratio',
            'equalized_odds_difference',
            'equal_opportunity_difference',
            'false_positive_rate_difference',
            'predictive_parity_difference',
            'accuracy_difference',
          ]),
          max: Type.Optional(Quantity({ minimum: 0, description: 'largest gap of the candidate' })),
          min: Type.Optional(
            Quantity({
              minimum: 0,
              description: 'smallest ratio of the candidate: 0.8 is the four-fifths rule',
            }),
          ),
          margin: Type.Optional(Margin),
          require: Type.Optional(Requirement),
          severity: Type.Optional(Severity),
        },
        strict,
      ),
      { minItems: 1 },
    ),
  },
  strict,
);
export type Fairness = Static<typeof Fairness>;

/** A search for slices on which the candidate loses. */
export const Discover = Type.Object(
  {
    columns: Type.Optional(
      Type.Array(Column, { minItems: 1, description: 'columns to search (default: every feature column)' }),
    ),
    min_rows: Type.Optional(Type.Integer({ minimum: 1, description: 'smaller slices are ignored (default 30)' })),
  },
  { ...strict, description: 'search for slices on which the candidate is worse: reported, never blocking' },
);
export type Discover = Static<typeof Discover>;

/** What decisions cost, in the team's own units. A negative cost is a gain. */
export const Cost = Type.Union(
  [
    Type.Object(
      {
        false_positive: Type.Number(),
        false_negative: Type.Number(),
        true_positive: Type.Optional(Type.Number({ description: 'default 0' })),
        true_negative: Type.Optional(Type.Number({ description: 'default 0' })),
      },
      strict,
    ),
    Type.Object(
      {
        matrix: Type.Record(Type.String(), Type.Record(Type.String(), Type.Number()), {
          description: 'true class, then decided class; correct decisions cost 0 unless stated',
        }),
        otherwise: Type.Number({ description: 'cost of every wrong decision that is not in the matrix' }),
      },
      strict,
    ),
  ],
  { description: 'for the metric expected_cost' },
);
export type Cost = Static<typeof Cost>;

/** A metric of the team's own, in SQL. */
export const CustomMetric = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z][a-z0-9_]{0,63}$', description: 'to use as a metric elsewhere in the policy' }),
    sql: Type.String({
      minLength: 1,
      maxLength: 10000,
      description: 'one expression of aggregates over label, prediction, score and the columns of the data',
    }),
    higher_is_better: Type.Boolean(),
  },
  strict,
);
export type CustomMetric = Static<typeof CustomMetric>;

/** What holds small losses together that no comparison with the champion of the day sees. */
export const Anchor = Type.Object(
  {
    version: Type.String({
      pattern: '^(?:best|(?:0|[1-9][0-9]*)\\.(?:0|[1-9][0-9]*)\\.(?:0|[1-9][0-9]*)(?:-[0-9A-Za-z.-]+)?)$',
      maxLength: 256,
      description: 'a version of the registry, or best: the promoted version with the best value of the primary metric',
    }),
    margin: Quantity({
      minimum: 0,
      description: 'the largest tolerated loss of the primary metric since that version, over all promotions',
    }),
  },
  {
    ...strict,
    description:
      'also compare each candidate with this version, so that small losses do not add up: see docs/statistics.md',
  },
);
export type Anchor = Static<typeof Anchor>;

/** Keys that the stage adds to a model. */
export const modelKeys = {
  training: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'JSON file that says how the candidate was trained (default: what the metadata of its ONNX file says): see docs/models.md',
    }),
  ),
};

/** Keys that the stage adds to `policy`. */
export const policyKeys = {
  min_rows: Type.Optional(
    Type.Integer({
      minimum: 1,
      description: 'comparisons on fewer rows (of a ranking: queries) are inconclusive (default 30)',
    }),
  ),
  primary: Primary,
  guardrails: Type.Optional(Type.Array(Guardrail)),
  anchor: Type.Optional(Anchor),
  fairness: Type.Optional(Fairness),
  cost: Type.Optional(Cost),
  metrics: Type.Optional(
    Type.Array(CustomMetric, { minItems: 1, maxItems: 50, description: 'custom metrics, in SQL' }),
  ),
  discover: Type.Optional(Discover),
  holdout: Type.Optional(
    Type.Object(
      {
        spend: Type.Boolean({
          description:
            'split alpha over all decisions made on one evaluation set, so that their total error rate stays within alpha',
        }),
        budget: Type.Optional(
          Type.Integer({
            minimum: 1,
            description:
              'how many decisions the set may be used for, each at alpha / budget (default: decision k has alpha / (k (k + 1)))',
          }),
        ),
      },
      strict,
    ),
  ),
  training: Type.Optional(
    Type.Array(Type.Enum([...trainingParts]), {
      minItems: 1,
      uniqueItems: true,
      description: 'what must be known of the training of a candidate; one of which it is not is held',
    }),
  ),
  report: Type.Optional(Type.Array(Type.String(), { description: 'metrics to report without gating on them' })),
};
const EvaluationPolicy = Type.Object(policyKeys);
export type Policy = DecisionPolicy & Static<typeof EvaluationPolicy>;

/** What a model asks of the stage. Its schema has seen to it that the primary metric is there. */
export function policyOf(model: Model): Policy {
  return model.policy as Policy;
}

/** The file that says how the candidate was trained, if one is named. */
export function trainingOf(model: Model): string | undefined {
  return (model as Model & { training?: string }).training;
}
