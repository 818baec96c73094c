import { Type, type Static } from 'typebox';
import type { Model as ModelConfig, StageKeys } from '../config/index.ts';
import { CaptureKey, Column, Quantity, strict } from '../config/forms.ts';

/* What contender.yml says of a model after its promotion: `monitor`, `retrain` and `batch`. */

export const Span = Type.String({ pattern: '^[1-9][0-9]*(m|h|d)$', description: 'such as 30m, 1h, 1d' });

const Files = Type.String({
  minLength: 1,
  description: 'CSV, JSONL or Parquet; * and ? in the last part of the path stand for several files',
});

const DriftLimits = Type.Object(
  {
    columns: Type.Optional(
      Type.Union([Type.Literal('*'), Type.Array(Column, { minItems: 1, uniqueItems: true })], {
        description: 'which are compared (default "*": every column that production and the reference share)',
      }),
    ),
    max_psi: Type.Optional(Type.Number({ minimum: 0, description: 'corrected PSI of a column (default 0.2)' })),
    max_missing_change: Type.Optional(
      Quantity({ minimum: 0, description: 'change of the share of missing values (default 5pp)' }),
    ),
    max_new_categories: Type.Optional(
      Quantity({ minimum: 0, description: 'share of rows in categories that the reference has none of (default 1pp)' }),
    ),
  },
  strict,
);
export type DriftLimits = Static<typeof DriftLimits>;

const Kpi = Type.Object(
  {
    files: Type.Optional(Type.String({ minLength: 1, description: 'logs of events (default: those of production)' })),
    time: Type.Optional(Type.String({ minLength: 1, description: 'column of the time of an event in these files' })),
    value: Type.Optional(
      Type.String({ minLength: 1, description: 'SQL over the events of a window, such as "sum(converted)"' }),
    ),
    per: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'SQL of what the value is divided by, such as "count(*)"; a window where it is 0 has no value',
      }),
    ),
    prometheus: Type.Optional(
      Type.Object(
        {
          url: Type.String({
            pattern: '^https?://',
            description: 'address of the server, such as http://prometheus:9090',
          }),
          query: Type.String({
            minLength: 1,
            description: 'PromQL with one result; $window stands for the length of a window',
          }),
          token: Type.Optional(
            Type.String({
              pattern: '^[A-Z][A-Z0-9_]*$',
              description: 'name of the environment variable that holds a bearer token',
            }),
          ),
        },
        { ...strict, description: 'asked at the end of each window, in place of value' },
      ),
    ),
    bad: Type.Optional(
      Type.Enum(['down', 'up', 'both'], { description: 'which way is harm (default down; of latency up)' }),
    ),
    max_change: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 1,
        description:
          'largest change against the week before and against the week a month before, as a share: 0.05 is 5%',
      }),
    ),
    min: Type.Optional(Type.Number({ description: 'a window below it is a finding at once' })),
    max: Type.Optional(Type.Number({ description: 'a window above it is a finding at once' })),
    rank: Type.Optional(Type.Enum(['kpi', 'latency'], { description: 'what its findings are (default kpi)' })),
    unit: Type.Optional(Type.String({ maxLength: 20, description: 'for people: ms, EUR' })),
  },
  { ...strict, description: 'a number of each window: of SQL over logs, or of Prometheus' },
);
export type Kpi = Static<typeof Kpi>;

export const Monitor = Type.Object(
  {
    production: Type.Object(
      {
        files: Files,
        format: CaptureKey,
        time: Type.String({ minLength: 1, description: 'column of the time a row was served' }),
        score: Type.Optional(
          Type.Union([Column, Type.Array(Column, { minItems: 2, uniqueItems: true })], {
            description:
              'column of the score; for multiclass one probability for each class, in the order of columns.classes',
          }),
        ),
        prediction: Type.Optional(Type.String({ minLength: 1, description: 'column of the predicted class or value' })),
        model: Type.Optional(
          Type.String({ minLength: 1, description: 'column that says which model answered: its version or sha256' }),
        ),
      },
      { ...strict, description: 'what was served: features, scores and predictions, a row each' },
    ),
    labels: Type.Optional(
      Type.Object(
        {
          files: Files,
          id: Type.Optional(Column),
          label: Type.Optional(Column),
          time: Type.Optional(Type.String({ minLength: 1, description: 'column of the time a label became known' })),
          maturity: Type.String({
            pattern: '^[0-9]+(m|h|d)$',
            description: 'age at which nearly all labels (95%) of a row are known, such as 7d: younger windows wait',
          }),
          min_coverage: Type.Optional(
            Type.Number({
              exclusiveMinimum: 0,
              maximum: 1,
              description: 'share of the rows of a mature window that must have a label (default 0.8)',
            }),
          ),
        },
        { ...strict, description: 'what turned out to be true, joined by id' },
      ),
    ),
    reference: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'data that production is compared with, or a profile of them, or registry: the profile that was kept with the champion (default: data.reference)',
      }),
    ),
    window: Type.Optional(Span),
    delay: Type.Optional(
      Type.String({
        pattern: '^[0-9]+(m|h|d)$',
        description: 'how long after its end a window is complete (default 0m)',
      }),
    ),
    alarms_per_year: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 366,
        description: 'alarms a year that may be false, split over all signals (default 12)',
      }),
    ),
    baseline: Type.Optional(
      Type.Integer({
        minimum: 28,
        maximum: 1000,
        description: 'windows that a signal learns from before it may alarm (default 56)',
      }),
    ),
    min_rows: Type.Optional(
      Type.Integer({ minimum: 1, description: 'rows below which a window is inconclusive (default 100)' }),
    ),
    inconclusive_after: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'inconclusive or empty windows in a row that are a finding (default 3)',
      }),
    ),
    recovered_after: Type.Optional(
      Type.Integer({ minimum: 1, description: 'healthy windows in a row that close a finding (default 3)' }),
    ),
    max_loss: Type.Optional(
      Quantity({
        minimum: 0,
        description: 'largest loss of accuracy against the evaluation set that is no harm (default 2pp)',
      }),
    ),
    drift: Type.Optional(DriftLimits),
    kpis: Type.Optional(Type.Record(Type.String({ pattern: '^[a-z][a-z0-9_-]{0,49}$' }), Kpi, strict)),
    cost: Type.Optional(
      Type.Object(
        {
          per_hour: Type.Number({ minimum: 0, description: 'price of what serves the model, an hour' }),
          max: Type.Optional(Type.Number({ exclusiveMinimum: 0, description: 'budget of one prediction' })),
          unit: Type.Optional(Type.String({ maxLength: 20, description: 'currency, for people' })),
        },
        strict,
      ),
    ),
    slos: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^[a-z][a-z0-9-]{0,49}$' }),
        Type.Object(
          {
            objective: Type.Number({
              exclusiveMinimum: 0,
              exclusiveMaximum: 1,
              description: 'share of good requests, such as 0.999',
            }),
            bad: Type.String({
              minLength: 1,
              description: 'PromQL of the rate of bad requests, $window for the range',
            }),
            all: Type.String({ minLength: 1, description: 'PromQL of the rate of all requests' }),
          },
          strict,
        ),
        {
          ...strict,
          description: 'service levels that Prometheus pages for, by the rules of contender prometheus-rules',
        },
      ),
    ),
    branch: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'branch beside the registry that keeps what was seen (default model-monitoring)',
      }),
    ),
    alerts: Type.Optional(
      Type.Object(
        {
          issues: Type.Optional(
            Type.Enum(['all', 'alarms', 'none'], {
              description: 'which findings become a GitHub issue each (default all: alarms and advice)',
            }),
          ),
          rota: Type.Optional(
            Type.Object(
              {
                people: Type.Array(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9-]{0,38}$' }), {
                  minItems: 1,
                  maxItems: 50,
                  description: 'GitHub logins; each has alarms assigned for a turn',
                }),
                turn: Type.Optional(
                  Type.String({ pattern: '^[1-9][0-9]*d$', description: 'length of a turn (default 7d, from Monday)' }),
                ),
              },
              strict,
            ),
          ),
          webhook: Type.Optional(
            Type.String({
              pattern: '^[A-Z][A-Z0-9_]*$',
              description: 'name of the environment variable with the address of a Slack-compatible webhook',
            }),
          ),
          pushgateway: Type.Optional(
            Type.String({ pattern: '^https?://', description: 'address of a Prometheus Pushgateway' }),
          ),
        },
        strict,
      ),
    ),
  },
  { ...strict, description: 'how the champion is watched in production' },
);
export type Monitor = Static<typeof Monitor>;

export const Retrain = Type.Object(
  {
    dispatch: Type.Union(
      [
        Type.Object(
          {
            workflow: Type.String({
              pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*\\.ya?ml$',
              description: 'file of the workflow',
            }),
            ref: Type.Optional(
              Type.String({ minLength: 1, description: 'branch it runs on (default: the default branch)' }),
            ),
          },
          strict,
        ),
        Type.Object(
          {
            event: Type.String({
              pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$',
              description: 'type of a repository_dispatch',
            }),
          },
          strict,
        ),
      ],
      { description: 'what starts the training: a workflow_dispatch, or a repository_dispatch' },
    ),
    on: Type.Optional(
      Type.Array(Type.Enum(['harm', 'estimated', 'kpi']), {
        minItems: 1,
        uniqueItems: true,
        description: 'findings that ask for it (default harm, kpi)',
      }),
    ),
    persistence: Type.Optional(
      Type.Integer({ minimum: 1, description: 'windows in a row that must have shown the finding (default 2)' }),
    ),
    min_labels: Type.Optional(
      Type.Integer({ minimum: 0, description: 'mature labels since the champion was promoted (default 1000)' }),
    ),
    cool_down: Type.Optional(
      Type.String({
        pattern: '^[0-9]+(h|d)$',
        description: 'least time since the last retraining and the last promotion (default 7d)',
      }),
    ),
  },
  { ...strict, description: 'when a new candidate is trained without a person asking for it' },
);
export type Retrain = Static<typeof Retrain>;

export const Batch = Type.Object(
  {
    predictions: Type.String({
      minLength: 1,
      description: 'the file to be published, CSV, JSONL or Parquet; * and ? for shards',
    }),
    input: Type.String({ minLength: 1, description: 'the rows that were to be predicted' }),
    id: Type.Optional(Column),
    prediction: Type.Optional(
      Type.String({ minLength: 1, description: 'column of the predicted class or value (default prediction)' }),
    ),
    score: Type.Optional(
      Type.Union([Column, Type.Array(Column, { minItems: 1 })], {
        description: 'columns of scores (default score, if there is one)',
      }),
    ),
    reference: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'predictions that the shares are held against (default: those of the champion for the evaluation set)',
      }),
    ),
    max_missing: Type.Optional(
      Quantity({ minimum: 0, description: 'share of rows without a prediction or a score (default 0)' }),
    ),
    max_share_change: Type.Optional(
      Quantity({ exclusiveMinimum: 0, description: 'change of the share of a predicted class (default 10pp)' }),
    ),
    max_psi: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, description: 'corrected PSI of the scores (default 0.2)' }),
    ),
    model: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'column that says which model predicted, its version or sha256 (default: what contender predict wrote into the file)',
      }),
    ),
    time: Type.Optional(Type.String({ minLength: 1, description: 'column of the time a row was predicted' })),
    max_age: Type.Optional(
      Type.String({ pattern: '^[0-9]+(m|h|d)$', description: 'how old a prediction may be; asks for time' }),
    ),
  },
  { ...strict, description: 'the gate of predictions that are computed before they are asked for' },
);
export type Batch = Static<typeof Batch>;

export const Backtest = Type.Object(
  {
    data: Type.String({ minLength: 1, description: 'labelled rows of the past; * and ? for several files' }),
    time: Type.String({ minLength: 1, description: 'column of the time of a row' }),
    known: Type.Optional(Type.String({ minLength: 1, description: 'column of the time its label was known' })),
    maturity: Type.Optional(
      Type.String({
        pattern: '^[0-9]+(m|h|d)$',
        description: 'without known: age at which a label is known (default 0m)',
      }),
    ),
    window: Type.Optional(Type.String({ pattern: '^[1-9][0-9]*(h|d)$', description: 'such as 7d, the default' })),
    max_loss: Type.Optional(
      Quantity({
        minimum: 0,
        description: 'how much more loss is too much (default 2pp); of regression in units of the error',
      }),
    ),
    models: Type.Record(
      Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$' }),
      Type.Object(
        {
          trained_until: Type.String({
            minLength: 8,
            description: 'time of the last row it was trained on, such as 2026-01-31',
          }),
          predictions: Type.String({ minLength: 1, description: 'what it says of the rows, keyed by id' }),
        },
        strict,
      ),
      { ...strict, minProperties: 1, description: 'models of the past' },
    ),
  },
  { ...strict, description: 'judge models of the past as they could have been judged then' },
);
export type Backtest = Static<typeof Backtest>;

/** The keys of a model that are said of it after its promotion: no decision of the gate depends on them. */
export const monitorKeys: StageKeys = {
  model: {
    monitor: Type.Optional(Monitor),
    retrain: Type.Optional(Retrain),
    batch: Type.Optional(Batch),
    backtest: Type.Optional(Backtest),
  },
};

interface Monitored {
  monitor?: Monitor;
  retrain?: Retrain;
  batch?: Batch;
  backtest?: Backtest;
}

/** What a model says of itself after its promotion. */
export function monitoredOf(model: ModelConfig): Monitored {
  return model as ModelConfig & Monitored;
}
