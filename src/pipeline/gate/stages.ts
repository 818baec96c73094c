import { bytes, defaults, milliseconds, reservedColumns, type Model } from '../../config/index.ts';
import {
  identityOf,
  type Artifact,
  type Evidence,
  type RegistryView,
  type Signatures,
  type Subjects,
} from '../../evidence/index.ts';
import { DataError, ModelError, UsageError } from '../../errors.ts';
import {
  datasetSubject,
  openDataset,
  sourceOf,
  requireColumns,
  type Dataset,
  type DatasetSource,
} from '../../data/dataset.ts';
import { idsOfRows, requireRowIds } from '../../data/row-ids.ts';
import type { ChangedRow } from '../../stages/evaluation/agreement.ts';
import { requireEngines } from '../../model/engines.ts';
import type { PredictionResult, Predictions } from '../../model/predictions.ts';
import type { RowRange } from '../../model/batches.ts';
import { predictModels, type PredictionModel } from '../../model/predict.ts';
import {
  resolveCandidate,
  resolveChampion,
  withModelFolder,
  type Champion,
  type Contestant,
} from '../contestants/resolve.ts';
import { discardEvidence, writeChangedRows, writeEvidence } from './output.ts';
import { withLines } from './places.ts';
import { inside, insideRoot, type Workspace } from '../workspace.ts';

/** Validate the datasets against the contract and the table rules; writes `evidence/data.json`. */
export async function runValidate(workspace: Workspace): Promise<Evidence> {
  await discardEvidence(workspace, 'data');
  const { validateData } = await import('../../stages/data/validate.ts');
  const { data, columns } = workspace.modelConfig;
  const contractPath =
    data.contract === undefined ? undefined : await inside(workspace, data.contract, 'data.contract');
  return workspace.log.group('Validate data', () =>
    withDatasets(workspace, ['evaluation', 'reference', 'current'], async (datasets) => {
      const evidence = await validateData({
        model: workspace.model,
        data,
        datasets,
        ...(contractPath === undefined ? {} : { contractPath }),
        idColumn: columns.id,
        policyDigest: workspace.policyDigest,
        log: workspace.log,
        ...(workspace.signal === undefined ? {} : { signal: workspace.signal }),
      });
      return writeEvidence(workspace, evidence);
    }),
  );
}

/** Refuse a policy that cannot be judged by before the long work. @throws ConfigError with the line of contender.yml */
export function checkPolicy(workspace: Workspace): Promise<void> {
  return withLines(workspace, async () => {
    const { planOf } = await import('../../stages/evaluation/plan.ts');
    planOf(workspace.modelConfig.policy, workspace.modelConfig.task);
  });
}

/** Predict with both models and compare them; writes `evidence/evaluation.json`. */
export async function runEvaluate(workspace: Workspace, view: RegistryView): Promise<Evidence> {
  await discardEvidence(workspace, 'evaluation');
  await checkPolicy(workspace);
  return withContestants(workspace, view, (contestants) => evaluateContestants(workspace, view, contestants));
}

/** Serve the candidate and put it under load; writes `evidence/load.json`. */
export async function runLoadTest(workspace: Workspace, view: RegistryView): Promise<Evidence> {
  await discardEvidence(workspace, 'load');
  requireLoad(workspace.modelConfig, workspace.model);
  return withContestants(workspace, view, (contestants) => loadContestant(workspace, contestants));
}

/** Look at how both models behave beside being right; writes `evidence/behaviour.json`. */
export async function runBehaviour(workspace: Workspace, view: RegistryView): Promise<Evidence> {
  await discardEvidence(workspace, 'behaviour');
  const { behaviourOf } = await import('./behaviour.ts');
  if (workspace.modelConfig.behaviour === undefined) {
    throw new UsageError({
      found: 'there is no behaviour section',
      where: `models.${workspace.model}`,
      remedy: 'Add behaviour: {efficiency: {latency_ratio: {max: 1.2}}}, or importance, robustness or agreement',
    });
  }
  return withContestants(workspace, view, (contestants, downloads) => behaviourOf(workspace, contestants, downloads));
}

/**
 * Evaluation and, where configured, behaviour and the load test over one set of predictions of the candidate that was resolved before:
 * what is judged are the bytes that will be recorded.
 */
export async function runModelStages(
  workspace: Workspace,
  view: RegistryView,
  candidate: Contestant,
  downloads: string,
): Promise<Evidence[]> {
  return withRival(workspace, view, candidate, downloads, async (contestants) => {
    const evidence = [await evaluateContestants(workspace, view, contestants)];
    if (workspace.modelConfig.behaviour !== undefined) {
      const { behaviourOf } = await import('./behaviour.ts');
      evidence.push(await behaviourOf(workspace, contestants, downloads));
    }
    // A candidate that cannot predict cannot be served: the failing evaluation says why.
    if (workspace.modelConfig.load !== undefined && contestants.candidateResult.ok) {
      evidence.push(await loadContestant(workspace, contestants));
    }
    return evidence;
  });
}

export interface Contestants {
  candidate: Contestant;
  candidateResult: PredictionResult;
  champion: { artifact: Artifact; result: PredictionResult } | null;
  /** The champion itself, where it could be fetched. */
  rival: Contestant | null;
  dataset: Dataset;
}

function withContestants<T>(
  workspace: Workspace,
  view: RegistryView,
  work: (contestants: Contestants, downloads: string) => Promise<T>,
): Promise<T> {
  return withModelFolder(async (downloads) =>
    withRival(workspace, view, await resolveCandidate(workspace, downloads), downloads, (contestants) =>
      work(contestants, downloads),
    ),
  );
}

function withRival<T>(
  workspace: Workspace,
  view: RegistryView,
  candidate: Contestant,
  downloads: string,
  work: (contestants: Contestants) => Promise<T>,
): Promise<T> {
  return withDatasets(workspace, ['evaluation'], async (datasets) => {
    const dataset = datasets['evaluation'] as Dataset;
    await requireRowIds(dataset, workspace.modelConfig.columns.id);
    // A slip in a name is told before the models run.
    requireColumns(dataset, reservedColumns(workspace.modelConfig.columns));
    const champion = await resolveChampion(workspace, view, downloads);
    const results = await workspace.log.group('Predict', () => predictAll(workspace, dataset, candidate, champion));
    return withLines(workspace, () => work({ candidate, dataset, ...results }));
  });
}

async function predictAll(
  workspace: Workspace,
  dataset: Dataset,
  candidate: Contestant,
  champion: Champion,
): Promise<Pick<Contestants, 'candidateResult' | 'champion' | 'rival'>> {
  const rival = champion !== null && 'contestant' in champion ? champion.contestant : null;
  const contestants = [
    { role: 'candidate' as const, contestant: candidate },
    // The same model twice is asked once.
    ...(rival === null || identityOf(rival.artifact) === identityOf(candidate.artifact)
      ? []
      : [{ role: 'champion' as const, contestant: rival }]),
  ];
  const { columns, task } = workspace.modelConfig;
  const before = await predictedBefore(workspace, dataset, contestants);
  const models = contestants.flatMap(({ role, contestant }) =>
    contestant.kind === 'model' && !before.has(role)
      ? [{ role, artifact: contestant.artifact, ...contestant.reading }]
      : [],
  );
  const predicted = await predictRows(workspace, dataset, models);
  const resultOf = async (role: 'candidate' | 'champion', contestant: Contestant): Promise<PredictionResult> => {
    const known = before.get(role);
    if (known !== undefined) return { ok: true, predictions: known };
    if (contestant.kind === 'model') {
      return predicted[models.findIndex((each) => each.role === role)] as PredictionResult;
    }
    const { readPredictionFile } = await import('../../model/prediction-file.ts');
    const { reference, path } = contestant;
    return { ok: true, predictions: await readPredictionFile({ reference, path, dataset, columns, task }) };
  };
  const candidateResult = await resultOf('candidate', candidate);
  if (champion === null) return { candidateResult, champion: null, rival };
  if (!('contestant' in champion)) {
    const result = { ok: false as const, fault: champion.fault };
    return { candidateResult, champion: { artifact: champion.artifact, result }, rival };
  }
  const same = identityOf(champion.contestant.artifact) === identityOf(candidate.artifact);
  return {
    candidateResult,
    rival,
    champion: {
      artifact: plain(champion.contestant.artifact),
      result: same ? candidateResult : await asFault(resultOf('champion', champion.contestant)),
    },
  };
}

/** A prediction file that does not fit the data, such as one of the rows before the evaluation set was refreshed, is a fault of its own. */
async function asFault(result: Promise<PredictionResult>): Promise<PredictionResult> {
  try {
    return await result;
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return { ok: false, fault: { code: error.code, message: error.message } };
  }
}

/**
 * What `contender predict` wrote stands for running a model, if it is of these very bytes on this very data. A model that none
 * of the files is of is run here.
 * @throws DataError where the files are of another model or other data, or not of every row
 */
async function predictedBefore(
  workspace: Workspace,
  dataset: Dataset,
  contestants: readonly { role: 'candidate' | 'champion'; contestant: Contestant }[],
): Promise<Map<'candidate' | 'champion', Predictions>> {
  const found = new Map<'candidate' | 'champion', Predictions>();
  const uri = workspace.predictions;
  if (uri === undefined) return found;
  const path = await insideRoot(workspace, uri);
  const [{ readShards }, { readPredictionFile }] = await Promise.all([
    import('../../model/shards.ts'),
    import('../../model/prediction-file.ts'),
  ]);
  const shards = await readShards(path, uri);
  const { columns, task } = workspace.modelConfig;
  for (const { role, contestant } of contestants) {
    const own = shards.filter(({ provenance }) => provenance.role === role);
    const [shard] = own;
    if (contestant.kind !== 'model' || shard === undefined) continue;
    for (const { uri: where, provenance } of own) {
      const other =
        provenance.model !== contestant.artifact.sha256
          ? { what: 'model', is: provenance.model, wanted: `${contestant.artifact.sha256}, the ${role}` }
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
    const threshold = contestant.reading.threshold ?? shard.provenance.threshold;
    const reference = {
      predictions: uri,
      id: columns.id,
      threshold: typeof threshold === 'number' ? threshold : [...threshold],
    };
    const only = own.map((each) => each.path);
    found.set(role, await readPredictionFile({ reference, path, only, dataset, columns, task }));
  }
  return found;
}

/** Predict the rows of a dataset, or a range of them, as the configuration says. */
export function predictRows(
  workspace: Workspace,
  dataset: Dataset,
  models: readonly PredictionModel[],
  rows?: RowRange,
): Promise<PredictionResult[]> {
  const { columns, task } = workspace.modelConfig;
  return predictModels({
    models,
    dataset: sourceOf(dataset),
    ...(rows === undefined ? {} : { rows }),
    columns,
    task,
    limits: limitsOf(workspace),
    log: workspace.log,
    ...(workspace.signal === undefined ? {} : { signal: workspace.signal }),
  });
}

/** What the process that runs models may take. */
export function limitsOf({ modelConfig: { limits } }: Workspace): { memoryBytes: number; timeMs: number } {
  return {
    memoryBytes: bytes(limits?.memory ?? defaults.limits.memory),
    timeMs: milliseconds(limits?.time ?? defaults.limits.time),
  };
}

async function evaluateContestants(
  workspace: Workspace,
  view: RegistryView,
  contestants: Contestants,
): Promise<Evidence> {
  const { evaluate } = await import('../../stages/evaluation/evaluate.ts');
  const { dataset, candidate, candidateResult, champion, rival } = contestants;
  const { task, columns, policy } = workspace.modelConfig;
  return workspace.log.group('Evaluate', async () => {
    let changed: readonly ChangedRow[] = [];
    const evidence = await evaluate({
      model: workspace.model,
      task,
      columns,
      policy,
      policyDigest: workspace.policyDigest,
      dataset,
      candidate: { artifact: plain(candidate.artifact), result: candidateResult },
      champion,
      signatures: signaturesOf(candidate, rival),
      reuse: view.decisionsByDataset[dataset.sha256] ?? 0,
      onChanged: (rows) => (changed = rows),
      log: workspace.log,
      ...(workspace.signal === undefined ? {} : { signal: workspace.signal }),
    });
    if (changed.length > 0) {
      const ids = await idsOfRows(
        dataset,
        columns.id,
        changed.map(({ row }) => row),
      );
      await writeChangedRows(workspace, columns.id, ids, changed);
    }
    return writeEvidence(workspace, evidence);
  });
}

function signaturesOf(candidate: Contestant, champion: Contestant | null): Signatures {
  const of = (role: keyof Signatures, contestant: Contestant | null): Signatures =>
    contestant?.kind !== 'model' || contestant.artifact.signature === null
      ? {}
      : { [role]: contestant.artifact.signature };
  return { ...of('candidate', candidate), ...of('champion', champion) };
}

async function loadContestant(workspace: Workspace, contestants: Contestants): Promise<Evidence> {
  const { candidate, candidateResult, champion, dataset } = contestants;
  const { load, staging } = requireLoad(workspace.modelConfig, workspace.model);
  if (!candidateResult.ok) {
    throw new ModelError({
      found: `the candidate cannot predict, so there is nothing to load test: ${candidateResult.fault.message}`,
      where: `models.${workspace.model}.candidate`,
    });
  }
  if (candidate.kind !== 'model') {
    throw new UsageError({
      found: 'the candidate is a file of predictions',
      expected: 'a model that can be served',
      where: `models.${workspace.model}.candidate`,
      remedy: 'Remove the load section, or name the model',
    });
  }
  const subjects: Subjects = {
    candidate: plain(candidate.artifact),
    ...(champion === null ? {} : { champion: champion.artifact }),
    datasets: { evaluation: datasetSubject(dataset) },
  };
  const { loadTest } = await import('../../stages/load/load-test.ts');
  return workspace.log.group('Load test', async () => {
    const evidence = await loadTest({
      model: workspace.model,
      task: workspace.modelConfig.task,
      columns: workspace.modelConfig.columns,
      staging,
      load,
      candidate: candidate.artifact,
      reading: candidate.reading,
      dataset,
      offline: candidateResult.predictions,
      subjects,
      policyDigest: workspace.policyDigest,
      workspace: workspace.root,
      log: workspace.log,
      ...(workspace.signal === undefined ? {} : { signal: workspace.signal }),
    });
    return writeEvidence(workspace, evidence);
  });
}

function requireLoad(
  model: Model,
  name: string,
): { load: NonNullable<Model['load']>; staging: NonNullable<Model['staging']> } {
  if (model.load === undefined) {
    throw new UsageError({
      found: 'there is no load section',
      where: `models.${name}`,
      remedy: 'Add load: {profile: {rate, duration}, slo: {p95_ms}} to load test the candidate',
    });
  }
  return { load: model.load, staging: model.staging ?? { target: 'builtin' } };
}

export async function withDatasets<T>(
  workspace: Workspace,
  names: readonly ('evaluation' | 'reference' | 'current')[],
  work: (datasets: Record<string, Dataset>) => Promise<T>,
): Promise<T> {
  requireEngines();
  const datasets: Record<string, Dataset> = {};
  try {
    for (const name of names) {
      const uri = workspace.modelConfig.data[name];
      if (uri === undefined) continue;
      const { csv } = workspace.modelConfig.data;
      const path = await inside(workspace, uri, `data.${name}`);
      const source: DatasetSource = { name, uri, path, ...(csv === undefined ? {} : { csv }) };
      datasets[name] = await openDataset(source, { log: workspace.log });
    }
    return await work(datasets);
  } finally {
    for (const dataset of Object.values(datasets)) dataset.close();
  }
}

/** What evidence and registry keep of an artifact: nothing of where it lies on this machine. */
export function plain({ role, uri, sha256, size, reading }: Artifact): Artifact {
  return { role, uri, sha256, size, ...(reading === undefined ? {} : { reading }) };
}
