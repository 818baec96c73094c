import type { Model } from '../config/index.ts';
import { digest, identityOf, modelIdentity } from '../evidence/index.ts';
import type { Decision, Evidence, RegistryHistory } from '../evidence/index.ts';
import type { DecisionSubject } from './subject.ts';
import { decisionsOn } from './history.ts';
import { tooOld } from './stale.ts';

/**
 * What makes asking again the same decision: nothing that decides is different, and it is the last word on this candidate. A
 * verdict that came back after another one is a new decision, as is one on evidence that was renewed because it was too old.
 */
export function keyOf(
  subject: DecisionSubject,
  { outcome, reasons, policy, datasets }: Pick<Decision, 'outcome' | 'reasons' | 'policy' | 'datasets'>,
  evidence: readonly Evidence[],
  view: RegistryHistory,
  now: Date,
): string {
  const { champion } = view;
  const identity = identityOf(subject.candidate);
  const key = (after: number): string =>
    digest({
      model: subject.model,
      candidate: identity,
      // Named by the decision that made it champion too: after a rollback the same promotion is a new decision.
      champion: champion === null ? null : { is: modelIdentity(champion), since: view.championSeq },
      policy: policy.sha256,
      datasets: Object.fromEntries(Object.entries(datasets).map(([name, dataset]) => [name, dataset.sha256])),
      outcome,
      // A hold for want of evidence and a hold on a metric are two decisions. Codes and checks, no numbers: those have timings.
      because: reasons.map(({ code, check }) => (check === undefined ? code : `${code} ${check}`)).sort(),
      // The decision about this candidate that it follows.
      after,
    });
  const [last, before] = decisionsOn(identity, view).toReversed();
  if (last === undefined) return key(0);
  const again = key(before?.seq ?? 0);
  return again === last.idempotencyKey && !isRenewed(subject.config, evidence, last, now) ? again : key(last.seq);
}

/** Whether what a decision was made on is too old by now, and was measured again since. */
function isRenewed(
  config: Model,
  evidence: readonly Evidence[],
  { evidence: references }: Pick<Decision, 'evidence'>,
  now: Date,
): boolean {
  const times = new Set(references.map(({ finishedAt }) => finishedAt));
  return tooOld(config, references, now).length > 0 && evidence.some(({ finishedAt }) => !times.has(finishedAt));
}
