import type { Check } from '../../evidence/index.ts';
import { sampleRatio, sharesDiffer } from '../../statistics/sample-ratio.ts';
import { capitalised, count, percent, rounded } from '../../wording.ts';
import { dataCheck, guardrailCheck, judging, minutes, standingOf } from '../guardrails.ts';
import type { GuardrailStanding, Judgement, Sight, StepObservation } from '../guardrails.ts';
import type { Guardrail } from '../traffic.ts';
import type { Rollout } from './schema.ts';

export interface Looked extends Sight {
  /** Oldest first; the last is the step that runs. */
  steps: readonly StepObservation[];
}

export interface Limits {
  stepMs: number;
  maxStepMs: number;
  noDataMs: number;
}

/**
 * Judge a rollout as it stands. Harm on any guardrail, at any look, rolls back: one exact sequential test for each over all steps, with
 * alpha divided among them. To advance takes the floor of requests and the time of the step; to go from the last step to everybody also
 * takes the proofs that are asked for. Nothing seen holds, and then rolls back: it never passes. Pure.
 */
export function judgeRollout(settings: Rollout, limits: Limits, looked: Looked): Judgement {
  const { steps, now, alpha } = looked;
  const step = steps.at(-1) as StepObservation;
  const level = alpha / settings.guardrails.length;
  const isLast = steps.length === settings.steps.length;
  const guardrails = settings.guardrails.map((each) => standingOf(each, steps, level));
  const checks = settings.guardrails.map((each, index) =>
    guardrailCheck('rollout', each, guardrails[index] as GuardrailStanding, seenAt(step, each), isLast),
  );
  const ratio = ratioCheck(step);
  const data = dataCheck('rollout', looked, step.requests, limits.noDataMs);
  const judged = judging([data, ratio, ...checks], guardrails);

  const failed = checks.find(({ verdict }) => verdict === 'fail');
  if (failed !== undefined) return judged('roll-back', failed.message);
  if (looked.void !== null) return judged('roll-back', looked.void);
  if (ratio.verdict !== 'pass') return judged('roll-back', ratio.message);
  if (data.verdict !== 'pass') {
    const blind = looked.blindSince !== null && now - looked.blindSince >= limits.noDataMs;
    return judged(blind ? 'roll-back' : 'hold', data.message);
  }
  const elapsed = now - step.from;
  const wants = [
    step.requests.candidate < settings.min_requests
      ? `${count(step.requests.candidate)} of ${count(settings.min_requests)} requests of the candidate have arrived`
      : null,
    elapsed < limits.stepMs ? `${minutes(elapsed)} of ${minutes(limits.stepMs)} have passed` : null,
    ...checks.map(({ verdict, message }) => (verdict === 'inconclusive' ? message.replace(/\.$/u, '') : null)),
  ].filter((each) => each !== null);
  if (wants.length === 0) return judged('advance', `No harm was shown at ${step.weight}%.`);
  if (elapsed >= limits.maxStepMs) {
    const open = `The step of ${step.weight}% is not decided after ${minutes(elapsed)}`;
    return judged('roll-back', `${open}: ${wants.join('; ')}.`);
  }
  return judged('hold', `${capitalised(wants.join('; '))}.`);
}

function seenAt({ failures, means, users, weight }: StepObservation, { name, failure }: Guardrail): string {
  const { champion, candidate } = failures[name] ?? { champion: 0, candidate: 0 };
  const unit = users === null ? 'requests' : 'users';
  const mean = means?.[name];
  if (mean !== undefined)
    return `${rounded(mean.candidate.mean, 3)} over ${count(mean.candidate.n)} ${unit} of the candidate and ${rounded(mean.champion.mean, 3)} over ${count(mean.champion.n)} of the champion at ${weight}% of the traffic`;
  if (failure === 'mean') return `no values at ${weight}% of the traffic`;
  return `${count(candidate)} of ${count(champion + candidate)} ${unit} with ${name.replaceAll('_', ' ')} were the candidate's at ${weight}% of the traffic`;
}

function ratioCheck(step: StepObservation): Check {
  const { champion, candidate } = step.users ?? step.requests;
  const what = step.users === null ? 'requests' : 'users';
  const planned = step.weight / 100;
  const ratio = sampleRatio([champion, candidate], [1 - planned, planned]);
  const { logBayesFactor, p } = ratio;
  const total = champion + candidate;
  const crossed = step.users !== null && step.inBoth > Math.max(5, total / 100);
  const alarm = sharesDiffer(ratio);
  const seen = `${count(candidate)} of ${count(total)} ${what} got the candidate`;
  return {
    id: 'rollout/sample-ratio',
    title: 'Traffic was split as set',
    severity: 'block',
    verdict: alarm || crossed ? 'inconclusive' : 'pass',
    message: crossed
      ? `${count(step.inBoth)} users were answered by both versions at the same weight: the traffic is not split by user, so failures cannot be told apart.`
      : alarm
        ? `${seen} (${percent(candidate / total)}), but the weight is ${step.weight}% (log Bayes factor ${logBayesFactor.toFixed(1)}, p = ${p.toPrecision(2)}): requests or log lines of one version are lost, or another weight is active.`
        : `${seen}, and the weight is ${step.weight}%.`,
    observed: total === 0 ? 0 : candidate / total,
    required: planned,
    unit: 'share',
  };
}
