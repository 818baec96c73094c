import { clockTolerance } from '../../config/units.ts';
import { identityOf } from '../../evidence/index.ts';
import type { Check, Evidence, EvidenceReference } from '../../evidence/index.ts';
import { fetchable, isFetchable } from '../../registry/artifact-uri.ts';
import type { MadeDecision } from '../../registry/verify.ts';
import { verdictOf } from '../../stages/comparison.ts';

/**
 * What a decision claims that cannot be so, as pairs of found and expected: addresses that nobody can fetch or whose bytes change,
 * sizes and times that are not those of the evidence, a time in the future, verdicts that their numbers do not bear. What is left (actor, source, the words of a person) is a claim.
 *
 * @param now in milliseconds since 1970
 */
export function impossibleClaims({ decision, evidence, view }: MadeDecision, now = Date.now()): [string, string][] {
  const wrong: [string, string][] = [];
  const { candidate, time } = decision;
  const made = Date.parse(time);
  if (!(made <= now + clockTolerance))
    wrong.push([`a decision of ${time}, dated in the future`, 'the time when it was made']);
  for (const { uri } of candidate?.artifacts ?? []) {
    if (!isFetchable(uri)) {
      wrong.push([`a model at ${JSON.stringify(uri.slice(0, 200))}`, fetchable]);
    }
  }
  const referredTo = new Set(view.decisions.flatMap((each) => each.evidence.map(({ sha256 }) => sha256)));
  for (const [index, each] of evidence.entries()) {
    const reference = decision.evidence[index];
    if (reference === undefined) continue;
    wrong.push(...timeFaults(reference, each, made, referredTo.has(reference.sha256)));
    if (!(Date.parse(each.startedAt) <= Date.parse(each.finishedAt))) {
      wrong.push([`${each.kind} evidence that was finished before it was started`, 'the times of the run']);
    }
    for (const check of each.checks) wrong.push(...contradictions(check));
    const judged = each.subjects.candidate;
    const named = candidate?.artifacts.find(
      (artifact) => judged !== undefined && identityOf(artifact) === identityOf(judged),
    );
    if (judged !== undefined && named !== undefined && judged.size !== named.size) {
      wrong.push([`a model of ${named.size} bytes`, `${judged.size} bytes, as the ${each.kind} evidence has it`]);
    }
  }
  return wrong;
}

/** A check that passes and whose own numbers do not. */
function contradictions({ id, verdict, comparison }: Check): [string, string][] {
  if (verdict !== 'pass' || comparison?.requirement === undefined) return [];
  const { lower, upper, margin, requirement } = comparison;
  // Bounds of what must not be shown to be worse are corrected for how many there are.
  if (requirement === 'not-inferior' || verdictOf(requirement, lower, upper, margin) === 'pass') return [];
  return [
    [`${id} that passes with bounds ${lower} to ${upper} and margin ${margin}`, `bounds that show ${requirement}`],
  ];
}

/** @param known an earlier decision refers to it: what was measured again is kept once, with the time of the first */
function timeFaults(
  { kind, finishedAt }: EvidenceReference,
  evidence: Evidence,
  made: number,
  known: boolean,
): [string, string][] {
  const [said, first] = [Date.parse(finishedAt), Date.parse(evidence.finishedAt)];
  if (known ? said >= first : said === first) {
    return said <= made + clockTolerance
      ? []
      : [[`${kind} evidence of ${finishedAt}, after the decision`, 'evidence from before it']];
  }
  return [[`${kind} evidence said to be of ${finishedAt}`, `${evidence.finishedAt}, as the evidence says`]];
}
