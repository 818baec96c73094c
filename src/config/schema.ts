import { Type, type Static, type TObject, type TProperties, type TSchema } from 'typebox';
import { Bytes, Column, Duration, strict } from './forms.ts';
import { Staging } from './staging.ts';

/*
 * The one source of contender.yml beside what each stage says of itself: the TypeScript types, the published JSON Schema and the
 * error messages all come from here. Names that reach a path, a tag or Markdown match a strict pattern.
 */

export const modelNamePattern = '^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9])?$';

/** Of binary classification one number, of multilabel classification one for all labels or one each. */
const Threshold = Type.Union([Type.Number(), Type.Array(Type.Number(), { minItems: 1 })], {
  description: 'decision threshold of this model (default 0.5); a list for multilabel, in the order of columns.label',
});

export const ModelReference = Type.Union(
  [
    Type.String({
      minLength: 1,
      description: 'a path in the workspace, an address (https, s3, gs, hf, oci), or registry',
    }),
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
        predictions: Type.String({
          minLength: 1,
          description:
            'CSV or Parquet file or glob, keyed by row id; or an address (https, s3, gs, hf, oci) with its sha256',
        }),
        sha256: Type.Optional(
          Type.String({ pattern: '^[0-9a-f]{64}$', description: 'digest of the file of predictions' }),
        ),
        id: Type.Optional(Column),
        label: Type.Optional(Type.Union([Column, Type.Array(Column, { minItems: 1 })])),
        score: Type.Optional(Type.Union([Column, Type.Array(Column, { minItems: 1 })])),
        threshold: Type.Optional(Threshold),
      },
      strict,
    ),
  ],
  { description: 'a path, an address (https, s3, gs, hf, oci), registry, {uri, sha256} or {predictions: file}' },
);
export type ModelReference = Static<typeof ModelReference>;

/** More candidates at once leave no level to test the chosen one at. */
export const mostCandidates = 50;

/** Not asked for by the schema, and always there: `parseConfig` puts the number of the row in its place. */
const IdColumn: typeof Column = Type.Optional(
  Type.String({
    minLength: 1,
    description: 'tells rows apart; left out: their number in the evaluation data, from 1, named (row)',
  }),
);

export const Columns = Type.Object(
  {
    id: IdColumn,
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
      Type.Union([Column, Type.Null()], {
        description: 'rows of one cluster are not independent, such as all rows of a person',
      }),
    ),
    group: Type.Optional(
      Type.Union([Column, Type.Null()], { description: 'query that a row belongs to, for ranking' }),
    ),
  },
  strict,
);
export type Columns = Static<typeof Columns>;

/** How CSV files other than RFC 4180 are written: stated, never guessed. */
export const CsvFormat = Type.Object(
  {
    delimiter: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1,
        pattern: '^[\\x01-\\x09\\x0b\\x0c\\x0e-\\x21\\x23-\\x7e]$',
        description: 'Character between cells (default ",")',
      }),
    ),
    decimal: Type.Optional(
      Type.Enum(['.', ','], { description: 'Character before the fraction of a number (default ".")' }),
    ),
    missing: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 80 }), {
        maxItems: 20,
        description: 'Texts that mean a missing value, in addition to the empty cell, such as NA',
      }),
    ),
    quote: Type.Optional(
      Type.String({
        maxLength: 1,
        pattern: '^[\\x21-\\x7e]?$',
        description: 'Character around cells that hold the delimiter, such as "\'"; empty for none (default \'"\')',
      }),
    ),
    header: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 500 }), {
        minItems: 1,
        maxItems: 10_000,
        uniqueItems: true,
        description: 'Names of the columns, of files whose first line is a row and has none',
      }),
    ),
    encoding: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 40,
        description: 'Character encoding, such as windows-1252 or utf-16le (default utf-8)',
      }),
    ),
  },
  strict,
);

export const Data = Type.Object(
  {
    evaluation: Type.String({
      minLength: 1,
      description:
        'CSV, JSONL or Parquet with labels: a file, a folder or wildcard of files, or an address (https, s3, gs, hf, oci) that ends in #sha256=<digest>',
    }),
    reference: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'data that the champion was trained on, the reference for drift and leakage: a file of rows, a profile of them (.json), or registry, the data that the champion was evaluated on',
      }),
    ),
    current: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'current production data, with or without labels: a file of rows, or a profile of them (.json)',
      }),
    ),
    csv: Type.Optional(CsvFormat),
    partitions: Type.Optional(
      Type.Array(Column, {
        minItems: 1,
        maxItems: 20,
        uniqueItems: true,
        description: 'columns whose values the folders of the files say, such as date of date=2024-01-01/',
      }),
    ),
  },
  strict,
);
export type Data = Static<typeof Data>;

/** Whether `data.reference` or `data.current` names a profile of data, and not data. */
export function isProfile(uri: string): boolean {
  return uri === 'registry' || /\.json$/iu.test(uri);
}

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
  { ...strict, description: 'promotion requires approval: without it, a candidate that passed is held' },
);
export type Approvals = Static<typeof Approvals>;

/** Whether people may accept that a check does not pass. */
export const Waivers = Type.Union(
  [
    Type.Literal(false),
    Type.Object(
      {
        from: Type.Optional(
          Type.Array(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$' }), {
            minItems: 1,
            maxItems: 200,
            description:
              'GitHub logins of those who may waive a check (default: those of approvals.from, or else whoever may record)',
          }),
        ),
        longest: Type.Optional(
          Type.String({ pattern: '^[0-9]+(h|d)$', description: 'how long a waiver may be in force (default 90d)' }),
        ),
      },
      strict,
    ),
  ],
  { description: 'who may accept for a limited time that a check does not pass; false: nobody' },
);
export type Waivers = Static<typeof Waivers>;

/** What decides beside the stages. */
export const Policy = Type.Object(
  {
    alpha: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, maximum: 0.5, description: 'one-sided level (default 0.05)' }),
    ),
    on_inconclusive: Type.Optional(Type.Enum(['hold', 'reject'])),
    allow_first: Type.Optional(
      Type.Boolean({
        description:
          'whether a model may become the first champion if it meets its floors and beats the sanity baselines',
      }),
    ),
    required_evidence: Type.Optional(
      Type.Array(Type.String({ pattern: '^[a-z][a-z-]*$' }), {
        description: 'default: every stage that is configured',
      }),
    ),
    approvals: Type.Optional(Approvals),
    waivers: Type.Optional(Waivers),
    max_evidence_age: Type.Optional(
      Type.String({
        pattern: '^[0-9]+(s|m|h|d)$',
        description:
          'maximum age of the evidence at the decision, such as 7d; older evidence gives a hold (default: no limit)',
      }),
    ),
    version: Type.Optional(
      Type.Enum(['patch', 'minor', 'major', 'signature'], {
        description:
          "which part of the version a promotion raises (default patch); signature: decided by the change of the model's inputs and outputs",
      }),
    ),
    seed: Type.Optional(Type.Integer({ minimum: 0, description: 'seed of every resampling (default 20240501)' })),
  },
  strict,
);
export type Policy = Static<typeof Policy>;

export { Staging };

export const Limits = Type.Object(
  {
    memory: Type.Optional(Bytes),
    time: Type.Optional(Duration),
  },
  strict,
);

/** Two scores are the same where they differ by no more than one of these. */
export const Parity = Type.Object(
  {
    absolute: Type.Optional(Type.Number({ minimum: 0, description: 'absolute tolerance (default 1e-6)' })),
    relative: Type.Optional(
      Type.Number({ minimum: 0, maximum: 1, description: 'tolerance relative to the larger score (default 1e-6)' }),
    ),
  },
  { ...strict, description: 'tolerance: two answers of a model to the same row are equal within it' },
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

/** One model of the configuration without what its stages are asked. */
export const Model = Type.Object(
  {
    task: Task,
    candidate: Type.Union([ModelReference, Type.Array(ModelReference, { minItems: 2, maxItems: mostCandidates })], {
      description:
        'a path, an address (https, s3, gs, hf, oci), {uri, sha256} or {predictions: file}; a list of them, or a path with * and ?, of which the best by the primary metric is judged',
    }),
    champion: Type.Optional(ModelReference),
    columns: Columns,
    data: Data,
    policy: Policy,
    staging: Type.Optional(Staging),
    limits: Type.Optional(Limits),
    parity: Type.Optional(Parity),
  },
  strict,
);
export type Model = Static<typeof Model>;

/** Names that an environment of a team's own may have: as a GTO tag and an MLflow alias take them, and not one of the registry's. */
export const environmentNamePattern = '^(?!(?:champion|previous|latest|v[0-9]+)$)[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?$';

export const Environment = Type.Object(
  {
    after: Type.Optional(
      Type.String({ minLength: 1, description: 'the environment that a version must have been in before this one' }),
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
export type Environment = Static<typeof Environment>;

export const Registry = Type.Object(
  {
    path: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'folder of the registry, from the top of the repository (default registry)',
      }),
    ),
    branch: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'branch of the registry (default model-registry). It is created with the first decision, contains nothing else, and is written without touching the work tree',
      }),
    ),
    store: Type.Optional(
      Type.Enum(['git', 'github'], {
        description:
          "git: commits in the local clone (default); github: commits through GitHub's API, signed by GitHub, with a token that has contents: write",
      }),
    ),
    pull_request: Type.Optional(
      Type.Enum(['when-protected', 'always', 'never'], {
        description:
          'for store github: put decisions into a pull request that people merge, if branch rules forbid direct commits (default), always, or never',
      }),
    ),
    push: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
        description:
          'for store git: the remote, such as origin, to which decisions and their tags are pushed when they are recorded (default: none)',
      }),
    ),
    tags: Type.Optional(
      Type.Enum(['gto'], {
        description: 'create git tags for versions and environments, in the format of GTO (default: no tags)',
      }),
    ),
    artifacts_yaml: Type.Optional(
      Type.Boolean({
        description:
          "with tags: gto, keep the champion of each model in GTO's artifacts.yaml at the top of the repository too (default false)",
      }),
    ),
    mlflow: Type.Optional(
      Type.Object(
        {
          uri: Type.Optional(
            Type.String({
              pattern: '^https?://[^?#@]+$',
              description: 'address of the MLflow server (default: the variable MLFLOW_TRACKING_URI)',
            }),
          ),
          model: Type.Optional(
            Type.String({
              pattern: '^[A-Za-z0-9_{][A-Za-z0-9_.{} -]{0,199}$',
              description:
                'name of the registered model there; {model} stands for the name of the model (default {model})',
            }),
          ),
        },
        {
          ...strict,
          description:
            'keep an MLflow server up to date: every version with tags, and the champion as the alias champion',
        },
      ),
    ),
    environments: Type.Optional(
      Type.Record(Type.String({ pattern: environmentNamePattern }), Environment, {
        ...strict,
        description:
          "a team's own environments, such as staging, canary and production, and what each asks of a version",
      }),
    ),
  },
  strict,
);
export type Registry = Static<typeof Registry>;

/** Keys that a stage adds to a model of the configuration: to the model itself, to its `data` and to its `policy`. */
export interface StageKeys {
  model?: TProperties;
  data?: TProperties;
  policy?: TProperties;
}

/** The schema of a model with the keys of all its stages. */
export function modelSchema(stages: readonly StageKeys[]): TObject {
  const keysOf = (section: keyof StageKeys): TProperties =>
    Object.assign({}, ...stages.map((keys) => keys[section] ?? {})) as TProperties;
  return Type.Object(
    {
      ...Model.properties,
      data: Type.Object({ ...Data.properties, ...keysOf('data') }, strict),
      policy: Type.Object({ ...Policy.properties, ...keysOf('policy') }, strict),
      ...keysOf('model'),
    },
    strict,
  );
}

/** The schema of contender.yml. @param model of each model in it: see `modelSchema` */
export function configSchema(model: TSchema): TSchema {
  return Type.Object(
    {
      version: Type.Literal(1),
      models: Type.Record(Type.String({ pattern: modelNamePattern }), model, { ...strict, minProperties: 1 }),
      registry: Type.Optional(Registry),
    },
    strict,
  );
}

export interface Config {
  version: 1;
  models: Record<string, Model>;
  registry?: Registry;
}
