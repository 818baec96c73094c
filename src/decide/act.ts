import { UsageError } from '../errors.ts';
import { canonicalJson, decisionSchemaId, sha256 } from '../evidence/index.ts';
import type { Approval, Decision, RegistryView, Source } from '../evidence/index.ts';

/** An act of a person on the registry: who answers for it, and why. */
export interface Act {
  now: Date;
  source: Source;
  /** Whose run it is. */
  actor: string;
  /** Who answers for it; often the same. */
  by: string;
  reason: string;
}

/** What every decision made on a person's word says of it: who, when and where. */
export function madeBy(
  model: string,
  act: Act,
  word: Approval,
): Pick<Decision, 'schema' | 'model' | 'source' | 'actor' | 'approvals' | 'time'> {
  const { source, actor, now } = act;
  return { schema: decisionSchemaId, model, source, actor, approvals: [word], time: now.toISOString() };
}

/** What every act says that leaves the champion as it is, on no evidence. */
export function leavesChampion({
  champion,
}: RegistryView): Pick<Decision, 'outcome' | 'from' | 'to' | 'evidence' | 'datasets'> {
  return { outcome: 'no-change', from: champion, to: champion, evidence: [], datasets: {} };
}

/** What a decision was made under, as it keeps it: the text, and its digest. */
export function policyRecord(policy: unknown): Decision['policy'] {
  const text = canonicalJson(policy);
  return { sha256: sha256(text), text };
}

/** The person's word, as the decision keeps it. @throws UsageError for an unnamed person or an empty reason */
export function wordOf({ now, by, reason }: Act): Approval {
  const [name, why] = [by.trim(), reason.trim()];
  if (name === '' || name === 'unknown') {
    throw new UsageError({
      found: 'no responsible person given',
      expected: 'the name of a person',
      remedy: 'Name the person with --by (in a workflow it is the person who started the run)',
    });
  }
  if (why === '') {
    throw new UsageError({
      found: 'no reason given',
      expected: 'a reason to record',
      remedy: 'Give a reason with --reason "..."',
    });
  }
  return { by: name, at: now.toISOString(), reason: why };
}
