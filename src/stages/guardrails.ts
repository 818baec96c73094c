import type { Check } from '../evidence/index.ts';
import { harmfulMeanEvidence, meanRatioBounds, type MeanWindow } from '../statistics/anytime-ratios.ts';
import { failureEvidence, failureRatioBounds, type FailureWindow } from '../statistics/failures-by-arm.ts';
import { capitalised, count, rounded } from '../wording.ts';
import type { Guardrail } from './traffic.ts';

/* What a rollout and a switch judge alike: failures of both versions by guardrail, and whether there is anything to see. */

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
  /** By guardrail of a mean: over users, each with the mean of what is theirs at this step. */
  means?: Readonly<Record<string, MeanWindow>>;
}

export interface ByArm {
  champion: number;
  candidate: number;
}

/** What can be seen now. */
export interface Sight {
  now: number;
  alpha: number;
  /** What is wrong with the source now: it cannot be reached, it is empty or partial. */
  fault: string | null;
  /** Since when there are no data. */
  blindSince: number | null;
  /** What makes it void whatever the numbers are: a weight that somebody else set, a version that nobody judged. */
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

/** Judgements that rest on the same checks. */
export function judging(checks: Check[], guardrails: GuardrailStanding[]) {
  return (verdict: Judgement['verdict'], reason: string): Judgement => ({ verdict, reason, checks, guardrails });
}

export interface GuardrailStanding {
  name: string;
  /** Of a mean: what was seen at the step that runs. */
  mean?: MeanWindow | null;
  /** Log of the e-value against "not worse than tolerated", over all steps. */
  logEvidence: number;
  /** Log of what it takes to roll back. */
  limit: number;
  /** Failures at the step that runs. */
  failures: ByArm;
  /** Confidence sequence of the ratio of the failure rates at the step that runs; upper null: open. */
  ratio: { lower: number; upper: number | null };
}

/** A standing as it is told; null: the ratio has no bounds. */
export type ShownStanding = Omit<GuardrailStanding, 'ratio'> & { ratio: GuardrailStanding['ratio'] | null };

/** How a guardrail stands over all windows, the last of which is looked at. @param level what it may alarm falsely */
export function standingOf(guardrail: Guardrail, steps: readonly StepObservation[], level: number): GuardrailStanding {
  const { name, max_ratio: tolerated = 1 } = guardrail;
  if (guardrail.failure === 'mean') return meanStandingOf(guardrail, steps, level);
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

function meanStandingOf(
  { name, max_ratio: tolerated = 1, worse = 'higher' }: Guardrail,
  steps: readonly StepObservation[],
  level: number,
): GuardrailStanding {
  const seen = steps.map((step) => step.means?.[name]).filter((each) => each !== undefined);
  // Where lower is worse the champion is held against the candidate.
  const windows = worse === 'higher' ? seen : seen.map(swapped);
  const here = steps.at(-1)?.means?.[name];
  return {
    name,
    mean: here ?? null,
    logEvidence: harmfulMeanEvidence(windows, tolerated),
    limit: -Math.log(level),
    failures: { champion: 0, candidate: 0 },
    ratio:
      here === undefined
        ? { lower: 0, upper: null }
        : meanRatioBounds(worse === 'higher' ? here : swapped(here), level),
  };
}

const swapped = ({ champion, candidate }: MeanWindow): MeanWindow => ({ champion: candidate, candidate: champion });

/** @param kind of the evidence @param seen the failures in words @param proves the proof that a guardrail asks for is due */
export function guardrailCheck(
  kind: string,
  guardrail: Guardrail,
  { logEvidence, limit, failures, ratio, mean }: ShownStanding,
  seen: string,
  proves: boolean,
): Check {
  const { name, max_ratio: tolerated = 1, prove_below: proof } = guardrail;
  const title = name.replaceAll('_', ' ');
  const bounds =
    ratio === null
      ? ''
      : `ratio of the ${mean === undefined ? 'rates' : 'means'}${guardrail.worse === 'lower' ? ", the champion's by the candidate's," : ''} ${rounded(ratio.lower, 3)} to ${ratio.upper === null ? 'any' : rounded(ratio.upper, 3)}, `;
  const evidence = `evidence ${logEvidence > Math.log(1e6) ? 'above 1,000,000' : rounded(Math.exp(logEvidence), 3)} of ${rounded(Math.exp(limit), 3)}`;
  const harm = logEvidence >= limit;
  const open = proves && proof !== undefined && (ratio === null || ratio.upper === null || ratio.upper >= proof);
  const more = tolerated === 1 ? 'more' : `more than ${tolerated} times as many`;
  const worse = `${guardrail.worse ?? 'higher'}${tolerated === 1 ? '' : ` by more than ${tolerated} times`}`;
  const shown =
    mean === undefined
      ? `The candidate is shown to have ${more} ${title} than the champion`
      : `The mean of ${title} is shown to be ${worse} with the candidate than with the champion`;
  return {
    id: `${kind}/${name}`,
    title: capitalised(title),
    severity: 'block',
    verdict: harm ? 'fail' : open ? 'inconclusive' : 'pass',
    message: harm
      ? `${shown}: ${seen} (${bounds}${evidence} over all ${kind === 'switch' ? 'looks' : 'steps'}).`
      : open
        ? `${capitalised(title)} are not shown to be below ${proof} times the champion's: ${seen} (${bounds.replace(/, $/u, '')}).`
        : `No harm is shown: ${seen} (${bounds}${evidence}).`,
    observed:
      mean === undefined
        ? `${count(failures.candidate)} / ${count(failures.champion)}`
        : mean === null
          ? 'nothing'
          : `${rounded(mean.candidate.mean, 3)} / ${rounded(mean.champion.mean, 3)}`,
    required:
      proof === undefined
        ? mean === undefined
          ? `no ${more === 'more' ? 'higher' : `${tolerated} times higher`} rate shown`
          : `not shown to be ${worse}`
        : `below ${proof} times`,
  };
}

/** Begins with a file or an address, which is written as it is. */
const addressed = /^\S*[./:]\S/u;

/** Are there data? @param what was seen lately */
export function dataCheck(kind: string, { fault, blindSince, now }: Sight, requests: ByArm, noDataMs: number): Check {
  const found = fault ?? (requests.champion + requests.candidate === 0 ? 'there was no request at this step' : null);
  const since =
    blindSince === null
      ? ''
      : ` (no data for ${minutes(now - blindSince)} of the ${minutes(noDataMs)} that are tolerated)`;
  return {
    id: `${kind}/data`,
    title: 'Requests of the candidate',
    severity: 'block',
    verdict: found === null ? 'pass' : 'inconclusive',
    message:
      found === null
        ? `There were ${count(requests.candidate)} requests of the candidate.`
        : (addressed.test(found) ? found : capitalised(found)).replace(/\.?$/u, `${since}.`),
    observed: found ?? 'seen',
    required: 'seen',
  };
}

/** A duration as people say it: `40 s`, `12 min`, `3.5 h`. */
export function minutes(ms: number): string {
  if (ms < 120_000) return `${Math.max(0, Math.round(ms / 1000))} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}
