import { randomFrom } from '../../../statistics/random.ts';
import { bcaInterval, standardErrorInterval } from './bootstrap.ts';
import { accelerationOf, errorOf, fewInterval, jackknifeEffects } from './few.ts';
import { pointInterval, type PairedInterval } from './interval.ts';
import { drawUnits, type Units } from './resample.ts';

/** Sums of a few terms over the rows of each unit, row-major [units x width]: all that a function of sums needs of them. */
export interface UnitSums {
  units: Units;
  rows: number;
  width: number;
  sums: Float64Array;
}

export function emptySums(units: Units, rows: number, width: number): UnitSums {
  return { units, rows, width, sums: new Float64Array(units.count * width) };
}

/**
 * Add a value a row to the term numbered `first`, or `places[row]` after it.
 * @param values null: 1 @param weights of rows; null counts each once
 */
export function addAt(
  { units: { ofRow }, rows, width, sums }: UnitSums,
  places: ArrayLike<number> | null,
  first: number,
  values: ArrayLike<number> | null,
  weights: Float64Array | null,
): void {
  for (let row = 0; row < rows; row += 1) {
    const unit = ofRow === null ? row : (ofRow[row] as number);
    const term = places === null ? first : first + (places[row] as number);
    const value = values === null ? 1 : (values[row] as number);
    sums[unit * width + term]! += weights === null ? value : value * (weights[row] as number);
  }
}

/**
 * Interval of a function of the sums over all units, units drawn anew: BCa, its acceleration from leaving out one unit at a time, or,
 * where the function has kinks, normal. Where few units carry the difference, from leaving out one at a time alone; exact where no unit moves it.
 */
export function sumsInterval(
  { units, width, sums }: UnitSums,
  statistic: (totals: Float64Array) => number,
  { seed, resamples, method, kinks }: { seed: number; resamples: number; method: string; kinks: boolean },
): PairedInterval {
  const totals = new Float64Array(width);
  const addUnit = (unit: number, count: number): void => {
    const start = unit * width;
    for (let term = 0; term < width; term += 1) totals[term]! += count * (sums[start + term] as number);
  };
  for (let unit = 0; unit < units.count; unit += 1) addUnit(unit, 1);
  const whole = Float64Array.from(totals);
  const delta = statistic(whole);
  const without = Float64Array.from({ length: units.count }, (_, unit) => {
    const start = unit * width;
    for (let term = 0; term < width; term += 1) {
      const all = whole[term] as number;
      const left = all - (sums[start + term] as number);
      // What a sum of one unit leaves by rounding is nothing: a class would still occur by it.
      totals[term] = Math.abs(left) <= rounding * Math.abs(all) ? 0 : left;
    }
    return statistic(totals);
  });
  const effects = jackknifeEffects(without, null);
  const few = fewInterval(delta, effects);
  if (few !== null) return few;
  const moves = errorOf(effects);
  if (moves <= rounding * Math.abs(delta)) return { ...pointInterval(delta, method), seed };
  const random = randomFrom(seed);
  const counts = new Float64Array(units.count);
  const values = Float64Array.from({ length: resamples }, () => {
    drawUnits(random, units, counts);
    totals.fill(0);
    for (let unit = 0; unit < units.count; unit += 1) {
      const count = counts[unit] as number;
      if (count > 0) addUnit(unit, count);
    }
    return statistic(totals);
  });
  return kinks
    ? standardErrorInterval({ delta, values, method, seed })
    : bcaInterval({ delta, values, acceleration: accelerationOf(effects), method, seed });
}

/** What is less than this share of a number is its rounding alone. */
const rounding = 1e-12;
