import type { Static } from 'typebox';
import { Closed, Optional, Type } from '../../forms.ts';
import { DataError } from '../../errors.ts';
import type { Check } from '../../evidence/check.ts';
import { firstFault, validatorOf } from '../../validator.ts';
import { trainingParts, type TrainingPart } from './schema.ts';
import { readBounded } from '../../data/read-file.ts';

const Text = Type.String({ minLength: 1, maxLength: 2000 });

/** What a training run says of itself: the form of the file, and of `contender.training` in the metadata of an ONNX model. */
export const Training = Closed({
  model: Optional.Matching('^[0-9a-f]{64}$', 'sha256 of the model it made'),
  data: Type.Optional(
    Type.Record(Text, Closed({ digest: Text, uri: Type.Optional(Text) }), {
      maxProperties: 100,
      description: 'what it was trained on, by name',
    }),
  ),
  parameters: Type.Optional(
    Type.Record(Text, Type.Union([Type.String({ maxLength: 2000 }), Type.Number(), Type.Boolean(), Type.Null()]), {
      maxProperties: 500,
    }),
  ),
  code: Optional.Closed({ commit: Text, repository: Type.Optional(Text) }),
  framework: Type.Optional(Text),
  run: Optional.Text('address of the run', { maxLength: 2000 }),
  time: Type.Optional(Text),
});
export type Training = Static<typeof Training>;

/** A training as evidence keeps it, with where it was read. */
export type KnownTraining = Training & { from: string };

const isTraining = validatorOf<Training>(Training);
const largest = 1024 * 1024;

/** Read the file that `training` names: our own form, or a run as MLflow writes it (`mlflow runs describe`, REST). @throws DataError */
export async function readTraining(path: string, uri: string, model: string | undefined): Promise<KnownTraining> {
  const fault = (found: string, cause?: unknown): DataError =>
    new DataError({
      found,
      expected: 'JSON that describes the training of the candidate',
      where: uri,
      remedy: 'Write this file in the training job; format: docs/models.md#training',
      cause,
    });
  const refuse = (found: string): never => {
    throw fault(found);
  };
  const training = trainingOf((await readBounded(path, largest, fault)).toString(), refuse);
  if (training.model !== undefined && model !== undefined && training.model !== model)
    refuse(`it describes the model with sha256 ${training.model}, but the candidate has ${model}`);
  return { ...training, from: uri };
}

/** What the metadata of an ONNX model says: `contender.training` as JSON, or `training.commit` and such; null: nothing. @throws DataError */
export function trainingInMetadata(metadata: Readonly<Record<string, string>>, uri: string): KnownTraining | null {
  const refuse = (found: string): never => {
    throw new DataError({ found, expected: 'the format of docs/models.md#training', where: `metadata of ${uri}` });
  };
  const whole = metadata['contender.training'];
  const from = 'metadata of the model';
  if (whole !== undefined) return { ...trainingOf(whole, refuse), from };
  const of = (name: string): string | undefined => metadata[`training.${name}`];
  const below = (name: string): [string, string][] =>
    Object.entries(metadata).flatMap(([key, value]) =>
      key.startsWith(`training.${name}.`) ? [[key.slice(`training.${name}.`.length), value]] : [],
    );
  const [commit, repository, data, parameters] = [of('commit'), of('repository'), below('data'), below('parameters')];
  const plain = Object.fromEntries(
    (['framework', 'run', 'time'] as const).flatMap((name) => (of(name) === undefined ? [] : [[name, of(name)]])),
  );
  const found = {
    ...plain,
    ...(commit === undefined ? {} : { code: { commit, ...(repository === undefined ? {} : { repository }) } }),
    ...(data.length === 0 ? {} : { data: Object.fromEntries(data.map(([name, digest]) => [name, { digest }])) }),
    ...(parameters.length === 0 ? {} : { parameters: Object.fromEntries(parameters) }),
  };
  if (Object.keys(found).length === 0) return null;
  return { ...checked(found, refuse), from };
}

function trainingOf(text: string, refuse: (found: string) => never): Training {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/u, ''));
  } catch (cause) {
    return refuse(`not JSON: ${(cause as Error).message.replace(/\s+/gu, ' ').slice(0, 200)}`);
  }
  return checked(mlflowRun(value) ?? value, refuse);
}

function checked(value: unknown, refuse: (found: string) => never): Training {
  return isTraining(value) ? value : refuse(firstFault(isTraining));
}

/** A run as MLflow tells it; null for another thing. */
function mlflowRun(value: unknown): object | null {
  const outer = value as { run?: unknown } | null;
  const { info, data, inputs } = (outer?.run ?? value ?? {}) as Record<string, Record<string, unknown> | undefined>;
  const id = info?.['run_id'];
  if (typeof id !== 'string') return null;
  const tags = named(data?.['tags']);
  const parameters = named(data?.['params']);
  const commit = tags['mlflow.source.git.commit'];
  const repository = tags['mlflow.source.git.repoURL'];
  const sets = [inputs?.['dataset_inputs']].flat().flatMap((each) => {
    const { name, digest, source } = ((each as { dataset?: object } | undefined)?.dataset ?? {}) as Record<
      string,
      unknown
    >;
    if (typeof name !== 'string' || typeof digest !== 'string') return [];
    return [[name, { digest, ...(typeof source === 'string' && source.length < 2000 ? { uri: source } : {}) }]];
  });
  return {
    run: `mlflow:${id}`,
    ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
    ...(sets.length === 0 ? {} : { data: Object.fromEntries(sets) }),
    ...(commit === undefined ? {} : { code: { commit, ...(repository === undefined ? {} : { repository }) } }),
    ...frameworkOf(tags),
  };
}

/** The flavor of a logged model, which its run says in a tag. */
function frameworkOf(tags: Record<string, string>): { framework?: string } {
  const flavor = /"flavors":\s*\{\s*"(?!python_function)([^"]{1,100})"/u.exec(
    tags['mlflow.log-model.history'] ?? '',
  )?.[1];
  return flavor === undefined ? {} : { framework: flavor };
}

/** Names and texts, as an object or as a list of {key, value}. */
function named(value: unknown): Record<string, string> {
  const pairs = Array.isArray(value)
    ? value.map((each) => [(each as { key?: unknown })?.key, (each as { value?: unknown })?.value])
    : Object.entries(value ?? {});
  return Object.fromEntries(pairs.filter(([key, text]) => typeof key === 'string' && typeof text === 'string'));
}

/**
 * What is wrong with a training: parts that the policy asks for and that are not told, and data it was trained on that is the evaluation set.
 * @param required parts that the policy asks for
 * @param evaluation digests of the evaluation set and of each of its files
 */
export function trainingChecks(
  training: KnownTraining | null,
  required: readonly TrainingPart[],
  evaluation: readonly string[],
): Check[] {
  const absent = required.filter((part) => training?.[part] === undefined);
  const leaked = Object.entries(training?.data ?? {}).find(([, { digest }]) =>
    evaluation.includes(digest.replace(/^sha256:/u, '')),
  );
  const told: Check = {
    id: 'evaluation/training',
    title: 'Lineage of the training',
    verdict: absent.length === 0 ? 'pass' : 'inconclusive',
    severity: 'block',
    message:
      absent.length === 0
        ? `The training facts required by the policy are known: ${required.join(', ')}.`
        : `The policy requires facts about the training of the candidate, but ${training === null ? 'none are given' : `these are not told: ${absent.join(', ')}`}. Write them into the metadata of the model, or into the file that training names.`,
    observed: trainingParts.filter((part) => training?.[part] !== undefined).join(', ') || 'nothing',
    required: required.join(', '),
  };
  const trainedOnIt = ([name]: [string, unknown]): Check => ({
    id: 'evaluation/training-data',
    title: 'Trained on the evaluation set',
    verdict: 'fail',
    severity: 'block',
    message: `The candidate says that it was trained on the evaluation set (its data ${JSON.stringify(name.slice(0, 100))} has the same digest): metrics on this set show nothing.`,
    observed: name,
    required: 'other data than the evaluation set',
  });
  return [...(required.length === 0 ? [] : [told]), ...(leaked === undefined ? [] : [trainedOnIt(leaked)])];
}
