import { policySubject } from '../config/index.ts';
import { decisionSchemaId, digest, identityOf, modelDigest, modelIdentity } from '../evidence/index.ts';
import type { Decision, RegistryHistory } from '../evidence/index.ts';
import { UsageError } from '../errors.ts';
import { policyRecord } from './act.ts';
import type { CandidateSubject, DecisionContext } from './subject.ts';
import { madeInRun } from './history.ts';
import { nextVersion, withoutPrefix } from './next-version.ts';

/**
 * A person's word that a model is the first champion: no gate, no evidence, and recorded as exactly that. Pure.
 *
 * @throws UsageError where there is a champion, which only the gate, an override of its hold or a rollback replaces
 */
export function register(
  subject: CandidateSubject,
  view: RegistryHistory,
  context: DecisionContext & { reason?: string | undefined },
): Decision {
  const identity = identityOf(subject.candidate);
  const before = madeInRun(
    context.source,
    view,
    ({ action, to }) => action === 'register' && to !== null && modelIdentity(to) === identity,
    ({ outcome }) => outcome === 'promote',
  );
  if (before !== undefined) return before;
  const { champion } = view;
  const same = champion !== null && modelIdentity(champion) === identity;
  if (champion !== null && !same) throw isTaken(subject, view);
  const { version: chosen } = context;
  if (same && chosen !== undefined && withoutPrefix(chosen) !== champion.version) {
    throw new UsageError({
      found: `version ${chosen} was given for a model that is already champion as version ${champion.version}`,
      expected: 'the existing version: versions are not renamed',
      remedy: 'Omit the version',
    });
  }
  const { version, reasons } = same
    ? { version: champion.version, reasons: [] }
    : nextVersion(subject.config, [], view, chosen);
  const candidate = same ? champion : { version, artifacts: [subject.candidate] };
  const outcome = same ? 'no-change' : 'promote';
  return {
    schema: decisionSchemaId,
    model: subject.model,
    action: 'register',
    outcome,
    reasons: [
      {
        code: same ? 'same-model' : 'registered',
        message: same
          ? `This model is the champion already (version ${version}).`
          : (context.reason ?? 'No gate was run.'),
      },
      ...reasons,
    ],
    from: champion,
    to: candidate,
    candidate,
    policy: policyRecord(policySubject(subject.config)),
    evidence: [],
    datasets: {},
    source: context.source,
    actor: context.actor,
    approvals: [...context.approvals],
    idempotencyKey: digest({
      action: 'register',
      model: subject.model,
      candidate: identity,
      since: view.championSeq,
      outcome,
    }),
    time: context.now.toISOString(),
  };
}

function isTaken({ model, candidate }: CandidateSubject, view: RegistryHistory): UsageError {
  const known = view.registered.find((each) => modelDigest(each) === candidate.sha256);
  const back = known?.status === 'active' ? `contender rollback --to ${known.version}` : null;
  return new UsageError({
    found: `${model} has a champion, version ${view.champion?.version ?? ''}${known === undefined ? '' : `, and these bytes are version ${known.version}`}`,
    expected: 'a model without a champion: only the first champion can be registered',
    remedy: `Promote another one with the gate: contender gate${back === null ? '' : `, or as an earlier version: ${back}`}`,
  });
}
