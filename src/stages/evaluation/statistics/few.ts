import { studentInterval, unknownInterval, type PairedInterval } from './interval.ts';

/** What each independent unit adds to the error of delta: the sum of the squares is its variance. */
export interface Effects {
  values: Float64Array;
  /** How many equal units each value stands for; null: one. */
  multiplicity: ArrayLike<number> | null;
}

/** Residuals of a normal sample are worth a third of their number: what is worth less than a quarter is carried by few. */
const carriedShare = 1 / 4;
/** Up to here units are too few to be drawn anew, whatever their spread. */
const fewUnits = 30;

/**
 * Interval where units are few, or few of them carry the difference; null where neither is so. A bootstrap breaks there: many of its
 * resamples hold none of the units that matter, and a studentised one divides by nearly nothing.
 *
 * Few units: Student's t with one degree of freedom less than there are (as for few clusters: Bell and McCaffrey, Survey Methodology
 * 28, 2002). Few that carry the difference, counted by the kurtosis of their effects, (sum of squares)^2 / sum of fourth powers:
 * one unit gained and one lost, each as large as the largest effect, are added to the scatter, and the degrees of freedom are those
 * that remain; for differences of -1, 0 and 1 this is the adjusted interval of Bonett and Price (J. Educ. Behav. Stat. 37, 2012) about
 * the estimate, with t for z.
 * @param largest the largest effect a unit may have, where it is known to be larger than any that was seen
 * @param enough effective units from which on the method of more holds
 */
export function fewInterval(
  delta: number,
  effects: Effects,
  { largest = 0, enough = 15 }: { largest?: number; enough?: number } = {},
): PairedInterval | null {
  const { units, squares, effective, extreme } = momentsOf(effects);
  if (units < 2) return unknownInterval(delta, 'a single independent unit does not show how others vary');
  if (!(squares > 0)) return null;
  if (effective < enough && effective < carriedShare * units) {
    const added = Math.max(extreme, largest);
    const freedom = Math.min(units - 1, effective + 1);
    const cautious = studentInterval(delta, Math.sqrt(squares + 2 * added * added), freedom, 't-few-rows');
    return { ...cautious, standardError: Math.sqrt(squares) };
  }
  return units < fewUnits ? studentInterval(delta, Math.sqrt(squares), units - 1, 't-rows') : null;
}

/** Effects from a statistic without one unit at a time: the jackknife's estimate of its variance, unit by unit. */
export function jackknifeEffects(without: Float64Array, multiplicity: ArrayLike<number> | null): Effects {
  let units = 0;
  let sum = 0;
  for (let index = 0; index < without.length; index += 1) {
    const value = without[index] as number;
    if (Number.isNaN(value)) continue;
    const count = multiplicity === null ? 1 : (multiplicity[index] as number);
    units += count;
    sum += count * value;
  }
  const mean = sum / units;
  const scale = Math.sqrt((units - 1) / units);
  // A unit without which there is no value is left out, as a replicate without one is.
  return { values: without.map((value) => (Number.isNaN(value) ? 0 : scale * (mean - value))), multiplicity };
}

/** Standard error of delta. */
export function errorOf({ values, multiplicity }: Effects): number {
  let squares = 0;
  for (let index = 0; index < values.length; index += 1)
    squares += (multiplicity === null ? 1 : (multiplicity[index] as number)) * (values[index] as number) ** 2;
  return Math.sqrt(squares);
}

/** Acceleration of a BCa interval: a sixth of the skewness of the effects (Efron, JASA 82, 1987). */
export function accelerationOf({ values, multiplicity }: Effects): number {
  let squares = 0;
  let cubes = 0;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] as number;
    const count = multiplicity === null ? 1 : (multiplicity[index] as number);
    squares += count * value * value;
    cubes += count * value * value * value;
  }
  return squares > 0 ? cubes / (6 * Math.pow(squares, 1.5)) : 0;
}

function momentsOf({ values, multiplicity }: Effects): {
  units: number;
  squares: number;
  /** (sum of squares)^2 / sum of fourth powers */
  effective: number;
  extreme: number;
} {
  const extreme = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  let [units, squares, fourths] = [0, 0, 0];
  for (let index = 0; index < values.length; index += 1) {
    const count = multiplicity === null ? 1 : (multiplicity[index] as number);
    const square = extreme === 0 ? 0 : ((values[index] as number) / extreme) ** 2;
    units += count;
    squares += count * square;
    fourths += count * square * square;
  }
  return { units, squares: squares * extreme * extreme, effective: (squares * squares) / fourths, extreme };
}
