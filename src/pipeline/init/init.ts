import { dataFile } from '../../data/parts.ts';
import type { InitTask } from './tasks.ts';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, relative, resolve } from 'node:path';
import { modelNamePattern } from '../../config/schema.ts';
import { openDataset, withDataset, type Dataset } from '../../data/dataset.ts';
import { isNumeric } from '../../data/types.ts';
import { ContenderError, ModelError, UsageError } from '../../errors.ts';
import { silentLog } from '../../log.ts';
import { isAddress } from '../../object-address.ts';
import { planInputs } from '../../model/features.ts';
import type { ModelInspection } from '../../model/inspect.ts';
import { findRepository } from '../../registry/git/repository.ts';
import { runGit, textOf } from '../../registry/git/run.ts';
import { infer } from '../../stages/data/infer.ts';
import { parseConfig } from '../configuration.ts';
import { contractText, rulesText } from '../inferring.ts';
import { writing } from '../writing.ts';
import { dialectOf } from './dialect.ts';
import { findFiles, ofRole, roleWords, type FoundFiles } from './find-files.ts';
import {
  clusterColumn,
  factsOf,
  idColumn,
  labelColumn,
  labelValues,
  noModel,
  positiveClass,
  sliceColumns,
  taskOf,
} from './look.ts';
import type { Choosing, Guess } from './look.ts';
import { holdsBoth, predictionsOf, type PredictionsGuess } from './predictions.ts';
import { render, type Seen } from './render.ts';
import { writeWorkflows } from './workflows.ts';
import { firstOf, shellWord } from '../../wording.ts';

export interface InitInput {
  /** Folder that contender.yml goes into; paths in it start there. */
  folder: string;
  name?: string | undefined;
  data?: string | undefined;
  candidate?: string | undefined;
  champion?: string | undefined;
  predictions?: string | undefined;
  task?: InitTask | undefined;
  label?: string | undefined;
  id?: string | undefined;
  /** Whether the two workflows are written (default: where the folder is in a git repository). */
  workflows?: boolean | undefined;
  /** Asks a person; without one, what cannot be told is an error that names the option. */
  asking?: Choosing | undefined;
}

/** What was written, and what was assumed on the way. */
export interface Initialised {
  path: string;
  /** There was a configuration, which stays as it is. */
  existed: boolean;
  /** Files that were written, from the top of the repository. */
  written: string[];
  assumed: string[];
  /** Whether the folder is in a git repository, which the registry needs. */
  inGit: boolean;
  /** What is left for a person to do before the gate can run. */
  todo: string[];
  /** Whether decisions are pushed to origin, which then must have what they name. */
  pushes: boolean;
  /** Whether the workflows wait for a remote and for `registry: { push: origin }`. */
  pushesLater: boolean;
  /** A champion model that was found and is not in the configuration: from the folder. */
  champion?: string;
}

/** Where the contract goes that is inferred. */
const contractName = 'contract.schema.json';

/**
 * Write a contender.yml to start from, by what the repository, the data and the model show; a contract of the data; and two workflows.
 * What is there already stays as it is: a second run writes nothing, or what is missing.
 * @throws UsageError where a column cannot be told; DataError, ModelError for a file that cannot be read; ConfigError for a
 * contender.yml that is there and is wrong
 */
export async function initialise(input: InitInput): Promise<Initialised> {
  const { folder } = input;
  const path = resolve(folder, 'contender.yml');
  const git = await repositoryOf(folder);
  const there = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null;
    throw cause;
  });
  if (there !== null) {
    const config = parseConfig(there, 'contender.yml');
    const models = Object.keys(config.models);
    if (input.name !== undefined && !models.includes(input.name)) {
      throw new UsageError({
        found: `contender.yml already exists, with ${models.join(', ')}`,
        expected: 'a folder without a contender.yml: existing files are never overwritten',
        where: path,
        remedy: `Add ${JSON.stringify(input.name)} to its models manually, or run contender init in another folder`,
      });
    }
    const watched = Object.values(config.models).flatMap(({ candidate, data }) => [
      ...[candidate]
        .flat()
        .flatMap((each) => (typeof each === 'string' ? [each] : 'predictions' in each ? [each.predictions] : [])),
      data.evaluation,
    ]);
    const written = await workflows(input, git, models, watched.filter(isPath));
    return {
      path,
      existed: true,
      inGit: git !== null,
      written,
      assumed: [],
      todo: [],
      pushes: false,
      pushesLater: false,
    };
  }
  const plan = await planOf(input, git);
  // Before anything is written: what init writes must be what Contender takes.
  parseConfig(plan.text, 'contender.yml');
  const written = ['contender.yml'];
  if (plan.contract !== null) {
    await writing(plan.contract.path, () =>
      writeFile(plan.contract?.path ?? '', plan.contract?.text ?? '', { flag: 'wx' }),
    );
    written.push(contractName);
  }
  await writing(path, () => writeFile(path, plan.text, { flag: 'wx' }));
  const made = await workflows(input, git, [plan.name], plan.watched);
  return {
    path,
    existed: false,
    inGit: git !== null,
    written: [...written, ...made],
    assumed: plan.assumed,
    todo: plan.todo,
    pushes: git?.hasOrigin === true,
    pushesLater: made.length > 0 && git?.hasOrigin !== true,
    ...(plan.champion === undefined ? {} : { champion: plan.champion }),
  };
}

interface GitFacts {
  top: string;
  branch: string;
  hasOrigin: boolean;
}

/** @throws UsageError in a bare repository, RegistryError in one that git refuses */
async function repositoryOf(folder: string): Promise<GitFacts | null> {
  const repository = await findRepository(folder);
  if (repository === null) return null;
  if (repository.bare) {
    throw new UsageError({
      found: `${folder} is a bare git repository, or the .git folder of one: it has no files of its own`,
      expected: 'a folder with the model and the data, whose contender.yml can be committed',
      remedy: `Run contender init in a clone or a work tree of it (git clone ${shellWord(folder)} FOLDER)`,
    });
  }
  return {
    top: repository.folder,
    branch: await defaultBranch(folder),
    hasOrigin: (await runGit(folder, ['remote', 'get-url', 'origin'])).code === 0,
  };
}

/** The branch that is merged into: as origin says, else main or master of origin or of here; the one that is checked out may be any. */
async function defaultBranch(folder: string): Promise<string> {
  const line = async (...args: string[]): Promise<string> => textOf(await runGit(folder, args));
  const named = await line('symbolic-ref', '--short', '--quiet', 'refs/remotes/origin/HEAD');
  if (named !== '') return named.replace(/^origin\//u, '');
  const usual = ['refs/remotes/origin/main', 'refs/remotes/origin/master', 'refs/heads/main', 'refs/heads/master'];
  const there = (await line('for-each-ref', '--format=%(refname)', ...usual)).split('\n');
  const found = usual.find((ref) => there.includes(ref));
  if (found !== undefined) return found.replace(/^.*\//u, '');
  return (await line('symbolic-ref', '--short', '--quiet', 'HEAD')) || 'main';
}

function workflows(
  { workflows: wanted, folder }: InitInput,
  git: GitFacts | null,
  models: readonly string[],
  watched: readonly string[],
): Promise<string[]> {
  if (git === null || wanted === false) return Promise.resolve([]);
  // Of files in one folder the folder is watched: the next candidate has another name.
  const folders = watched.map((file) => (dirname(file) === '.' ? file : `${dirname(file).replace(/\*.*$/u, '*')}/**`));
  const input = { top: git.top, folder: resolve(folder), models, watched: [...new Set(folders)], branch: git.branch };
  return writeWorkflows(input);
}

interface Plan {
  name: string;
  text: string;
  contract: { path: string; text: string } | null;
  watched: string[];
  assumed: string[];
  todo: string[];
  champion?: string | undefined;
}

async function planOf(input: InitInput, git: GitFacts | null): Promise<Plan> {
  const { folder, asking = null } = input;
  const here = (file: string): string => relative(folder, resolve(file)).replaceAll('\\', '/');
  const name = nameOf(input, git);
  const found = await findFiles(folder);
  const files = await chosenFiles(input, found, here);
  const { evaluation, candidate } = files;
  if (evaluation === null) {
    return placeholders(name, candidate?.value ?? null, found.others, git);
  }
  const path = resolve(folder, evaluation.value);
  const csv = await dialectOf(path);
  const dataset = await openDataset({ name: 'evaluation', uri: evaluation.value, path, csv: csv ?? undefined });
  try {
    const inspection = candidate === null || files.predictions ? null : await soundModel(folder, candidate.value);
    const model = inspection === null ? noModel : factsOf(inspection, dataset.columns);
    const id = await idColumn(dataset, input.id, model, files.predictions);
    const label = await labelColumn(dataset, input.label, { id: id.value, model, asking });
    const values = await labelValues(dataset, label.value);
    const task: Guess<InitTask> =
      input.task === undefined ? taskOf(values, model) : { value: input.task, because: '--task' };
    const positive =
      task.value === 'binary-classification'
        ? await positiveClass(dataset, label.value, values, { model, asking })
        : undefined;
    const cluster = await clusterColumn(dataset, [id.value, label.value, ...model.inputs]);
    const reserved = [id.value, label.value, ...(cluster === undefined ? [] : [cluster])];
    const features = inspection === null ? null : featuresOf(inspection, dataset, { id, label, cluster });
    const slices = await sliceColumns(dataset, reserved, { label: label.value, classes: values.length });
    const contractPath = resolve(folder, contractName);
    const taken = (await stat(contractPath).catch(() => null)) !== null;
    const inferred =
      dataset.rows === 0 ? null : await infer(dataset, { id: id.value, labels: [label.value], log: silentLog });
    const references = await referencesOf(folder, files, found, {
      id: id.value,
      label: label.value,
      task: task.value,
      classes: values.length,
    });
    const seen: Seen = { task, id, label, positive, cluster, classes: values.length, features: features?.list ?? null };
    const text = render({
      name,
      seen,
      candidate: references.candidate ?? candidate?.value ?? 'models/candidate.onnx',
      champion: references.champion,
      evaluation: evaluation.value,
      csv,
      reference: files.reference,
      slices,
      contract: inferred === null ? null : { name: contractName, rules: rulesText(inferred, '        ') },
      pushes: git?.hasOrigin === true,
    });
    return {
      name,
      text,
      contract: inferred === null || taken ? null : { path: contractPath, text: contractText(inferred) },
      watched: [candidate?.value ?? 'models/candidate.onnx', evaluation.value],
      assumed: [
        `model: ${name}${input.name === undefined ? ' (the name of the folder: --name sets another)' : ''}`,
        `evaluation: ${evaluation.value} (${evaluation.because})`,
        ...(candidate === null ? [] : [`candidate: ${candidate.value} (${candidate.because})`]),
        `task: ${task.value} (${task.because})`,
        `id: ${id.value} (${id.because})`,
        `label: ${label.value} (${label.because})`,
        ...(csv === null ? [] : [`csv: ${JSON.stringify(csv)} (by its first lines)`]),
        ...(positive === undefined ? [] : [`positive: ${String(positive.value)} (${positive.because})`]),
        ...(cluster === undefined ? [] : [`cluster: ${cluster} (its values repeat: rows of one are not independent)`]),
        'margins, floors: starting values: set the loss that you tolerate',
        ...(inferred === null
          ? []
          : [
              taken
                ? `contract: ${contractName}, which was there already`
                : `contract: ${contractName}, and rules, inferred from ${evaluation.value}, which satisfies them`,
            ]),
      ],
      todo: [
        ...(candidate === null
          ? ['candidate is a placeholder: name your model or your file of predictions', ...toExport(found.others)]
          : []),
        ...(features?.problem === undefined ? [] : [features.problem]),
        ...references.todo,
      ],
      champion: references.champion === undefined ? files.champion : undefined,
    };
  } finally {
    dataset.close();
  }
}

/** A name that the registry, its tags and a path take, out of the name of the repository or the folder. */
function nameOf({ name, folder }: InitInput, git: GitFacts | null): string {
  if (name !== undefined) {
    if (new RegExp(modelNamePattern, 'u').test(name)) return name;
    throw new UsageError({
      found: `${JSON.stringify(name)} cannot be the name of a model`,
      expected: 'letters, digits, - and _, at most 100, starting and ending with a letter or digit',
      where: '--name',
    });
  }
  const near = basename(resolve(folder) === git?.top ? git.top : resolve(folder));
  const tidy = near
    .replace(/[^A-Za-z0-9_-]+/gu, '-')
    .slice(0, 60)
    .replace(/^[_-]+|[_-]+$/gu, '');
  return tidy === '' ? 'my-model' : tidy;
}

interface ChosenFiles {
  evaluation: Guess<string> | null;
  candidate: Guess<string> | null;
  /** Whether the candidate is a file of predictions. */
  predictions: boolean;
  champion: string | undefined;
  reference: string | undefined;
}

async function chosenFiles(input: InitInput, found: FoundFiles, here: (file: string) => string): Promise<ChosenFiles> {
  const { asking = null, data, candidate, predictions, champion } = input;
  const given = (file: string, option: string): Guess<string> => ({ value: here(file), because: `--${option}` });
  const labelled = found.data.filter((path) => !roleWords.reference.test(path) && !roleWords.current.test(path));
  const evaluation =
    data === undefined
      ? await choose(
          ofRole(found.data, 'evaluation'),
          labelled.length > 0 ? labelled : found.data,
          'Which file has the rows to evaluate on?',
          asking,
        )
      : given(data, 'data');
  const usesPredictions = predictions !== undefined || (candidate === undefined && found.models.length === 0);
  const pool = usesPredictions ? found.predictions : found.models;
  const others = pool.filter((path) => !roleWords.champion.test(basename(path)));
  const chosen =
    predictions === undefined
      ? candidate === undefined
        ? await choose(
            ofRole(pool, 'candidate'),
            others.length > 0 ? others : pool,
            usesPredictions ? 'Which file has the predictions of the candidate?' : 'Which model is the candidate?',
            asking,
          )
        : given(candidate, 'candidate')
      : given(predictions, 'predictions');
  const champions = ofRole(pool, 'champion').filter((path) => path !== chosen?.value);
  const references = ofRole(found.data, 'reference').filter((path) => path !== evaluation?.value);
  return {
    evaluation,
    candidate: chosen,
    predictions: usesPredictions,
    champion: champion === undefined ? (champions.length === 1 ? champions[0] : undefined) : here(champion),
    reference: references.length === 1 ? references[0] : undefined,
  };
}

/** The file whose name says its part; else the only one; else a person says. Of several, the first by name. */
async function choose(
  named: readonly string[],
  all: readonly string[],
  question: string,
  asking: Choosing | null,
): Promise<Guess<string> | null> {
  const pool = named.length > 0 ? named : all;
  const [first, ...more] = pool;
  if (first === undefined) return null;
  if (more.length === 0) return { value: first, because: named.length > 0 ? 'by its name' : 'the only one there is' };
  if (asking !== null) return { value: await asking.choose(question, pool, first), because: 'as you said' };
  return {
    value: first,
    because: `the first of ${pool.length}: ${pool.slice(0, 4).join(', ')}${pool.length > 4 ? ', …' : ''}`,
  };
}

async function soundModel(folder: string, file: string): Promise<ModelInspection> {
  const { inspectModel } = await import('../../model/inspect.ts');
  const inspection = await inspectModel(resolve(folder, file), file);
  if (inspection.problems.length > 0) throw new ModelError({ found: inspection.problems.join('; '), where: file });
  return inspection;
}

/** The features as Contender would choose them; listed where a matrix without names takes only the numbers among them. */
function featuresOf(
  inspection: ModelInspection,
  dataset: Dataset,
  { id, label, cluster }: { id: Guess<string>; label: Guess<string>; cluster: string | undefined },
): { list: string[] | null; problem?: string } {
  const columns = { id: id.value, label: label.value, ...(cluster === undefined ? {} : { cluster }) };
  const fits = (features?: string[]): ContenderError | null => {
    try {
      planInputs(inspection, features === undefined ? columns : { ...columns, features }, dataset.columns);
      return null;
    } catch (error) {
      if (error instanceof ContenderError) return error;
      throw error;
    }
  };
  const fault = fits();
  if (fault === null) return { list: null };
  const free = dataset.columns.filter(({ name }) => !Object.values(columns).includes(name));
  for (const takes of [(type: string) => type !== 'VARCHAR' && type !== 'BOOLEAN', isNumeric]) {
    const list = free.filter(({ type }) => takes(type)).map(({ name }) => name);
    if (list.length > 0 && fits(list) === null) return { list };
  }
  return { list: null, problem: `columns.features: ${fault.message}` };
}

/** Files of predictions, opened: which columns are whose scores. */
async function referencesOf(
  folder: string,
  { candidate, predictions, champion }: ChosenFiles,
  found: FoundFiles,
  known: { id: string; label: string; task: InitTask; classes: number },
): Promise<{ candidate?: PredictionsGuess; champion?: PredictionsGuess | undefined; todo: string[] }> {
  if (!predictions || candidate === null) return { todo: [] };
  const open = <T>(uri: string, use: (file: Dataset) => Promise<T>): Promise<T> =>
    withDataset({ name: 'predictions', uri, path: resolve(folder, uri) }, {}, use);
  const isThere = (await stat(resolve(folder, candidate.value)).catch(() => null)) !== null;
  if (!isThere || !dataFile.test(candidate.value)) {
    const todo = isThere || found.predictions.length > 0 ? [] : [`${candidate.value} is not there yet`];
    return { candidate: { predictions: candidate.value }, todo };
  }
  const own = await open(candidate.value, async (file) => ({
    candidate: await predictionsOf(file, 'candidate', { ...known, uri: candidate.value }),
    ...(champion === undefined && holdsBoth(file)
      ? { champion: await predictionsOf(file, 'champion', { ...known, uri: candidate.value }) }
      : {}),
  }));
  if (champion === undefined) return { ...own, todo: [] };
  const rival = await open(champion, (file) => predictionsOf(file, 'champion', { ...known, uri: champion }));
  return { ...own, champion: rival, todo: [] };
}

/** Without data there is nothing to look at: the shape of a configuration, to be filled in. */
function placeholders(name: string, candidate: string | null, others: readonly string[], git: GitFacts | null): Plan {
  const because = 'a placeholder, since no data was found';
  const guess = <T>(value: T): Guess<T> => ({ value, because });
  const text = render({
    name,
    seen: {
      task: guess<InitTask>('binary-classification'),
      id: guess('id'),
      label: guess('label'),
      positive: undefined,
      cluster: undefined,
      classes: 2,
      features: null,
    },
    candidate: candidate ?? 'models/candidate.onnx',
    champion: undefined,
    evaluation: 'data/evaluation.parquet',
    csv: null,
    reference: undefined,
    slices: [],
    contract: null,
    pushes: git?.hasOrigin === true,
  });
  return {
    name,
    text,
    contract: null,
    watched: [candidate ?? 'models/candidate.onnx', 'data/evaluation.parquet'],
    assumed: [`model: ${name}`],
    todo: [
      'data.evaluation, id, label and task are placeholders: no CSV, JSONL or Parquet file was found. Name yours with --data',
      ...(candidate === null
        ? ['candidate is a placeholder: name your file with --candidate or --predictions', ...toExport(others)]
        : []),
    ],
  };
}

/** What to do with models that are not run here. */
function toExport(others: readonly string[]): string[] {
  if (others.length === 0) return [];
  const [is, it] = others.length === 1 ? ['is not ONNX', 'it'] : ['are not ONNX', 'them'];
  return [`${firstOf(others, 3)} ${is}: export ${it} to ONNX, or write predictions to a file (docs/models.md)`];
}

function isPath(text: string): boolean {
  return !isAddress(text) && text !== 'registry';
}
