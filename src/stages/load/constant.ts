import type { Check } from '../../evidence/index.ts';
import { defaults } from '../../config/index.ts';
import { leastShare, loadCheck, mostMilliseconds, mostShare, type Limit } from './check.ts';
import type { ClosedLoop, WindowResult } from './driver.ts';
import {
  countOutcomes,
  defaultErrorRate,
  judgeErrors,
  judgeWindow,
  type ObjectiveResult,
  type WindowFindings,
} from './judge.ts';
import { latencyLimits } from './objectives.ts';
import { offsetsOf, type ProfileOf } from './profile.ts';
import type { Slo } from './schema.ts';
import { seed, type Bench } from './session.ts';

export interface MeasuredWindow {
  result: WindowResult;
  findings: WindowFindings;
}

/** A miss must be reproduced: latency on a shared machine is noise. */
const mostWindows = 3;

/**
 * Measure a load that is the same throughout. One window that meets the objectives is enough. A miss, or a window that the generator
 * spoilt, is followed by another, up to three; two misses settle it. Errors are no noise: with too many the first window is the last.
 */
export async function measure(
  bench: Bench,
  profile: ProfileOf<'constant' | 'smoke' | 'closed'>,
  slo: Slo,
): Promise<MeasuredWindow[]> {
  const { signal, log } = bench.session;
  const windows: MeasuredWindow[] = [];
  while (windows.length < mostWindows && !signal.aborted) {
    const planned: Float64Array | ClosedLoop =
      offsetsOf(profile, seed + windows.length) ?? (profile as ProfileOf<'closed'>);
    const result = await bench.run(planned, {
      ...(planned instanceof Float64Array && { hopeless: { planned: planned.length, slo } }),
    });
    const findings = judgeWindow(result, slo);
    windows.push({ result, findings });
    if (settled(windows)) break;
    if (windows.length < mostWindows && !signal.aborted) {
      log.info(
        `Measuring again, because this may be noise: ${missed(findings) || 'one window met the objectives and one did not'}`,
      );
    }
  }
  return windows;
}

/** Does another window make no difference? */
function settled(windows: readonly MeasuredWindow[]): boolean {
  const last = windows.at(-1) as MeasuredWindow;
  const count = (verdict: string): number => windows.filter(({ findings }) => findings.verdict === verdict).length;
  if (count('pass') > count('fail') || count('fail') >= 2) return true;
  if (last.findings.latency.some(({ because }) => because === 'samples')) return true;
  return last.findings.errors.verdict === 'fail';
}

export function missed({ latency, throughput }: WindowFindings): string {
  const missing = [...latency, throughput].filter(({ verdict }) => verdict !== 'pass');
  return missing.map(({ message }) => message).join('; ');
}

/**
 * The checks of windows of one load: latency for every objective that is set, throughput, errors, and the generator for information.
 * Timing is judged on the window that settled it, errors over all windows.
 * @param example what the first unusable answer was
 */
export function windowChecks(windows: readonly MeasuredWindow[], slo: Slo, example?: string): Check[] {
  const decisive = decisiveWindow(windows);
  if (decisive === undefined) return skippedChecks(slo);
  const { findings } = decisive;
  const note = windows.length === 1 ? '' : ` (measured ${windows.length} times)`;
  const results = windows.map(({ result }) => result);
  return [
    ...findings.latency.map((finding) => {
      const untold = decisive.result.cutShort && finding.because === 'samples';
      const told = untold
        ? { ...finding, verdict: 'skipped' as const, message: 'The load was stopped before this could be measured' }
        : { ...finding, message: finding.message + note };
      return loadCheck(finding.name, latencyTitle(finding.name), mostMilliseconds, told);
    }),
    loadCheck('throughput', 'Requests answered in time', leastShare, {
      ...findings.throughput,
      message: findings.throughput.message + note,
    }),
    errorsCheck(results, slo, findings, example),
    generatorCheck(findings),
  ];
}

function errorsCheck(
  results: readonly WindowResult[],
  slo: Slo,
  { generator }: WindowFindings,
  example: string | undefined,
): Check {
  const errors = judgeErrors(countOutcomes(results), slo, generator);
  const lost = new Map<string, number>();
  for (const result of results) {
    for (const [reason, count] of Object.entries(result.lost)) lost.set(reason, (lost.get(reason) ?? 0) + count);
  }
  const reasons = [...lost].map(([reason, count]) => `${count} ${reason}`).join(', ');
  const resent = results.reduce((sum, result) => sum + result.resent, 0);
  const message = [
    errors.message,
    ...(errors.observed > 0 && reasons !== '' ? [`lost: ${reasons}`] : []),
    ...(errors.observed > 0 && example !== undefined ? [`first unusable answer: ${example}`] : []),
    ...(results.some(({ cutShort }) => cutShort)
      ? ['stopped early, because the objectives could no longer be met']
      : []),
    ...(resent > 0 ? [`${resent} sent again after the server closed the connection`] : []),
  ].join('; ');
  return loadCheck('error-rate', 'Errors under load', mostShare, { ...errors, message });
}

/** The last window with the verdict that prevails: two misses, or more windows that pass than miss. */
export function decisiveWindow(windows: readonly MeasuredWindow[]): MeasuredWindow | undefined {
  const having = (verdict: ObjectiveResult['verdict']): MeasuredWindow[] =>
    windows.filter(({ findings }) => findings.verdict === verdict);
  const passes = having('pass');
  const misses = having('fail');
  if (passes.length > misses.length) return passes.at(-1);
  if (misses.length >= 2 || windows.length === misses.length) return misses.at(-1);
  return having('inconclusive').at(-1) ?? windows.at(-1);
}

/** Trouble of the generator matters only where an objective was missed: it makes a server look slower, never faster. */
function generatorCheck({ generator, verdict }: WindowFindings): Check {
  const trouble = generator.overloaded || generator.late;
  const message = !trouble
    ? `The load generator kept its schedule: ${generator.message}`
    : verdict === 'pass'
      ? `The load generator was busy: ${generator.message}. Latencies include this delay and still meet the objectives`
      : `The load generator was busy: ${generator.message}`;
  return {
    id: 'load/generator',
    title: 'Load generator',
    verdict: trouble && verdict !== 'pass' ? 'inconclusive' : 'pass',
    severity: 'info',
    message,
    observed: generator.overloaded ? 'overloaded' : generator.late ? 'late' : 'on time',
    required: 'on time',
  };
}

/** A target that died cannot be judged on its speed. */
export function skippedChecks(slo: Slo): Check[] {
  const skip = (id: string, title: string, required: number, limit: Limit): Check =>
    loadCheck(id, title, limit, { verdict: 'skipped', observed: null, required, message: 'The target stopped' });
  return [
    ...latencyLimits(slo).map(({ name, ms }) => skip(name, latencyTitle(name), ms, mostMilliseconds)),
    skip('throughput', 'Requests answered in time', slo.throughput ?? defaults.throughput, leastShare),
    skip('error-rate', 'Errors under load', slo.error_rate ?? defaultErrorRate, mostShare),
  ];
}

function latencyTitle(name: string): string {
  return name === 'max' ? 'Slowest request' : `${name} latency`;
}
