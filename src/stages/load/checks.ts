import type { Check } from '../../evidence/index.ts';
import { bytes, milliseconds as durationMs } from '../../config/index.ts';
import { percent } from '../../wording.ts';
import type { StagingTarget } from '../../staging/index.ts';
import type { AnswerSummary } from './answers.ts';
import { leastShare, loadCheck, mostAnswers, mostCores, mostSeconds } from './check.ts';
import type { BusyAccuracy } from './levels.ts';
import type { Slo } from './schema.ts';
import type { TargetWatch } from './session.ts';

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
  if (died) {
    const nothing = { verdict: 'skipped', observed: null, message: 'The target died' } as const;
    return typeof slo.accuracy === 'number'
      ? loadCheck('accuracy', 'Accuracy under load', { ...nothing, required: slo.accuracy }, leastShare)
      : loadCheck('parity', parityTitle, { ...nothing, required: 0 }, mostAnswers);
  }
  if (typeof slo.accuracy === 'number') {
    const share = answers.judged === 0 ? 0 : answers.correct / answers.judged;
    const finding = {
      verdict: answers.judged === 0 ? 'inconclusive' : share >= slo.accuracy ? 'pass' : 'fail',
      observed: share,
      required: slo.accuracy,
      message:
        answers.judged === 0
          ? 'No answer could be compared with a label'
          : `${answers.correct} of ${answers.judged} answers are right (${percent(share)}, at least ${percent(slo.accuracy)} required)`,
    } as const;
    return loadCheck('accuracy', 'Accuracy under load', finding, leastShare);
  }
  const { compared, mismatched, mismatches } = answers;
  const first = mismatches[0];
  const example =
    first === undefined ? '' : `, first row ${first.row}: offline ${first.offline}, served ${first.served}`;
  const finding = {
    verdict: compared === 0 ? 'inconclusive' : mismatched === 0 ? 'pass' : 'fail',
    observed: mismatched,
    required: 0,
    message:
      compared === 0
        ? 'No answer could be compared with the offline predictions'
        : mismatched === 0
          ? `All ${compared} answers equal the offline predictions`
          : `${mismatched} of ${compared} answers differ from the offline predictions${example}`,
  } as const;
  return loadCheck('parity', parityTitle, finding, mostAnswers);
}

const parityTitle = 'Served answers that differ from the offline predictions';

/** load/memory, load/cpu and load/cold-start, where they are asked for. What cannot be seen is inconclusive. */
export function usageChecks(slo: Slo, watch: TargetWatch, target: StagingTarget): Check[] {
  const memory = greatest(watch.samples.map(({ memoryBytes }) => memoryBytes));
  const cpu = mean(watch.samples.map(({ cpuPercent }) => cpuPercent));
  const unseen = `The ${target.kind} target does not let it be seen`;
  return [
    ...(slo.memory === undefined
      ? []
      : [
          limited(
            'memory',
            'Memory under load',
            memory === null ? null : memory / 2 ** 20,
            bytes(slo.memory) / 2 ** 20,
            { limit: 'at most', unit: 'MiB' },
            unseen,
          ),
        ]),
    ...(slo.cpu === undefined
      ? []
      : [limited('cpu', 'CPU under load, on average', cpu === null ? null : cpu / 100, slo.cpu, mostCores, unseen)]),
    ...(slo.cold_start === undefined
      ? []
      : [
          limited(
            'cold-start',
            'From its start until it was healthy',
            target.startedInMs === null ? null : target.startedInMs / 1000,
            durationMs(slo.cold_start) / 1000,
            mostSeconds,
            'The target was running already',
          ),
        ]),
  ];
}

function limited(
  id: string,
  title: string,
  observed: number | null,
  required: number,
  limit: Parameters<typeof loadCheck>[3],
  unseen: string,
): Check {
  const shown = (value: number): string => `${Number(value.toPrecision(3))} ${limit.unit}`;
  const verdict = observed === null ? 'inconclusive' : observed <= required ? 'pass' : 'fail';
  const message = observed === null ? unseen : `${shown(observed)}, at most ${shown(required)} allowed`;
  return loadCheck(id, title, { verdict, observed, required, message }, limit);
}

/** load/accuracy-when-busy: is the target wrong more often when its CPU is nearly used up? Only where that is shown, or a limit is set. */
export function busyCheck(busy: BusyAccuracy | null, slo: Slo): Check[] {
  if (busy === null) return [];
  const { share, rows, others, othersRows, pValue } = busy;
  const dropped = pValue <= 0.01 && share < others;
  const required = typeof slo.accuracy === 'number' ? slo.accuracy : null;
  if (!dropped && required === null) return [];
  const verdict = dropped ? 'fail' : 'pass';
  const message = `${percent(share)} of ${rows} answers are right while more than 80% of the CPU is used, ${percent(others)} of ${othersRows} otherwise${dropped ? ` (p = ${pValue.toPrecision(2)})` : ''}`;
  return [
    loadCheck(
      'accuracy-when-busy',
      'Accuracy while the CPU is busy',
      { verdict, observed: share, required: others, message },
      leastShare,
      'warn',
    ),
  ];
}

export function greatest(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}

function mean(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}
