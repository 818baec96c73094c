import { policySubject, type Model } from '../config/index.ts';
import {
  combinedVerdict,
  decisionSchemaId,
  evidenceDigest,
  excess,
  identityOf,
  modelIdentity,
  type Check,
  type DatasetSubject,
  type Decision,
  type Evidence,
  type EvidenceReference,
  type Outcome,
  type Reason,
  type RegistryHistory,
  type Version,
} from '../evidence/index.ts';
import { policyRecord } from './act.ts';
import { countedApprovals, missingApprovals } from './approvals.ts';
import { keyOf } from './idempotency-key.ts';
import { nextVersion } from './next-version.ts';
import { disagreements, standsIn, tooOld } from './stale.ts';
import type { DecisionContext, DecisionSubject, StageFacts } from './subject.ts';
import { covers, waiversInForce, waiverText } from './waive.ts';
import { deprecation, rolledBack } from './withdrawn.ts';

/**
 * Decide whether the candidate may replace the champion. Pure: the same arguments give the same decision.
 *
 * - `no-change`: the candidate is the champion, byte for byte.
 * - `reject`: a blocking check failed (or is inconclusive, where the policy says so), or these bytes are deprecated.
 * - `hold`: nothing was shown to be wrong, but not enough was shown to be right: a blocking check is inconclusive, evidence is
 *   missing, or it speaks of another candidate, champion, dataset or policy (`stale`), and a fresh evaluation is needed; or all
 *   passed and the people that the policy names have not approved, or a person went back from this very model (`rolled-back`).
 * - `promote`: every blocking check of every required kind of evidence passed or is waived by a person, and whoever must approve did.
 *
 * @throws UsageError when the chosen version is not a free semantic version, or raises less than the policy asks for
 */
export function decide(
  subject: DecisionSubject,
  evidence: readonly Evidence[],
  view: RegistryHistory,
  context: DecisionContext,
): Decision {
  const policy = policyRecord(policySubject(subject.config));
  const { outcome, reasons } = judge(subject, policy.sha256, evidence, view, context);
  const champion = view.champion;
  const next =
    outcome === 'promote'
      ? nextVersion(subject.config, evidence, view, context.version)
      : { version: 'candidate', reasons: [] };
  const candidate: Version = { version: next.version, artifacts: [subject.candidate] };
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
    evidence: evidence.map((each) => referenceTo(each, subject.stages)),
    datasets,
    source: context.source,
    actor: context.actor,
    approvals: countedApprovals(subject.config, context.approvals),
    idempotencyKey: keyOf(subject, { outcome, reasons, policy, datasets }, evidence, view, context.now),
    time: context.now.toISOString(),
  };
}

function judge(
  subject: DecisionSubject,
  policy: string,
  evidence: readonly Evidence[],
  view: RegistryHistory,
  { now, approvals }: Pick<DecisionContext, 'now' | 'approvals'>,
): { outcome: Outcome; reasons: Reason[] } {
  const champion = championOf(subject.config, evidence, view);
  if (champion?.identity === identityOf(subject.candidate)) {
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
  const deprecated = deprecation(subject, view);
  if (deprecated.length > 0) return { outcome: 'reject', reasons: deprecated };
  const all = evidence.flatMap((each) => each.checks.filter((check) => check.severity === 'block'));
  const waived = waivedAmong(all, subject.config, view, now);
  const accepted = new Set(waived.flatMap(({ check }) => (check === undefined ? [] : [check])));
  const blocking = all.filter(({ id }) => !accepted.has(id));
  const stale = [...disagreements(subject, policy, evidence, view), ...tooOld(subject.config, evidence, now)];
  if (stale.length > 0) return { outcome: 'hold', reasons: stale };

  const failed = ranked(blocking.filter((check) => check.verdict === 'fail')).map(reasonOf('check-failed'));
  const open = [
    ...missing(subject, evidence),
    ...ranked(blocking.filter((check) => check.verdict === 'inconclusive')).map(reasonOf('check-inconclusive')),
    ...firstModel(subject.config, view),
  ];
  if (failed.length > 0) return { outcome: 'reject', reasons: [...failed, ...open, ...waived] };
  if (open.length === 0) open.push(...withoutLead(subject, evidence));
  if (open.length > 0) {
    return {
      outcome: subject.config.policy.on_inconclusive === 'reject' ? 'reject' : 'hold',
      reasons: [...open, ...waived],
    };
  }
  const unwanted = [...rolledBack(subject, view), ...missingApprovals(subject.config, approvals)];
  if (unwanted.length > 0) return { outcome: 'hold', reasons: [...unwanted, ...waived] };
  const passed = blocking.filter((check) => check.verdict === 'pass');
  const leads = subject.stages.map(({ lead }) => lead);
  const primary =
    passed.find((check) => leads.includes(check.id)) ??
    passed.find((check) => check.comparison !== undefined) ??
    // A first model has nothing to be compared with but models that use no features.
    passed.find((check) => check.id === 'evaluation/sanity-baseline');
  return {
    outcome: 'promote',
    reasons: [
      {
        code: 'all-passed',
        message: `${passedText(passed.length, accepted.size)}${primary === undefined ? '' : ` ${primary.message}`}`,
        ...(primary === undefined ? {} : { check: primary.id }),
      },
      ...waived,
    ],
  };
}

function passedText(passed: number, waived: number): string {
  if (waived > 0)
    return `${passed} of ${passed + waived} blocking checks passed and ${waived} ${waived === 1 ? 'is' : 'are'} waived.`;
  return `${passed === 1 ? 'The one blocking check' : `All ${passed} blocking checks`} passed.`;
}

/** The checks that did not pass and that a person accepts as they are, each with who, until when and why. */
function waivedAmong(checks: readonly Check[], config: Model, view: RegistryHistory, now: Date): Reason[] {
  const waivers = waiversInForce(config, view, now);
  return checks.flatMap((check) => {
    const waiver = waivers.find((each) => covers(each.waiver, check));
    if (waiver === undefined || check.verdict === 'skipped') return [];
    // One that nobody needs any more would let a later loss in unseen.
    if (check.verdict === 'pass') {
      const end = `contender registry waive --model ${view.decisions[0]?.model ?? ''} --check ${waiver.waiver.check} --until now`;
      return [
        {
          code: 'waiver-not-needed',
          message: `${check.title} passes but is still ${waiverText(waiver)}. To end that: ${end}`,
        },
      ];
    }
    return [{ code: 'waived', message: `${check.title}: ${waiverText(waiver)}`, check: check.id }];
  });
}

/** The registry's champion, or the one the configuration names while the registry has none. */
function championOf(
  config: Model,
  evidence: readonly Evidence[],
  view: RegistryHistory,
): { identity: string | undefined; name: string } | undefined {
  if (view.champion !== null) {
    return { identity: modelIdentity(view.champion), name: `version ${view.champion.version}` };
  }
  const named = standsIn(config, view) ? evidence.find((each) => each.subjects.champion)?.subjects.champion : undefined;
  return named === undefined ? undefined : { identity: identityOf(named), name: named.uri };
}

function missing({ config, stages }: DecisionSubject, evidence: readonly Evidence[]): Reason[] {
  const required = requiredKinds(config, stages);
  const absent = required
    .filter((kind) => !evidence.some((each) => each.kind === kind))
    .map((kind) => ({
      code: 'evidence-missing',
      message: `The policy requires ${kind} evidence, which is missing. Run that stage.`,
    }));
  const empty = evidence
    .filter((each) => required.includes(each.kind) && combinedVerdict(each.checks) === 'skipped')
    .map((each) => ({
      code: 'evidence-missing',
      message: `The ${each.kind} evidence has no blocking check that could be computed, so it cannot support a decision.`,
    }));
  return [...absent, ...empty];
}

/** Evidence of a comparison says something of what the policy compares first, or was not made by the stage. */
function withoutLead({ stages }: DecisionSubject, evidence: readonly Evidence[]): Reason[] {
  return evidence.flatMap(({ kind, checks, subjects }) => {
    const lead = stages.find((stage) => stage.kind === kind)?.lead;
    if (lead === undefined || subjects.champion === undefined) return [];
    // A floor or a ceiling of it may be all that the policy asks for.
    if (checks.some(({ id }) => id === lead || id.startsWith(`${lead}-`))) return [];
    return [
      {
        code: 'evidence-missing',
        message: `The ${kind} evidence has no check ${lead}, which the policy requires. Run that stage.`,
      },
    ];
  });
}

/** Kinds of evidence a promotion needs: those the policy lists, else one for every stage that asks for it. */
function requiredKinds(config: Model, stages: readonly StageFacts[]): readonly string[] {
  return config.policy.required_evidence ?? stages.filter(({ required }) => required).map(({ kind }) => kind);
}

function firstModel(config: Model, view: RegistryHistory): Reason[] {
  if (view.champion !== null || standsIn(config, view) || config.policy.allow_first === true) return [];
  return [
    {
      code: 'first-model',
      message:
        'There is no champion yet. Set policy.allow_first: true to accept a first model that meets its floors and beats the sanity baselines, or register one with `contender registry register`.',
    },
  ];
}

/** What is worst, measured by what is allowed, first; what is as bad as it comes. */
function ranked(checks: readonly Check[]): Check[] {
  return checks.toSorted((a, b) => (excess(a) === excess(b) ? 0 : excess(b) - excess(a)));
}

function reasonOf(code: string): (check: Check) => Reason {
  return (check) => ({ code, message: check.message, check: check.id });
}

/** A piece of evidence as a decision refers to it. */
export function referenceTo(evidence: Evidence, stages: readonly StageFacts[] = []): EvidenceReference {
  return {
    kind: evidence.kind,
    sha256: evidenceDigest(evidence),
    verdict: combinedVerdict(evidence.checks),
    summary: { ...summary(evidence.checks), ...measured(evidence, stages) },
    finishedAt: evidence.finishedAt,
  };
}

export function datasetsOf(evidence: readonly Evidence[]): Record<string, DatasetSubject> {
  const all = Object.assign({}, ...evidence.map((each) => each.subjects.datasets)) as Record<string, DatasetSubject>;
  // The digest of all files is that of the names and digests of each, which the evidence lists.
  return Object.fromEntries(Object.entries(all).map(([name, { uri, sha256, rows }]) => [name, { uri, sha256, rows }]));
}

/** The comparison that says most of the candidate, which a later anchor is found by: see `anchorOf`. */
function measured(
  { kind, checks, subjects }: Evidence,
  stages: readonly StageFacts[],
): Record<string, string | number> {
  const lead = stages.find((stage) => stage.kind === kind)?.lead;
  const comparisonOf = (id: string): Check['comparison'] => checks.find((check) => check.id === id)?.comparison;
  const whole = lead === undefined ? undefined : comparisonOf(lead);
  if (whole === undefined) return {};
  const anchor = comparisonOf(`${lead}@anchor`);
  return {
    candidate: whole.candidate,
    champion: whole.champion,
    gain: whole.delta,
    ...(anchor === undefined || subjects.anchor === undefined
      ? {}
      : { anchor: anchor.champion, anchorModel: identityOf(subjects.anchor) }),
  };
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
