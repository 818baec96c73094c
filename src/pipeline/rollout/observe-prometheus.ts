import { ContenderError, TrafficError } from '../../errors.ts';
import type { ByArm, StepObservation } from '../../stages/rollout/judge.ts';
import type { Observe } from '../../stages/rollout/schema.ts';
import { askJson } from './http.ts';
import type { Observer, ObserverInput, Step } from './observe.ts';
import { tokenOf } from './weights.ts';

type Arm = 'champion' | 'candidate';

/**
 * Counters of Prometheus. Whole numbers of contiguous windows are taken as differences between looks: `increase()` would extrapolate, and
 * lose the first samples of a new series, just when canary pods start. Requests stand for users, whom it does not know.
 */
export function observePrometheus({ settings, env }: ObserverInput): Observer {
  const observe = settings.observe as Extract<Observe, { prometheus: string }>;
  const token = tokenOf(observe.token, env);
  const queries = { requests: observe.requests, ...observe.failures };
  // Sums since the step began, by step, query and arm; and the counters as they were at the last look.
  const sums = new Map<number, Record<string, ByArm>>();
  let last: Record<string, ByArm> | null = null;
  return {
    close: () => Promise.resolve(),
    async look(steps, now) {
      try {
        const current: Record<string, ByArm> = {};
        for (const [name, query] of Object.entries(queries)) {
          current[name] = {
            champion: await valueOf(query, 'champion', name),
            candidate: await valueOf(query, 'candidate', name),
          };
        }
        const step = steps.length - 1;
        const before = last;
        last = current;
        if (before !== null) {
          const sum = sums.get(step) ?? {};
          for (const name of Object.keys(queries)) {
            const [was, is] = [before[name] as ByArm, current[name] as ByArm];
            const grown = (arm: Arm): number =>
              Math.round((sum[name]?.[arm] ?? 0) + (is[arm] < was[arm] ? is[arm] : is[arm] - was[arm]));
            sum[name] = { champion: grown('champion'), candidate: grown('candidate') };
          }
          sums.set(step, sum);
        }
        return { steps: seen(steps, now), fault: null, void: null };
      } catch (error) {
        if (!(error instanceof ContenderError)) throw error;
        return { steps: seen(steps, now), fault: error.message.split('\n')[0] ?? error.message, void: null };
      }
    },
  };

  function seen(steps: readonly Step[], now: number): StepObservation[] {
    const none = { champion: 0, candidate: 0 };
    return steps.map(({ weight, from, to }, index) => {
      const { requests = none, ...failures } = sums.get(index) ?? {};
      const all = Object.fromEntries(settings.guardrails.map(({ name }) => [name, failures[name] ?? none]));
      return { weight, from, to: to ?? now, requests, users: null, inBoth: 0, failures: all };
    });
  }

  async function valueOf(query: string, arm: Arm, name: string): Promise<number> {
    const text = query.replaceAll('$arm', observe.arms[arm]);
    const url = `${observe.prometheus.replace(/\/$/u, '')}/api/v1/query?query=${encodeURIComponent(text)}`;
    const answer = await askJson(url, { token });
    const { status, warnings, data, error } = (answer ?? {}) as {
      status?: string;
      warnings?: string[];
      error?: string;
      data?: { resultType?: string; result?: unknown };
    };
    const fault = (found: string): TrafficError =>
      new TrafficError({ found, where: `rollout.observe, query of ${name} for the ${arm}` });
    if (status !== 'success') throw fault(`Prometheus answers ${error ?? 'without success'}`);
    if (warnings !== undefined && warnings.length > 0) throw fault(`Prometheus gives a partial answer: ${warnings[0]}`);
    const { resultType, result } = data ?? {};
    const series = Array.isArray(result) ? (result as { value?: [number, string] }[]) : [];
    const value = resultType === 'scalar' ? (result as [number, string])[1] : series[0]?.value?.[1];
    if (resultType !== 'scalar' && series.length > 1)
      throw fault(`Prometheus gives ${series.length} series; take sum(...) of them`);
    // A counter of failures has no series before the first failure; one of requests is there, or nothing is known.
    if (value === undefined) {
      if (name !== 'requests' || (arm === 'candidate' && last !== null)) return 0;
      throw fault('Prometheus gives no series');
    }
    const number = Number(value);
    if (!Number.isFinite(number) || number < 0) throw fault(`Prometheus gives ${value}`);
    return number;
  }
}
