import type { Static } from 'typebox';
import { Closed, List, Matching, Optional, Part, Text, Type } from '../forms.ts';
import type { Model as ModelConfig, StageKeys } from '../config/index.ts';
import { CaptureKey, Column, OptionalQuantity, strict } from '../config/forms.ts';

/* What contender.yml says of a model after its promotion: `monitor`, `retrain` and `batch`. */

export const Span = Matching('^[1-9][0-9]*(m|h|d)$', 'such as 30m, 1h, 1d');

const Files = Text('CSV, JSONL or Parquet; * and ? in the last part of the path stand for several files');

const DriftLimits = Closed({
  columns: Optional.OneOf(
    [Type.Literal('*'), Type.Array(Column, { minItems: 1, uniqueItems: true })],
    'which are compared (default "*": every column that production and the reference share)',
  ),
  max_psi: Optional.Number('corrected PSI of a column (default 0.2)', { minimum: 0 }),
  max_missing_change: OptionalQuantity('change of the share of missing values (default 5pp)', { minimum: 0 }),
  max_new_categories: OptionalQuantity('share of rows in categories that the reference has none of (default 1pp)', {
    minimum: 0,
  }),
});
export type DriftLimits = Static<typeof DriftLimits>;

const Kpi = Part('a number of each window: of SQL over logs, or of Prometheus', {
  files: Optional.Text('logs of events (default: those of production)'),
  time: Optional.Text('column of the time of an event in these files'),
  value: Optional.Text('SQL over the events of a window, such as "sum(converted)"'),
  per: Optional.Text('SQL of what the value is divided by, such as "count(*)"; a window where it is 0 has no value'),
  prometheus: Optional.Part('asked at the end of each window, in place of value', {
    url: Matching('^https?://', 'address of the server, such as http://prometheus:9090'),
    query: Text('PromQL with one result; $window stands for the length of a window'),
    token: Optional.Matching('^[A-Z][A-Z0-9_]*$', 'name of the environment variable that holds a bearer token'),
  }),
  bad: Optional.Choice(['down', 'up', 'both'], 'which way is harm (default down; of latency up)'),
  max_change: Optional.Number(
    'largest change against the week before and against the week a month before, as a share: 0.05 is 5%',
    { exclusiveMinimum: 0, maximum: 1 },
  ),
  min: Optional.Number('a window below it is a finding at once'),
  max: Optional.Number('a window above it is a finding at once'),
  rank: Optional.Choice(['kpi', 'latency'], 'what its findings are (default kpi)'),
  unit: Optional.String('for people: ms, EUR', { maxLength: 20 }),
});
export type Kpi = Static<typeof Kpi>;

export const Monitor = Part('how the champion is watched in production', {
  production: Part('what was served: features, scores and predictions, a row each', {
    files: Files,
    format: CaptureKey,
    time: Text('column of the time a row was served'),
    score: Optional.OneOf(
      [Column, Type.Array(Column, { minItems: 2, uniqueItems: true })],
      'column of the score; for multiclass one probability for each class, in the order of columns.classes',
    ),
    prediction: Optional.Text('column of the predicted class or value'),
    model: Optional.Text('column that says which model answered: its version or sha256'),
  }),
  labels: Optional.Part('what turned out to be true, joined by id', {
    files: Files,
    id: Type.Optional(Column),
    label: Type.Optional(Column),
    time: Optional.Text('column of the time a label became known'),
    maturity: Matching(
      '^[0-9]+(m|h|d)$',
      'age at which nearly all labels (95%) of a row are known, such as 7d: younger windows wait',
    ),
    min_coverage: Optional.Number('share of the rows of a mature window that must have a label (default 0.8)', {
      exclusiveMinimum: 0,
      maximum: 1,
    }),
  }),
  reference: Optional.Text(
    'data that production is compared with, or a profile of them, or registry: the profile that was kept with the champion (default: data.reference)',
  ),
  window: Type.Optional(Span),
  delay: Optional.Matching('^[0-9]+(m|h|d)$', 'how long after its end a window is complete (default 0m)'),
  alarms_per_year: Optional.Number('alarms a year that may be false, split over all signals (default 12)', {
    exclusiveMinimum: 0,
    maximum: 366,
  }),
  baseline: Optional.Integer('windows that a signal learns from before it may alarm (default 56)', {
    minimum: 28,
    maximum: 1000,
  }),
  min_rows: Optional.Integer('rows below which a window is inconclusive (default 100)', { minimum: 1 }),
  inconclusive_after: Optional.Integer('inconclusive or empty windows in a row that are a finding (default 3)', {
    minimum: 1,
  }),
  recovered_after: Optional.Integer('healthy windows in a row that close a finding (default 3)', { minimum: 1 }),
  max_loss: OptionalQuantity('largest loss of accuracy against the evaluation set that is no harm (default 2pp)', {
    minimum: 0,
  }),
  drift: Type.Optional(DriftLimits),
  kpis: Type.Optional(Type.Record(Type.String({ pattern: '^[a-z][a-z0-9_-]{0,49}$' }), Kpi, strict)),
  cost: Optional.Closed({
    per_hour: Type.Number({ minimum: 0, description: 'price of what serves the model, an hour' }),
    max: Optional.Number('budget of one prediction', { exclusiveMinimum: 0 }),
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
        bad: Text('PromQL of the rate of bad requests, $window for the range'),
        all: Text('PromQL of the rate of all requests'),
      }),
      {
        ...strict,
        description: 'service levels that Prometheus pages for, by the rules of contender prometheus-rules',
      },
    ),
  ),
  branch: Optional.Text('branch beside the registry that keeps what was seen (default model-monitoring)'),
  alerts: Optional.Closed({
    issues: Optional.Choice(
      ['all', 'alarms', 'none'],
      'which findings become a GitHub issue each (default all: alarms and advice)',
    ),
    rota: Optional.Closed({
      people: List(
        Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9-]{0,38}$' }),
        'GitHub logins; each has alarms assigned for a turn',
        { minItems: 1, maxItems: 50 },
      ),
      turn: Optional.Matching('^[1-9][0-9]*d$', 'length of a turn (default 7d, from Monday)'),
    }),
    webhook: Optional.Matching(
      '^[A-Z][A-Z0-9_]*$',
      'name of the environment variable with the address of a Slack-compatible webhook',
    ),
    pushgateway: Optional.Matching('^https?://', 'address of a Prometheus Pushgateway'),
  }),
});
export type Monitor = Static<typeof Monitor>;

export const Retrain = Part('when a new candidate is trained without a person asking for it', {
  dispatch: Type.Union(
    [
      Closed({
        workflow: Matching('^[A-Za-z0-9][A-Za-z0-9._-]*\\.ya?ml$', 'file of the workflow'),
        ref: Optional.Text('branch it runs on (default: the default branch)'),
      }),
      Closed({ event: Matching('^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$', 'type of a repository_dispatch') }),
    ],
    { description: 'what starts the training: a workflow_dispatch, or a repository_dispatch' },
  ),
  on: Optional.List(Type.Enum(['harm', 'estimated', 'kpi']), 'findings that ask for it (default harm, kpi)', {
    minItems: 1,
    uniqueItems: true,
  }),
  persistence: Optional.Integer('windows in a row that must have shown the finding (default 2)', { minimum: 1 }),
  min_labels: Optional.Integer('mature labels since the champion was promoted (default 1000)', { minimum: 0 }),
  cool_down: Optional.Matching(
    '^[0-9]+(h|d)$',
    'least time since the last retraining and the last promotion (default 7d)',
  ),
});
export type Retrain = Static<typeof Retrain>;

export const Batch = Part('the gate of predictions that are computed before they are asked for', {
  predictions: Text('the file to be published, CSV, JSONL or Parquet; * and ? for shards'),
  input: Text('the rows that were to be predicted'),
  id: Type.Optional(Column),
  prediction: Optional.Text('column of the predicted class or value (default prediction)'),
  score: Optional.OneOf(
    [Column, Type.Array(Column, { minItems: 1 })],
    'columns of scores (default score, if there is one)',
  ),
  reference: Optional.Text(
    'predictions that the shares are held against (default: those of the champion for the evaluation set)',
  ),
  max_missing: OptionalQuantity('share of rows without a prediction or a score (default 0)', { minimum: 0 }),
  max_share_change: OptionalQuantity('change of the share of a predicted class (default 10pp)', {
    exclusiveMinimum: 0,
  }),
  max_psi: Optional.Number('corrected PSI of the scores (default 0.2)', { exclusiveMinimum: 0 }),
  model: Optional.Text(
    'column that says which model predicted, its version or sha256 (default: what contender predict wrote into the file)',
  ),
  time: Optional.Text('column of the time a row was predicted'),
  max_age: Optional.Matching('^[0-9]+(m|h|d)$', 'how old a prediction may be; asks for time'),
});
export type Batch = Static<typeof Batch>;

export const Backtest = Part('judge models of the past as they could have been judged then', {
  data: Text('labelled rows of the past; * and ? for several files'),
  time: Text('column of the time of a row'),
  known: Optional.Text('column of the time its label was known'),
  maturity: Optional.Matching('^[0-9]+(m|h|d)$', 'without known: age at which a label is known (default 0m)'),
  window: Optional.Matching('^[1-9][0-9]*(h|d)$', 'such as 7d, the default'),
  max_loss: OptionalQuantity('how much more loss is too much (default 2pp); of regression in units of the error', {
    minimum: 0,
  }),
  models: Type.Record(
    Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$' }),
    Closed({
      trained_until: Type.String({
        minLength: 8,
        description: 'time of the last row it was trained on, such as 2026-01-31',
      }),
      predictions: Text('what it says of the rows, keyed by id'),
    }),
    { ...strict, minProperties: 1, description: 'models of the past' },
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
