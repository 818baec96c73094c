import type { Static } from 'typebox';
import { Closed, List, Matching, Optional, Part, Text, Type } from '../forms.ts';
import type { Model as ModelConfig, StageKeys } from '../config/index.ts';
import { CaptureKey, Column, OptionalQuantity, strict } from '../config/forms.ts';

/* What contender.yml says of a model after its promotion: `monitor`, `retrain` and `batch`. */

const Span = Matching('^[1-9][0-9]*(m|h|d)$', 'such as 30m, 1h, 1d');

const Files = Text('CSV, JSONL or Parquet; * and ? are allowed in the last part of the path');

const DriftLimits = Closed({
  columns: Optional.OneOf(
    [Type.Literal('*'), Type.Array(Column, { minItems: 1, uniqueItems: true })],
    'columns to compare (default "*": every column that production and the reference share)',
  ),
  max_psi: Optional.Number('limit of the corrected PSI of a column (default 0.2)', { minimum: 0 }),
  max_missing_change: OptionalQuantity('limit of the change of the share of missing values (default 5pp)', {
    minimum: 0,
  }),
  max_new_categories: OptionalQuantity(
    'limit of the share of rows in categories that are not in the reference (default 1pp)',
    {
      minimum: 0,
    },
  ),
});

const Kpi = Part('a number for each window, from SQL over logs or from Prometheus', {
  files: Optional.Text('logs of events (default: those of production)'),
  time: Optional.Text('column with the time of an event in these files'),
  value: Optional.Text('SQL over the events of a window, such as "sum(converted)"'),
  per: Optional.Text('SQL of the denominator, such as "count(*)"; a window where it is 0 has no value'),
  prometheus: Optional.Part('Prometheus query at the end of each window, instead of value', {
    url: Matching('^https?://', 'address of the server, such as http://prometheus:9090'),
    query: Text('PromQL with one result; $window is replaced by the length of a window'),
    token: Optional.Matching('^[A-Z][A-Z0-9_]*$', 'name of the environment variable that holds a bearer token'),
  }),
  bad: Optional.Choice(['down', 'up', 'both'], 'direction that is harmful (default down; with rank: latency it is up)'),
  max_change: Optional.Number(
    'largest change against the previous week and against four weeks before, as a share: 0.05 is 5%',
    { exclusiveMinimum: 0, maximum: 1 },
  ),
  min: Optional.Number('a window below this value is a finding immediately'),
  max: Optional.Number('a window above this value is a finding immediately'),
  rank: Optional.Choice(['kpi', 'latency'], 'kind of its findings (default kpi)'),
  unit: Optional.String('for people: ms, EUR', { maxLength: 20 }),
});
export type Kpi = Static<typeof Kpi>;

export const Monitor = Part('how the champion is monitored in production', {
  production: Part('logs of predictions: one row with features, scores and prediction for each request', {
    files: Files,
    format: CaptureKey,
    time: Text('column with the time of the prediction'),
    score: Optional.OneOf(
      [Column, Type.Array(Column, { minItems: 2, uniqueItems: true })],
      'column of the score; for multiclass one column of probabilities for each class, in the order of columns.classes',
    ),
    prediction: Optional.Text('column of the predicted class or value'),
    model: Optional.Text('column with the version or sha256 of the model that answered'),
  }),
  labels: Optional.Part('the true labels, joined by id', {
    files: Files,
    id: Type.Optional(Column),
    label: Type.Optional(Column),
    time: Optional.Text('column with the time at which a label became known'),
    maturity: Matching(
      '^[0-9]+(m|h|d)$',
      'age at which nearly all labels (95%) are known, such as 7d; younger windows are not evaluated yet',
    ),
    min_coverage: Optional.Number('share of the rows of a window of that age that must have a label (default 0.8)', {
      exclusiveMinimum: 0,
      maximum: 1,
    }),
  }),
  reference: Optional.Text(
    'data to compare production with, or a profile, or registry for the profile stored with the champion (default: data.reference)',
  ),
  window: Type.Optional(Span),
  delay: Optional.Matching('^[0-9]+(m|h|d)$', 'time after its end until a window is complete (default 0m)'),
  alarms_per_year: Optional.Number('accepted false alarms per year, over all signals (default 12)', {
    exclusiveMinimum: 0,
    maximum: 366,
  }),
  baseline: Optional.Integer('number of windows that a signal learns from before it can raise an alarm (default 56)', {
    minimum: 28,
    maximum: 1000,
  }),
  min_rows: Optional.Integer('minimum number of rows of a window; smaller windows are inconclusive (default 100)', {
    minimum: 1,
  }),
  inconclusive_after: Optional.Integer(
    'number of consecutive inconclusive or empty windows that is a finding (default 3)',
    {
      minimum: 1,
    },
  ),
  recovered_after: Optional.Integer('number of consecutive healthy windows that closes a finding (default 3)', {
    minimum: 1,
  }),
  max_loss: OptionalQuantity('largest tolerated loss of accuracy against the evaluation set (default 2pp)', {
    minimum: 0,
  }),
  drift: Type.Optional(DriftLimits),
  kpis: Type.Optional(Type.Record(Type.String({ pattern: '^[a-z][a-z0-9_-]{0,49}$' }), Kpi, strict)),
  cost: Optional.Closed({
    per_hour: Type.Number({ minimum: 0, description: 'price of serving the model, per hour' }),
    max: Optional.Number('largest price of one prediction', { exclusiveMinimum: 0 }),
    unit: Optional.String('currency, for people', { maxLength: 20 }),
  }),
  slos: Type.Optional(
    Type.Record(
      Type.String({ pattern: '^[a-z][a-z0-9-]{0,49}$' }),
      Closed({
        objective: Type.Number({
          exclusiveMinimum: 0,
          exclusiveMaximum: 1,
          description: 'share of good requests, such as 0.999',
        }),
        bad: Text('PromQL of the rate of bad requests; $window is replaced by the range'),
        all: Text('PromQL of the rate of all requests'),
      }),
      {
        ...strict,
        description: 'service levels on which Prometheus alerts, with the rules of contender prometheus-rules',
      },
    ),
  ),
  branch: Optional.Text('branch for the results of monitoring (default model-monitoring)'),
  alerts: Optional.Closed({
    issues: Optional.Choice(
      ['all', 'alarms', 'none'],
      'findings for which a GitHub issue is opened (default all: alarms and advice)',
    ),
    rota: Optional.Closed({
      people: List(
        Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9-]{0,38}$' }),
        'GitHub logins; alarms are assigned to each person in turn',
        { minItems: 1, maxItems: 50 },
      ),
      turn: Optional.Matching('^[1-9][0-9]*d$', 'length of a turn (default 7d, starting on Monday)'),
    }),
    webhook: Optional.Matching(
      '^[A-Z][A-Z0-9_]*$',
      'name of the environment variable with the address of a Slack-compatible webhook',
    ),
    pushgateway: Optional.Matching('^https?://', 'address of a Prometheus Pushgateway'),
  }),
});
export type Monitor = Static<typeof Monitor>;

export const Retrain = Part('when a new candidate is trained automatically', {
  dispatch: Type.Union(
    [
      Closed({
        workflow: Matching('^[A-Za-z0-9][A-Za-z0-9._-]*\\.ya?ml$', 'file name of the workflow'),
        ref: Optional.Text('branch on which the workflow runs (default: the default branch)'),
      }),
      Closed({ event: Matching('^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$', 'event type of a repository_dispatch') }),
    ],
    { description: 'what starts the training: a workflow_dispatch, or a repository_dispatch' },
  ),
  on: Optional.List(Type.Enum(['harm', 'estimated', 'kpi']), 'findings that trigger a training (default harm, kpi)', {
    minItems: 1,
    uniqueItems: true,
  }),
  persistence: Optional.Integer('number of consecutive windows that must show the finding (default 2)', { minimum: 1 }),
  min_labels: Optional.Integer(
    'minimum number of labels of mature windows since the promotion of the champion (default 1000)',
    { minimum: 0 },
  ),
  cool_down: Optional.Matching(
    '^[0-9]+(h|d)$',
    'minimum time since the last retraining and the last promotion (default 7d)',
  ),
});
export type Retrain = Static<typeof Retrain>;

export const Batch = Part('checks of predictions that are computed in batches', {
  predictions: Text('file of predictions to publish, CSV, JSONL or Parquet; * and ? for shards'),
  input: Text('the input rows of these predictions'),
  id: Type.Optional(Column),
  prediction: Optional.Text('column of the predicted class or value (default prediction)'),
  score: Optional.OneOf(
    [Column, Type.Array(Column, { minItems: 1 })],
    'columns of scores (default score, if there is one)',
  ),
  reference: Optional.Text(
    'reference predictions for the shares (default: those of the champion for the evaluation set)',
  ),
  max_missing: OptionalQuantity('limit of the share of rows without a prediction or a score (default 0)', {
    minimum: 0,
  }),
  max_share_change: OptionalQuantity('limit of the change of the share of a predicted class (default 10pp)', {
    exclusiveMinimum: 0,
  }),
  max_psi: Optional.Number('limit of the corrected PSI of the scores (default 0.2)', { exclusiveMinimum: 0 }),
  model: Optional.Text(
    'column with the version or sha256 of the model that predicted (default: the metadata that contender predict wrote into the file)',
  ),
  time: Optional.Text('column with the time of the prediction'),
  max_age: Optional.Matching('^[0-9]+(m|h|d)$', 'maximum age of a prediction; requires time'),
});
export type Batch = Static<typeof Batch>;

export const Backtest = Part('evaluate past models with the labels known at the time', {
  data: Text('labelled rows of the past; * and ? for several files'),
  time: Text('column with the time of a row'),
  known: Optional.Text('column with the time at which the label became known'),
  maturity: Optional.Matching('^[0-9]+(m|h|d)$', 'if known is not set: age at which a label is known (default 0m)'),
  window: Optional.Matching('^[1-9][0-9]*(h|d)$', 'length of a window (default 7d)'),
  max_loss: OptionalQuantity(
    'largest tolerated increase of the loss (default 2pp); for regression in units of the error',
    {
      minimum: 0,
    },
  ),
  models: Type.Record(
    Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$' }),
    Closed({
      trained_until: Type.String({
        minLength: 8,
        description: 'time of the last row that the model was trained on, such as 2026-01-31 (to its end)',
      }),
      predictions: Text('predictions of the model for these rows, by id'),
    }),
    { ...strict, minProperties: 1, description: 'past models' },
  ),
});
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
