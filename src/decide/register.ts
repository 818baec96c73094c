import { policySubject } from '../config/index.ts';
import { decisionSchemaId, digest, modelDigest, type Decision, type RegistryView } from '../evidence/index.ts';
import { policyRecord } from './act.ts';
import type { DecisionContext, DecisionSubject } from './decide.ts';
import { nextVersion } from './next-version.ts';

/** A person's word that a model is the champion: no gate, no evidence, and recorded as exactly that. Pure. */
export function register(
  subject: DecisionSubject,
  view: RegistryView,
  context: DecisionContext & { reason?: string },
): Decision {
  const same = view.champion !== null && modelDigest(view.champion) === subject.candidate.sha256;
  const { version, reasons } = same
    ? { version: (view.champion as { version: string }).version, reasons: [] }
    : nextVersion(subject.config, [], view, context.version);
  const candidate = same ? view.champion : { version, artifacts: [subject.candidate] };
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
          : (context.reason ?? `Registered by ${context.actor} without a gate.`),
      },
      ...reasons,
    ],
    from: view.champion,
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
      candidate: subject.candidate.sha256,
      since: view.championSeq,
      outcome,
    }),
    time: context.now.toISOString(),
  };
}
