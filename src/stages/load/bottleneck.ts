import { availableParallelism } from 'node:os';
import { percent } from '../../wording.ts';
import type { WindowResult } from './driver.ts';
import { generatorWasLimit, judgeWindow } from './judge.ts';
import type { Slo } from './schema.ts';
import { cpuBetween, memoryBetween, throttledBetween, type Session } from './session.ts';
import { missed } from './constant.ts';

/** What broke first. */
export interface Bottleneck {
  kind: 'cpu' | 'memory' | 'errors' | 'generator' | 'queue';
  /** The objective that was missed, and what was short. */
  message: string;
}

/** Why a window missed its objectives, from what the target used meanwhile. */
export function bottleneckOf(result: WindowResult, slo: Slo, { watch, target }: Session): Bottleneck {
  const findings = judgeWindow(result, slo);
  const what = missed(findings) || findings.errors.message;
  const to = result.startedAt + result.elapsedMs;
  const cpu = cpuBetween(watch, result.startedAt, to);
  const cores = target.limits.cpus ?? availableParallelism();
  const throttled = throttledBetween(watch, result.startedAt, to);
  const memory = memoryBetween(watch, result.startedAt, to);
  const of = (kind: Bottleneck['kind'], why: string): Bottleneck => ({ kind, message: `${what}; ${why}` });
  if (generatorWasLimit(findings)) {
    const why = `the load generator was the limit: ${findings.generator.message}`;
    return what.includes(why) ? { kind: 'generator', message: what } : of('generator', why);
  }
  if (findings.errors.verdict === 'fail' && findings.latency.every(({ verdict }) => verdict === 'pass')) {
    return of('errors', 'errors came first');
  }
  if (memory !== null && target.limits.memoryBytes !== null && memory > 0.9 * target.limits.memoryBytes) {
    return of('memory', `its memory was ${percent(memory / target.limits.memoryBytes)} of the limit`);
  }
  if (throttled !== null && throttled > 0.5) {
    return of('cpu', `its CPU limit held it back in ${percent(throttled)} of the time`);
  }
  if (cpu !== null && cpu > 0.85 * cores) {
    return of('cpu', `it used ${cpu.toFixed(1)} of ${cores} cores`);
  }
  if (cpu !== null && cpu > 0.9 && cpu < 1.15) {
    return of(
      'cpu',
      `it used one core in full (${cpu.toFixed(2)}), of ${cores}: one thread or process may be its limit`,
    );
  }
  return of(
    'queue',
    cpu === null ? 'requests queued' : `requests queued while it used ${cpu.toFixed(1)} of ${cores} cores`,
  );
}
