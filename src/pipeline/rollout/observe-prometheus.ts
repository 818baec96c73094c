import { ContenderError, TrafficError } from '../../errors.ts';
import type { ByArm, StepObservation } from '../../stages/guardrails.ts';
import type { Observe } from '../../stages/traffic.ts';
import { listOf, objectOf } from '../../json.ts';
import { onlyNumber, wordsOf, type PrometheusReply } from '../monitoring/prometheus.ts';
import { askJson, tokenOf } from './http.ts';
import type { Observer, ObserverInput, Step } from './observer.ts';

type Arm = 'champion' | 'candidate';

/**
 * Counters of Prometheus. Whole numbers of contiguous windows are taken as differences between looks: `increase()` would extrapolate, and
 * lose the first samples of a new series, just when canary pods start. Requests stand for users, whom it does not know.
 */
export function observePrometheus({ settings, env }: ObserverInput): Observer {
  const observe = settings.observe as Extract<Observe, { prometheus: string }>;
  const token = tokenOf(observe.token, env);
  const queries: Record<string, string> = { requests: observe.requests, ...observe.failures };
  // Sums since the step began, by step, query and arm; and the counters as they were at the last look.
  const sums = new Map<number, Record<string, ByArm>>();
  let last: Record<string, ByArm> | null = null;
  // Counters that had a series, by query and arm, and queries whose metrics are known.
  const seenOnce = new Set<string>();
  const known = new Set<string>();
  return {
    close: () => Promise.resolve(),
    async look(steps, now) {
      try {
        const current: Record<string, Record<Arm, number | null>> = {};
        for (const [name, query] of Object.entries(queries)) {
          current[name] = {
            champion: await valueOf(query, 'champion', name),
            candidate: await valueOf(query, 'candidate', name),
          };
        }
        await requireKnownMetrics(current);
        const step = steps.length - 1;
        const before = last;
        last = valuesOf(current);
        if (before !== null) {
          const fallen = fallOf(before, last);
          if (fallen !== null) return { steps: seen(steps, now), fault: fallen, void: null };
          const sum = sums.get(step) ?? {};
          for (const [name, is] of Object.entries(last)) {
            const was = before[name] as ByArm;
            const grown = (arm: Arm): number => Math.round((sum[name]?.[arm] ?? 0) + is[arm] - was[arm]);
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

  /**
   * A counter of failures has no series before the first failure. One that is misspelt has none ever, and would let every candidate pass:
   * Prometheus must know its metric.
   */
  async function requireKnownMetrics(current: Readonly<Record<string, Record<Arm, number | null>>>): Promise<void> {
    for (const [name, values] of Object.entries(current)) {
      if (values.champion !== null || values.candidate !== null || known.has(name)) continue;
      const metrics = [...(queries[name] ?? '').matchAll(/[a-zA-Z_:][\w:]*(?=\s*\{)/gu)].map(([metric]) => metric);
      for (const metric of metrics) {
        if ((await valueOf(`count({__name__="${metric}"})`, 'champion', name)) !== null) continue;
        throw new TrafficError({
          found: `Prometheus knows no metric ${metric}`,
          expected: 'a counter of failures that exists, for any version',
          where: `rollout.observe, query of ${name}`,
          remedy: 'Correct the query; if the metric appears only with the first failure, add: or vector(0)',
        });
      }
      known.add(name);
    }
  }

  async function valueOf(query: string, arm: Arm, name: string): Promise<number | null> {
    const text = query.replaceAll('$arm', observe.arms[arm]);
    const url = `${observe.prometheus.replace(/\/$/u, '')}/api/v1/query?query=${encodeURIComponent(text)}`;
    const answer = await askJson(url, { token });
    const { status, warnings, data, error }: PrometheusReply = objectOf(answer);
    const fault = (found: string): TrafficError =>
      new TrafficError({ found, where: `rollout.observe, query of ${name} for the ${arm}` });
    if (status !== 'success')
      throw fault(
        `Prometheus answers ${error === undefined ? 'without success' : typeof error === 'string' ? error : JSON.stringify(error)}`,
      );
    const [warning] = listOf(warnings);
    if (warning !== undefined) throw fault(`Prometheus gives a partial answer: ${wordsOf(warning)}`);
    const read = onlyNumber(data);
    if ('fault' in read) throw fault(read.fault);
    const { text: value } = read;
    // One that was there and is gone was not scraped, and comes back whole.
    if (value === null) {
      if (name !== 'requests' && !seenOnce.has(`${name} ${arm}`)) return null;
      throw fault('Prometheus gives no series');
    }
    if (query === queries[name]) seenOnce.add(`${name} ${arm}`);
    const number = Number(value);
    if (!Number.isFinite(number) || number < 0) throw fault(`Prometheus gives ${value}`);
    return number;
  }
}

function valuesOf(current: Readonly<Record<string, Record<Arm, number | null>>>): Record<string, ByArm> {
  const zero = ({ champion, candidate }: Record<Arm, number | null>): ByArm => ({
    champion: champion ?? 0,
    candidate: candidate ?? 0,
  });
  return Object.fromEntries(Object.entries(current).map(([name, values]) => [name, zero(values)]));
}

/**
 * A sum of counters that falls: a process ended or began again, and nobody knows by how much the others grew meanwhile. What is left of
 * the sum is no growth, so that this look says nothing of any counter; the next one goes on from here.
 */
function fallOf(before: Readonly<Record<string, ByArm>>, now: Readonly<Record<string, ByArm>>): string | null {
  for (const [name, is] of Object.entries(now)) {
    for (const arm of ['champion', 'candidate'] as const) {
      const was = before[name]?.[arm] ?? 0;
      if (is[arm] < was)
        return `the counter of ${name} of the ${arm} fell from ${was} to ${is[arm]}: a process was restarted, so this measurement is not used`;
    }
  }
  return null;
}
