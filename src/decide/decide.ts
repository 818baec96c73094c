import { ageFault, policySubject, requiredEvidence, type Model } from '../config/index.ts';
import {
  combinedVerdict,
  decisionSchemaId,
  digest,
  evidenceDigest,
  modelDigest,
  type Approval,
  type Artifact,
  type Check,
  type DatasetSubject,
  type Decision,
  type Evidence,
  type EvidenceReference,
  type Outcome,
  type Reason,
  type RegistryView,
  type Source,
  type Version,
} from '../evidence/index.ts';
import { policyRecord } from './act.ts';
import { countedApprovals, missingApprovals } from './approvals.ts';
import { nextVersion } from './next-version.ts';

export interface DecisionSubject {
  /** Name of the model line. */
  model: string;
  /** Its configuration: the policy and everything else a decision is bound to. */
  config: Model;
  candidate: Artifact;
}

export interface DecisionContext {
  now: Date;
  actor: string;
  source: Source;
  /** As they were given; those that count are kept. */
  approvals: readonly Approval[];
  /** A version the team chose; otherwise the next free one. */
  version?: string;
}

/**
 * Decide whether the candidate may replace the champion. Pure: the same arguments give the same decision.
 *
 * - `no-change`: the candidate is the champion, byte for byte.
 * - `reject`: a blocking check failed (or is inconclusive, where the policy says so).
 * - `hold`: nothing was shown to be wrong, but not enough was shown to be right: a blocking check is inconclusive, evidence is
 *   missing, or it speaks of another candidate, champion, dataset or policy (`stale`), and a fresh evaluation is needed; or all
 *   passed and the people that the policy names have not approved.
 * - `promote`: every blocking check of every required kind of evidence passed, and whoever must approve did.
 *
 * @throws UsageError when the chosen version is not a free semantic version, or raises less than the policy asks for
 */
export function decide(
  subject: DecisionSubject,
  evidence: readonly Evidence[],
  view: RegistryView,
  context: DecisionContext,
): Decision {
  const { outcome, reasons } = judge(subject, evidence, view, context);
  const champion = view.champion;
  const next =
    outcome === 'promote'
      ? nextVersion(subject.config, evidence, view, context.version)
      : { version: 'candidate', reasons: [] };
  const candidate: Version = { version: next.version, artifacts: [subject.candidate] };
  const policy = policyRecord(policySubject(subject.config));
  const datasets = datasetsOf(evidence);
  return {
    schema: decisionSchemaId,
    model: subject.model,
    action: 'gate',
    outcome,
    reasons: [...reasons, ...next.reasons],
    from: champion,
    to: outcome === 'promote' ? candidate : champion,
    candidate,
    policy,
    evidence: evidence.map(referenceTo),
    datasets,
    source: context.source,
    actor: context.actor,
    approvals: countedApprovals(subject.config, context.approvals),
    // The champion is named by the decision that made it champion, not only by its digest: after a rollback the same
    // promotion is a new decision and must not be taken for the old one.
    idempotencyKey: digest({
      model: subject.model,
      candidate: subject.candidate.sha256,
      champion: champion === null ? null : { sha256: modelDigest(champion), since: view.championSeq },
      policy: policy.sha256,
      datasets: Object.fromEntries(Object.entries(datasets).map(([name, dataset]) => [name, dataset.sha256])),
      outcome,
      // A hold for want of evidence and a hold on a metric are two decisions. Codes and checks, no numbers: those have timings.
      because: reasons.map(({ code, check }) => (check === undefined ? code : `${code} ${check}`)).sort(),
    }),
    time: context.now.toISOString(),
  };
}

function judge(
  subject: DecisionSubject,
  evidence: readonly Evidence[],
  view: RegistryView,
  { now, approvals }: Pick<DecisionContext, 'now' | 'approvals'>,
): { outcome: Outcome; reasons: Reason[] } {
  const champion = championOf(subject.config, evidence, view);
  if (champion?.sha256 === subject.candidate.sha256) {
    return {
      outcome: 'no-change',
      reasons: [
        {
          code: 'same-model',
          message: `The candidate is the champion (${champion.name}, sha256 ${subject.candidate.sha256.slice(0, 12)}): there is nothing to decide.`,
        },
      ],
    };
  }
  const blocking = evidence.flatMap((each) => each.checks.filter((check) => check.severity === 'block'));
  const stale = [...disagreements(subject, evidence, view), ...tooOld(subject.config, evidence, now)];
  if (stale.length > 0) return { outcome: 'hold', reasons: stale };

  const failed = blocking.filter((check) => check.verdict === 'fail').map(reasonOf('check-failed'));
  const open = [
    ...missing(subject.config, evidence),
    ...blocking
      .filter((check) => check.verdict === 'inconclusive')
      // What needs the most rows decides how long the hold lasts.
      .sort((a, b) => (b.comparison?.rowsNeeded ?? 0) - (a.comparison?.rowsNeeded ?? 0))
      .map(reasonOf('check-inconclusive')),
    ...firstModel(subject.config, view),
  ];
  if (failed.length > 0) return { outcome: 'reject', reasons: [...failed, ...open] };
  if (open.length > 0) {
    return { outcome: subject.config.policy.on_inconclusive === 'reject' ? 'reject' : 'hold', reasons: open };
  }
  const unapproved = missingApprovals(subject.config, approvals);
  if (unapproved.length > 0) return { outcome: 'hold', reasons: unapproved };
  const passed = blocking.filter((check) => check.verdict === 'pass');
  const primary =
    passed.find((check) => check.id === `evaluation/${subject.config.policy.primary.metric}`) ??
    passed.find((check) => check.comparison !== undefined) ??
    // A first model has nothing to be compared with but models that look at no feature.
    passed.find((check) => check.id === 'evaluation/sanity-baseline');
  return {
    outcome: 'promote',
    reasons: [
      {
        code: 'all-passed',
        message: `All ${passed.length} blocking checks passed.${primary === undefined ? '' : ` ${primary.message}`}`,
        ...(primary === undefined ? {} : { check: primary.id }),
      },
    ],
  };
}

/** The registry's champion, or the one the configuration names while the registry has none. */
function championOf(
  config: Model,
  evidence: readonly Evidence[],
  view: RegistryView,
): { sha256: string | undefined; name: string } | undefined {
  if (view.champion !== null) return { sha256: modelDigest(view.champion), name: `version ${view.champion.version}` };
  const named = standsIn(config, view) ? evidence.find((each) => each.subjects.champion)?.subjects.champion : undefined;
  return named === undefined ? undefined : { sha256: named.sha256, name: named.uri };
}

/** Evidence that speaks of another candidate, champion, dataset or policy, or contradicts itself. */
function disagreements(subject: DecisionSubject, evidence: readonly Evidence[], view: RegistryView): Reason[] {
  const reasons: Reason[] = [];
  const stale = (message: string): void => {
    reasons.push({ code: 'stale', message: `${message} Evaluate afresh; the old verdict is not replayed.` });
  };
  const policy = digest(policySubject(subject.config));
  const champion = view.champion === null ? undefined : modelDigest(view.champion);
  const datasets = new Map<string, string>();
  for (const each of evidence) {
    if (each.model !== subject.model) {
      stale(`The ${each.kind} evidence is of model ${each.model}, not ${subject.model}.`);
    }
    if (each.policy.sha256 !== policy) {
      stale(`The ${each.kind} evidence was made under another configuration.`);
    }
    const judged = each.subjects.candidate?.sha256;
    if (judged === undefined ? each.kind !== 'data' : judged !== subject.candidate.sha256) {
      stale(
        `The ${each.kind} evidence is of another candidate (${short(judged)}, not ${short(subject.candidate.sha256)}).`,
      );
    }
    const against = each.subjects.champion?.sha256;
    if (
      (each.kind === 'evaluation' || against !== undefined) &&
      against !== champion &&
      !standsIn(subject.config, view)
    ) {
      stale(
        `The ${each.kind} evidence compares with champion ${short(against)}, but the registry's champion is ${short(champion)}.`,
      );
    }
    for (const [name, dataset] of Object.entries(each.subjects.datasets)) {
      const known = datasets.get(name);
      if (known !== undefined && known !== dataset.sha256) {
        stale(`The ${name} dataset of the ${each.kind} evidence differs from that of the other evidence.`);
      }
      datasets.set(name, dataset.sha256);
    }
    if (combinedVerdict(each.checks) !== each.verdict) {
      stale(`The ${each.kind} evidence says ${each.verdict}, but its checks say ${combinedVerdict(each.checks)}.`);
    }
  }
  const kinds = evidence.map((each) => each.kind);
  for (const kind of new Set(kinds)) {
    if (kinds.filter((each) => each === kind).length > 1) stale(`There is more than one piece of ${kind} evidence.`);
  }
  return reasons;
}

/** A champion named in the configuration stands in for the registry's only where the registry has none. */
function standsIn(config: Model, view: RegistryView): boolean {
  return view.champion === null && config.champion !== undefined && config.champion !== 'registry';
}

/** Evidence older than the policy allows, or of a time to come. */
export function tooOld(config: Model, evidence: readonly Evidence[], now: Date): Reason[] {
  const limit = config.policy.max_evidence_age;
  if (limit === undefined) return [];
  return evidence.flatMap(({ kind, finishedAt }) => {
    const fault = ageFault(finishedAt, now, limit);
    const message = `The ${kind} evidence is of ${finishedAt}, ${fault}. Run that stage again.`;
    return fault === null ? [] : [{ code: 'stale', message }];
  });
}

function missing(config: Model, evidence: readonly Evidence[]): Reason[] {
  const required = requiredEvidence(config);
  const absent = required
    .filter((kind) => !evidence.some((each) => each.kind === kind))
    .map((kind) => ({
      code: 'evidence-missing',
      message: `The policy requires ${kind} evidence and there is none. Run that stage.`,
    }));
  const empty = evidence
    .filter((each) => required.includes(each.kind) && combinedVerdict(each.checks) === 'skipped')
    .map((each) => ({
      code: 'evidence-missing',
      message: `The ${each.kind} evidence has no blocking check that could be computed, so it shows nothing.`,
    }));
  return [...absent, ...empty];
}

function firstModel(config: Model, view: RegistryView): Reason[] {
  if (view.champion !== null || standsIn(config, view) || config.policy.allow_first === true) return [];
  return [
    {
      code: 'first-model',
      message:
        'There is no champion yet. Set policy.allow_first: true to let a first model in on its floors and a sanity baseline, or register one with `contender registry register`.',
    },
  ];
}

function reasonOf(code: string): (check: Check) => Reason {
  return (check) => ({ code, message: check.message, check: check.id });
}

/** A piece of evidence as a decision refers to it. */
export function referenceTo(evidence: Evidence): EvidenceReference {
  return {
    kind: evidence.kind,
    sha256: evidenceDigest(evidence),
    verdict: combinedVerdict(evidence.checks),
    summary: summary(evidence.checks),
  };
}

export function datasetsOf(evidence: readonly Evidence[]): Record<string, DatasetSubject> {
  return Object.assign({}, ...evidence.map((each) => each.subjects.datasets)) as Record<string, DatasetSubject>;
}

function summary(checks: readonly Check[]): Record<string, string | number> {
  const count = (verdict: string): number => checks.filter((check) => check.verdict === verdict).length;
  const deciding =
    checks.find((check) => check.severity === 'block' && check.verdict === 'fail') ??
    checks.find((check) => check.severity === 'block' && check.verdict === 'inconclusive');
  return {
    checks: checks.length,
    passed: count('pass'),
    failed: count('fail'),
    inconclusive: count('inconclusive'),
    skipped: count('skipped'),
    ...(deciding === undefined ? {} : { deciding: deciding.message }),
  };
}

function short(sha256: string | undefined): string {
  return sha256 === undefined ? 'none' : sha256.slice(0, 12);
}
