import { decide } from '../../decide/decide.ts';
import { holdsNow, lastDecisionOn } from '../../decide/history.ts';
import { requireFree } from '../../decide/next-version.ts';
import { register } from '../../decide/register.ts';
import { deprecation } from '../../decide/withdrawn.ts';
import {
  identityOf,
  modelIdentity,
  type Approval,
  type Artifact,
  type Decision,
  type Evidence,
  type RegistryHistory,
  type Source,
} from '../../evidence/index.ts';
import { committedPlace, fetchable, immutableModelUri, isFetchable, pathFromTop } from '../../registry/artifact-uri.ts';
import { filesInLfs, requireFetchable } from '../../registry/committed-file.ts';
import type { RecordResult, Registry } from '../../registry/registry.ts';
import { digestOfFiles } from '../../data/parts.ts';
import { stages } from '../../stages/index.ts';
import { readApprovals } from './approvals.ts';
import {
  readingOf,
  resolveCandidate,
  heldModel,
  resolveReference,
  withReading,
  type ResolvedModel,
} from '../contestants/resolve.ts';
import { discardAllEvidence, prepareOut, readEvidence, writeDecision } from './output.ts';
import { sourceHere } from './source.ts';
import { recordedArtifact } from '../contestants/contestants.ts';
import { stageFacts } from '../configuration.ts';
import { chooseCandidate } from '../contestants/choose.ts';
import { prepareStages, runStages } from './run-stage.ts';
import { isShared, openRegistry, registryView, requireTime } from '../open-registry.ts';
import { dataAddress } from '../configured-data.ts';
import { inside, insideRoot, type Workspace } from '../workspace.ts';
import { EvidenceError, UsageError } from '../../errors.ts';

export interface PromoteInput {
  /** Whether the decision goes into the registry. Pull requests evaluate and never record. */
  record: boolean;
  actor: string;
  source: Source;
  version?: string | undefined;
  now?: () => Date;
}

export interface PromoteResult extends Omit<RecordResult, 'status'> {
  status: RecordResult['status'] | 'not-recorded';
  evidence: Evidence[];
  /** Of an act that was done before, and that later ones have overtaken: what holds now. */
  holdsNow?: string | undefined;
  /** As of the workspace. */
  overriding?: string;
}

/** Decide on the evidence in the output folder and, if asked, record the decision. */
export async function runPromote(workspace: Workspace, input: PromoteInput): Promise<PromoteResult> {
  await prepareOut(workspace);
  const source = await sourceOf(workspace, input);
  const candidate = await resolveCandidate(workspace);
  const artifact = await recordable(workspace, candidate, input.record);
  const evidence = await withHeld(workspace, artifact, await readEvidence(workspace));
  await refuseOtherData(workspace, evidence);
  if (evidence.length === 0 && !isChampion(artifact, await registryView(workspace, input.record))) {
    throw new EvidenceError({
      found: 'there is no evidence to decide on',
      expected: 'the evidence that validate, evaluate and load-test write',
      where: workspace.out,
      remedy: 'Run those stages first with the same --out, or the whole gate at once (contender gate)',
    });
  }
  const approvals = evidence.length === 0 ? [] : await readApprovals(workspace, candidate, input);
  return decideAndRecord(workspace, { ...input, source }, artifact, evidence, approvals);
}

/**
 * The evidence at hand with that of the gate that held the candidate until production had judged it: days lie between the two, and
 * another machine. The decision refuses what does not fit together.
 */
async function withHeld(workspace: Workspace, candidate: Artifact, found: Evidence[]): Promise<Evidence[]> {
  const isLate = stages.some(
    ({ kind, needs }) => (needs === 'logs' || needs === 'traffic') && found.some((each) => each.kind === kind),
  );
  if (!isLate) return found;
  const registry = await openRegistry(workspace);
  const held = lastDecisionOn(identityOf(candidate), await registry.view(workspace.model));
  const absent = (held?.evidence ?? []).filter(({ kind }) => !found.some((each) => each.kind === kind));
  const before = await Promise.all(absent.map(({ sha256 }) => registry.evidence(workspace.model, sha256)));
  return [...before, ...found];
}

/** The whole gate: run every stage that is configured, decide, record. */
export async function runGate(given: Workspace, input: PromoteInput): Promise<PromoteResult> {
  await prepareStages(given);
  const source = await sourceOf(given, input);
  const decided = { ...input, source };
  // Asked before the long work: what could not be recorded is known at once.
  if (input.record) await (await openRegistry(given)).ensureWritable();
  const view = await registryView(given, input.record);
  const { own: workspace, candidate } = await chooseCandidate(given, view);
  const artifact = await recordable(workspace, candidate, input.record);
  if (input.version !== undefined) requireFree(input.version, view);
  await discardAllEvidence(workspace);
  const { model, modelConfig: config } = workspace;
  const isSettled = isChampion(artifact, view) || deprecation({ model, config, candidate: artifact }, view).length > 0;
  if (isSettled) return decideAndRecord(workspace, decided, artifact, [], []);
  if (input.record) requireTime(view);
  const approvals = await readApprovals(workspace, candidate, input);
  const evidence = await runStages(workspace, view, candidate);
  return decideAndRecord(workspace, decided, artifact, evidence, approvals);
}

/** Asked when the run begins: what is read after it, is read of that commit or named as uncommitted. */
function sourceOf(workspace: Workspace, { source, record }: PromoteInput): Promise<Source> {
  return sourceHere(workspace, source, record ? datasetsOf(workspace) : null);
}

/**
 * Evidence that other steps left is of the data that is configured here. Data that is not here is not asked about.
 *
 * @throws EvidenceError
 */
async function refuseOtherData(workspace: Workspace, evidence: readonly Evidence[]): Promise<void> {
  const { evaluation, reference, current } = workspace.modelConfig.data;
  for (const [name, file] of Object.entries({ evaluation, reference, current })) {
    // What the champion was judged on is no file.
    if (file === 'registry') continue;
    const of = evidence.find(({ subjects }) => Object.hasOwn(subjects.datasets, name));
    if (file === undefined || of === undefined) continue;
    const key = `data.${name}`;
    const address = dataAddress(file, `models.${workspace.model}.${key}`);
    const found = address?.sha256 ?? (await digestOfFiles(await inside(workspace, file, key), file).catch(() => null));
    const judged = of.subjects.datasets[name]?.sha256;
    if (found === null || found === judged) continue;
    throw new EvidenceError({
      found: `the ${of.kind} evidence is about data with sha256 ${judged?.slice(0, 12) ?? ''}, but ${file} has ${found.slice(0, 12)}`,
      expected: 'evidence about the current data',
      where: `models.${workspace.model}.data.${name}`,
      remedy: 'Run the stages again, then promote',
    });
  }
}

function isChampion(candidate: Artifact, view: RegistryHistory): boolean {
  return view.champion !== null && modelIdentity(view.champion) === identityOf(candidate);
}

export interface RegisterInput extends PromoteInput {
  /** The model, or file of predictions, relative to the workspace, committed to the repository. */
  artifact: string;
  reason?: string | undefined;
}

/** Make a model the champion on a person's word, without a gate. Recorded as what it is, or rehearsed. */
export async function registerChampion(workspace: Workspace, input: RegisterInput): Promise<PromoteResult> {
  const source = await sourceHere(workspace, input.source, input.record ? [] : null);
  const artifact = await recordable(workspace, await namedByPerson(workspace, input.artifact), true);
  await workspace.inputs.verify();
  const registry = await openRegistry(workspace);
  const now = (input.now ?? (() => new Date()))();
  const decide = (view: RegistryHistory): Decision =>
    register({ model: workspace.model, config: workspace.modelConfig, candidate: artifact }, view, {
      now,
      actor: input.actor,
      source,
      approvals: [],
      version: input.version,
      reason: input.reason,
    });
  if (!input.record) return notRecorded(decide(await registry.view(workspace.model)), []);
  const recorded = await registry.record({ model: workspace.model, decide, evidence: [] });
  return { evidence: [], ...recorded, ...(await overtaken(registry, workspace.model, recorded)) };
}

/** What is to be said of an act that was done before. */
export async function overtaken(
  registry: Registry,
  model: string,
  { status, decision }: Pick<RecordResult, 'status' | 'decision'>,
): Promise<Pick<PromoteResult, 'holdsNow'>> {
  if (status !== 'already-recorded' || !('seq' in decision)) return {};
  return { holdsNow: holdsNow(decision, await registry.view(model)) };
}

function notRecorded(decision: Decision, evidence: Evidence[]): PromoteResult {
  const status = decision.outcome === 'no-change' ? 'no-change' : 'not-recorded';
  return { decision, evidence, status, commit: null, tags: [] };
}

/**
 * A file that becomes champion, a model or predictions. The registry keeps how answers are read with the bytes: from here on the
 * champion is read as the candidate is today.
 *
 * @throws UsageError, ModelError, DataError
 */
async function namedByPerson(workspace: Workspace, file: string): Promise<ResolvedModel> {
  const path = await insideRoot(workspace, file);
  // Of several the first says how answers are read.
  const candidate = [workspace.modelConfig.candidate].flat()[0] ?? file;
  const predictions = typeof candidate === 'object' && 'predictions' in candidate ? candidate : null;
  if (!/\.(?:csv|parquet)$/iu.test(path)) {
    const reading = readingOf(candidate);
    const artifact = withReading(await heldModel(workspace, path, `file:${file}`), reading);
    return { kind: 'model', artifact, reading };
  }
  if (predictions !== null) {
    const { sha256: _ofTheCandidate, ...columns } = predictions;
    return resolveReference(workspace, { ...columns, predictions: path }, 'champion');
  }
  throw new UsageError({
    found: `${file} is a file of predictions, but the configured candidate is a model`,
    expected:
      'an ONNX model; or a candidate that is a file of predictions too, because the champion is read with the same settings',
    where: `models.${workspace.model}.candidate`,
    remedy:
      'Set candidate: { predictions: FILE } (with id, score or label if the columns have other names), then register',
  });
}

/** @param input.source as `sourceOf` gave it when the run began */
async function decideAndRecord(
  workspace: Workspace,
  input: PromoteInput,
  candidate: Artifact,
  evidence: Evidence[],
  approvals: readonly Approval[],
): Promise<PromoteResult> {
  // Everything is read by now.
  await workspace.inputs.verify();
  const now = (input.now ?? (() => new Date()))();
  const { modelConfig: config, overriding } = workspace;
  const subject = { model: workspace.model, config, candidate, stages: stageFacts(config) };
  const context = {
    now,
    actor: input.actor,
    source: input.source,
    approvals,
    version: input.version,
  };
  if (!input.record) {
    const decision = decide(subject, evidence, await registryView(workspace, false), context);
    await writeDecision(workspace, { decision, evidence, overriding });
    return { ...notRecorded(decision, evidence), overriding };
  }
  const registry = await openRegistry(workspace);
  let today: Decision | undefined;
  const recorded = await registry.record({
    model: workspace.model,
    decide: (view) => (today = decide(subject, evidence, view, context)),
    evidence,
  });
  // A decision that is there already was made on evidence of its own: what is shown beside today's evidence is today's.
  const decision = recorded.status === 'already-recorded' ? (today ?? recorded.decision) : recorded.decision;
  await writeDecision(workspace, { decision, evidence, overriding, pullRequest: recorded.pullRequest });
  return { ...recorded, decision, evidence, overriding };
}

/** The candidate as the registry may keep it: an address whose bytes cannot change, and which others can fetch. */
async function recordable(workspace: Workspace, candidate: ResolvedModel, record: boolean): Promise<Artifact> {
  const artifact = recordedArtifact(candidate.artifact);
  if (!record) return artifact;
  if (!artifact.uri.startsWith('file:')) return requireLasting(artifact);
  const [path, ...beside] =
    candidate.kind === 'model' ? candidate.artifact.files.map((file) => file.path) : [candidate.path];
  const uri = await immutableModelUri(await workspace.repository(), path as string, beside);
  const place = committedPlace(uri);
  if (place !== null && isShared(workspace)) {
    await (await openRegistry(workspace)).requireKept(place.commit);
    const repository = await workspace.repository();
    const paths = await Promise.all([path as string, ...beside].map((each) => pathFromTop(repository, each)));
    const files = await filesInLfs(repository, place.commit, paths);
    await requireFetchable(repository, workspace.config.registry?.push, files, workspace);
  }
  return requireLasting({ ...artifact, uri });
}

/** What registry verify would find at fault is not recorded in the first place. @throws UsageError */
function requireLasting(artifact: Artifact): Artifact {
  if (isFetchable(artifact.uri)) return artifact;
  throw new UsageError({
    found: `the address of the model, ${JSON.stringify(artifact.uri)}, cannot be recorded`,
    expected: fetchable,
    remedy:
      'Nothing was recorded. Rename a file whose path has a control character or a backslash; name a server by the full host name that others can reach',
  });
}

/** Paths of the data that is judged on, as the configuration has them. */
function datasetsOf({ modelConfig: { data } }: Workspace): string[] {
  return [data.evaluation, data.reference, data.current].filter(
    (path): path is string => path !== undefined && path !== 'registry' && !/^[a-z][a-z0-9+.-]+:\/\//iu.test(path),
  );
}
