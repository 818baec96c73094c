import type { Static } from 'typebox';
import { Closed, List, Matching, Optional, Part, Text, Type } from '../../forms.ts';
import { Column, Margin, OptionalQuantity, Quantity, Requirement, Severity } from '../../config/forms.ts';
import type { Model, Policy as DecisionPolicy } from '../../config/schema.ts';

/** What a policy may ask to be known. */
export const trainingParts = ['data', 'parameters', 'code', 'framework', 'run'] as const;
export type TrainingPart = (typeof trainingParts)[number];

/** Slices by the values of a column (its name), by quantile bins, by a SQL predicate, or by crossing columns. */
export const Slice = Type.Union([
  Column,
  Closed({ column: Column, bins: Type.Optional(Type.Integer({ minimum: 2, maximum: 20 })) }),
  Closed({ name: Type.String({ minLength: 1, maxLength: 100 }), sql: Type.String({ minLength: 1 }) }),
  Closed({ cross: Type.Array(Column, { minItems: 2, maxItems: 3 }) }),
]);
export type Slice = Static<typeof Slice>;

const metricFields = {
  metric: Text('see docs/metrics.md'),
  margin: OptionalQuantity('the largest tolerated loss, in the units of the metric; no effect with require: superior', {
    minimum: 0,
  }),
  relative_margin: Optional.Number("the margin as a fraction of the champion's value", { minimum: 0 }),
  min: OptionalQuantity('absolute floor of the candidate'),
  max: OptionalQuantity('absolute ceiling of the candidate'),
  severity: Type.Optional(Severity),
};

export const Primary = Closed({
  ...metricFields,
  require: Type.Optional(Requirement),
  min_gain: OptionalQuantity(
    'the smallest gain worth detecting, in the units of the metric: used to plan the number of rows',
    { exclusiveMinimum: 0 },
  ),
});
export type Primary = Static<typeof Primary>;

export const Guardrail = Closed({
  ...metricFields,
  require: Type.Optional(Requirement),
  slices: Optional.List(Slice, 'compare on each of these slices instead of on the whole evaluation set', {
    minItems: 1,
  }),
  mode: Optional.Choice(
    ['guard', 'prove'],
    'guard: block on demonstrated harm (default); prove: every slice must be shown to be non-inferior',
  ),
  min_rows: Optional.Integer(
    'minimum number of rows of a slice; smaller slices are skipped, and the report says so (default 30)',
    { minimum: 1 },
  ),
  required: Optional.List(Type.String(), 'slices such as source=hard_ham that must exist and be large enough'),
});
export type Guardrail = Static<typeof Guardrail>;

/** Gaps between groups of people, by the values of sensitive columns. */
export const Fairness = Closed({
  columns: List(Column, 'sensitive columns; each is evaluated separately', { minItems: 1, maxItems: 10 }),
  favourable: Optional.Choice(
    ['positive', 'negative'],
    'the decision that is favourable for a person (default positive)',
  ),
  min_rows: Optional.Integer(
    'minimum number of rows of a group; smaller groups are left out, and the report says so (default 30)',
    { minimum: 1 },
  ),
  gates: Type.Array(
    Closed({
      metric: Type.Enum([
        'demographic_parity_difference',
        'demographic_parity_ratio',
        'equalized_odds_difference',
        'equal_opportunity_difference',
        'false_positive_rate_difference',
        'predictive_parity_difference',
        'accuracy_difference',
      ]),
      max: OptionalQuantity('largest allowed gap of the candidate', { minimum: 0 }),
      min: OptionalQuantity('smallest allowed ratio of the candidate: 0.8 is the four-fifths rule', { minimum: 0 }),
      margin: Type.Optional(Margin),
      require: Type.Optional(Requirement),
      severity: Type.Optional(Severity),
    }),
    { minItems: 1 },
  ),
});
export type Fairness = Static<typeof Fairness>;

/** A search for slices on which the candidate loses. */
export const Discover = Part('search for slices on which the candidate is worse: reported, never blocking', {
  columns: Optional.List(Column, 'columns to search (default: every feature column)', { minItems: 1 }),
  min_rows: Optional.Integer('minimum number of rows of a slice; smaller slices are ignored (default 30)', {
    minimum: 1,
  }),
});
export type Discover = Static<typeof Discover>;

/** What decisions cost, in the team's own units. A negative cost is a gain. */
export const Cost = Type.Union(
  [
    Closed({
      false_positive: Type.Number(),
      false_negative: Type.Number(),
      true_positive: Optional.Number('default 0'),
      true_negative: Optional.Number('default 0'),
    }),
    Closed({
      matrix: Type.Record(Type.String(), Type.Record(Type.String(), Type.Number()), {
        description: 'costs by true class, then predicted class; correct decisions cost 0 unless stated',
      }),
      otherwise: Type.Number({ description: 'cost of every other wrong decision' }),
    }),
  ],
  { description: 'costs for the metric expected_cost' },
);
export type Cost = Static<typeof Cost>;

/** A metric of the team's own, in SQL. */
export const CustomMetric = Closed({
  name: Matching('^[a-z][a-z0-9_]{0,63}$', 'name for use as a metric in the policy'),
  sql: Text('one SQL expression of aggregates over label, prediction, score and the columns of the data', {
    maxLength: 10000,
  }),
  higher_is_better: Type.Boolean(),
});
export type CustomMetric = Static<typeof CustomMetric>;

/** What holds small losses together that no comparison with the champion of the day sees. */
export const Anchor = Part(
  'also compare each candidate with this version, so that small losses do not add up: see docs/statistics.md',
  {
    version: Type.String({
      pattern: '^(?:best|(?:0|[1-9][0-9]*)\\.(?:0|[1-9][0-9]*)\\.(?:0|[1-9][0-9]*)(?:-[0-9A-Za-z.-]+)?)$',
      maxLength: 256,
      description:
        'a version of the registry, or best for the promoted version with the best value of the primary metric',
    }),
    margin: Quantity('the largest tolerated loss of the primary metric since that version, over all promotions', {
      minimum: 0,
    }),
  },
);
export type Anchor = Static<typeof Anchor>;

/** Keys that the stage adds to a model. */
export const modelKeys = {
  training: Optional.Text(
    'JSON file that describes the training of the candidate (default: the metadata of its ONNX file): see docs/models.md',
  ),
};

/** Keys that the stage adds to `policy`. */
export const policyKeys = {
  min_rows: Optional.Integer(
    'minimum number of rows (for ranking: queries) of a comparison; with fewer it is inconclusive (default 30)',
    {
      minimum: 1,
    },
  ),
  primary: Primary,
  guardrails: Type.Optional(Type.Array(Guardrail)),
  anchor: Type.Optional(Anchor),
  fairness: Type.Optional(Fairness),
  cost: Type.Optional(Cost),
  metrics: Optional.List(CustomMetric, 'custom metrics, in SQL', { minItems: 1, maxItems: 50 }),
  discover: Type.Optional(Discover),
  holdout: Optional.Closed({
    spend: Type.Boolean({
      description:
        'split alpha over all decisions made on one evaluation set, so that their total error rate stays within alpha',
    }),
    budget: Optional.Integer(
      'number of decisions that may use the set, each at alpha / budget (default: decision k has alpha / (k (k + 1)))',
      { minimum: 1 },
    ),
  }),
  training: Optional.List(
    Type.Enum([...trainingParts]),
    'facts about the training that must be known; a candidate without them is held',
    { minItems: 1, uniqueItems: true },
  ),
  report: Optional.List(Type.String(), 'metrics to report without gating on them'),
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
