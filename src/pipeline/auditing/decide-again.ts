import { validatorOf } from '../../validator.ts';
import { isDeepStrictEqual } from 'node:util';
import { policySubject, environmentRule, type Config, type Model } from '../../config/index.ts';
import { isOfData, stageFacts } from '../configuration.ts';
import { policyIn, type RecordedPolicy } from '../recorded-policy.ts';
import type { Act } from '../../decide/act.ts';
import { assign } from '../../decide/assign.ts';
import { decide, referenceTo } from '../../decide/decide.ts';
import { deprecate } from '../../decide/deprecate.ts';
import { override } from '../../decide/override.ts';
import { register } from '../../decide/register.ts';
import { rollback } from '../../decide/rollback.ts';
import { unassign } from '../../decide/unassign.ts';
import { waive } from '../../decide/waive.ts';
import { UsageError } from '../../errors.ts';
import { digest, Evidence as EvidenceSchema, identityOf, modelIdentity } from '../../evidence/index.ts';
import type { Artifact, Decision, DecisionAction, Evidence, Version } from '../../evidence/index.ts';
import type { Finding } from '../../registry/chain.ts';
import type { DecisionCheck, MadeDecision } from '../../registry/verify.ts';
import { impossibleClaims } from './claims.ts';

/*
 * A recorded decision says under which policy and on what evidence it was made, and the chain what there was before it. `decide`
 * is pure: so it can be asked again, and what it says must be what was recorded.
 */

/**
 * Judges each decision under the policy that it keeps itself: whether it follows from its own evidence. Idempotency keys are not
 * compared, as what they are made of may differ between releases.
 */
export function underItsOwnPolicy(): DecisionCheck {
  // Decisions share few policies.
  const policies = new Map<string, RecordedPolicy | null>();
  return (made) => {
    const { decision } = made;
    const remedy = `Find out who wrote it (git log -- ${made.path}), and take it off: contender registry void --model ${decision.model} --decision ${decision.seq}`;
    const expected = `${whatContenderMakes(decision)} under the policy recorded in it`;
    const finding = (found: string): Finding[] => [{ path: made.path, found, expected, remedy }];
    const { action } = decision;
    const { text } = decision.policy;
    const impossible = impossibleIn(made, remedy);
    if (impossible.length > 0) return impossible;
    // What is about an environment keeps the rule of the environment, or its name, which the chain is held against.
    if (action === 'assign' || action === 'unassign') return strangeEvidence(made).flatMap(finding);
    if (!policies.has(text)) policies.set(text, policyIn(text));
    const policy = policies.get(text) ?? null;
    if (policy === null) return finding('a policy that is not the configuration of a model');
    return differences(made, expected, remedy, { idempotencyKey: '' }, () => {
      refuseNoEvidence(made);
      const config = configuredBy(policy, made);
      const own = decidedAgain(lightened(made), action, config);
      return {
        ...own,
        evidence: own.evidence.map((each, index) => ({ ...each, sha256: decision.evidence[index]?.sha256 ?? '' })),
      };
    });
  };
}

/** Judges a decision under a configuration that says what its policy had to be; `where` is its file. */
export function underPolicyOf(config: Config, where: string): DecisionCheck {
  return (made) => {
    const { decision } = made;
    const { action } = decision;
    const finding = (found: string, expected: string, remedy: string): Finding[] => [
      { path: made.path, found, expected, remedy },
    ];
    const model = Object.hasOwn(config.models, decision.model) ? config.models[decision.model] : undefined;
    if (model === undefined) {
      return finding(
        `a decision about ${decision.model}, which ${where} does not contain`,
        'a model whose policy is merged',
        'Merge its configuration first, then record',
      );
    }
    const policy = digest(policySubject(model));
    if (action !== 'assign' && action !== 'unassign' && decision.policy.sha256 !== policy) {
      return finding(
        `a decision under policy ${decision.policy.sha256.slice(0, 12)}`,
        `policy ${policy.slice(0, 12)}, that of ${where}`,
        'Merge a change of the policy first, then decide under it',
      );
    }
    const impossible = impossibleIn(made, 'Remove it, and decide again: contender gate');
    if (impossible.length > 0) return impossible;
    const expected = `${whatContenderMakes(decision)} under the policy of ${where}`;
    const remedy = 'Remove it, and let Contender record its own decision: contender gate';
    return differences(made, expected, remedy, {}, () => {
      refuseNoEvidence(made);
      return action === 'assign' ? assignedAgain(made, model, config) : decidedAgain(made, action, model);
    });
  };
}

/**
 * What the policy leaves out: the candidate, which the decision names, and a champion that stood in while the registry had none,
 * of which the evidence tells.
 */
function configuredBy(policy: RecordedPolicy, { view, evidence }: MadeDecision): Model {
  const standIn = evidence.find((each) => each.subjects.champion !== undefined)?.subjects.champion;
  return {
    ...policy,
    candidate: '-',
    ...(view.champion === null && standIn !== undefined ? { champion: standIn.uri } : {}),
  };
}

/**
 * Evidence as far as a decision looks at it. Details are left out: whoever read it held it against its digest, and to take that
 * again would cost more than to decide.
 */
function lightened(made: MadeDecision): MadeDecision {
  return { ...made, evidence: made.evidence.map((each) => ({ ...each, details: {} })) };
}

/** Where a decision is not the one that Contender makes. `aside` is what the two need not share. */
function differences(
  { path, decision }: MadeDecision,
  expected: string,
  remedy: string,
  aside: Partial<Decision>,
  decideAgain: () => Decision,
): Finding[] {
  try {
    const own = decideAgain();
    const same = isDeepStrictEqual(bindingOf({ ...own, ...aside }), bindingOf({ ...decision, ...aside }));
    if (same || isCarriedOver(decision, own)) return [];
    const found =
      own.outcome === decision.outcome
        ? `a ${deed(decision)} with other contents than its evidence gives`
        : `a ${deed(decision)} where the outcome is ${own.outcome}: ${own.reasons[0]?.message ?? ''}`;
    return [{ path, found, expected, remedy }];
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const found = `a ${deed(decision)} that is refused: ${error.fault.found}`;
    return [{ path, found, expected: error.fault.expected ?? expected, remedy }];
  }
}

/** The decision that Contender makes where and when this one was made. @throws UsageError when it makes none */
function decidedAgain(made: MadeDecision, action: Exclude<DecisionAction, 'assign'>, config: Model): Decision {
  const { decision, view } = made;
  const evidence = evidenceOf(made);
  const { model, actor, source, approvals, outcome, to } = decision;
  const subject = { model, config };
  if (action === 'waive') {
    return waive(subject, decision.waiver ?? { check: '', until: '' }, view, actOf(decision));
  }
  const { candidate, artifact } = judgedIn(decision);
  // Which version it is follows too, unless somebody chose it, and the decision says so.
  const isChosen = decision.reasons.some(({ code }) => code === 'version-chosen');
  const chosen = outcome === 'promote' && to !== null && isChosen ? { version: to.version } : {};
  const context = { now: new Date(decision.time), actor, source, approvals, ...chosen };
  switch (action) {
    case 'gate':
      return decide({ ...subject, candidate: artifact, stages: stageFacts(config) }, evidence, view, context);
    case 'register':
      return register({ ...subject, candidate: artifact }, view, {
        ...context,
        reason: decision.reasons[0]?.message ?? '',
      });
    case 'override':
      return override({ ...subject, identity: modelIdentity(candidate) ?? '' }, evidence, view, {
        ...actOf(decision),
        approvals: approvals.slice(1),
        ...chosen,
      });
    case 'rollback':
      return rollback(subject, to?.version ?? '', view, actOf(decision));
    case 'deprecate':
      return deprecate(subject, candidate.version, view, actOf(decision));
    case 'unassign':
      return unassign({ model, environment: decision.environment ?? '' }, view, actOf(decision));
  }
}

function assignedAgain(made: MadeDecision, model: Model, config: Config): Decision {
  const { decision, view } = made;
  const { environment = '' } = decision;
  const { version } = judgedIn(decision).candidate;
  const subject = {
    model: decision.model,
    config: model,
    environment,
    rule: environmentRule(config, environment),
    version,
  };
  return assign(subject, evidenceOf(made), view, actOf(decision));
}

/** Evidence that was measured again is kept once, with the time of the first: when it was for this decision the decision says. */
function evidenceOf({ decision, evidence }: MadeDecision): Evidence[] {
  return evidence.map((each, index) => ({
    ...each,
    finishedAt: decision.evidence[index]?.finishedAt ?? each.finishedAt,
  }));
}

/** What an act says of whoever answers for it. */
function actOf({ time, actor, source, approvals: [word] }: Decision): Act {
  return { now: new Date(time), actor, source, by: word?.by ?? '', reason: word?.reason ?? '' };
}

function judgedIn({ candidate }: Decision): { candidate: Version; artifact: Artifact } {
  const artifact = candidate?.artifacts[0];
  if (candidate !== null && artifact !== undefined) return { candidate, artifact };
  throw new UsageError({ found: 'the decision has no candidate', expected: 'the evaluated candidate' });
}

/** What is no evidence is reported as that. */
function impossibleIn(made: MadeDecision, remedy: string): Finding[] {
  const claims = made.evidence.every((each) => isEvidence(each)) ? impossibleClaims(made) : [];
  return claims.map(([found, expected]) => ({ path: made.path, found, expected, remedy }));
}

function refuseNoEvidence({ evidence }: MadeDecision): void {
  if (evidence.every((each) => isEvidence(each))) return;
  throw new UsageError({
    found: 'the evidence of the decision is not valid',
    expected: 'evidence as a stage writes it',
  });
}

/** What the evidence of an assignment must not be, whatever the configuration was. */
function strangeEvidence({ decision, evidence }: MadeDecision): string[] {
  const judged = decision.candidate === null ? undefined : modelIdentity(decision.candidate);
  return evidence.flatMap((each, index) => {
    const reference = decision.evidence[index];
    if (!isEvidence(each)) return [`evidence ${reference?.sha256.slice(0, 12)} that is no evidence`];
    const { kind, verdict } = referenceTo(each);
    if (reference?.kind !== kind || reference.verdict !== verdict) {
      return [
        `${reference?.kind} evidence called ${reference?.verdict}, which is ${kind} evidence that says ${verdict}`,
      ];
    }
    const { candidate } = each.subjects;
    const about = candidate === undefined ? undefined : identityOf(candidate);
    const itsOwn = each.model === decision.model && (about === undefined ? isOfData(kind) : about === judged);
    return itsOwn ? [] : [`${kind} evidence of another model or version`];
  });
}

/** What a decision binds, and what it says of it: all that follows from policy, evidence and registry, and from no person or clock. */
function bindingOf(decision: Decision) {
  const { action, outcome, reasons, from, to, candidate, policy, datasets, idempotencyKey } = decision;
  const { evidence, overrides, environment, waiver } = decision;
  const references = evidence.map(({ kind, sha256, verdict, summary }) => ({ kind, sha256, verdict, summary }));
  const acted = { overrides, environment, waiver };
  return { action, outcome, reasons, from, to, candidate, policy, datasets, idempotencyKey, references, ...acted };
}

/**
 * A judgement that waited for a pull request to be merged, and is a hold since its champion is gone or a newer candidate took
 * its place (`carryOver`). It lets nobody in: what it must not be is one that a person may override though the gate rejects it.
 */
function isCarriedOver(decision: Decision, own: Decision): boolean {
  const [first] = decision.reasons;
  const unchanged = (made: Decision) => {
    const { outcome: _outcome, candidate, to: _to, idempotencyKey: _key, reasons: _, ...rest } = bindingOf(made);
    return { ...rest, artifacts: candidate?.artifacts };
  };
  return (
    decision.action === 'gate' &&
    decision.outcome === 'hold' &&
    (first?.code === 'stale' || (first?.code === 'superseded' && own.outcome === 'promote')) &&
    isDeepStrictEqual(decision.to, decision.from) &&
    isDeepStrictEqual(unchanged(decision), unchanged(own))
  );
}

function deed({ action, outcome }: Decision): string {
  return action === 'gate' ? (outcome === 'promote' ? 'promotion' : `decision to ${outcome}`) : `decision to ${action}`;
}

function whatContenderMakes({ evidence }: Decision): string {
  return `what Contender makes of its evidence (${evidence.map(({ kind }) => kind).join(', ') || 'none'})`;
}

const isEvidence = validatorOf<Evidence>(EvidenceSchema);
