import type { Outcome, Verdict } from '../evidence/index.ts';

/** Exit codes of the command line. A bug of ours is none of these: it is 70 (EX_SOFTWARE). */
export const exitCodes = { pass: 0, fail: 1, usage: 2, hold: 3, bug: 70, interrupted: 130 } as const;

/** What waits for a pull request to be merged has not happened: a deployment that follows must not go on. */
export function exitCodeOf({ decision, status }: { decision: { outcome: Outcome }; status: string }): number {
  switch (decision.outcome) {
    case 'promote':
      return status === 'pending' ? exitCodes.hold : exitCodes.pass;
    case 'no-change':
      return exitCodes.pass;
    case 'reject':
      return exitCodes.fail;
    case 'hold':
      return exitCodes.hold;
  }
}

export function exitCodeOfVerdict(verdict: Verdict): number {
  switch (verdict) {
    case 'pass':
      return exitCodes.pass;
    case 'fail':
      return exitCodes.fail;
    case 'inconclusive':
    case 'skipped':
      return exitCodes.hold;
  }
}
