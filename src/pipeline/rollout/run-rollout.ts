import { setTimeout as sleep } from 'node:timers/promises';
import { alphaOf } from '../../config/defaults.ts';
import { milliseconds } from '../../config/units.ts';
import { lastDecisionOn } from '../../decide/history.ts';
import { ContenderError, TrafficError, UsageError } from '../../errors.ts';
import {
  buildEvidence,
  identityOf,
  type Artifact,
  type Check,
  type Evidence,
  type RegistryHistory,
} from '../../evidence/index.ts';
import {
  judgeRollout,
  minutes,
  type Judgement,
  type Limits,
  type StepObservation,
} from '../../stages/rollout/judge.ts';
import { rolloutSettings, type Rollout } from '../../stages/rollout/schema.ts';
import { rollout as stage } from '../../stages/rollout/stage.ts';
import { stages } from '../../stages/index.ts';
import { version } from '../../version.ts';
import { recordedArtifact } from '../contestants/contestants.ts';
import { resolveCandidate, resolveChampion, withModelFolder } from '../contestants/resolve.ts';
import { discardEvidence, writeEvidence } from '../gate/output.ts';
import { runPromote, type PromoteInput, type PromoteResult } from '../gate/promote.ts';
import { openRegistry } from '../open-registry.ts';
import { insideGrowing, type Workspace } from '../workspace.ts';
import { openObserver } from './observe.ts';
import type { Observer, Step } from './observer.ts';
import { openWeights } from './weights.ts';
import type { WeightStore } from './weight-store.ts';

export interface RolloutInput extends PromoteInput {
  /** Tokens of weights and metrics. */
  env: NodeJS.ProcessEnv;
}

const defaultExpiry = '15m';
/** A weight that could not be put back is tried again so often, a second apart. */
const putBackAttempts = 10;

/**
 * Let the candidate out step by step. At each step the weight is raised, the decision recorded (`hold`, with what was seen so far), and
 * both versions watched until the step is settled. Harm, or nothing to see, puts the weight back to 0 at once, and is recorded. After
 * the last step the candidate is promoted, and then gets all of the traffic. However this ends, killed alone excepted, a candidate that was not
 * promoted ends with a weight of 0; a weight that expires covers that.
 *
 * @throws UsageError where the gate did not let the candidate through, or another rollout runs; TrafficError; RegistryError
 */
export async function runRollout(workspace: Workspace, input: RolloutInput): Promise<PromoteResult> {
  await discardEvidence(workspace, stage);
  return withModelFolder(async (downloads) => rollOut(workspace, input, await begin(workspace, input, downloads)));
}

async function rollOut(workspace: Workspace, input: RolloutInput, begun: Begun): Promise<PromoteResult> {
  const { settings, weights, artifacts, view } = begun;
  if (identityOf(artifacts.candidate) === identityOf(artifacts.champion)) return finish(workspace, input, weights);
  requireGate(artifacts.candidate, view);
  requireNoOther(await weights.read(), weights);
  if (input.record) await (await openRegistry(workspace)).ensureWritable();
  const limits: Limits = {
    stepMs: milliseconds(settings.step_time),
    maxStepMs: milliseconds(settings.max_step_time),
    noDataMs: milliseconds(settings.no_data ?? '10m'),
  };
  const pathOf = (file: string, key: string): Promise<string> => insideGrowing(workspace, file, key);
  const observer = await openObserver({ settings, pathOf, env: input.env, artifacts });
  const run: Run = {
    workspace,
    input,
    settings,
    limits,
    weights,
    artifacts,
    startedAt: new Date(),
    steps: [],
    weight: 0,
    turn: Promise.resolve(),
    conflict: null,
  };
  const renewal = renewOnTime(run);
  try {
    for (const weight of settings.steps) {
      const judgement = await runStep(run, observer, weight);
      if (judgement.verdict === 'roll-back') return await rollBack(run, judgement);
      if (weight === settings.steps.at(-1)) return await promote(run, judgement);
    }
    throw new Error('a rollout has steps');
  } finally {
    clearInterval(renewal);
    // Nothing but a promotion leaves a weight behind.
    if (run.weight !== 0 && run.weight !== 100) await putBackNow(run);
    await observer.close();
  }
}

/** A rollout that runs. */
interface Run {
  workspace: Workspace;
  input: RolloutInput;
  settings: Rollout;
  limits: Limits;
  weights: WeightStore;
  artifacts: Record<'champion' | 'candidate', Artifact>;
  startedAt: Date;
  steps: (Step & { seen?: StepObservation; verdict?: string })[];
  /** What this run set, and is in force as far as it knows. */
  weight: number;
  /** The last work on the weight: one after the other. */
  turn: Promise<unknown>;
  /** What a renewal found between two looks. */
  conflict: string | null;
}

/** Work on the weight, one after the other: a renewal must not overtake a raise. */
function inTurn<T>(run: Run, work: () => Promise<T>): Promise<T> {
  const done = run.turn.then(work, work);
  run.turn = done.catch(() => undefined);
  return done;
}

/** A weight that lapses is renewed whatever else takes its time, such as a look at a long log, or a push. */
function renewOnTime(run: Run): NodeJS.Timeout | undefined {
  if (!run.weights.lapses) return undefined;
  const renewNow = async (): Promise<void> => {
    if (run.weight === 0 || run.weight === 100) return;
    const { void: conflict } = await renew(run);
    run.conflict ??= conflict;
  };
  const every = milliseconds(run.settings.expires ?? defaultExpiry) / 4;
  return setInterval(() => void inTurn(run, renewNow).catch(() => undefined), every);
}

interface Begun {
  settings: Rollout;
  weights: WeightStore;
  artifacts: Record<'champion' | 'candidate', Artifact>;
  view: RegistryHistory;
}

/** @param downloads a folder that stays until the end: what was read must stay as it is */
async function begin(workspace: Workspace, { env }: Pick<RolloutInput, 'env'>, downloads: string): Promise<Begun> {
  const settings = rolloutSettings(workspace.modelConfig);
  if (settings === undefined) {
    throw new UsageError({ ...(stage.absent ?? { found: '' }), where: `models.${workspace.model}` });
  }
  const view = await (await openRegistry(workspace)).view(workspace.model);
  const { artifact: candidate } = await resolveCandidate(workspace, downloads);
  const rival = await resolveChampion(workspace, view, downloads);
  if (rival === null) {
    throw new UsageError({
      found: 'there is no champion',
      expected: 'a champion that the candidate is held against, and that the traffic goes back to',
      remedy: 'Register the model that is served today: contender registry register --artifact FILE',
    });
  }
  const champion = recordedArtifact('resolved' in rival ? rival.resolved.artifact : rival.artifact);
  const weights = openWeights(settings.weights, workspace.root, env);
  return { settings, weights, artifacts: { champion, candidate: recordedArtifact(candidate) }, view };
}

/** A candidate that was promoted, by this rollout before it was cut off, gets all of the traffic. */
async function finish(workspace: Workspace, input: RolloutInput, weights: WeightStore): Promise<PromoteResult> {
  if ((await weights.read()) !== 100) await weights.write({ weight: 100, expires: null });
  workspace.log.info('The candidate is the champion, and has all of the traffic.');
  return runPromote(workspace, input);
}

/** Nothing is let out that the gate did not let through, but for what production must show. @throws UsageError */
function requireGate(candidate: Artifact, view: RegistryHistory): void {
  const last = lastDecisionOn(identityOf(candidate), view);
  const late = stages.filter(({ needs }) => needs === 'logs' || needs === 'traffic').map(({ kind }) => kind);
  const open = (last?.reasons ?? []).filter(
    ({ code, check = '', message }) =>
      !late.some(
        (kind) =>
          check.startsWith(`${kind}/`) || (code === 'evidence-missing' && message.includes(` ${kind} evidence`)),
      ),
  );
  if (last?.outcome === 'hold' && open.every(({ code }) => code === 'approval-missing')) return;
  throw new UsageError({
    found:
      last === undefined
        ? 'the gate has not judged this candidate'
        : `decision ${last.seq} on this candidate is ${last.outcome}: ${(open[0] ?? last.reasons[0])?.message ?? ''}`,
    expected: 'a decision of the gate that holds for the rollout alone',
    remedy: 'Run contender gate first: it evaluates the candidate, and holds until the rollout has shown the rest',
  });
}

function requireNoOther(weight: number, { name }: WeightStore): void {
  if (weight === 0) return;
  throw new UsageError({
    found: `the candidate has ${weight}% of the traffic already`,
    expected: '0%, from which a rollout begins',
    where: name,
    remedy: 'Another rollout runs, or one was killed: contender rollout --put-back takes it back',
  });
}

async function runStep(run: Run, observer: Observer, weight: number): Promise<Judgement> {
  const { workspace, settings, limits, weights, steps } = run;
  const { log, signal } = workspace;
  const before = steps.at(-1);
  const start = Date.now();
  if (before !== undefined) before.to = start;
  await recordStep(run, weight);
  await inTurn(run, async () => {
    try {
      await weights.write({ weight, from: run.weight, expires: expiryOf(run) });
    } catch (error) {
      // It may be in force all the same, as where an answer was lost: the end of the run puts it back. Where somebody else acts it is theirs.
      if (!(error instanceof TrafficError && error.conflict)) run.weight = weight;
      throw error;
    }
    run.weight = weight;
  });
  const step: Run['steps'][number] = { weight, from: Date.now(), to: null };
  if (before !== undefined) before.to = step.from;
  steps.push(step);
  log.info(`The candidate gets ${weight}% of the traffic.`);
  const pollMs = milliseconds(settings.poll ?? '1m');
  let seenAt = step.from;
  let seenRequests = 0;
  for (let told = ''; ;) {
    await sleep(pollMs, undefined, signal === undefined ? {} : { signal });
    const now = Date.now();
    const conflict = await inTurn(run, () => renew(run));
    const { steps: seen, fault, void: other } = await observer.look(steps, now);
    for (const [index, each] of seen.entries()) (steps[index] as Run['steps'][number]).seen = each;
    const here = seen.at(-1) as StepObservation;
    const requests = here.requests.champion + here.requests.candidate;
    if (fault === null && requests > seenRequests) {
      seenAt = now;
      seenRequests = requests;
    }
    const isBlind = now - seenAt >= limits.noDataMs;
    const judgement = judgeRollout(settings, limits, {
      steps: seen,
      now,
      alpha: alphaOf(workspace.modelConfig.policy),
      fault: fault ?? conflict.fault ?? (isBlind ? 'no request was seen lately' : null),
      blindSince: seenAt,
      void: run.conflict ?? conflict.void ?? other,
    });
    step.verdict = judgement.verdict;
    if (judgement.verdict !== 'hold') {
      log.info(`${weight}%: ${judgement.verdict}. ${judgement.reason}`);
      step.to = now;
      return judgement;
    }
    if (judgement.reason !== told) log.info(`${weight}%: hold. ${judgement.reason}`);
    told = judgement.reason;
  }
}

function expiryOf({ settings, weights, limits }: Run): Date {
  // What nobody renews must last as long as the step may.
  const ms = weights.lapses
    ? milliseconds(settings.expires ?? defaultExpiry)
    : limits.maxStepMs + milliseconds(settings.expires ?? defaultExpiry);
  return new Date(Date.now() + ms);
}

/** Is the weight still what this run set? Where it lapses it is renewed. */
async function renew(run: Run): Promise<{ fault: string | null; void: string | null }> {
  const { weights, weight } = run;
  try {
    if (weights.lapses) {
      await weights.write({ weight, from: weight, expires: expiryOf(run) });
      return { fault: null, void: null };
    }
    const found = await weights.read();
    if (found === weight) return { fault: null, void: null };
    return { fault: null, void: `The weight is ${found}%, and this rollout set ${weight}%: somebody else sets it.` };
  } catch (error) {
    if (!(error instanceof ContenderError)) throw error;
    return error instanceof TrafficError && error.conflict
      ? { fault: null, void: error.message }
      : { fault: error.message, void: null };
  }
}

/** A raise is recorded before it is made: whoever finds a weight can tell where it is from. */
async function recordStep(run: Run, weight: number): Promise<void> {
  const before = run.steps.at(-1);
  const until = expiryOf(run);
  const text =
    before === undefined ? 'No traffic had the candidate before.' : `No harm was shown at ${before.weight}%.`;
  const result = await decided(run, weight, until, [
    stepCheck(`step@${weight}%`, 'inconclusive', `The candidate gets ${weight}% of the traffic. ${text}`, `${weight}%`),
  ]);
  const stale = result.decision.reasons.find(({ code }) => code === 'stale' || code === 'rolled-back');
  if (result.decision.outcome === 'hold' && stale === undefined) return;
  throw new UsageError({
    found: `the registry says ${result.decision.outcome}: ${(stale ?? result.decision.reasons[0])?.message ?? ''}`,
    expected: 'a candidate and a champion that stay what they are while a rollout runs',
    remedy: 'A promotion and a rollout of one model exclude each other. Evaluate again, then start again',
  });
}

async function rollBack(run: Run, judgement: Judgement): Promise<PromoteResult> {
  const at = run.weight;
  await putBackNow(run);
  const harm = judgement.checks.some(({ verdict }) => verdict === 'fail');
  const message = `The candidate was taken back from ${at}% of the traffic. ${judgement.reason}`;
  const check = stepCheck(`step@${at}%-back`, harm ? 'fail' : 'inconclusive', message, 'taken back');
  return decided(run, 0, null, [check, ...judgement.checks]);
}

async function promote(run: Run, judgement: Judgement): Promise<PromoteResult> {
  const { settings, weights, workspace } = run;
  const message = `All ${settings.steps.length} steps up to ${run.weight}% of the traffic passed.`;
  const result = await decided(run, 100, null, [
    ...judgement.checks,
    stepCheck('steps', 'pass', message, 'all passed'),
  ]);
  const isChampion = result.decision.outcome === 'promote' && result.status !== 'pending';
  if (!isChampion) {
    workspace.log.warning('The candidate is not promoted, so its traffic is put back.');
    await putBackNow(run);
    return result;
  }
  // From here on the registry says that the candidate is champion: what follows can only be completed.
  await inTurn(run, async () => {
    await weights.write({ weight: 100, from: run.weight, expires: null });
    run.weight = 100;
  });
  workspace.log.info('The candidate is champion, and has all of the traffic.');
  return result;
}

/** Whoever set it, the weight is 0 after this. @throws TrafficError where it could not be put back */
async function putBackNow(run: Run): Promise<void> {
  await inTurn(run, async () => {
    await putBackWeight(run.weights);
    run.workspace.log.info(`The weight is put back from ${run.weight}% to 0.`);
    run.weight = 0;
  });
}

async function putBackWeight(weights: WeightStore): Promise<void> {
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
        found: `the weight could not be put back to 0: ${error.message}`,
        expected: 'the champion to answer everybody',
        where: weights.name,
        remedy: `${weights.lapses ? 'It expires by itself. ' : ''}Put it back by hand, or run contender rollout --put-back`,
        cause: error,
      });
    }
  }
}

function stepCheck(name: string, verdict: Check['verdict'], message: string, observed: string): Check {
  return {
    id: `rollout/${name}`,
    title: 'Steps',
    severity: 'block',
    verdict,
    message,
    observed,
    required: 'every step passed',
  };
}

/** Evidence of what was seen so far, and the decision on it. */
async function decided(run: Run, weight: number, expires: Date | null, checks: Check[]): Promise<PromoteResult> {
  const { workspace, input, artifacts, startedAt, steps } = run;
  const evidence = rolloutEvidence(workspace, {
    artifacts,
    startedAt,
    checks,
    details: {
      weight,
      expires: expires?.toISOString() ?? null,
      steps: steps.map(({ seen, verdict, ...step }) => ({
        ...seen,
        ...step,
        to: step.to ?? seen?.to ?? null,
        verdict,
      })),
    },
  });
  await writeEvidence(workspace, evidence);
  return runPromote(workspace, input);
}

function rolloutEvidence(
  workspace: Workspace,
  parts: { artifacts: Run['artifacts']; startedAt: Date; checks: Check[]; details: Record<string, unknown> },
): Evidence {
  return buildEvidence({
    kind: stage.kind,
    model: workspace.model,
    subjects: { ...parts.artifacts, datasets: {} },
    policyDigest: workspace.policyDigest,
    toolVersion: version,
    startedAt: parts.startedAt,
    finishedAt: new Date(),
    checks: parts.checks,
    details: parts.details,
  });
}

/**
 * Put a weight back that a rollout left behind: one that was killed, or cancelled before it could. A candidate that is champion keeps all of
 * the traffic. Recorded, where there was something to put back.
 */
export function putBack(workspace: Workspace, input: PutBackInput): Promise<PutBackResult> {
  return withModelFolder(async (downloads) => putBackLeft(workspace, input, await begin(workspace, input, downloads)));
}

export interface PutBackInput extends RolloutInput {
  /** Leave a weight alone whose rollout may still run. */
  onlyExpired: boolean;
}

export interface PutBackResult {
  message: string;
  /** The decision that records it; null: there was nothing to put back. */
  result: PromoteResult | null;
}

async function putBackLeft(workspace: Workspace, input: PutBackInput, begun: Begun): Promise<PutBackResult> {
  const { weights, artifacts, view } = begun;
  const weight = await weights.read();
  if (weight === 0) return { message: 'The weight is 0: there is nothing to put back.', result: null };
  if (identityOf(artifacts.candidate) === identityOf(artifacts.champion)) {
    if (weight !== 100) await weights.write({ weight: 100, expires: null });
    return { message: 'The candidate is the champion: it keeps all of the traffic.', result: null };
  }
  if (input.onlyExpired) {
    const expires = await lastExpiry(workspace, artifacts.candidate, view);
    const left = expires === null ? 0 : expires - Date.now();
    if (left > 0)
      return { message: `The weight is ${weight}%, and its rollout has ${minutes(left)} left.`, result: null };
  }
  await putBackWeight(weights);
  const message = `The weight was put back from ${weight}% to 0: no rollout was there to answer for it.`;
  const checks = [stepCheck(`step@${weight}%-put-back`, 'inconclusive', message, 'put back')];
  const details = { weight: 0, expires: null, steps: [] };
  await writeEvidence(workspace, rolloutEvidence(workspace, { artifacts, startedAt: new Date(), checks, details }));
  return { message, result: await runPromote(workspace, input) };
}

/** Until when the last recorded step of a candidate may last; null: nothing says so. */
async function lastExpiry(workspace: Workspace, candidate: Artifact, view: RegistryHistory): Promise<number | null> {
  const reference = lastDecisionOn(identityOf(candidate), view)?.evidence.find(({ kind }) => kind === stage.kind);
  if (reference === undefined) return null;
  const { details } = await (await openRegistry(workspace)).evidence(workspace.model, reference.sha256);
  const expires = details['expires'];
  return typeof expires === 'string' ? Date.parse(expires) : null;
}
