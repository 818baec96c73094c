import type { Outcome, Verdict } from '../evidence/index.ts';

/** Exit codes of the command line. A bug of ours is none of these: it is 70 (EX_SOFTWARE). */
export const exitCodes = { pass: 0, fail: 1, usage: 2, hold: 3, bug: 70, interrupted: 130 } as const;

const { pass, fail, hold } = exitCodes;

/** What waits for a pull request to be merged has not happened: a deployment that follows must not go on. */
export function exitCodeOf({ decision, status }: { decision: { outcome: Outcome }; status: string }): number {
  const promote = status === 'pending' ? hold : pass;
  return { promote, 'no-change': pass, reject: fail, hold }[decision.outcome];
}

export function exitCodeOfVerdict(verdict: Verdict): number {
  return { pass, fail, inconclusive: hold, skipped: hold }[verdict];
}
