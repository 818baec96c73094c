import type { Check } from '../../evidence/index.ts';
import { failureEvidence, failureRatioBounds, type FailureWindow } from '../../statistics/failures-by-arm.ts';
import { sampleRatio } from '../../statistics/sample-ratio.ts';
import { capitalised, percent } from '../../wording.ts';
import type { Guardrail, Rollout } from './schema.ts';

/** What was seen of both versions at one step so far. */
export interface StepObservation {
  /** Share of the traffic of the candidate, in percent. */
  weight: number;
  /** When the step began, and until when it was looked at: milliseconds since 1970. */
  from: number;
  to: number;
  requests: ByArm;
  /** Users at this step; null: the source knows no users, and requests stand for them. */
  users: ByArm | null;
  /** Users at this step that both versions answered. */
  inBoth: number;
  /** By guardrail: users whose first failure in this rollout was at this step. */
  failures: Readonly<Record<string, ByArm>>;
}

export interface ByArm {
  champion: number;
  candidate: number;
}

export interface Looked {
  /** Oldest first; the last is the step that runs. */
  steps: readonly StepObservation[];
  now: number;
  alpha: number;
  /** What is wrong with the source now: it cannot be reached, it is empty or partial. */
  fault: string | null;
  /** Since when there are no data. */
  blindSince: number | null;
  /** What makes the rollout void whatever the numbers are: a weight that somebody else set, a version that nobody judged. */
  void: string | null;
}

export interface Judgement {
  /** `advance`: to the next step, or from the last one to everybody. */
  verdict: 'advance' | 'hold' | 'roll-back';
  /** Why, in a sentence. */
  reason: string;
  checks: Check[];
  guardrails: GuardrailStanding[];
}

export interface GuardrailStanding {
  name: string;
  /** Log of the e-value against "not worse than tolerated", over all steps. */
  logEvidence: number;
  /** Log of what it takes to roll back. */
  limit: number;
  /** Failures at the step that runs. */
  failures: ByArm;
  /** Confidence sequence of the ratio of the failure rates at the step that runs; upper null: open. */
  ratio: { lower: number; upper: number | null };
}

export interface Limits {
  stepMs: number;
  maxStepMs: number;
  noDataMs: number;
}

/** Users did not arrive in the share that was set: a false alarm at 1 of 1,000 steps. */
const sampleRatioAlarm = Math.log(1000);
const leastDeviation = 0.002;

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
    guardrailCheck(each, guardrails[index] as GuardrailStanding, step, isLast),
  );
  const ratio = ratioCheck(step);
  const data = dataCheck(looked, limits);
  const all = [data, ratio, ...checks];
  const judged = (verdict: Judgement['verdict'], reason: string): Judgement => ({
    verdict,
    reason,
    checks: all,
    guardrails,
  });

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
      ? `${count(step.requests.candidate)} of ${count(settings.min_requests)} requests of the candidate are there`
      : null,
    elapsed < limits.stepMs ? `${minutes(elapsed)} of ${minutes(limits.stepMs)} are over` : null,
    ...checks.map(({ verdict, message }) => (verdict === 'inconclusive' ? message.replace(/\.$/u, '') : null)),
  ].filter((each) => each !== null);
  if (wants.length === 0) return judged('advance', `No harm was shown at ${step.weight}%.`);
  if (elapsed >= limits.maxStepMs) {
    return judged(
      'roll-back',
      `The step of ${step.weight}% is not settled after ${minutes(elapsed)}: ${wants.join('; ')}.`,
    );
  }
  return judged('hold', `${capitalised(wants.join('; '))}.`);
}

function standingOf(
  { name, max_ratio: tolerated = 1 }: Guardrail,
  steps: readonly StepObservation[],
  level: number,
): GuardrailStanding {
  const windows = steps.map((step): FailureWindow => {
    const { champion, candidate } = step.failures[name] ?? { champion: 0, candidate: 0 };
    return { candidate, both: champion + candidate, share: step.weight / 100 };
  });
  const here = windows.at(-1) as FailureWindow;
  const { lower, upper } = failureRatioBounds(here, level);
  return {
    name,
    logEvidence: failureEvidence(windows, tolerated),
    limit: -Math.log(level),
    failures: { champion: here.both - here.candidate, candidate: here.candidate },
    ratio: { lower, upper: Number.isFinite(upper) ? upper : null },
  };
}

function guardrailCheck(
  guardrail: Guardrail,
  { logEvidence, limit, failures, ratio }: GuardrailStanding,
  step: StepObservation,
  isLast: boolean,
): Check {
  const { name, max_ratio: tolerated = 1, prove_below: proof } = guardrail;
  const title = name.replaceAll('_', ' ');
  const unit = step.users === null ? 'requests' : 'users';
  const seen = `${count(failures.candidate)} of ${count(failures.champion + failures.candidate)} ${unit} with ${title} were the candidate's at ${step.weight}% of the traffic`;
  const bounds = `ratio of the rates ${short(ratio.lower)} to ${ratio.upper === null ? 'any' : short(ratio.upper)}`;
  const evidence = `evidence ${short(Math.exp(Math.min(logEvidence, 100)))} of ${short(Math.exp(limit))}`;
  const harm = logEvidence >= limit;
  const open = isLast && proof !== undefined && (ratio.upper === null || ratio.upper >= proof);
  const more = tolerated === 1 ? 'more' : `more than ${tolerated} times as many`;
  return {
    id: `rollout/${name}`,
    title: capitalised(title),
    severity: 'block',
    verdict: harm ? 'fail' : open ? 'inconclusive' : 'pass',
    message: harm
      ? `The candidate is shown to have ${more} ${title} than the champion: ${seen} (${bounds}, ${evidence} over all steps).`
      : open
        ? `${capitalised(title)} are not shown to be below ${proof} times the champion's: ${seen} (${bounds}).`
        : `No harm is shown: ${seen} (${bounds}, ${evidence}).`,
    observed: `${count(failures.candidate)} / ${count(failures.champion)}`,
    required:
      proof === undefined
        ? `no ${more === 'more' ? 'higher' : `${tolerated} times higher`} rate shown`
        : `below ${proof} times`,
  };
}

function ratioCheck(step: StepObservation): Check {
  const { champion, candidate } = step.users ?? step.requests;
  const what = step.users === null ? 'requests' : 'users';
  const planned = step.weight / 100;
  const { logBayesFactor, largest, p } = sampleRatio([champion, candidate], [1 - planned, planned]);
  const total = champion + candidate;
  const crossed = step.users !== null && step.inBoth > Math.max(5, total / 100);
  const alarm = logBayesFactor >= sampleRatioAlarm && largest >= leastDeviation;
  const seen = `${count(candidate)} of ${count(total)} ${what} got the candidate`;
  return {
    id: 'rollout/sample-ratio',
    title: 'Traffic was shared as set',
    severity: 'block',
    verdict: alarm || crossed ? 'inconclusive' : 'pass',
    message: crossed
      ? `${count(step.inBoth)} users were answered by both versions at one weight: the traffic is not split by user, so failures cannot be told apart.`
      : alarm
        ? `${seen} (${percent(candidate / total)}), and the weight is ${step.weight}% (log Bayes factor ${logBayesFactor.toFixed(1)}, p = ${p.toPrecision(2)}): requests or log lines of one version are lost, or another weight is in force.`
        : `${seen}, and the weight is ${step.weight}%.`,
    observed: total === 0 ? 0 : candidate / total,
    required: planned,
    unit: 'share',
  };
}

function dataCheck({ fault, blindSince, now, steps }: Looked, { noDataMs }: Limits): Check {
  const step = steps.at(-1) as StepObservation;
  const found =
    fault ?? (step.requests.champion + step.requests.candidate === 0 ? 'no request was seen at this step' : null);
  const since =
    blindSince === null ? '' : ` for ${minutes(now - blindSince)} of the ${minutes(noDataMs)} that are tolerated`;
  return {
    id: 'rollout/data',
    title: 'There are data',
    severity: 'block',
    verdict: found === null ? 'pass' : 'inconclusive',
    message:
      found === null
        ? `${count(step.requests.candidate)} requests of the candidate were seen.`
        : `${capitalised(found)}${since}.`,
    observed: found ?? 'seen',
    required: 'seen',
  };
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function short(value: number): string {
  return value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
}

/** A duration as people say it: `40 s`, `12 min`, `3.5 h`. */
export function minutes(ms: number): string {
  if (ms < 120_000) return `${Math.max(0, Math.round(ms / 1000))} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}
