import type { Static } from 'typebox';
import { Optional, Text, Type } from '../forms.ts';

export const Verdict = Type.Enum(['pass', 'fail', 'inconclusive', 'skipped'], {
  description: 'A check that could not be computed is never a pass.',
});
export type Verdict = 'pass' | 'fail' | 'inconclusive' | 'skipped';

export const Severity = Type.Enum(['block', 'warn', 'info'], {
  description: 'Only a check of severity block can stop a candidate.',
});
export type Severity = 'block' | 'warn' | 'info';

export const ComparisonState = Type.Enum(['superior', 'non-inferior', 'inconclusive', 'inferior']);
export type ComparisonState = 'superior' | 'non-inferior' | 'inconclusive' | 'inferior';

/** A paired comparison of one metric. Delta and bounds are oriented so that positive means the candidate is better. */
export const Comparison = Type.Object({
  metric: Type.String(),
  slice: Optional.String('such as source=hard_ham; absent for the whole evaluation set'),
  anchor: Optional.String("the version that is compared with where it is the policy's anchor, not the champion"),
  scale: Optional.Choice(
    ['share', 'value'],
    'share: differences are shown in percentage points; value, or absent: in the units of the metric',
  ),
  champion: Type.Number({ description: 'the metric of the champion (or the anchor), in its own units' }),
  candidate: Type.Number(),
  delta: Type.Number({ description: 'candidate against champion, positive is better' }),
  lower: Type.Number({ description: 'one-sided lower confidence bound of delta at alpha' }),
  upper: Type.Number({ description: 'one-sided upper confidence bound of delta at alpha' }),
  margin: Type.Number({ minimum: 0, description: 'the largest loss the policy tolerates, in units of delta' }),
  alpha: Type.Number({ exclusiveMinimum: 0, maximum: 0.5, description: 'level of each one-sided bound' }),
  state: ComparisonState,
  requirement: Optional.Choice(['superior', 'non-inferior', 'not-inferior'], 'what the policy asks for'),
  finding: Optional.String('what the bounds show, in words: "at most 1 point worse"'),
  outlook: Optional.String('of what is inconclusive: how many rows would settle it, and on what condition'),
  worseWithinMargin: Optional.Flag('shown to be worse, by less than the margin'),
  method: Type.String({ description: 'tango-score | delong | paired-t | bootstrap-... ' }),
  n: Type.Integer({ minimum: 0, description: 'rows compared' }),
  seed: Type.Optional(Type.Integer()),
  rowsNeeded: Optional.OneOf(
    [Type.Integer({ minimum: 0 }), Type.Null()],
    'rows for 80% power at the planned delta, or at a smaller gain that was measured; null when more rows cannot help',
  ),
  lowEvidence: Optional.List(Type.String(), 'why the numbers are based on little data'),
});
export type Comparison = Static<typeof Comparison>;

/** A place a person can open: a file and, where there is one, a line, column and row of data. */
export const Location = Type.Object({
  file: Type.String(),
  line: Type.Optional(Type.Integer({ minimum: 1 })),
  column: Type.Optional(Type.Integer({ minimum: 1 })),
});
export type Location = Static<typeof Location>;

/** A value shown beside "observed" and "required": whatever reads well. */
export const Shown = Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]);
export type Shown = Static<typeof Shown>;

export const Check = Type.Object({
  id: Text('stable and readable: evaluation/accuracy@source=hard_ham, data/contract, load/p95', { maxLength: 300 }),
  title: Type.String({ description: 'a few words: "Recall against the champion"' }),
  verdict: Verdict,
  severity: Severity,
  message: Type.String({ description: 'one sentence with the numbers that decided it' }),
  observed: Shown,
  required: Shown,
  limit: Optional.Choice(['at most', 'at least'], 'how observed must compare with a required number'),
  unit: Optional.String(
    'of observed and required where they are numbers: ms, share, requests, ...; a share is shown as a percentage',
  ),
  comparison: Type.Optional(Comparison),
  location: Type.Optional(Location),
});
export type Check = Static<typeof Check>;

/** A check that tells something and decides nothing. */
export function reported(id: string, title: string, message: string, observed: Shown): Check {
  return { id, title, verdict: 'pass', severity: 'info', message, observed, required: null };
}

/**
 * The verdict of several checks together: `fail` if a blocking check failed, else `inconclusive` if a blocking check is,
 * else `pass`. No blocking check at all, or only skipped ones, is `skipped`: nothing was shown.
 */
export function combinedVerdict(checks: readonly Check[]): Verdict {
  const blocking = checks.filter((check) => check.severity === 'block');
  if (blocking.some((check) => check.verdict === 'fail')) return 'fail';
  if (blocking.some((check) => check.verdict === 'inconclusive')) return 'inconclusive';
  return blocking.some((check) => check.verdict === 'pass') ? 'pass' : 'skipped';
}
