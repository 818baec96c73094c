import { setTimeout as sleep } from 'node:timers/promises';
import { alphaOf } from '../../config/defaults.ts';
import { milliseconds } from '../../config/units.ts';
import { identityOf } from '../../evidence/index.ts';
import type { Judgement, StepObservation } from '../../stages/guardrails.ts';
import { judgeRollout, type Limits } from '../../stages/rollout/judge.ts';
import type { Rollout } from '../../stages/rollout/schema.ts';
import { rollout as stage } from '../../stages/rollout/stage.ts';
import { discardEvidence } from '../gate/output.ts';
import type { PromoteResult } from '../gate/promote.ts';
import type { Workspace } from '../workspace.ts';
import type { Observer } from './observer.ts';
import { begin, finish, inTurn, newRun, promote, raise, renew, requireReady, rollBack } from './traffic-run.ts';
import { whileWatched, type Run, type TrafficInput } from './traffic-run.ts';

/**
 * Let the candidate out step by step. At each step the weight is raised, the decision recorded (`hold`, with what was seen so far), and
 * both versions watched until the step is settled. Harm, or nothing to see, puts the weight back to 0 at once, and is recorded. After
 * the last step the candidate is promoted, and then gets all of the traffic. However this ends, killed alone excepted, a candidate that was not
 * promoted ends with a weight of 0; a weight that expires covers that.
 *
 * @throws UsageError where the gate did not let the candidate through, or another rollout runs; TrafficError; RegistryError
 */
export async function runRollout(workspace: Workspace, input: TrafficInput): Promise<PromoteResult> {
  await discardEvidence(workspace, stage);
  const begun = await begin(workspace, { ...input, stage });
  const { weights, artifacts } = begun;
  const settings = begun.settings as Rollout;
  if (identityOf(artifacts.candidate) === identityOf(artifacts.champion)) return finish(workspace, input, weights);
  await requireReady(workspace, input, begun);
  const limits: Limits = {
    stepMs: milliseconds(settings.step_time),
    maxStepMs: milliseconds(settings.max_step_time),
    noDataMs: milliseconds(settings.no_data ?? '10m'),
  };
  const run = newRun(workspace, input, begun, limits.maxStepMs);
  return whileWatched(run, false, async (observer) => {
    for (const weight of settings.steps) {
      const judgement = await runStep(run, { settings, limits, observer }, weight);
      if (judgement.verdict === 'roll-back') return rollBack(run, judgement);
      if (weight === settings.steps.at(-1)) {
        const count = settings.steps.length;
        return promote(run, judgement, `All ${count} steps up to ${weight}% of the traffic passed.`);
      }
    }
    throw new Error('a rollout has steps');
  });
}

interface Watching {
  settings: Rollout;
  limits: Limits;
  observer: Observer;
}

async function runStep(run: Run, { settings, limits, observer }: Watching, weight: number): Promise<Judgement> {
  const { workspace, steps } = run;
  const { log, signal } = workspace;
  const before = steps.at(-1);
  const start = Date.now();
  if (before !== undefined) before.to = start;
  const text =
    before === undefined ? 'The candidate had no traffic before.' : `No harm was shown at ${before.weight}%.`;
  await raise(run, weight, text);
  const step: Run['steps'][number] = { weight, from: Date.now(), to: null };
  if (before !== undefined) before.to = step.from;
  steps.push(step);
  const pollMs = milliseconds(settings.poll ?? '15s');
  let seenAt = step.from;
  let seenRequests = 0;
  for (let told = ''; ;) {
    await sleep(pollMs, undefined, { signal });
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
      fault: fault ?? conflict.fault ?? (isBlind ? 'there was no recent request' : null),
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
