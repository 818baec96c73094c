import { ageFault, type Model } from '../config/index.ts';
import { combinedVerdict, identityOf, modelIdentity } from '../evidence/index.ts';
import type { Evidence, EvidenceReference, Reason, RegistryHistory } from '../evidence/index.ts';
import { anchorOf } from './anchor.ts';
import type { DecisionSubject } from './subject.ts';

/** Evidence that speaks of another candidate, champion, dataset or policy, or contradicts itself. @param policy digest of today's */
export function disagreements(
  subject: DecisionSubject,
  policy: string,
  evidence: readonly Evidence[],
  view: RegistryHistory,
): Reason[] {
  const reasons: Reason[] = [];
  const stale = (message: string): void => {
    reasons.push({ code: 'stale', message: `${message} Evaluate again; an old verdict is not reused.` });
  };
  const champion = view.champion === null ? undefined : modelIdentity(view.champion);
  const own = identityOf(subject.candidate);
  const datasets = new Map<string, string>();
  for (const each of evidence) {
    if (each.model !== subject.model) {
      stale(`The ${each.kind} evidence is about model ${each.model}, not ${subject.model}.`);
    }
    if (each.policy.sha256 !== policy) {
      stale(`The ${each.kind} evidence was made under another configuration.`);
    }
    const judged = each.subjects.candidate === undefined ? undefined : identityOf(each.subjects.candidate);
    const stage = subject.stages.find(({ kind }) => kind === each.kind);
    if (judged === undefined ? stage?.dataOnly !== true : judged !== own) {
      stale(`The ${each.kind} evidence is about another candidate (${short(judged)}, not ${short(own)}).`);
    }
    const against = each.subjects.champion === undefined ? undefined : identityOf(each.subjects.champion);
    if (
      (stage?.compares === true || against !== undefined) &&
      against !== champion &&
      !standsIn(subject.config, view)
    ) {
      stale(
        `The ${each.kind} evidence compares with champion ${short(against)}, but the registry's champion is ${short(champion)}.`,
      );
    }
    if (stage?.anchor !== undefined) {
      const held = each.subjects.anchor === undefined ? undefined : identityOf(each.subjects.anchor);
      const version = anchorOf(stage.anchor, subject.config, view, each.subjects.datasets['evaluation']?.sha256);
      const named = version === undefined ? undefined : modelIdentity(version);
      if (held !== named) {
        stale(
          `The ${each.kind} evidence compares with anchor ${short(held)}, but the anchor that the policy names now is ${short(named)}${version === undefined ? '' : ` (version ${version.version})`}.`,
        );
      }
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
export function standsIn(config: Model, view: RegistryHistory): boolean {
  return view.champion === null && config.champion !== undefined && config.champion !== 'registry';
}

/** Evidence older than the policy allows, or dated in the future. */
export function tooOld(
  config: Model,
  evidence: readonly Pick<EvidenceReference, 'kind' | 'finishedAt'>[],
  now: Date,
): Reason[] {
  const limit = config.policy.max_evidence_age;
  if (limit === undefined) return [];
  return evidence.flatMap(({ kind, finishedAt }) => {
    const fault = ageFault(finishedAt, now, limit);
    const message = `The ${kind} evidence is of ${finishedAt}, ${fault}. Run that stage again.`;
    return fault === null ? [] : [{ code: 'stale', message }];
  });
}

function short(sha256: string | undefined): string {
  return sha256 === undefined ? 'none' : sha256.slice(0, 12);
}
