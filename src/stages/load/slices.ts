import { errorsIn, type WindowResult } from './driver.ts';
import { percentile } from './latency.ts';
import { cpuBetween, memoryBetween, type Session } from './session.ts';
import { partOf } from './window.ts';

/** What happened in a part of a window: a point of a chart. */
export interface Slice {
  /** Seconds from the start of the window to the middle of the slice. */
  seconds: number;
  /** Requests a second that were due. */
  offered: number;
  p50Ms: number | null;
  p95Ms: number | null;
  p99Ms: number | null;
  /** Requests without a usable answer. */
  errors: number;
  /** Cores. */
  cpu: number | null;
  memoryBytes: number | null;
  /** Rows with a label, and those of them predicted rightly. */
  judged: number;
  right: number;
}

const leastMs = 250;

/** A window in at most 60 slices of equal length. */
export function slicesOf(result: WindowResult, { watch, answers }: Pick<Session, 'watch' | 'answers'>): Slice[] {
  // The last request has its time too, or the last slice would seem to have more of them.
  const requests = result.offsets.length;
  const lasted = Math.max(((result.offsets.at(-1) ?? 0) * requests) / Math.max(1, requests - 1), 1);
  const count = Math.min(60, Math.max(1, Math.floor(lasted / leastMs)));
  const width = lasted / count;
  let answer = answers.at.findIndex((at) => at >= result.startedAt);
  if (answer === -1) answer = answers.at.length;
  return Array.from({ length: count }, (_, index) => {
    const [from, to] = [index * width, (index + 1) * width];
    const part = partOf(result, from, to);
    const sorted = part.latency.toSorted();
    const at = (p: number): number | null => (sorted.length === 0 ? null : percentile(sorted, p));
    let judged = 0;
    let right = 0;
    for (; answer < answers.at.length && (answers.at[answer] as number) < result.startedAt + to; answer += 1) {
      judged += answers.judged[answer] as number;
      right += answers.right[answer] as number;
    }
    return {
      seconds: Number(((from + to) / 2000).toFixed(3)),
      offered: (part.offsets.length * 1000) / (to - from),
      p50Ms: at(0.5),
      p95Ms: at(0.95),
      p99Ms: at(0.99),
      errors: errorsIn(part),
      cpu: cpuBetween(watch, result.startedAt + from, result.startedAt + to),
      memoryBytes: memoryBetween(watch, result.startedAt + from, result.startedAt + to),
      judged,
      right,
    };
  });
}
