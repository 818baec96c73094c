import { errorOf, fewInterval, jackknifeEffects } from './few.ts';
import { studentInterval, unknownInterval, type PairedInterval } from './interval.ts';

/**
 * Interval from a statistic with one of g random groups of units left out at a time: delta -+ t[g - 1] * se, the variance
 * (g - 1) / g * sum of squared distances from their mean. Kott, "The delete-a-group jackknife" (J. Official Statistics 17, 2001);
 * consistent for quantiles too where groups are large (Shao and Wu, Ann. Statist. 17, 1989). Not for extremes, such as a maximum.
 */
export function jackknifeInterval(delta: number, left: Float64Array, method: string): PairedInterval {
  const effects = jackknifeEffects(left, null);
  const few = fewInterval(delta, effects);
  if (few !== null) return few.unknown === undefined ? { ...few, method } : few;
  const standardError = errorOf(effects);
  if (standardError === 0)
    return unknownInterval(delta, 'the difference is the same when any group of rows is left out');
  return studentInterval(delta, standardError, left.length - 1, method);
}
