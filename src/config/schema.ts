import { Type, type Static } from 'typebox';

/*
 * The one source of contender.yml: the TypeScript types, the published JSON Schema and the error messages all come from here.
 * Names that reach a path, a tag or Markdown match a strict pattern.
 */

export const modelNamePattern = '^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9])?$';

const strict = { additionalProperties: false } as const;
const Column = Type.String({ minLength: 1, maxLength: 500 });
/** Of binary classification one number, of multilabel classification one for all labels or one each. */
const Threshold = Type.Union([Type.Number(), Type.Array(Type.Number(), { minItems: 1 })], {
  description: 'decision threshold of this model (default 0.5); a list for multilabel, in the order of columns.label',
});
const Margin = Type.Number({ minimum: 0, description: 'the largest tolerated loss, in the units of the metric' });

export const ModelReference = Type.Union(
  [
    Type.String({ minLength: 1, description: 'a path in the workspace, an https URL, or registry' }),
    Type.Object(
      {
        uri: Type.String({ minLength: 1 }),
        sha256: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
        output: Type.Optional(Type.String({ description: 'name of the model output that holds the scores' })),
        transform: Type.Optional(
          Type.Enum(['none', 'sigmoid', 'softmax'], { description: 'turn raw scores (logits) into probabilities' }),
        ),
        threshold: Type.Optional(Threshold),
      },
      strict,
    ),
    Type.Object(
      {
        predictions: Type.String({ minLength: 1, description: 'CSV or Parquet file or glob, keyed by row id' }),
        sha256: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$', description: 'of the file of predictions' })),
        id: Type.Optional(Column),
        label: Type.Optional(Type.Union([Column, Type.Array(Column, { minItems: 1 })])),
        score: Type.Optional(Type.Union([Column, Type.Array(Column, { minItems: 1 })])),
        threshold: Type.Optional(Threshold),
      },
      strict,
    ),
  ],
  { description: 'a path, an https URL, registry, {uri, sha256} or {predictions: file}' },
);
export type ModelReference = Static<typeof ModelReference>;

export const Columns = Type.Object(
  {
    id: Column,
    label: Type.Union([Column, Type.Array(Column, { minItems: 2, maxItems: 1000, uniqueItems: true })], {
      description: 'for multilabel-classification a list: columns of 0 and 1, in the order of the model outputs',
    }),
    positive: Type.Optional(
      Type.Union([Type.Number(), Type.String(), Type.Boolean()], {
        description: 'label of the positive class (default 1)',
      }),
    ),
    classes: Type.Optional(
      Type.Array(Type.Union([Type.Number(), Type.String()]), {
        minItems: 2,
        description: 'in the order of the model outputs',
      }),
    ),
    features: Type.Optional(
      Type.Array(Column, {
        minItems: 1,
        description: 'in the order of the model input; default: every other column, by name',
      }),
    ),
    weight: Type.Optional(Type.Union([Column, Type.Null()])),
    cluster: Type.Optional(
      Type.Union([Column, Type.Null()], { description: 'rows of one cluster are not independent: a person, a thread' }),
    ),
    group: Type.Optional(Type.Union([Column, Type.Null()], { description: 'query of a row, for ranking' })),
  },
  strict,
);
export type Columns = Static<typeof Columns>;

export const TableRule = Type.Union(
  [
    Type.Object(
      {
        row_count: Type.Object(
          { min: Type.Optional(Type.Integer({ minimum: 0 })), max: Type.Optional(Type.Integer({ minimum: 0 })) },
          { ...strict, minProperties: 1 },
        ),
      },
      strict,
    ),
    Type.Object({ unique: Type.Array(Column, { minItems: 1 }) }, strict),
    Type.Object(
      {
        null_fraction: Type.Object({ column: Column, max: Type.Number({ minimum: 0, maximum: 1 }) }, strict),
      },
      strict,
    ),
  ],
  { description: 'row_count, unique or null_fraction' },
);
export type TableRule = Static<typeof TableRule>;

/** How CSV files are written that are not RFC 4180: told, never guessed. */
export const CsvFormat = Type.Object(
  {
    delimiter: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1,
        pattern: '^[^"\\r\\n]$',
        description: 'Character between cells (default ",")',
      }),
    ),
    decimal: Type.Optional(
      Type.Enum(['.', ','], { description: 'Character before the fraction of a number (default ".")' }),
    ),
    missing: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 80 }), {
        maxItems: 20,
        description: 'Texts that stand for no value, beside the empty cell, such as NA',
      }),
    ),
  },
  strict,
);

export const Data = Type.Object(
  {
    evaluation: Type.String({ minLength: 1, description: 'CSV, JSONL or Parquet with labels' }),
    reference: Type.Optional(Type.String({ minLength: 1 })),
    current: Type.Optional(Type.String({ minLength: 1 })),
    contract: Type.Optional(Type.String({ minLength: 1, description: 'JSON Schema 2020-12 of one row' })),
    rules: Type.Optional(Type.Array(TableRule)),
    csv: Type.Optional(CsvFormat),
  },
  strict,
);
export type Data = Static<typeof Data>;

export const Requirement = Type.Enum(['superior', 'non-inferior', 'not-inferior']);
export type Requirement = 'superior' | 'non-inferior' | 'not-inferior';

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
  margin: Type.Optional(Margin),
  relative_margin: Type.Optional(
    Type.Number({ minimum: 0, description: "the margin as a fraction of the champion's value" }),
  ),
  min: Type.Optional(Type.Number({ description: 'absolute floor of the candidate' })),
  max: Type.Optional(Type.Number({ description: 'absolute ceiling of the candidate' })),
  severity: Type.Optional(Type.Enum(['block', 'warn', 'info'])),
};

export const Primary = Type.Object(
  {
    ...metricFields,
    require: Type.Optional(Requirement),
    min_gain: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, description: 'the gain worth finding: used to say how many rows are needed' }),
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
      Type.Integer({ minimum: 1, description: 'smaller slices are skipped, visibly (default 30)' }),
    ),
    required: Type.Optional(
      Type.Array(Type.String(), {
        description: 'slices such as source=hard_ham that must be there and be large enough',
      }),
    ),
  },
  strict,
);
export type Guardrail = Static<typeof Guardrail>;

/** Gaps between groups of people, by the values of sensitive columns. */
export const Fairness = Type.Object(
  {
    columns: Type.Array(Column, { minItems: 1, maxItems: 10, description: 'sensitive columns; each is judged alone' }),
    favourable: Type.Optional(
      Type.Enum(['positive', 'negative'], { description: 'the decision that favours a person (default positive)' }),
    ),
    min_rows: Type.Optional(
      Type.Integer({ minimum: 1, description: 'smaller groups are left out, visibly (default 30)' }),
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
          max: Type.Optional(Type.Number({ minimum: 0, maximum: 1, description: 'largest gap of the candidate' })),
          min: Type.Optional(
            Type.Number({
              minimum: 0,
              maximum: 1,
              description: 'smallest ratio of the candidate: 0.8 is the four-fifths rule',
            }),
          ),
          margin: Type.Optional(Margin),
          require: Type.Optional(Requirement),
          severity: Type.Optional(Type.Enum(['block', 'warn', 'info'])),
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
    min_rows: Type.Optional(Type.Integer({ minimum: 1, description: 'smaller slices are not looked at (default 30)' })),
  },
  { ...strict, description: 'look for slices on which the candidate loses: advice, never a gate' },
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
          description: 'true class, then decided class; right decisions cost 0 unless stated',
        }),
        otherwise: Type.Number({ description: 'every wrong decision that the matrix does not state' }),
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
    name: Type.String({ pattern: '^[a-z][a-z0-9_]{0,63}$', description: 'as metric, elsewhere in the policy' }),
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

/** People who must agree before a candidate is promoted. */
export const Approvals = Type.Object(
  {
    required: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 50, description: 'how many of them must approve (default 1)' }),
    ),
    from: Type.Array(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$' }), {
      minItems: 1,
      maxItems: 200,
      description: 'GitHub logins of those who may approve: in a review of the pull request, or for an environment',
    }),
    environment: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 255,
        description: 'the only environment of the workflow run whose approval counts (default: any)',
      }),
    ),
  },
  { ...strict, description: 'a promotion needs the word of people: without it, what passed is held' },
);
export type Approvals = Static<typeof Approvals>;

export const Policy = Type.Object(
  {
    alpha: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, maximum: 0.5, description: 'one-sided level (default 0.05)' }),
    ),
    min_rows: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'comparisons on fewer rows (of a ranking: queries) are inconclusive (default 30)',
      }),
    ),
    primary: Primary,
    guardrails: Type.Optional(Type.Array(Guardrail)),
    fairness: Type.Optional(Fairness),
    cost: Type.Optional(Cost),
    metrics: Type.Optional(
      Type.Array(CustomMetric, { minItems: 1, maxItems: 50, description: "metrics of the team's own, in SQL" }),
    ),
    discover: Type.Optional(Discover),
    holdout: Type.Optional(
      Type.Object(
        {
          spend: Type.Boolean({
            description: 'share alpha out over the decisions made on one evaluation set, so that together they keep it',
          }),
          budget: Type.Optional(
            Type.Integer({
              minimum: 1,
              description:
                'decisions the set is good for, each at alpha / budget (default: decision k has alpha / (k (k + 1)))',
            }),
          ),
        },
        strict,
      ),
    ),
    report: Type.Optional(Type.Array(Type.String(), { description: 'metrics to report without gating on them' })),
    on_inconclusive: Type.Optional(Type.Enum(['hold', 'reject'])),
    allow_first: Type.Optional(
      Type.Boolean({ description: 'may a model become the first champion on its floors and a sanity baseline alone?' }),
    ),
    required_evidence: Type.Optional(
      Type.Array(Type.String({ pattern: '^[a-z][a-z-]*$' }), {
        description: 'default: every stage that is configured',
      }),
    ),
    approvals: Type.Optional(Approvals),
    max_evidence_age: Type.Optional(
      Type.String({
        pattern: '^[0-9]+(s|m|h|d)$',
        description: 'how old evidence may be when it is decided on, such as 7d; older holds (default: any age)',
      }),
    ),
    version: Type.Optional(
      Type.Enum(['patch', 'minor', 'major', 'signature'], {
        description:
          "what a promotion raises (default patch); signature: what the change of the model's inputs and outputs asks for",
      }),
    ),
    seed: Type.Optional(Type.Integer({ minimum: 0, description: 'of every resampling (default 20240501)' })),
  },
  strict,
);
export type Policy = Static<typeof Policy>;

const Duration = Type.String({ pattern: '^[0-9]+(?:\\.[0-9]+)?(ms|s|m|h)$', description: 'such as 500ms, 20s, 5m' });
const quantityOfBytes = { pattern: '^[0-9]+(?:\\.[0-9]+)?(KiB|MiB|GiB|kB|MB|GB)$' };
const Bytes = Type.String({ ...quantityOfBytes, description: 'such as 512MiB' });

export const Staging = Type.Union([
  Type.Object(
    { target: Type.Literal('builtin'), port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535 })) },
    strict,
  ),
  Type.Object(
    {
      image: Type.String({ minLength: 1, description: 'a local image or one the Docker Engine can pull' }),
      port: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 65535, description: 'inside the container (default 8080)' }),
      ),
      memory: Type.Optional(Bytes),
      cpus: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
      health: Type.Optional(
        Type.String({ description: 'path that answers 200 when ready (default /v2/health/ready)' }),
      ),
      start_timeout: Type.Optional(Duration),
      env: Type.Optional(Type.Record(Type.String(), Type.String())),
      command: Type.Optional(Type.Array(Type.String())),
      mount_model: Type.Optional(
        Type.String({ description: 'absolute path in the container at which the candidate is mounted, read-only' }),
      ),
    },
    strict,
  ),
  Type.Object(
    {
      url: Type.String({ pattern: '^https?://' }),
      health: Type.Optional(Type.String()),
      start_timeout: Type.Optional(Duration),
    },
    strict,
  ),
]);
export type Staging = Static<typeof Staging>;

export const Load = Type.Object(
  {
    profile: Type.Optional(
      Type.Object(
        {
          kind: Type.Optional(Type.Enum(['constant'], { description: 'requests at a constant rate' })),
          rate: Type.Number({ exclusiveMinimum: 0, maximum: 100000, description: 'requests per second' }),
          duration: Duration,
          arrivals: Type.Optional(Type.Enum(['constant', 'poisson'])),
          warmup: Type.Optional(Duration),
          connections: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
          rows_per_request: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
          timeout: Type.Optional(Duration),
        },
        strict,
      ),
    ),
    slo: Type.Object(
      {
        p50_ms: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
        p95_ms: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
        p99_ms: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
        error_rate: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
        throughput: Type.Optional(
          Type.Number({ minimum: 0, maximum: 1, description: 'delivered share of the offered rate (default 0.98)' }),
        ),
        accuracy: Type.Optional(
          Type.Union([Type.Literal('parity'), Type.Number({ minimum: 0, maximum: 1 })], {
            description: 'parity: answers must equal the offline predictions; a number: least accuracy under load',
          }),
        ),
      },
      strict,
    ),
  },
  strict,
);
export type Load = Static<typeof Load>;

/** A ratio of candidate to champion that may not be exceeded. */
const RatioGate = (what: string) =>
  Type.Optional(
    Type.Object(
      {
        max: Type.Number({ exclusiveMinimum: 0, description: `the largest ${what}, candidate / champion` }),
        severity: Type.Optional(Type.Enum(['block', 'warn', 'info'])),
      },
      strict,
    ),
  );
const BytesGate = (what: string) =>
  Type.Optional(
    Type.Object(
      {
        max: Type.String({ ...quantityOfBytes, description: `the largest ${what} of the candidate, such as 50MiB` }),
        severity: Type.Optional(Type.Enum(['block', 'warn', 'info'])),
      },
      strict,
    ),
  );
const Share = (description: string) => Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1, description }));

/** How a model behaves beside being right: what it costs to run, what it looks at, and how it takes data that are not as they were. */
export const Behaviour = Type.Object(
  {
    rows: Type.Optional(
      Type.Integer({
        minimum: 10,
        maximum: 100_000,
        description:
          'rows of the evaluation set that are used, drawn at random (default 1000); agreement uses them all',
      }),
    ),
    efficiency: Type.Optional(
      Type.Object(
        {
          size: BytesGate('file'),
          size_ratio: RatioGate('size of the file'),
          memory: BytesGate('peak resident memory'),
          memory_ratio: RatioGate('peak resident memory'),
          latency_ratio: RatioGate('time for one row'),
          batch_latency_ratio: RatioGate('time for a batch'),
          load_ratio: RatioGate('time to load the model'),
          batch: Type.Optional(
            Type.Integer({ minimum: 2, maximum: 8192, description: 'rows of a batch (default 256)' }),
          ),
          blocks: Type.Optional(
            Type.Integer({
              minimum: 20,
              maximum: 500,
              description: 'paired measurements of latency, shared out over the pairs of processes (default 30)',
            }),
          ),
          starts: Type.Optional(
            Type.Integer({
              minimum: 3,
              maximum: 50,
              description: 'pairs of fresh processes over which latency, memory and load time are measured (default 8)',
            }),
          ),
        },
        { ...strict, description: 'size, latency, memory and load time, as ratios to the champion with intervals' },
      ),
    ),
    importance: Type.Optional(
      Type.Object(
        {
          repeats: Type.Optional(
            Type.Integer({ minimum: 3, maximum: 100, description: 'permutations of each feature (default 5)' }),
          ),
          features: Type.Optional(
            Type.Array(Column, { minItems: 1, description: 'features to permute (default: all, at most 200)' }),
          ),
          metric: Type.Optional(Type.String({ minLength: 1, description: 'default: that of policy.primary' })),
          max_shift: Type.Optional(
            Type.Number({
              exclusiveMinimum: 0,
              maximum: 1,
              description: 'largest share of importance that may move to other features',
            }),
          ),
          severity: Type.Optional(Type.Enum(['block', 'warn', 'info'])),
        },
        {
          ...strict,
          description: 'permutation importance of both models and its shift; advice unless max_shift is set',
        },
      ),
    ),
    robustness: Type.Optional(
      Type.Object(
        {
          noise: Type.Optional(
            Type.Number({
              exclusiveMinimum: 0,
              maximum: 10,
              description: 'normal noise on numeric features, in standard deviations of the column',
            }),
          ),
          missing: Share('share of the values that go missing, where an input can say so'),
          unseen_categories: Share('share of the texts that become a category no model has seen'),
          columns: Type.Optional(Type.Array(Column, { minItems: 1, description: 'change only these features' })),
          metric: Type.Optional(Type.String({ minLength: 1, description: 'default: that of policy.primary' })),
          margin: Type.Optional(
            Type.Number({
              minimum: 0,
              description: 'how much more of the metric the candidate may lose than the champion',
            }),
          ),
          max_flip_rate: Type.Optional(
            Type.Number({
              minimum: 0,
              maximum: 1,
              description: 'largest share of decisions of the candidate that change',
            }),
          ),
          severity: Type.Optional(Type.Enum(['block', 'warn', 'info'])),
        },
        {
          ...strict,
          description: 'what small changes of the data do to both models; advice without margin or max_flip_rate',
        },
      ),
    ),
    agreement: Type.Optional(
      Type.Object(
        {
          with: ModelReference,
          min_label_agreement: Type.Optional(
            Type.Number({ minimum: 0, maximum: 1, description: 'least share of rows that are decided alike' }),
          ),
          max_score_difference: Type.Optional(
            Type.Number({ minimum: 0, description: 'greatest difference of any score' }),
          ),
          severity: Type.Optional(Type.Enum(['block', 'warn', 'info'])),
        },
        {
          ...strict,
          description: 'does the candidate (quantised, pruned, converted) answer as its parent: champion, or a model?',
        },
      ),
    ),
  },
  { ...strict, minProperties: 1 },
);
export type Behaviour = Static<typeof Behaviour>;

export const Limits = Type.Object(
  {
    memory: Type.Optional(Bytes),
    time: Type.Optional(Duration),
  },
  strict,
);

export const Task = Type.Enum([
  'binary-classification',
  'multiclass-classification',
  'multilabel-classification',
  'regression',
  'ranking',
]);
export type Task =
  'binary-classification' | 'multiclass-classification' | 'multilabel-classification' | 'regression' | 'ranking';

export const Model = Type.Object(
  {
    task: Task,
    candidate: ModelReference,
    champion: Type.Optional(ModelReference),
    columns: Columns,
    data: Data,
    policy: Policy,
    staging: Type.Optional(Staging),
    load: Type.Optional(Load),
    behaviour: Type.Optional(Behaviour),
    limits: Type.Optional(Limits),
  },
  strict,
);
export type Model = Static<typeof Model>;

/** Names that a stage of a team's own may have: as a GTO tag and an MLflow alias take them, and not one of the registry's. */
export const stageNamePattern = '^(?!(?:champion|previous|latest|v[0-9]+)$)[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?$';

export const Stage = Type.Object(
  {
    after: Type.Optional(
      Type.String({ minLength: 1, description: 'the stage that a version must have been in before this one' }),
    ),
    evidence: Type.Optional(
      Type.Array(Type.String({ pattern: '^[a-z][a-z-]*$' }), {
        minItems: 1,
        description: 'kinds of evidence on the version that must have passed',
      }),
    ),
    max_age: Type.Optional(
      Type.String({ pattern: '^[0-9]+(s|m|h|d)$', description: 'how old that evidence may be, such as 24h' }),
    ),
  },
  strict,
);
export type Stage = Static<typeof Stage>;

export const Registry = Type.Object(
  {
    path: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'folder of the registry, from the top of the repository (default registry)',
      }),
    ),
    branch: Type.Optional(
      Type.String({ minLength: 1, description: 'branch that holds it (default: the one checked out)' }),
    ),
    store: Type.Optional(
      Type.Enum(['git', 'github'], {
        description:
          "git: commits in the clone at hand (default); github: commits through GitHub's API, signed by GitHub, with a token that may write contents",
      }),
    ),
    pull_request: Type.Optional(
      Type.Enum(['when-protected', 'always', 'never'], {
        description:
          'of store github: decide in a pull request that is merged by people, where the rules of the branch forbid to commit to it (default), always, or never',
      }),
    ),
    push: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
        description:
          'of store git: the remote, such as origin, that decisions and their tags are pushed to as they are recorded (default: none)',
      }),
    ),
    tags: Type.Optional(
      Type.Enum(['gto'], { description: 'tag versions and stages in git, as GTO reads them (default: no tags)' }),
    ),
    artifacts_yaml: Type.Optional(
      Type.Boolean({
        description:
          "with tags: gto, keep the champion of each model in GTO's artifacts.yaml at the top of the repository too (default false)",
      }),
    ),
    stages: Type.Optional(
      Type.Record(Type.String({ pattern: stageNamePattern }), Stage, {
        ...strict,
        description: "a team's own stages, such as staging, canary and production, and what each asks of a version",
      }),
    ),
  },
  strict,
);
export type Registry = Static<typeof Registry>;

export const Config = Type.Object(
  {
    version: Type.Literal(1),
    models: Type.Record(Type.String({ pattern: modelNamePattern }), Model, { ...strict, minProperties: 1 }),
    registry: Type.Optional(Registry),
  },
  strict,
);
export type Config = Static<typeof Config>;
