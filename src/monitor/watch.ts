import { cusumStep, startOfCusum } from './charts.ts';
import { fitBaseline, standardised, worstOf, type Bad, type Baseline } from './baseline.ts';
import { cusumLimit } from './run-lengths.ts';

export interface WatchSettings {
  /** Alarms a window that may be false. */
  rate: number;
  /** Windows to learn from before the first judgement. */
  learning: number;
  /** Windows a week and a day, of which the longer that the baseline has four of is the season. */
  periods: readonly number[];
  /** Which way counts. */
  bad: Bad;
  /** Windows that the baseline stays behind: a slow decline must not teach it. Default 28. */
  behind?: number;
}

export type Watched =
  | { state: 'learning'; of: number }
  | { state: 'missing' }
  | {
      state: 'ok' | 'alarm';
      /** The sum that is compared with the limit. */
      sum: number;
      limit: number;
      /** What the season lets expect. */
      expected: number;
    };

const k = 0.5;
/** What is left of the limit after a value as large as any that was learnt: outliers are no alarm where they are usual. Found by simulation. */
const beyondWorst = 0.7;
/** A single value counts up to this: what is beyond alarms all the same. */
const largest = 12;

/**
 * A CUSUM of each value against a seasonal baseline without the part that its neighbour explains. The baseline stays 28 windows behind
 * and never learns from an alarm, so that a slow decline does not teach it; it grows to a year, since one of 30 windows is so uncertain
 * itself that no limit holds the budget (docs/monitoring-levels.md).
 *
 * @param values one a window, consecutive; null: none
 * @param place index of the first window in the calendar, counted in windows
 */
export function watch(values: readonly (number | null)[], place: number, settings: WatchSettings): Watched[] {
  const { rate, periods, bad, behind = 28 } = settings;
  // Before four of the longest season it is not known, and each weekend would be an alarm that is never learnt from.
  const learning = Math.max(settings.learning, ...periods.map((each) => 4 * each));
  // No more than a year is learnt from, however many windows a week has.
  const longest = Math.max(365, ...periods.map((each) => 52 * each));
  const sides = bad === 'both' ? 2 : 1;
  const base = baseLimit(sides / rate);
  const learnt: (number | null)[] = [];
  const found: Watched[] = [];
  let baseline: Baseline | null = null;
  let period = 1;
  let fittedAt = -Infinity;
  let fittedOn = 0;
  let cusum = startOfCusum;
  let alarmed = false;
  let known = 0;
  let worst = 0;
  for (const [index, value] of values.entries()) {
    const seen = known;
    if (value !== null) known += 1;
    // What an alarm was open for is not learnt.
    learnt.push(alarmed ? null : value);
    if (seen < learning) {
      found.push(value === null ? { state: 'missing' } : { state: 'learning', of: seen + 1 });
      continue;
    }
    const end: number = Math.max(fittedOn, index - behind, baseline === null ? index : 0);
    const pause = Math.max(7, period);
    if (baseline === null || (end >= fittedOn + pause && index >= fittedAt + pause)) {
      const start = Math.max(0, end - longest);
      period = periods.find((each) => end - start >= 4 * each) ?? 1;
      const places = learnt.slice(start, end).map((_, at) => (place + start + at) % period);
      const fitted: Baseline | null = fitBaseline(learnt.slice(start, end), places, period);
      if (fitted !== null) {
        [baseline, fittedAt, fittedOn] = [fitted, index, end];
        worst = Math.min(largest, worstOf(learnt.slice(start, end), places, fitted, bad));
      }
    }
    if (value === null || baseline === null) {
      found.push({ state: 'missing' });
      continue;
    }
    const fitted: Baseline = baseline;
    const expected = fitted.season[(place + index) % period] as number;
    const previous = values[index - 1] ?? null;
    const before = previous === null ? null : previous - (fitted.season[(place + index - 1) % period] as number);
    const z = Math.max(-largest, Math.min(largest, standardised(fitted, value - expected, before)));
    // Mean, spread and correlation are estimated: found by simulation (docs/monitoring-levels.md).
    const ofNormal = base * (1 + (1.65 * base) / fitted.count) * (1 + 0.3 * fitted.phi);
    const limit = Math.max(ofNormal, worst - k + beyondWorst * base);
    const next = cusumStep(cusum, z, k);
    const sum = bad === 'down' ? next.down : bad === 'up' ? next.up : Math.max(next.up, next.down);
    const alarm = sum > limit;
    // A sum that stays at its limit is down again soon after the cause is gone.
    cusum = { up: Math.min(next.up, limit), down: Math.min(next.down, limit) };
    alarmed = alarm || (alarmed && sum > limit / 2);
    found.push({ state: alarmed ? 'alarm' : 'ok', sum, limit, expected });
  }
  return found;
}

const limits = new Map<number, number>();

function baseLimit(runLength: number): number {
  const known = limits.get(runLength);
  if (known !== undefined) return known;
  const limit = cusumLimit(runLength, k);
  limits.set(runLength, limit);
  return limit;
}
