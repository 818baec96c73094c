import type { Check } from '../../evidence/index.ts';
import { capitalised, count, percent } from '../../wording.ts';
import { dataCheck, guardrailCheck, judging, minutes, standingOf } from '../guardrails.ts';
import type { ByArm, GuardrailStanding, Judgement, Sight, StepObservation } from '../guardrails.ts';
import type { Guardrail } from '../traffic.ts';

/** Looks of one length each, in the order of time. */
export interface Switched extends Sight {
  /** While blue had all of the traffic. */
  before: readonly StepObservation[];
  /** Since green has it. Whole looks alone. */
  after: readonly StepObservation[];
  /** When green got it, in milliseconds since 1970. */
  since: number;
}

export interface SwitchLimits {
  watchMs: number;
  noDataMs: number;
  minRequests: number;
}

/** Requests that were under way, and clients that hold a connection, may still reach blue. */
const leftOver = { share: 0.01, requests: 5 };

/**
 * Judge a switch as it stands. No version answers beside the other, so each look at green is held against a look at blue of the same length
 * before the switch: given the requests of both, a failure is green's with a probability that only the ratio of the rates says, if the rate
 * of the day has not changed within the watch. One sequential test over all pairs for each guardrail, with alpha divided among them. Pure.
 */
export function judgeSwitch(guardrails: readonly Guardrail[], limits: SwitchLimits, switched: Switched): Judgement {
  const { before, after, since, now, alpha } = switched;
  const pairs = after.flatMap((green, index) => pairOf(before[index], green));
  const seen = pairs.length === 0 ? [nothing(since, now)] : pairs;
  const level = alpha / guardrails.length;
  const standings = guardrails.map((each) => standingOf(each, seen, level));
  const checks = guardrails.map((each, index) =>
    guardrailCheck(
      'switch',
      each,
      { ...(standings[index] as GuardrailStanding), failures: failuresOf(pairs, each.name), ratio: null },
      seenIn(pairs, each.name),
      false,
    ),
  );
  const lately = after.at(-1)?.requests ?? { champion: 0, candidate: 0 };
  const data = dataCheck('switch', switched, { champion: 0, candidate: lately.candidate }, limits.noDataMs);
  const force = inForceCheck(after.slice(1));
  const judged = judging([data, force, ...checks], standings);

  const failed = checks.find(({ verdict }) => verdict === 'fail');
  if (failed !== undefined) return judged('roll-back', failed.message);
  if (switched.void !== null) return judged('roll-back', switched.void);
  if (force.verdict !== 'pass') return judged('roll-back', force.message);
  const elapsed = now - since;
  const isOver = elapsed >= limits.watchMs;
  if (data.verdict !== 'pass') {
    const isBlind = switched.blindSince !== null && now - switched.blindSince >= limits.noDataMs;
    return judged(isBlind || isOver ? 'roll-back' : 'hold', data.message);
  }
  const compared = total(pairs);
  const fewest = Math.min(compared.champion, compared.candidate);
  const wants =
    fewest < limits.minRequests
      ? `${count(compared.candidate)} requests of green are compared with ${count(compared.champion)} of blue, at least ${count(limits.minRequests)} each needed`
      : null;
  if (!isOver) return judged('hold', `${minutes(elapsed)} of ${minutes(limits.watchMs)} have passed.`);
  if (wants !== null) return judged('roll-back', `The switch is not decided after ${minutes(elapsed)}: ${wants}.`);
  return judged('advance', `No harm was shown in ${minutes(elapsed)} with all of the traffic.`);
}

/** A look at green beside one at blue, as if both had been at once: the share is that of what was asked of them. */
function pairOf(blue: StepObservation | undefined, green: StepObservation): StepObservation[] {
  if (blue === undefined) return [];
  const of = (each: StepObservation, arm: keyof ByArm): number => (each.users ?? each.requests)[arm];
  const [asked, held] = [of(green, 'candidate'), of(blue, 'champion')];
  // What only one of them was asked cannot be compared.
  if (asked === 0 || held === 0) return [];
  const failures = Object.fromEntries(
    Object.keys(green.failures).map((name) => [
      name,
      { champion: blue.failures[name]?.champion ?? 0, candidate: green.failures[name]?.candidate ?? 0 },
    ]),
  );
  return [
    {
      weight: (100 * asked) / (asked + held),
      from: green.from,
      to: green.to,
      requests: { champion: blue.requests.champion, candidate: green.requests.candidate },
      users: green.users === null ? null : { champion: held, candidate: asked },
      inBoth: 0,
      failures,
    },
  ];
}

function nothing(from: number, to: number): StepObservation {
  const none = { champion: 0, candidate: 0 };
  return { weight: 50, from, to, requests: none, users: null, inBoth: 0, failures: {} };
}

/** Requests of all looks together. */
export function total(looks: readonly StepObservation[]): ByArm {
  return sumOf(looks.map(({ requests }) => requests));
}

/** Looks together as one, for people. @param weight of the traffic that green had */
export function together(looks: readonly StepObservation[], weight: number): StepObservation | undefined {
  const [first, last] = [looks[0], looks.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const names = Object.keys(first.failures);
  return {
    weight,
    from: first.from,
    to: last.to,
    requests: total(looks),
    users: null,
    inBoth: 0,
    failures: Object.fromEntries(names.map((name) => [name, failuresOf(looks, name)])),
  };
}

function failuresOf(looks: readonly StepObservation[], name: string): ByArm {
  return sumOf(looks.map(({ failures }) => failures[name]));
}

function sumOf(counts: readonly (ByArm | undefined)[]): ByArm {
  const sum = (arm: keyof ByArm): number => counts.reduce((all, each) => all + (each?.[arm] ?? 0), 0);
  return { champion: sum('champion'), candidate: sum('candidate') };
}

function seenIn(pairs: readonly StepObservation[], name: string): string {
  const { champion, candidate } = failuresOf(pairs, name);
  const requests = total(pairs);
  const unit = (pairs[0]?.users ?? null) === null ? 'requests' : 'users';
  const title = name.replaceAll('_', ' ');
  return `${count(candidate)} ${unit} with ${title} in ${count(requests.candidate)} requests of green, ${count(champion)} in ${count(requests.champion)} of blue before`;
}

/** Does green answer everybody? @param after looks but for the first, in which the last requests of blue may end */
function inForceCheck(after: readonly StepObservation[]): Check {
  const { champion, candidate } = total(after);
  const share = champion === 0 ? 0 : champion / (champion + candidate);
  const isSplit = champion > leftOver.requests && share > leftOver.share;
  const message = `${count(champion)} of ${count(champion + candidate)} requests were still answered by blue`;
  return {
    id: 'switch/in-force',
    title: 'Green answers all requests',
    severity: 'block',
    verdict: isSplit ? 'inconclusive' : 'pass',
    message: isSplit
      ? `${capitalised(message)} (${percent(share)}): the switch is not active everywhere.`
      : `${message}.`,
    observed: share,
    required: leftOver.share,
    limit: 'at most',
    unit: 'share',
  };
}
