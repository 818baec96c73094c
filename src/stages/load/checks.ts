import type { Check, Verdict } from '../../evidence/index.ts';
import { bytes, milliseconds as durationMs } from '../../config/index.ts';
import { percent } from '../../wording.ts';
import type { StagingTarget } from '../../staging/index.ts';
import type { AnswerSummary } from './answers.ts';
import { leastShare, loadCheck, mostAnswers, mostCores, mostMebibytes, mostSeconds, type Limit } from './check.ts';
import type { BusyAccuracy } from './levels.ts';
import type { Slo } from './schema.ts';
import type { TargetWatch } from './session.ts';
import { mean } from '../../statistics/sums.ts';

/** load/alive: did the target stay up? */
export function aliveCheck({ exit }: Pick<TargetWatch, 'exit'>): Check {
  return {
    id: 'load/alive',
    title: 'Availability during the test',
    verdict: exit === null ? 'pass' : 'fail',
    severity: 'block',
    message: exit === null ? 'The target stayed up during the test' : `The target stopped during the test: ${exit}`,
    observed: exit ?? 'alive',
    required: 'alive',
  };
}

/** load/parity or load/accuracy, over all answers of the test. */
export function answersCheck(answers: AnswerSummary, slo: Slo, died: boolean): Check {
  const { accuracy } = slo;
  const byLabel = typeof accuracy === 'number';
  const required = byLabel ? accuracy : 0;
  const check = (verdict: Verdict, observed: number | null, message: string): Check =>
    byLabel
      ? loadCheck('accuracy', 'Accuracy under load', leastShare, { verdict, observed, required, message })
      : loadCheck('parity', parityTitle, mostAnswers, { verdict, observed, required, message });
  if (died) return check('skipped', null, 'The target stopped');
  if (byLabel) {
    const { judged, correct } = answers;
    if (judged === 0) return check('inconclusive', 0, 'No answer could be compared with a label');
    const share = correct / judged;
    const message = `${correct} of ${judged} answers are right (${percent(share)}, at least ${percent(required)} required)`;
    return check(share >= required ? 'pass' : 'fail', share, message);
  }
  const { compared, mismatched, mismatches } = answers;
  if (compared === 0)
    return check('inconclusive', mismatched, 'No answer could be compared with the offline predictions');
  if (mismatched === 0) return check('pass', 0, `All ${compared} answers equal the offline predictions`);
  const [first] = mismatches;
  const example =
    first === undefined ? '' : `, first row ${first.row}: offline ${first.offline}, served ${first.served}`;
  const message = `${mismatched} of ${compared} answers differ from the offline predictions${example}`;
  return check('fail', mismatched, message);
}

const parityTitle = 'Served answers that differ from the offline predictions';

/** load/memory, load/cpu and load/cold-start, where they are asked for. What cannot be seen is inconclusive. */
export function usageChecks(slo: Slo, watch: TargetWatch, target: StagingTarget): Check[] {
  const memory = greatest(watch.samples.map(({ memoryBytes }) => memoryBytes));
  const cpu = meanOf(watch.samples.map(({ cpuPercent }) => cpuPercent));
  const unseen = `It cannot be measured for a target of kind ${target.kind}`;
  const asked: [id: string, title: string, seen: number | null, per: number, most: number | null, Limit, string][] = [
    [
      'memory',
      'Memory under load',
      memory,
      2 ** 20,
      slo.memory ? bytes(slo.memory) / 2 ** 20 : null,
      mostMebibytes,
      unseen,
    ],
    ['cpu', 'CPU under load, on average', cpu, 100, slo.cpu ?? null, mostCores, unseen],
    [
      'cold-start',
      'From its start until it was healthy',
      target.startedInMs,
      1000,
      slo.cold_start ? durationMs(slo.cold_start) / 1000 : null,
      mostSeconds,
      'The target was already running',
    ],
  ];
  return asked.flatMap(([id, title, seen, per, required, limit, unknown]) => {
    if (required === null) return [];
    const observed = seen === null ? null : seen / per;
    const shown = (value: number): string => `${Number(value.toPrecision(3))} ${limit.unit}`;
    const verdict = observed === null ? 'inconclusive' : observed <= required ? 'pass' : 'fail';
    const message = observed === null ? unknown : `${shown(observed)}, at most ${shown(required)} allowed`;
    return [loadCheck(id, title, limit, { verdict, observed, required, message })];
  });
}

/** load/accuracy-when-busy: is the target wrong more often when its CPU is nearly used up? Only where that is shown, or a limit is set. */
export function busyCheck(busy: BusyAccuracy | null, slo: Slo): Check[] {
  if (busy === null) return [];
  const { share, rows, others, othersRows, pValue } = busy;
  const dropped = pValue <= 0.01 && share < others;
  const required = typeof slo.accuracy === 'number' ? slo.accuracy : null;
  if (!dropped && required === null) return [];
  const verdict = dropped ? 'fail' : 'pass';
  const message = `${percent(share)} of ${rows} answers are right when more than 80% of the CPU is used, ${percent(others)} of ${othersRows} otherwise${dropped ? ` (p = ${pValue.toPrecision(2)})` : ''}`;
  const finding = { verdict, severity: 'warn', observed: share, required: others, message } as const;
  return [loadCheck('accuracy-when-busy', 'Accuracy while the CPU is busy', leastShare, finding)];
}

export function greatest(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}

function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : mean(known);
}
