import { availableParallelism } from 'node:os';
import { normalCdf } from '../../statistics/distributions.ts';
import type { Session } from './session.ts';
import { sum } from '../../statistics/sums.ts';

/** What answers were worth at a level of load. */
export interface Level {
  /** `CPU up to 50%`, `CPU up to 80%`, `CPU above 80%` */
  name: string;
  answers: number;
  judged: number;
  right: number;
  differing: number;
}

/** Accuracy while more than 80% of the CPU was used, against that of the rest of the time. */
export interface BusyAccuracy {
  share: number;
  rows: number;
  others: number;
  othersRows: number;
  /** One-sided, of two proportions. */
  pValue: number;
}

const edges = [0.5, 0.8, Number.POSITIVE_INFINITY] as const;
const names = ['CPU up to 50%', 'CPU up to 80%', 'CPU above 80%'] as const;
const leastRows = 30;

/** The answers by how much of its CPU the target, or where that is not seen nobody, used when they came. */
export function levelsOf({ answers, watch, target }: Session): Level[] {
  const cores = target.limits.cpus ?? availableParallelism();
  const levels = names.map((name): Level => ({ name, answers: 0, judged: 0, right: 0, differing: 0 }));
  const seen = watch.samples.filter(({ cpuPercent }) => cpuPercent !== null);
  if (seen.length === 0) return [];
  let next = 0;
  for (const [index, at] of answers.at.entries()) {
    while (next < seen.length - 1 && (seen[next]?.at ?? 0) < at) next += 1;
    const share = (seen[next]?.cpuPercent ?? 0) / 100 / cores;
    const level = levels[edges.findIndex((edge) => share <= edge)] as Level;
    level.answers += 1;
    level.judged += answers.judged[index] as number;
    level.right += answers.right[index] as number;
    level.differing += answers.differing[index] as number;
  }
  return levels.filter((level) => level.answers > 0);
}

export function busyAccuracy(levels: readonly Level[]): BusyAccuracy | null {
  const busy = levels.find(({ name }) => name === names[2]);
  const rest = levels.filter((level) => level !== busy);
  const [othersRows, othersRight] = [sum(rest.map(({ judged }) => judged)), sum(rest.map(({ right }) => right))];
  if (busy === undefined || busy.judged < leastRows || othersRows < leastRows) return null;
  const [share, others] = [busy.right / busy.judged, othersRight / othersRows];
  const pooled = (busy.right + othersRight) / (busy.judged + othersRows);
  const error = Math.sqrt(pooled * (1 - pooled) * (1 / busy.judged + 1 / othersRows));
  const pValue = error === 0 ? 1 : normalCdf((share - others) / error);
  return { share, rows: busy.judged, others, othersRows, pValue };
}
