import { isDeepStrictEqual } from 'node:util';
import { policySubject } from '../config/index.ts';
import { digest, modelIdentity } from '../evidence/index.ts';
import type { Approval, Decision, Evidence, RecordedDecision, RegistryHistory, Version } from '../evidence/index.ts';
import { UsageError } from '../errors.ts';
import { madeBy, wordOf, type Act } from './act.ts';
import { countedApprovals, missingApprovals } from './approvals.ts';
import type { CandidateSubject } from './subject.ts';
import { lastDecisionOn, madeInRun } from './history.ts';
import { nextVersion } from './next-version.ts';
import { tooOld } from './stale.ts';

/**
 * A named person promotes a candidate that was held, against the verdict and for a stated reason. Pure.
 *
 * The last decision about the candidate must be a hold under the same policy and against the same champion, and its evidence
 * must not be too old. What is recorded is the person's word, with the hold and its evidence. Where the policy asks for approvals,
 * an override needs them as a promotion does.
 *
 * @param evidence what the hold was decided on
 * @throws UsageError for anything else: a rejection needs another policy, a stale hold a fresh evaluation
 */
export function override(
  subject: Omit<CandidateSubject, 'candidate'> & { identity: string },
  evidence: readonly Evidence[],
  view: RegistryHistory,
  act: Act & { version?: string | undefined; approvals?: readonly Approval[] },
): Decision {
  const word = wordOf(act);
  const { identity } = subject;
  const before =
    madeInRun(
      act.source,
      view,
      ({ action, to }) => action === 'override' && isOf(to, identity),
      ({ outcome }) => outcome === 'promote',
    ) ?? overrideOf(identity, view);
  if (before !== undefined) return before;
  const held = lastDecisionOn(identity, view);
  refuseUnlessHeld(subject, held, view);
  const stale =
    policyFault(subject, held) ??
    championFault(held, view) ??
    held.reasons.find((reason) => reason.code === 'stale')?.message ??
    tooOld(subject.config, held.evidence, act.now)[0]?.message;
  if (stale !== undefined) {
    throw new UsageError({
      found: `the hold of decision ${held.seq} is stale: ${stale}`,
      expected: 'a hold on evidence that is still valid',
      remedy: 'Run the gate again, then override its decision if it is a hold',
    });
  }
  // One person's word is not two, whichever of two names it is given under.
  const own = [word.by, act.actor].map((name) => name.toLowerCase());
  const approvals = (act.approvals ?? []).filter(({ by }) => !own.includes(by.toLowerCase()));
  const [unapproved] = missingApprovals(subject.config, approvals);
  if (unapproved !== undefined) {
    throw new UsageError({
      found: `an override lacks the approvals that a promotion requires. ${unapproved.message}`,
      expected: 'an override by one person and, in addition, the approvals that the policy requires',
    });
  }
  const next = nextVersion(subject.config, evidence, view, act.version);
  const version = { version: next.version, artifacts: held.candidate.artifacts };
  return {
    ...madeBy(subject.model, act, word),
    approvals: [word, ...countedApprovals(subject.config, approvals)],
    action: 'override',
    outcome: 'promote',
    reasons: [
      { code: 'override', message: `${word.by} overrides the hold of decision ${held.seq}: ${word.reason}` },
      ...held.reasons,
      ...next.reasons,
    ],
    from: view.champion,
    to: version,
    candidate: version,
    policy: held.policy,
    evidence: held.evidence,
    datasets: held.datasets,
    overrides: held.seq,
    idempotencyKey: digest({ action: 'override', model: subject.model, overrides: held.seq }),
  };
}

type Held = RecordedDecision & { candidate: NonNullable<RecordedDecision['candidate']> };

/** The same act run again: the champion is the candidate, by an override. */
function overrideOf(identity: string, view: RegistryHistory): RecordedDecision | undefined {
  const made = view.decisions.find(({ seq }) => seq === view.championSeq);
  return made?.action === 'override' && isOf(made.to, identity) ? made : undefined;
}

function isOf(version: Version | null, identity: string): boolean {
  return version !== null && modelIdentity(version) === identity;
}

function refuseUnlessHeld(
  { model, identity }: { model: string; identity: string },
  decision: RecordedDecision | undefined,
  view: RegistryHistory,
): asserts decision is Held {
  const expected = 'a candidate whose last recorded decision is a hold';
  if (isOf(view.champion, identity)) {
    throw new UsageError({ found: `this candidate is already the champion (${view.champion?.version})`, expected });
  }
  if (decision === undefined || decision.candidate === null) {
    throw new UsageError({
      found: `no decision about this candidate (${identity.slice(0, 12)}) of ${model} is recorded`,
      expected,
      remedy: 'Run the gate first: contender gate',
    });
  }
  if (decision.outcome === 'hold') return;
  throw new UsageError({
    found: `decision ${decision.seq} is a ${decision.outcome}, not a hold: ${decision.reasons[0]?.message ?? ''}`,
    expected,
    remedy:
      decision.outcome === 'reject'
        ? 'A rejection cannot be overridden. It needs a policy change: edit contender.yml, have it reviewed, and run the gate again'
        : 'Run the gate again',
  });
}

function policyFault({ config }: { config: CandidateSubject['config'] }, held: Held): string | undefined {
  const now = digest(policySubject(config));
  return held.policy.sha256 === now ? undefined : 'it was decided under another configuration.';
}

function championFault(held: Held, view: RegistryHistory): string | undefined {
  if (isDeepStrictEqual(held.from, view.champion) && view.championSeq < held.seq) return undefined;
  return `it compared with champion ${held.from?.version ?? 'none'}, but the champion is ${view.champion?.version ?? 'none'} since decision ${view.championSeq}.`;
}
