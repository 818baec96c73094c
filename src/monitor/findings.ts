import { ranks, type Observation } from './judge.ts';
import type { WindowRecord } from './record.ts';

/**
 * Something that is wrong, from the window that showed it first until it has been well for some windows, with what the last
 * window that showed it said.
 */
export interface Finding extends Omit<Observation, 'state'> {
  /** Starts of the windows, ISO 8601. */
  opened: string;
  last: string;
  /** Windows that showed it. */
  windows: number;
  /** Windows in a row up to now that showed it. */
  inRow: number;
  /** Healthy windows in a row since. */
  healthy: number;
  /** Start of the window that closed it; null: it is open. */
  closed: string | null;
}

/**
 * The findings of all windows, oldest first. What is missing or inconclusive neither opens nor closes one.
 * @param recoveredAfter healthy windows in a row that close a finding
 */
export function findingsOf(
  records: readonly WindowRecord[],
  observations: readonly (readonly Observation[])[],
  recoveredAfter: number,
): Finding[] {
  const all: Finding[] = [];
  const open = new Map<string, Finding>();
  for (const [index, { start }] of records.entries()) {
    for (const observation of observations[index] ?? []) {
      const { signal, state } = observation;
      const finding = open.get(signal);
      if (state === 'alarm') {
        const { rank, level, title, message, value, limit, unit } = observation;
        const now = { rank, level, title, message, value, limit, unit, last: start, healthy: 0 };
        if (finding === undefined) {
          const fresh: Finding = { signal, ...now, opened: start, windows: 1, inRow: 1, closed: null };
          open.set(signal, fresh);
          all.push(fresh);
        } else {
          Object.assign(finding, now, {
            windows: finding.windows + 1,
            inRow: finding.healthy > 0 ? 1 : finding.inRow + 1,
          });
        }
      } else if (state === 'ok' && finding !== undefined) {
        finding.healthy += 1;
        finding.inRow = 0;
        if (finding.healthy < recoveredAfter) continue;
        finding.closed = start;
        open.delete(signal);
      }
    }
  }
  return all;
}

/** Those that are open, the worst rank first, the longest open first. */
export function openFindings(findings: readonly Finding[]): Finding[] {
  return findings
    .filter(({ closed }) => closed === null)
    .sort((a, b) => ranks.indexOf(a.rank) - ranks.indexOf(b.rank) || a.opened.localeCompare(b.opened));
}
