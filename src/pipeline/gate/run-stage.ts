import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { LineRules } from '../../data/line-rules.ts';
import type { Model } from '../../config/index.ts';
import { datasetSubject, type Dataset } from '../../data/dataset.ts';
import { UsageError } from '../../errors.ts';
import { isProfile } from '../../config/index.ts';
import { profiledData, type ProfiledData } from '../../profile/profiled-data.ts';
import { readProfile } from '../../profile/read-profile.ts';
import type { Check, Evidence, RegistryHistory, Subjects } from '../../evidence/index.ts';
import type { Section } from '../../report/section.ts';
import { stages } from '../../stages/index.ts';
import type { ContestantsContext, Stage, StageContext, StageResult } from '../../stages/stage.ts';
import {
  contestantOf,
  limitsOf,
  recordedArtifact,
  withContestants,
  withDatasets,
  withFiles,
  type Contestants,
} from '../contestants/contestants.ts';
import { chooseCandidate } from '../contestants/choose.ts';
import { resolveCandidate, resolveChampion, type ResolvedModel } from '../contestants/resolve.ts';
import { inside, insideRoot, type Workspace } from '../workspace.ts';
import { requireWritable, writing } from '../writing.ts';
import { predictedColumns } from '../../stages/data/schema.ts';
import { championsData } from './champion-profiles.ts';
import { openRegistry, registryView } from '../open-registry.ts';
import { discardEvidence, writeEvidence } from './output.ts';
import { withLines } from './places.ts';

/** Run one stage by itself; writes its evidence. @param view what the registry knows, asked for where models are judged */
export async function runStage(
  workspace: Workspace,
  stage: Stage,
  view: () => Promise<RegistryHistory>,
): Promise<Evidence> {
  await discardEvidence(workspace, stage);
  await prepareStages(workspace, [stage]);
  requireEnabled(workspace, stage);
  if (stage.needs === 'traffic') throw new Error(`the stage ${stage.kind} has a driver of its own`);
  if (stage.needs === 'datasets') return runOnDatasets(workspace, stage);
  const known = await view();
  if (stage.needs === 'logs') return runOnLogs(workspace, stage, known);
  const { own, candidate } =
    stage.kind === 'evaluation'
      ? await chooseCandidate(workspace, known)
      : { own: workspace, candidate: await resolveCandidate(workspace) };
  return withContestants(own, known, candidate, onData(own, [stage]), (contestants) =>
    runOnContestants(own, stage, contestants, known),
  );
}

/** What the load test says of the candidate where somebody serves it already, as before it gets traffic. It is no evidence of its own. */
export async function checksOnServed(
  workspace: Workspace,
  { staging, load, token }: { staging: object; load: object; token: string | undefined },
): Promise<Check[]> {
  const stage = stages.find(({ kind }) => kind === 'load');
  if (stage?.needs !== 'target') throw new Error('the load test has a target');
  const modelConfig = { ...workspace.modelConfig, staging, load } as Model;
  const own = { ...workspace, modelConfig, targetToken: token ?? workspace.targetToken };
  const view = await registryView(own, false);
  const candidate = await resolveCandidate(own);
  return withContestants(own, view, candidate, onData(own, [stage]), async (contestants) => {
    const context = contestantsContext(own, contestants, view);
    return (await (await stage.load()).run(context)).checks;
  });
}

/** A part of what a stage does, to be put together with those of other machines. */
export interface PartInput {
  shard: { index: number; count: number };
  /** When all begin; null: at once, since there is no other. */
  start: Date | null;
  /** The file to write, relative to the workspace. */
  file: string;
}

/**
 * Do a part of what a stage does, and write what it found. It is no evidence: the parts together are.
 * @throws UsageError, ConfigError where it cannot be done in parts
 */
export async function runPart(workspace: Workspace, stage: Stage, { file, ...order }: PartInput): Promise<void> {
  const { part } = stage.command;
  if (part === undefined) throw new Error(`the stage ${stage.kind} has no parts`);
  await prepareStages(workspace, [stage]);
  requireEnabled(workspace, stage);
  const path = await insideRoot(workspace, file);
  await requireWritable(dirname(path));
  const view = await registryView(workspace, false);
  const candidate = await resolveCandidate(workspace);
  await withContestants(workspace, view, candidate, onData(workspace, [stage]), async (contestants) => {
    const run = await part.load();
    const found = await withLines(workspace, () => run(contestantsContext(workspace, contestants, view), order));
    workspace.signal?.throwIfAborted();
    await writing(path, () => writeFile(path, found));
  });
}

/** What a stage will take, before anything is measured. @throws UsageError, ConfigError */
export async function planOfStage(workspace: Workspace, stage: Stage): Promise<Section> {
  requireEnabled(workspace, stage);
  const { plan } = stage.command;
  if (plan === undefined) throw new Error(`the stage ${stage.kind} has no plan`);
  return withLines(workspace, () => plan.of(workspace.modelConfig));
}

function requireEnabled(workspace: Workspace, stage: Stage): void {
  if (stage.absent === undefined || stage.enabled(workspace.modelConfig)) return;
  throw new UsageError({ ...stage.absent, where: `models.${workspace.model}` });
}

/**
 * Run every stage that the configuration asks for: those that judge data first, then the others over one set of predictions of a
 * candidate that was resolved before. What is judged are the bytes that will be recorded.
 * @param which of the stages that the configuration asks for (default: all)
 */
export async function runStages(
  workspace: Workspace,
  view: RegistryHistory,
  candidate: ResolvedModel,
  which: (stage: Stage) => boolean = () => true,
): Promise<Evidence[]> {
  const asked = askedStages(workspace.modelConfig).filter(which);
  const evidence: Evidence[] = [];
  for (const stage of asked) {
    if (stage.needs === 'datasets') evidence.push(await runOnDatasets(workspace, stage));
  }
  return withContestants(workspace, view, candidate, onData(workspace, asked), async (contestants) => {
    for (const stage of asked) {
      // A candidate that cannot predict cannot be served: the failing evaluation says why.
      if (stage.needs === 'datasets' || (stage.needs === 'target' && !contestants.candidate.result.ok)) continue;
      evidence.push(await runOnContestants(workspace, stage, contestants, view));
    }
    return evidence;
  });
}

/** Refuse what cannot be judged before the long work. @throws ConfigError with the line of contender.yml */
export function prepareStages(
  workspace: Workspace,
  which: readonly Stage[] = askedStages(workspace.modelConfig),
): Promise<void> {
  return withLines(workspace, async () => {
    for (const stage of which) await stage.prepare?.(workspace.modelConfig);
  });
}

/** The same, of what takes a look at the evaluation set. */
function onData(workspace: Workspace, which: readonly Stage[]): (dataset: Dataset) => Promise<void> {
  return (dataset) =>
    withLines(workspace, async () => {
      for (const stage of which) await stage.prepareOn?.(workspace.modelConfig, dataset, workspace.signal);
    });
}

/** The stages of the gate that the configuration asks for. Logs of production are judged later. */
function askedStages(model: Model): Exclude<Stage, LateStage>[] {
  return stages
    .filter((stage) => stage.needs !== 'logs' && stage.needs !== 'traffic')
    .filter((stage) => stage.enabled(model));
}

type LateStage = Extract<Stage, { needs: 'logs' | 'traffic' }>;

/** Both models are named by their bytes, and none is run: production ran them. */
async function runOnLogs(
  workspace: Workspace,
  stage: Extract<Stage, { needs: 'logs' }>,
  view: RegistryHistory,
): Promise<Evidence> {
  const { artifact } = await resolveCandidate(workspace);
  const rival = await resolveChampion(workspace, view);
  const candidate = recordedArtifact(artifact);
  const champion =
    rival === null ? null : recordedArtifact('resolved' in rival ? rival.resolved.artifact : rival.artifact);
  return withFiles(workspace, stage.logs(workspace.modelConfig), (datasets) => {
    const subjects = { candidate, ...(champion === null ? {} : { champion }), ...subjectsOf(datasets) };
    const context = { ...contextOf(workspace, datasets), candidate, champion };
    return makeEvidence(workspace, stage, subjects, async () => (await stage.load()).run(context));
  });
}

async function runOnDatasets(workspace: Workspace, stage: Extract<Stage, { needs: 'datasets' }>): Promise<Evidence> {
  const profiles = await profilesOf(workspace);
  let rules: Promise<LineRules | null> | undefined;
  const names = (['evaluation', 'reference', 'current'] as const).filter((name) => !Object.hasOwn(profiles, name));
  return withDatasets(
    workspace,
    names,
    (datasets) =>
      makeEvidence(workspace, stage, subjectsOf(datasets, profiles), async () =>
        (await stage.load()).run(contextOf(workspace, datasets, profiles)),
      ),
    () => (rules ??= stage.rules?.(contextOf(workspace, {})) ?? Promise.resolve(null)),
  );
}

/** Of the data those that are named by a profile of them. */
async function profilesOf(workspace: Workspace): Promise<Record<string, ProfiledData>> {
  const { model, modelConfig } = workspace;
  const { reference, current } = modelConfig.data;
  const found: Record<string, ProfiledData> = {};
  for (const [name, uri] of Object.entries({ reference, current })) {
    if (uri === undefined || !isProfile(uri)) continue;
    found[name] =
      uri === 'registry'
        ? profiledData(name, await championsData(await openRegistry(workspace), model, predictedColumns(modelConfig)))
        : profiledData(name, { uri, ...(await readProfile(await inside(workspace, uri, `data.${name}`), uri)) });
  }
  return found;
}

function runOnContestants(
  workspace: Workspace,
  stage: Extract<Stage, { needs: 'contestants' | 'target' }>,
  contestants: Contestants,
  view: RegistryHistory,
): Promise<Evidence> {
  const { candidate, champion, anchor, dataset } = contestants;
  const held = stage.anchor?.(workspace.modelConfig) === undefined ? null : anchor;
  const subjects = {
    candidate: candidate.artifact,
    ...(champion === null ? {} : { champion: champion.artifact }),
    ...(held === null ? {} : { anchor: held.artifact }),
    ...subjectsOf({ evaluation: dataset }),
  };
  return makeEvidence(workspace, stage, subjects, async () =>
    (await stage.load()).run(contestantsContext(workspace, contestants, view)),
  );
}

async function makeEvidence(
  workspace: Workspace,
  stage: Stage,
  subjects: Subjects,
  run: () => Promise<StageResult>,
): Promise<Evidence> {
  return workspace.log.group(stage.title, async () => {
    const startedAt = new Date();
    const result = await withLines(workspace, run);
    workspace.signal?.throwIfAborted();
    await workspace.inputs.verify();
    return writeEvidence(workspace, { kind: stage.kind, subjects, startedAt, ...result });
  });
}

function contextOf(
  workspace: Workspace,
  datasets: Readonly<Record<string, Dataset>>,
  profiles: Readonly<Record<string, ProfiledData>> = {},
): StageContext {
  const { model, modelConfig, root, folder, targetToken, log, signal } = workspace;
  return {
    model,
    task: modelConfig.task,
    columns: modelConfig.columns,
    config: modelConfig,
    datasets,
    profiles,
    root,
    folder,
    targetToken,
    pathOf: (file, key) => inside(workspace, file, key),
    log,
    signal,
  };
}

function contestantsContext(workspace: Workspace, contestants: Contestants, view: RegistryHistory): ContestantsContext {
  const { dataset, candidate, champion } = contestants;
  const { task, columns } = workspace.modelConfig;
  return {
    ...contextOf(workspace, { evaluation: dataset }),
    ...contestants,
    reuse: view.decisionsByDataset[dataset.sha256] ?? 0,
    selection: workspace.selection,
    limits: limitsOf(workspace),
    predict: (reference, key, role) => contestantOf(workspace, dataset, { reference, key, role }, candidate.result.ok),
    async scorerOf(rows, metric, others = []) {
      const [{ readScorer }, { policyOf }] = await Promise.all([
        import('../../stages/evaluation/scorer.ts'),
        import('../../stages/evaluation/schema.ts'),
      ]);
      const policy = policyOf(workspace.modelConfig);
      const results = [candidate.result, champion?.result, ...others];
      const known = results.flatMap((result) => (result?.ok === true ? [result.predictions] : []));
      return readScorer({ task, columns, policy, metric, dataset, known, rows });
    },
  };
}

function subjectsOf(
  datasets: Readonly<Record<string, Dataset>>,
  profiles: Readonly<Record<string, ProfiledData>> = {},
): Pick<Subjects, 'datasets'> {
  const subjects = [
    ...Object.entries(datasets).map(([name, dataset]) => [name, datasetSubject(dataset)]),
    ...Object.entries(profiles).map(([name, { uri, sha256, rows }]) => [name, { uri, sha256, rows }]),
  ];
  return { datasets: Object.fromEntries(subjects) as Subjects['datasets'] };
}
