import type { Static, TObject, TProperties, TSchema } from 'typebox';
import { Closed, List, Optional, Part, Text, Type } from '../forms.ts';
import { Bytes, Column, Duration, strict } from './forms.ts';
import { Staging } from './staging.ts';

/*
 * The one source of contender.yml beside what each stage says of itself: the TypeScript types, the published JSON Schema and the
 * error messages all come from here. Names that reach a path, a tag or Markdown match a strict pattern.
 */

export const modelNamePattern = '^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9])?$';

/** Of binary classification one number, of multilabel classification one for all labels or one each. */
const Threshold = Type.Union([Type.Number(), Type.Array(Type.Number(), { minItems: 1 })], {
  description: 'decision threshold of this model (default 0.5); for multilabel a list, in the order of columns.label',
});

export const ModelReference = Type.Union(
  [
    Text('a path in the workspace, an address (https, s3, gs, hf, oci), or registry'),
    Closed({
      uri: Type.String({ minLength: 1 }),
      sha256: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
      output: Optional.String('name of the model output that holds the scores'),
      transform: Optional.Choice(['none', 'sigmoid', 'softmax'], 'turn raw scores (logits) into probabilities'),
      threshold: Type.Optional(Threshold),
    }),
    Closed({
      predictions: Text(
        'CSV or Parquet file or glob with predictions by row id; or an address (https, s3, gs, hf, oci) with its sha256',
      ),
      sha256: Optional.Matching('^[0-9a-f]{64}$', 'digest of the file of predictions'),
      id: Type.Optional(Column),
      label: Type.Optional(Type.Union([Column, Type.Array(Column, { minItems: 1 })])),
      score: Type.Optional(Type.Union([Column, Type.Array(Column, { minItems: 1 })])),
      threshold: Type.Optional(Threshold),
    }),
  ],
  { description: 'a path, an address (https, s3, gs, hf, oci), registry, {uri, sha256} or {predictions: file}' },
);
export type ModelReference = Static<typeof ModelReference>;

/** More candidates at once leave no level to test the chosen one at. */
export const mostCandidates = 50;

/** Not asked for by the schema, and always there: `parseConfig` puts the number of the row in its place. */
const IdColumn: typeof Column = Optional.Text(
  'column that identifies each row (default: the row number in the evaluation data, from 1, called (row))',
);

export const Columns = Closed({
  id: IdColumn,
  label: Type.Union([Column, Type.Array(Column, { minItems: 2, maxItems: 1000, uniqueItems: true })], {
    description:
      'column of the label; for multilabel-classification a list of columns of 0 and 1, in the order of the model outputs',
  }),
  positive: Optional.OneOf([Type.Number(), Type.String(), Type.Boolean()], 'label of the positive class (default 1)'),
  classes: Optional.List(Type.Union([Type.Number(), Type.String()]), 'the classes, in the order of the model outputs', {
    minItems: 2,
  }),
  features: Optional.List(
    Column,
    'feature columns, in the order of the model input (default: every other column, by name)',
    {
      minItems: 1,
    },
  ),
  weight: Type.Optional(Type.Union([Column, Type.Null()])),
  cluster: Optional.OneOf(
    [Column, Type.Null()],
    'column of the cluster: rows of one cluster are not independent, such as all rows of a person',
  ),
  group: Optional.OneOf([Column, Type.Null()], 'for ranking: column of the query that a row belongs to'),
});
export type Columns = Static<typeof Columns>;

/** How CSV files other than RFC 4180 are written: stated, never guessed. */
const CsvFormat = Closed({
  delimiter: Optional.Text('character between cells (default ",")', {
    maxLength: 1,
    pattern: '^[\\x01-\\x09\\x0b\\x0c\\x0e-\\x21\\x23-\\x7e]$',
  }),
  decimal: Optional.Choice(['.', ','], 'decimal separator (default ".")'),
  missing: Optional.List(
    Type.String({ minLength: 1, maxLength: 80 }),
    'texts that mean a missing value, in addition to the empty cell, such as NA',
    { maxItems: 20 },
  ),
  quote: Optional.String(
    'quote character around cells that contain the delimiter, such as "\'"; empty for none (default \'"\')',
    { maxLength: 1, pattern: '^[\\x21-\\x7e]?$' },
  ),
  header: Optional.List(
    Type.String({ minLength: 1, maxLength: 500 }),
    'column names, for files whose first line is already a row',
    { minItems: 1, maxItems: 10_000, uniqueItems: true },
  ),
  encoding: Optional.Text('character encoding, such as windows-1252 or utf-16le (default utf-8)', { maxLength: 40 }),
});

export const Data = Closed({
  evaluation: Text(
    'labelled rows as CSV, JSONL or Parquet: a file, a folder, a glob, or an address (https, s3, gs, hf, oci) that ends in #sha256=<digest>',
  ),
  reference: Optional.Text(
    'reference data for drift and leakage, usually the training data of the champion: a file of rows, a profile (.json), or registry for the data that the champion was evaluated on',
  ),
  current: Optional.Text('current production data, with or without labels: a file of rows, or a profile (.json)'),
  csv: Type.Optional(CsvFormat),
  partitions: Optional.List(
    Column,
    'columns whose values are in the folder names of the files, such as date in date=2024-01-01/',
    { minItems: 1, maxItems: 20, uniqueItems: true },
  ),
});
export type Data = Static<typeof Data>;

/** Whether `data.reference` or `data.current` names a profile of data, and not data. */
export function isProfile(uri: string): boolean {
  return uri === 'registry' || /\.json$/iu.test(uri);
}

/** People who must agree before a candidate is promoted. */
export const Approvals = Part('promotion requires approval: without approval, a candidate that passed is held', {
  required: Optional.Integer('number of people who must approve (default 1)', { minimum: 1, maximum: 50 }),
  from: List(
    Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$' }),
    'GitHub logins of the people who may approve, in a review of the pull request or for an environment',
    { minItems: 1, maxItems: 200 },
  ),
  environment: Optional.Text('the only environment of the workflow run whose approval counts (default: any)', {
    maxLength: 255,
  }),
});
export type Approvals = Static<typeof Approvals>;

/** Whether people may accept that a check does not pass. */
export const Waivers = Type.Union(
  [
    Type.Literal(false),
    Closed({
      from: Optional.List(
        Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$' }),
        'GitHub logins of the people who may waive a check (default: approvals.from; if that is not set, everyone who may record)',
        { minItems: 1, maxItems: 200 },
      ),
      longest: Optional.Matching('^[0-9]+(h|d)$', 'maximum duration of a waiver (default 90d)'),
    }),
  ],
  { description: 'who may accept, for a limited time, that a check does not pass; false: nobody' },
);
export type Waivers = Static<typeof Waivers>;

/** What decides beside the stages. */
export const Policy = Closed({
  alpha: Optional.Number('one-sided significance level (default 0.05)', { exclusiveMinimum: 0, maximum: 0.5 }),
  on_inconclusive: Type.Optional(Type.Enum(['hold', 'reject'])),
  allow_first: Optional.Flag(
    'whether a model may become the first champion if it meets its floors and beats the sanity baselines',
  ),
  required_evidence: Optional.List(
    Type.String({ pattern: '^[a-z][a-z-]*$' }),
    'kinds of evidence that a promotion requires (default: every configured stage)',
  ),
  approvals: Type.Optional(Approvals),
  waivers: Type.Optional(Waivers),
  max_evidence_age: Optional.Matching(
    '^[0-9]+(s|m|h|d)$',
    'maximum age of the evidence at the decision, such as 7d; older evidence leads to a hold (default: no limit)',
  ),
  version: Optional.Choice(
    ['patch', 'minor', 'major', 'signature'],
    "part of the version number that a promotion raises (default patch); signature: depends on the change of the model's inputs and outputs",
  ),
  seed: Optional.Integer('seed of every resampling (default 20240501)', { minimum: 0 }),
});
export type Policy = Static<typeof Policy>;

export { Staging };

const Limits = Closed({ memory: Type.Optional(Bytes), time: Type.Optional(Duration) });

/** Two scores are the same where they differ by no more than one of these. */
const Parity = Part('tolerance within which two answers of a model to the same row are equal', {
  absolute: Optional.Number('absolute tolerance (default 1e-6)', { minimum: 0 }),
  relative: Optional.Number('tolerance relative to the larger score (default 1e-6)', { minimum: 0, maximum: 1 }),
});

export const Task = Type.Enum([
  'binary-classification',
  'multiclass-classification',
  'multilabel-classification',
  'regression',
  'ranking',
]);
export type Task = Static<typeof Task>;

/** One model of the configuration without what its stages are asked. */
export const Model = Closed({
  task: Task,
  candidate: Type.Union([ModelReference, Type.Array(ModelReference, { minItems: 2, maxItems: mostCandidates })], {
    description:
      'a path, an address (https, s3, gs, hf, oci), {uri, sha256} or {predictions: file}; or a list of them, or a path with * and ?: the best one by the primary metric is evaluated',
  }),
  champion: Type.Optional(ModelReference),
  columns: Columns,
  data: Data,
  policy: Policy,
  staging: Type.Optional(Staging),
  limits: Type.Optional(Limits),
  parity: Type.Optional(Parity),
});
export type Model = Static<typeof Model>;

/** What a model asks of a stage, which adds a key of its own to it. */
export const settingsAt =
  <Settings>(key: string) =>
  (model: Model): Settings | undefined =>
    (model as Model & Record<string, Settings | undefined>)[key];

/** Names that an environment of a team's own may have: as a GTO tag and an MLflow alias take them, and not one of the registry's. */
export const environmentNamePattern = '^(?!(?:champion|previous|latest|v[0-9]+)$)[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?$';

export const Environment = Closed({
  after: Optional.Text('environment that a version must have been in before this one'),
  evidence: Optional.List(
    Type.String({ pattern: '^[a-z][a-z-]*$' }),
    'kinds of evidence that must have passed for the version',
    { minItems: 1 },
  ),
  max_age: Optional.Matching('^[0-9]+(s|m|h|d)$', 'maximum age of that evidence, such as 24h'),
});
export type Environment = Static<typeof Environment>;

export const Registry = Closed({
  path: Optional.Text('folder of the registry, relative to the root of the repository (default registry)'),
  branch: Optional.Text(
    'branch of the registry (default model-registry). It is created with the first decision, contains nothing else, and is written without changing the work tree',
  ),
  store: Optional.Choice(
    ['git', 'github'],
    "git: commits in the local clone (default); github: commits through GitHub's API, signed by GitHub, with a token that has contents: write",
  ),
  pull_request: Optional.Choice(
    ['when-protected', 'always', 'never'],
    'for store github: put decisions into a pull request that people merge: if branch rules forbid direct commits (default), always, or never',
  ),
  push: Optional.Matching(
    '^[A-Za-z0-9][A-Za-z0-9._-]*$',
    'for store git: remote, such as origin, to which decisions and their tags are pushed when they are recorded (default: none)',
  ),
  tags: Optional.Choice(
    ['gto'],
    'create git tags for versions and environments, in the format of GTO (default: no tags)',
  ),
  artifacts_yaml: Optional.Flag(
    "with tags: gto, also write the champion of each model to GTO's artifacts.yaml in the root of the repository (default false)",
  ),
  mlflow: Optional.Part('mirror to an MLflow server: every version with tags, and the champion as the alias champion', {
    uri: Optional.Matching(
      '^https?://[^?#@]+$',
      'address of the MLflow server (default: the variable MLFLOW_TRACKING_URI)',
    ),
    model: Optional.Matching(
      '^[A-Za-z0-9_{][A-Za-z0-9_.{} -]{0,199}$',
      'name of the registered model in MLflow; {model} is replaced by the name of the model (default {model})',
    ),
  }),
  environments: Type.Optional(
    Type.Record(Type.String({ pattern: environmentNamePattern }), Environment, {
      ...strict,
      description: 'your own environments, such as staging, canary and production, and what each requires of a version',
    }),
  ),
});
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
  return Closed({
    ...Model.properties,
    data: Closed({ ...Data.properties, ...keysOf('data') }),
    policy: Closed({ ...Policy.properties, ...keysOf('policy') }),
    ...keysOf('model'),
  });
}

/** The schema of contender.yml. @param model of each model in it: see `modelSchema` */
export function configSchema(model: TSchema): TSchema {
  return Closed({
    version: Type.Literal(1),
    models: Type.Record(Type.String({ pattern: modelNamePattern }), model, { ...strict, minProperties: 1 }),
    registry: Type.Optional(Registry),
  });
}

export interface Config {
  version: 1;
  models: Record<string, Model>;
  registry?: Registry;
}
