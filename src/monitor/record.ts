import type { Static } from 'typebox';
import { Type } from '../forms.ts';

/* What is kept of each window, and beside the windows: all that later runs know. Numbers and names of columns; no rows of data. */

const Maybe = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);
const Time = Type.String({
  description: 'ISO 8601, UTC',
  pattern: '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d\\.\\d{3}Z$',
});

/** One question put to a column in one window. */
const DriftSeen = Type.Object({
  column: Type.String(),
  /** Does the model look at it? */
  feature: Type.Boolean(),
  /** Rows with a value: reference, window. */
  values: Type.Array(Type.Integer(), { minItems: 2, maxItems: 2 }),
  tooFew: Type.Boolean(),
  tests: Type.Array(
    Type.Object({
      of: Type.Enum(['distribution', 'missing', 'new-categories']),
      effect: Type.Number(),
      p: Type.Number(),
    }),
  ),
});
export type DriftSeen = Static<typeof DriftSeen>;

export const WindowRecord = Type.Object({
  start: Time,
  end: Time,
  /** Who was champion at its end; null: nobody. */
  champion: Maybe(Type.Object({ version: Maybe(Type.String()), sha256: Type.String() })),
  /** Rows of the champion. */
  rows: Type.Integer({ minimum: 0 }),
  /** Rows that other models answered, by what the log calls them. */
  others: Type.Record(Type.String(), Type.Integer()),
  /** The champion changed within it: what is of the model is not judged. */
  changed: Type.Boolean(),
  /** Value of each KPI, and of cost; null: none. */
  values: Type.Record(Type.String(), Maybe(Type.Number())),
  /** What else belongs to a value: events and trials of a rate, or why there is none. */
  rates: Type.Record(Type.String(), Type.Object({ events: Type.Number(), trials: Type.Number() })),
  faults: Type.Record(Type.String(), Type.String()),
  drift: Type.Array(DriftSeen),
  /** Columns that the reference or production has alone. */
  alone: Type.Object({ reference: Type.Array(Type.String()), production: Type.Array(Type.String()) }),
  /** Mean of calibrated confidence, or expected loss, and its standard error; null: no scores. */
  estimate: Maybe(Type.Object({ value: Type.Number(), se: Type.Number(), unknown: Type.Number() })),
  /** Once labels are mature. Losses are of 0 to 1. */
  performance: Maybe(
    Type.Object({
      rows: Type.Integer({ minimum: 0 }),
      loss: Type.Number(),
      /** Share of the rows of each predicted class that have a label. */
      coverage: Type.Record(Type.String(), Type.Number()),
      contradictions: Type.Integer({ minimum: 0 }),
    }),
  ),
});
export type WindowRecord = Static<typeof WindowRecord>;

/** What the champion does on the evaluation set: frozen with it. */
export const ChampionBaseline = Type.Object({
  sha256: Type.String(),
  /** Digest of the evaluation set. */
  dataset: Type.String(),
  rows: Type.Integer({ minimum: 1 }),
  /** Mean loss, 0 to 1; of classification the share of wrong predictions. */
  loss: Type.Number(),
  /** Upper bound of it. */
  upper: Type.Number(),
  /** What one unit of loss is of regression: absolute errors are divided by it, and no more than 1. */
  scale: Type.Number(),
  /** Mean and variance of one row's calibrated confidence. */
  confidence: Maybe(Type.Object({ mean: Type.Number(), variance: Type.Number() })),
  /** Scores, thinned evenly to at most a thousand, and predicted classes. */
  scores: Type.Array(Type.Number()),
  classes: Type.Record(Type.String(), Type.Integer()),
  /** How two classes are told apart by one score, that of the positive class; null: they are not. Earlier versions did not write it. */
  decides: Type.Optional(Maybe(Type.Object({ threshold: Type.Number(), negative: Type.String() }))),
  /** A step function from scores to probabilities: from each score on the probability beside it, before the first the first. */
  calibration: Maybe(Type.Object({ scores: Type.Array(Type.Number()), probabilities: Type.Array(Type.Number()) })),
  /** Losses of the evaluation set by bins of the score. Inner edges: bin i is (edges[i-1], edges[i]]. Variances are of each bin. */
  table: Maybe(
    Type.Object({
      edges: Type.Array(Type.Number()),
      rows: Type.Array(Type.Integer()),
      means: Type.Array(Type.Number()),
      variances: Type.Array(Type.Number()),
    }),
  ),
});
export type ChampionBaseline = Static<typeof ChampionBaseline>;

/** Where a finding was told. */
export const Told = Type.Object({
  /** Start of the window that opened the finding. */
  opened: Time,
  issue: Type.Optional(Type.Integer()),
  /** A person closed the issue: silent until the finding recovers. */
  muted: Type.Optional(Type.Boolean()),
  /** The webhook was told, and told of the recovery. */
  webhook: Type.Optional(Type.Boolean()),
  recovered: Type.Optional(Type.Boolean()),
});
export type Told = Static<typeof Told>;

export const Retraining = Type.Object({
  at: Time,
  findings: Type.Array(Type.String()),
  reason: Type.String(),
  window: Type.Object({ start: Time, end: Time }),
  evidence: Type.String({ description: 'sha256 of the evidence it was decided on' }),
  /** Of a workflow_dispatch. */
  run: Type.Optional(Type.String()),
});
export type Retraining = Static<typeof Retraining>;

export const monitoringSchemaId = 'contender/monitoring/v1';

export const MonitoringState = Type.Object(
  {
    schema: Type.Literal(monitoringSchemaId),
    model: Type.String(),
    champions: Type.Array(ChampionBaseline),
    /** By finding. */
    told: Type.Record(Type.String(), Told),
    retrainings: Type.Array(Retraining),
  },
  { description: 'What monitoring keeps of a model beside its windows' },
);
export type MonitoringState = Static<typeof MonitoringState>;
