import { setTimeout as sleep } from 'node:timers/promises';
import { settingsAt } from '../../config/schema.ts';
import { milliseconds } from '../../config/units.ts';
import { lastDecisionOn } from '../../decide/history.ts';
import { rolledBack } from '../../decide/withdrawn.ts';
import { ContenderError, TrafficError, UsageError } from '../../errors.ts';
import { identityOf, modelIdentity, type RecordedDecision } from '../../evidence/index.ts';
import type { Artifact, Check, Reason, RegistryHistory } from '../../evidence/index.ts';
import type { DeploymentStatus } from '../../github/deployment.ts';
import { minutes, type Judgement, type StepObservation } from '../../stages/guardrails.ts';
import { stages } from '../../stages/index.ts';
import type { Stage, StageResult } from '../../stages/stage.ts';
import type { Traffic } from '../../stages/traffic.ts';
import { recordedArtifact } from '../contestants/contestants.ts';
import { resolveCandidate, resolveChampion } from '../contestants/resolve.ts';
import { readEvidence, writeEvidence } from '../gate/output.ts';
import { runPromote, type PromoteInput, type PromoteResult } from '../gate/promote.ts';
import { openRegistry } from '../open-registry.ts';
import { insideGrowing, type Workspace } from '../workspace.ts';
import { observeLog } from './observe-log.ts';
import { observePrometheus } from './observe-prometheus.ts';
import type { Observer, Step } from './observer.ts';
import { openWeights } from './weights.ts';
import type { WeightStore } from './weight-store.ts';

/* What a rollout and a switch do alike: begin, raise a weight and record it, keep it, put it back, promote. */

export interface TrafficInput extends PromoteInput {
  /** Tokens of weights and metrics. */
  env: NodeJS.ProcessEnv;
  /** Shows elsewhere how the run goes, such as on GitHub. It may fail, and no step waits for it. */
  tell?: (told: DeploymentStatus) => Promise<void>;
}

const defaultExpiry = '15m';
/** A weight that could not be put back is tried again so often, a second apart. */
const putBackAttempts = 10;

/** A rollout or a switch that runs. */
export interface Run extends Omit<Begun, 'view'> {
  workspace: Workspace;
  input: TrafficInput;
  /** How long one weight may last, in milliseconds, where nobody renews it. */
  longestMs: number;
  startedAt: Date;
  steps: (Step & { seen?: StepObservation; verdict?: string })[];
  /** What this run set, and is in force as far as it knows. */
  weight: number;
  /** The candidate is champion, and keeps what it has. */
  promoted: boolean;
  /** The last work on the weight: one after the other. */
  turn: Promise<unknown>;
  /** What else the evidence says. */
  details: Record<string, unknown>;
  /** What a renewal found between two looks. */
  conflict: string | null;
  /** The last that was told, one after the other. */
  telling: Promise<void>;
}

async function tell(
  { input, workspace, telling }: Pick<Run, 'input' | 'workspace' | 'telling'>,
  told: DeploymentStatus,
): Promise<void> {
  await telling;
  try {
    await input.tell?.(told);
  } catch (error) {
    if (!(error instanceof ContenderError)) throw error;
    workspace.log.warning(`The deployment is not shown: ${error.message}`);
  }
}

/** Work on the weight, one after the other: a renewal must not overtake a raise. */
export function inTurn<T>(run: Run, work: () => Promise<T>): Promise<T> {
  const done = run.turn.then(work, work);
  run.turn = done.catch(() => undefined);
  return done;
}

/** A weight that lapses is renewed whatever else takes its time, such as a look at a long log, or a push. */
function renewOnTime(run: Run): NodeJS.Timeout | undefined {
  if (!run.weights.lapses) return undefined;
  const renewNow = async (): Promise<void> => {
    if (run.weight === 0 || run.promoted) return;
    const { void: conflict } = await renew(run);
    run.conflict ??= conflict;
  };
  const every = milliseconds(run.settings.expires ?? defaultExpiry) / 4;
  return setInterval(() => void inTurn(run, renewNow).catch(() => undefined), every);
}

/** What every run begins with. @param longestMs how long one weight may last where nobody renews it */
export function newRun(
  workspace: Workspace,
  input: TrafficInput,
  { view: _view, ...begun }: Begun,
  longestMs: number,
): Run {
  return {
    ...begun,
    workspace,
    input,
    longestMs,
    startedAt: new Date(),
    steps: [],
    weight: 0,
    promoted: false,
    turn: Promise.resolve(),
    details: {},
    conflict: null,
    telling: Promise.resolve(),
  };
}

/** Work with what sees the traffic, the weight renewed meanwhile. @param oncePerArm see `ObserverInput` */
export async function whileWatched<T>(run: Run, oncePerArm: boolean, work: (observer: Observer) => Promise<T>) {
  const { workspace, input, settings, artifacts } = run;
  const pathOf = (file: string, key: string): Promise<string> => insideGrowing(workspace, file, key);
  const observed = { settings, pathOf, env: input.env, artifacts, oncePerArm };
  const observer = 'prometheus' in settings.observe ? observePrometheus(observed) : await observeLog(observed);
  const renewal = renewOnTime(run);
  try {
    return await work(observer);
  } finally {
    clearInterval(renewal);
    await endRun(run);
    await observer.close();
  }
}

/** However a run ends, a candidate that was not promoted has no traffic after it. */
async function endRun(run: Run): Promise<void> {
  try {
    if (run.weight === 0 || run.promoted) return;
    await putBackNow(run);
    run.telling = tell(run, { state: 'error', text: 'The run ended, and the weight was reset to 0' });
  } finally {
    await run.telling;
  }
}

/** Record a raise, and make it. @param text why it is made */
export async function raise(run: Run, weight: number, text: string, checks: readonly Check[] = []): Promise<void> {
  await recordStep(run, weight, text, checks);
  await inTurn(run, async () => {
    try {
      await run.weights.write({ weight, from: run.weight, expires: expiryOf(run) });
    } catch (error) {
      // It may be in force all the same, as where an answer was lost: the end of the run puts it back. Where somebody else acts it is theirs.
      if (!(error instanceof TrafficError && error.conflict)) run.weight = weight;
      throw error;
    }
    run.weight = weight;
  });
  run.workspace.log.info(`The candidate gets ${weight}% of the traffic.`);
  run.telling = tell(run, { state: 'in_progress', text: `${weight}% of the traffic. ${text}` });
}

export interface Begun {
  stage: Stage;
  settings: Traffic;
  weights: WeightStore;
  artifacts: Record<'champion' | 'candidate', Artifact>;
  view: RegistryHistory;
}

export async function begin(
  workspace: Workspace,
  { env, stage }: Pick<TrafficInput, 'env'> & { stage: Stage },
): Promise<Begun> {
  const settings = settingsAt<Traffic>(stage.kind)(workspace.modelConfig);
  if (settings === undefined) {
    throw new UsageError({ ...(stage.absent ?? { found: '' }), where: `models.${workspace.model}` });
  }
  const view = await (await openRegistry(workspace)).view(workspace.model);
  const { artifact: candidate } = await resolveCandidate(workspace);
  const rival = await resolveChampion(workspace, view);
  if (rival === null) {
    throw new UsageError({
      found: 'there is no champion',
      expected: 'a champion to compare the candidate with, and to return the traffic to',
      remedy: 'Register the model that is served now: contender registry register --artifact FILE',
    });
  }
  const champion = recordedArtifact('resolved' in rival ? rival.resolved.artifact : rival.artifact);
  const weights = openWeights(settings.weights, workspace.root, env);
  return { stage, settings, weights, artifacts: { champion, candidate: recordedArtifact(candidate) }, view };
}

/** A candidate that was promoted, by this rollout before it was cut off, gets all of the traffic. */
export async function finish(workspace: Workspace, input: TrafficInput, weights: WeightStore): Promise<PromoteResult> {
  if ((await weights.read()) !== 100) await weights.write({ weight: 100, expires: null });
  workspace.log.info('The candidate is the champion and has all traffic.');
  return runPromote(workspace, input);
}

/** Before any traffic moves: the gate passed, nobody else moves it, and what is seen can be recorded. @throws UsageError; RegistryError */
export async function requireReady(workspace: Workspace, { record }: TrafficInput, begun: Begun): Promise<void> {
  const { weights } = begun;
  const here = (await readEvidence(workspace)).map(({ kind }) => kind);
  requireWanted(begun);
  requireGate(begun, here);
  requireNoOther(begun, await weights.read());
  if (record) await (await openRegistry(workspace)).ensureWritable();
}

/**
 * Nothing is let out that the gate did not let through, but for what this very run shows. What else production must show, such as a shadow, comes
 * first: a rollout without it would end in a hold. @param here kinds of evidence that earlier steps left @throws UsageError
 */
function requireGate({ stage, artifacts: { candidate }, view }: Begun, here: readonly string[]): void {
  const last = lastDecisionOn(identityOf(candidate), view);
  const isOf = (kind: string, { code, check = '', message }: Reason): boolean =>
    check.startsWith(`${kind}/`) || (code === 'evidence-missing' && message.includes(` ${kind} evidence`));
  const open = (last?.reasons ?? []).filter((reason) => ![stage.kind, ...here].some((kind) => isOf(kind, reason)));
  if (last?.outcome === 'hold' && open.every(({ code }) => code === 'approval-missing')) return;
  const late = stages.find(({ needs, kind }) => needs === 'logs' && open[0] !== undefined && isOf(kind, open[0]));
  throw new UsageError({
    found:
      last === undefined
        ? 'the gate has not evaluated this candidate'
        : `decision ${last.seq} on this candidate is ${last.outcome}: ${(open[0] ?? last.reasons[0])?.message ?? ''}`,
    expected: `a hold for which only the evidence of the ${stage.kind} is missing`,
    remedy:
      late === undefined
        ? 'Run contender gate first: it evaluates the candidate, then holds it until the evidence from production is there'
        : `Run contender ${late.command.name} && contender promote first`,
  });
}

/** What a person took away is not let out again: it would be held after its last step, when users had it. */
function requireWanted({ stage, artifacts: { candidate }, view }: Begun): void {
  const [reason] = rolledBack({ candidate }, view);
  if (reason === undefined) return;
  throw new UsageError({ found: reason.message, expected: `a candidate that may be promoted after the ${stage.kind}` });
}

function requireNoOther(begun: Begun, weight: number): void {
  if (weight === 0) return;
  const { stage, weights } = begun;
  const promotion = weight === 100 ? promotedByTraffic(begun) : undefined;
  const found =
    promotion === undefined
      ? `the candidate already gets ${weight}% of the traffic`
      : `the place of the candidate has all of the traffic since decision ${promotion.seq}, which made ${promotion.to?.version ?? ''} champion`;
  throw new UsageError({
    found,
    expected: `0%, where a ${stage.kind} starts`,
    where: weights.name,
    remedy:
      promotion === undefined
        ? `Another ${stage.kind} is running, or one was killed. To reset the weight: contender ${stage.kind} --put-back`
        : 'Serve the champion in the place of the champion too, and set the weight to 0 there; then serve the candidate in its place',
  });
}

/** The last decision on traffic, if it is the one that made the champion of now: all of the traffic is the champion's then. */
function promotedByTraffic({ view, artifacts: { champion } }: Begun): RecordedDecision | undefined {
  const last = view.decisions.findLast(({ evidence }) =>
    evidence.some(({ kind }) => kind === 'rollout' || kind === 'switch'),
  );
  const made = last?.outcome === 'promote' && last.to !== null && modelIdentity(last.to) === identityOf(champion);
  return made ? last : undefined;
}

function expiryOf({ settings, weights, longestMs }: Run): Date {
  // What nobody renews must last as long as the step may.
  const ms = weights.lapses
    ? milliseconds(settings.expires ?? defaultExpiry)
    : longestMs + milliseconds(settings.expires ?? defaultExpiry);
  return new Date(Date.now() + ms);
}

/** Is the weight still what this run set? Where it lapses it is renewed. */
export async function renew(run: Run): Promise<{ fault: string | null; void: string | null }> {
  const { weights, weight } = run;
  try {
    if (weights.lapses) {
      await weights.write({ weight, from: weight, expires: expiryOf(run) });
      return { fault: null, void: null };
    }
    const found = await weights.read();
    if (found === weight) return { fault: null, void: null };
    return {
      fault: null,
      void: `The weight is ${found}%, and this rollout set ${weight}%: another process changed it.`,
    };
  } catch (error) {
    if (!(error instanceof ContenderError)) throw error;
    return error instanceof TrafficError && error.conflict
      ? { fault: null, void: error.message }
      : { fault: error.message, void: null };
  }
}

/** A raise is recorded before it is made: whoever finds a weight can tell where it is from. */
async function recordStep(run: Run, weight: number, text: string, checks: readonly Check[]): Promise<void> {
  const message = `The candidate gets ${weight}% of the traffic. ${text}`;
  const check = stepCheck(run, `step@${weight}%`, 'inconclusive', message, `${weight}%`);
  const result = await decided(run, weight, expiryOf(run), [check, ...checks]);
  const stale = result.decision.reasons.find(({ code }) => code === 'stale' || code === 'rolled-back');
  if (result.decision.outcome === 'hold' && stale === undefined) return;
  throw new UsageError({
    found: `the decision in the registry is ${result.decision.outcome}: ${(stale ?? result.decision.reasons[0])?.message ?? ''}`,
    expected: 'a candidate and a champion that do not change until the end',
    remedy: 'Another promotion of this model came first. Evaluate again, then start again',
  });
}

export async function rollBack(run: Run, judgement: Judgement): Promise<PromoteResult> {
  const at = run.weight;
  await putBackNow(run);
  const harm = judgement.checks.some(({ verdict }) => verdict === 'fail');
  const message = `The candidate was rolled back from ${at}% of the traffic. ${judgement.reason}`;
  run.telling = tell(run, { state: harm ? 'failure' : 'error', text: message });
  const check = stepCheck(run, `step@${at}%-back`, harm ? 'fail' : 'inconclusive', message, 'taken back');
  return decided(run, 0, null, [check, ...judgement.checks]);
}

/** Promote the candidate, and only then give it everything for good. */
export async function promote(run: Run, judgement: Judgement, message: string): Promise<PromoteResult> {
  const { weights, workspace } = run;
  const check = stepCheck(run, 'steps', 'pass', message, 'all passed');
  const result = await decided(run, 100, null, [...judgement.checks, check]);
  const isChampion = result.decision.outcome === 'promote' && result.status !== 'pending';
  if (!isChampion) {
    workspace.log.warning('The candidate is not promoted, so its traffic returns to the champion.');
    await putBackNow(run);
    run.telling = tell(run, { state: 'error', text: 'Not promoted, and rolled back' });
    return result;
  }
  // From here on the registry says that the candidate is champion: what follows can only be completed.
  run.promoted = true;
  await inTurn(run, async () => {
    await weights.write({ weight: 100, from: run.weight, expires: null });
    run.weight = 100;
  });
  workspace.log.info('The candidate is champion and has all traffic.');
  run.telling = tell(run, { state: 'success', text: 'Champion, with all traffic' });
  return result;
}

/** Whoever set it, the weight is 0 after this. @throws TrafficError where it could not be put back */
async function putBackNow(run: Run): Promise<void> {
  await inTurn(run, async () => {
    await putBackWeight(run);
    run.workspace.log.info(`The weight is reset from ${run.weight}% to 0.`);
    run.weight = 0;
  });
}

async function putBackWeight({ weights, stage }: Pick<Run, 'weights' | 'stage'>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await weights.write({ weight: 0, expires: null });
    } catch (error) {
      if (!(error instanceof ContenderError)) throw error;
      if (attempt < putBackAttempts) {
        await sleep(1000);
        continue;
      }
      throw new TrafficError({
        found: `the weight could not be reset to 0: ${error.message}`,
        expected: 'the champion answers all requests',
        where: weights.name,
        remedy: `${weights.lapses ? 'It expires automatically. ' : ''}Reset it manually, or run contender ${stage.kind} --put-back`,
        cause: error,
      });
    }
  }
}

export function stepCheck(
  { stage }: Pick<Run, 'stage'>,
  name: string,
  verdict: Check['verdict'],
  message: string,
  observed: string,
): Check {
  return {
    id: `${stage.kind}/${name}`,
    title: 'Steps',
    severity: 'block',
    verdict,
    message,
    observed,
    required: 'every step passed',
  };
}

/** Evidence of what was seen so far, and the decision on it. */
export async function decided(run: Run, weight: number, expires: Date | null, checks: Check[]): Promise<PromoteResult> {
  const steps = run.steps.map(({ seen, verdict, ...step }) => {
    return { ...seen, ...step, to: step.to ?? seen?.to ?? null, verdict };
  });
  const details = { weight, expires: expires?.toISOString() ?? null, ...run.details, steps };
  return decidedOn(run.workspace, run.input, run, run.startedAt, checks, details);
}

async function decidedOn(
  workspace: Workspace,
  input: TrafficInput,
  { stage, artifacts }: Pick<Run, 'stage' | 'artifacts'>,
  startedAt: Date,
  checks: Check[],
  details: StageResult['details'],
): Promise<PromoteResult> {
  const subjects = { ...artifacts, datasets: {} };
  await writeEvidence(workspace, { kind: stage.kind, subjects, startedAt, checks, details });
  return runPromote(workspace, input);
}

export interface PutBackInput extends TrafficInput {
  stage: Stage;
  /** Leave a weight alone whose rollout may still run. */
  onlyExpired: boolean;
}

export interface PutBackResult {
  message: string;
  /** The decision that records it; null: there was nothing to put back. */
  result: PromoteResult | null;
}

/**
 * Put a weight back that a rollout left behind: one that was killed, or cancelled before it could. A candidate that is champion keeps all of
 * the traffic, also once another candidate is named. Recorded, where there was something to put back.
 */
export async function putBack(workspace: Workspace, input: PutBackInput): Promise<PutBackResult> {
  const begun = await begin(workspace, input);
  const { weights, artifacts } = begun;
  const weight = await weights.read();
  if (weight === 0) return { message: 'The weight is 0: there is nothing to reset.', result: null };
  if (identityOf(artifacts.candidate) === identityOf(artifacts.champion)) {
    if (weight !== 100) await weights.write({ weight: 100, expires: null });
    return { message: 'The candidate is the champion: it keeps all traffic.', result: null };
  }
  const promotion = weight === 100 ? promotedByTraffic(begun) : undefined;
  if (promotion !== undefined) {
    const message = `The weight is 100% since decision ${promotion.seq} made ${promotion.to?.version ?? ''} champion, which keeps all of the traffic.`;
    return { message, result: null };
  }
  if (input.onlyExpired) {
    const expires = await lastTime(workspace, begun, 'expires');
    const left = expires === null ? 0 : expires - Date.now();
    if (left > 0) return { message: `The weight is ${weight}%, and expires in ${minutes(left)}.`, result: null };
  }
  await putBackWeight(begun);
  const message = `The weight was reset from ${weight}% to 0: no run was active that set it.`;
  await tell({ input, workspace, telling: Promise.resolve() }, { state: 'error', text: message });
  const checks = [stepCheck(begun, `step@${weight}%-put-back`, 'inconclusive', message, 'put back')];
  const details = { weight: 0, expires: null, steps: [] };
  return { message, result: await decidedOn(workspace, input, begun, new Date(), checks, details) };
}

/** A time that the last decision on the candidate has in its evidence, such as until when a weight may last; null: nothing says so. */
export async function lastTime(
  workspace: Workspace,
  { stage, artifacts, view }: Begun,
  key: string,
): Promise<number | null> {
  const last = lastDecisionOn(identityOf(artifacts.candidate), view);
  const reference = last?.evidence.find(({ kind }) => kind === stage.kind);
  if (reference === undefined) return null;
  const { details } = await (await openRegistry(workspace)).evidence(workspace.model, reference.sha256);
  const time = details[key];
  return typeof time === 'string' ? Date.parse(time) : null;
}
