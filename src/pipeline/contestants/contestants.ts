import type { CaptureFormat } from '../../config/forms.ts';
import { openCapture } from '../../stages/captures.ts';
import { bytes, defaults, milliseconds, parityOf, reservedColumns } from '../../config/index.ts';
import { openDataset, requireColumns, sourceOf } from '../../data/dataset.ts';
import type { Dataset, DatasetSource, OpenOptions } from '../../data/dataset.ts';
import { requireRowIds } from '../../data/row-ids.ts';
import { after, DataError } from '../../errors.ts';
import { identityOf, type Artifact, type RegistryHistory } from '../../evidence/index.ts';
import { requireEngines } from '../../model/engines.ts';
import { inOneCount } from '../../model/unknown-values.ts';
import { predictModels, type ModelRole, type PredictionInput, type PredictionModel } from '../../model/predict.ts';
import type { PredictionResult } from '../../model/predictions.ts';
import type { Contestant, ContestantsContext } from '../../stages/stage.ts';
import { configuredData } from '../configured-data.ts';
import { insideRoot, type Workspace } from '../workspace.ts';
import { withLines } from '../gate/places.ts';
import { resolveAnchor, resolveChampion, resolveReference, type ResolvedModel, type Rival } from './resolve.ts';
import type { ModelReference } from '../../config/index.ts';

/** The models with what they predict for the evaluation set. */
export type Contestants = Pick<ContestantsContext, 'dataset' | 'candidate' | 'champion' | 'anchor'>;

/**
 * Predict the evaluation set with the candidate, the champion and the anchor; the data are open until `work` is done.
 * @param prepare looks at the data before the models run
 */
export function withContestants<T>(
  workspace: Workspace,
  view: RegistryHistory,
  candidate: ResolvedModel,
  prepare: (dataset: Dataset) => Promise<void>,
  work: (contestants: Contestants) => Promise<T>,
): Promise<T> {
  return withDatasets(workspace, ['evaluation'], async (datasets) => {
    const dataset = datasets['evaluation'] as Dataset;
    await requireRowIds(dataset, workspace.modelConfig.columns.id);
    // A slip in a name is told before the models run.
    const { columns } = workspace.modelConfig;
    requireColumns(dataset, reservedColumns(columns));
    if (candidate.kind === 'model') requireColumns(dataset, columns.features ?? []);
    await prepare(dataset);
    const champion = await resolveChampion(workspace, view);
    const anchor = await withLines(workspace, () => resolveAnchor(workspace, view, dataset.sha256));
    const rivals = { champion, anchor: anchor?.rival ?? null };
    const predicted = await workspace.log.group('Predict', () => predictAll(workspace, dataset, candidate, rivals));
    const held = anchor === null || predicted.anchor === null ? null : { version: anchor.version, ...predicted.anchor };
    return work({ dataset, ...predicted, anchor: held });
  });
}

/** Another model that the configuration names under `key`, and what it predicts for the evaluation set. */
export async function contestantOf(
  workspace: Workspace,
  dataset: Dataset,
  { reference, key, role }: { reference: ModelReference; key: string; role: ModelRole },
  othersAnswer: boolean,
): Promise<Contestant> {
  const resolved = await resolveReference(workspace, reference, key);
  if (resolved.kind === 'predictions') return asContestant(resolved, await readFile(workspace, dataset, resolved));
  const model = { role, artifact: resolved.artifact, ...resolved.reading };
  const [result] = await workspace.log.group(`Predict with the ${role}`, () =>
    predictRows(workspace, dataset, [model], { othersAnswer }),
  );
  return asContestant(resolved, result as PredictionResult);
}

/** What each of some models answers on the evaluation set; one that cannot is a fault of its own. */
export async function contestantsOf(
  workspace: Workspace,
  dataset: Dataset,
  resolved: readonly ResolvedModel[],
): Promise<Contestant[]> {
  const models = resolved.flatMap((each) =>
    each.kind === 'model' ? [{ role: 'candidate' as const, artifact: each.artifact, ...each.reading }] : [],
  );
  const files = new Map<ResolvedModel, PredictionResult>();
  for (const each of resolved) {
    if (each.kind === 'predictions') files.set(each, await asFault(readFile(workspace, dataset, each)));
  }
  const predicted = await predictRows(workspace, dataset, models, { othersAnswer: anyAnswers(files.values()) });
  let next = 0;
  return resolved.map((each) => asContestant(each, files.get(each) ?? (predicted[next++] as PredictionResult)));
}

function asContestant(resolved: ResolvedModel, result: PredictionResult): Contestant {
  const { kind, artifact } = resolved;
  return {
    artifact: recordedArtifact(artifact),
    model: kind === 'model' ? { artifact: resolved.artifact, reading: resolved.reading } : null,
    result,
  };
}

async function readFile(
  workspace: Workspace,
  dataset: Dataset,
  { reference, path }: Extract<ResolvedModel, { kind: 'predictions' }>,
): Promise<PredictionResult> {
  const { readPredictionFile } = await import('../../model/prediction-file.ts');
  const { columns, task } = workspace.modelConfig;
  return { ok: true, predictions: await readPredictionFile({ reference, path, dataset, columns, task }) };
}

async function predictAll(
  workspace: Workspace,
  dataset: Dataset,
  candidate: ResolvedModel,
  rivals: Record<'champion' | 'anchor', Rival | null>,
): Promise<Record<'champion' | 'anchor', Contestant | null> & { candidate: Contestant }> {
  const named = (['champion', 'anchor'] as const).flatMap((role) => {
    const rival = rivals[role];
    return rival !== null && 'resolved' in rival ? [{ role, resolved: rival.resolved }] : [];
  });
  const sides = [{ role: 'candidate' as const, resolved: candidate }, ...named];
  const isSame = (one: ResolvedModel, other: ResolvedModel): boolean =>
    identityOf(one.artifact) === identityOf(other.artifact);
  // The same model twice is asked once.
  const contestants = sides.filter(
    ({ resolved }, index) => sides.findIndex((each) => isSame(each.resolved, resolved)) === index,
  );
  const known = await predictedBefore(workspace, dataset, contestants);
  for (const { role, resolved } of contestants) {
    if (resolved.kind !== 'predictions') continue;
    const read = readFile(workspace, dataset, resolved);
    known.set(role, await (role === 'candidate' ? read : asFault(read)));
  }
  const models = contestants.flatMap(({ role, resolved }) =>
    resolved.kind === 'model' && !known.has(role) ? [{ role, artifact: resolved.artifact, ...resolved.reading }] : [],
  );
  const predicted = await predictRows(workspace, dataset, models, { othersAnswer: anyAnswers(known.values()) });
  for (const [index, { role }] of models.entries()) known.set(role, predicted[index] as PredictionResult);
  const results = contestants.map(({ role, resolved }) => ({ resolved, result: known.get(role) as PredictionResult }));
  const contestantIn = (resolved: ResolvedModel): Contestant => {
    const same = results.find((each) => isSame(each.resolved, resolved));
    return asContestant(resolved, (same as (typeof results)[number]).result);
  };
  const rivalOf = (rival: Rival | null): Contestant | null => {
    if (rival === null) return null;
    if ('resolved' in rival) return contestantIn(rival.resolved);
    return { artifact: rival.artifact, model: null, result: { ok: false, fault: rival.fault } };
  };
  return { candidate: contestantIn(candidate), champion: rivalOf(rivals.champion), anchor: rivalOf(rivals.anchor) };
}

function anyAnswers(results: Iterable<PredictionResult>): boolean {
  return [...results].some(({ ok }) => ok);
}

/** A prediction file that does not fit the data, such as one of the rows before the evaluation set was refreshed, is a fault of its own. */
function asFault(result: Promise<PredictionResult>): Promise<PredictionResult> {
  return result.catch(after(DataError, ({ code, message }) => ({ ok: false, fault: { code, message } })));
}

/**
 * What `contender predict` wrote stands for running a model, if it is of these very bytes on this very data. A model that none
 * of the files is of is run here.
 * @throws DataError where the files are of another model or other data, or not of every row
 */
async function predictedBefore(
  workspace: Workspace,
  dataset: Dataset,
  contestants: readonly { role: ModelRole; resolved: ResolvedModel }[],
): Promise<Map<ModelRole, PredictionResult>> {
  const found = new Map<ModelRole, PredictionResult>();
  const uri = workspace.predictions;
  if (uri === undefined) return found;
  const path = await insideRoot(workspace, uri);
  const [{ readShards }, { readPredictionFile }] = await Promise.all([
    import('../../model/shards.ts'),
    import('../../model/prediction-file.ts'),
  ]);
  const shards = await readShards(path, uri);
  const { columns, task } = workspace.modelConfig;
  for (const { role, resolved } of contestants) {
    const own = shards.filter(({ provenance }) => provenance.role === role);
    const [shard] = own;
    if (resolved.kind !== 'model' || shard === undefined) continue;
    for (const { uri: where, provenance } of own) {
      const other =
        provenance.model !== resolved.artifact.sha256
          ? { what: 'model', is: provenance.model, wanted: `${resolved.artifact.sha256}, the ${role}` }
          : provenance.dataset !== dataset.sha256
            ? { what: 'data', is: provenance.dataset, wanted: `${dataset.sha256}, ${dataset.uri}` }
            : null;
      if (other === null) continue;
      throw new DataError({
        found: `predictions of the ${role} with ${other.what} of sha256 ${other.is}`,
        expected: `sha256 ${other.wanted}`,
        where,
        remedy: 'Predict again with the files that are compared here',
      });
    }
    const threshold = resolved.reading.threshold ?? shard.provenance.threshold;
    const reference = {
      predictions: uri,
      id: columns.id,
      threshold: typeof threshold === 'number' ? threshold : [...threshold],
    };
    const only = own.map((each) => each.path);
    const predictions = await readPredictionFile({ reference, path, only, dataset, columns, task });
    predictions.assumedPositive = shard.provenance.assumedPositive;
    // What one shard shows of the model holds of all.
    const told = own.flatMap(({ provenance }) => provenance.stability ?? []);
    const stability = told.find(({ differs }) => differs !== null) ?? told[0];
    const { featuresInDataOrder } = shard.provenance;
    const unknownValues = inOneCount(own.flatMap(({ provenance }) => provenance.unknownValues ?? []));
    found.set(role, {
      ok: true,
      predictions,
      ...(stability === undefined ? {} : { stability }),
      ...(unknownValues.length === 0 ? {} : { unknownValues }),
      ...(featuresInDataOrder === undefined ? {} : { featuresInDataOrder }),
    });
  }
  return found;
}

/** Predict the rows of a dataset, or a range of them, as the configuration says. */
export function predictRows(
  workspace: Workspace,
  dataset: Dataset,
  models: readonly PredictionModel[],
  which: Pick<PredictionInput, 'rows' | 'othersAnswer'> = {},
): Promise<PredictionResult[]> {
  const { columns, task } = workspace.modelConfig;
  return predictModels({
    models,
    dataset: sourceOf(dataset),
    ...which,
    columns,
    task,
    tolerance: parityOf(workspace.modelConfig),
    limits: limitsOf(workspace),
    log: workspace.log,
    signal: workspace.signal,
  });
}

/** What the process that runs models may take. */
export function limitsOf({ modelConfig: { limits } }: Workspace): { memoryBytes: number; timeMs: number } {
  return {
    memoryBytes: bytes(limits?.memory ?? defaults.limits.memory),
    timeMs: milliseconds(limits?.time ?? defaults.limits.time),
  };
}

export async function withDatasets<T>(
  workspace: Workspace,
  names: readonly ('evaluation' | 'reference' | 'current')[],
  work: (datasets: Record<string, Dataset>) => Promise<T>,
  rules?: OpenOptions['rules'],
): Promise<T> {
  const { data } = workspace.modelConfig;
  const files: Record<string, NamedFile> = {};
  for (const name of names) {
    const file = data[name];
    if (file !== undefined) files[name] = { file, key: `data.${name}` };
  }
  return withFiles(workspace, files, work, rules);
}

/** A file that the configuration names under a key. */
interface NamedFile {
  file: string;
  key: string;
  /** Of a capture, which is no table. */
  format?: CaptureFormat | undefined;
}

/** Open files of rows by the part they play; they are closed when `work` is done. */
export async function withFiles<T>(
  workspace: Workspace,
  files: Readonly<Record<string, NamedFile>>,
  work: (datasets: Record<string, Dataset>) => Promise<T>,
  rules?: OpenOptions['rules'],
): Promise<T> {
  requireEngines();
  const datasets: Record<string, Dataset> = {};
  try {
    for (const [name, { file: uri, key, format }] of Object.entries(files)) {
      datasets[name] = await openRows(workspace, await configuredData(workspace, name, uri, key), format, rules);
    }
    return await work(datasets);
  } finally {
    for (const dataset of Object.values(datasets)) dataset.close();
  }
}

/** Open rows, or what is captured of them. */
export function openRows(
  { log, modelConfig: { columns } }: Workspace,
  source: DatasetSource,
  format: CaptureFormat | undefined,
  rules?: OpenOptions['rules'],
): Promise<Dataset> {
  if (format === undefined) return openDataset(source, { log, rules });
  return openCapture(source, format, columns.features ?? [], { log });
}

/** What evidence and registry keep of an artifact: nothing of where it lies on this machine. */
export function recordedArtifact({ role, uri, sha256, size, reading }: Artifact): Artifact {
  return { role, uri, sha256, size, ...(reading === undefined ? {} : { reading }) };
}
