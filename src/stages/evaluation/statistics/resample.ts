import { multinomial, randomFrom, type Random } from '../../../statistics/random.ts';
import { sum } from '../../../statistics/sums.ts';
import { numbered } from '../sample.ts';

/** Independent units of a sample, and the strata within which they are drawn. */
export interface Units {
  /** Unit number of each row; null where every row is its own unit. */
  ofRow: Int32Array | null;
  count: number;
  /** Unit numbers by stratum: as many are drawn as there are. Null: all units are one stratum. */
  strata: Uint32Array[] | null;
}

/** Rows as units, drawn within the groups of equal `stratum` (null: one stratum). */
export function rowUnits(rows: number, stratum: ArrayLike<number> | null): Units {
  if (stratum === null) return { ofRow: null, count: rows, strata: null };
  const strata = new Map<number, number[]>();
  for (let row = 0; row < rows; row += 1) {
    const key = stratum[row] as number;
    const members = strata.get(key);
    if (members === undefined) strata.set(key, [row]);
    else members.push(row);
  }
  return { ofRow: null, count: rows, strata: [...strata.values()].map((members) => Uint32Array.from(members)) };
}

/** Clusters as units: whole clusters are drawn. */
export function clusterUnits(clusters: Int32Array): Units {
  const { ofRow, numbers } = numbered(clusters);
  return { ofRow, count: numbers.size, strata: null };
}

/** More than `limit` units as `into` random sets of them: the bootstrap of a smooth statistic hardly notices. */
export function pooledUnits(
  units: Units,
  rows: number,
  { limit, into, seed }: { limit: number; into: number; seed: number },
): Units {
  if (units.count <= limit) return units;
  const random = randomFrom(seed);
  const pool = new Int32Array(units.count);
  for (let unit = 0; unit < units.count; unit += 1) pool[unit] = random.integer(into);
  const { ofRow } = units;
  if (ofRow === null) return { ofRow: pool, count: into, strata: null };
  const pooled = new Int32Array(rows);
  for (let row = 0; row < rows; row += 1) pooled[row] = pool[ofRow[row] as number] as number;
  return { ofRow: pooled, count: into, strata: null };
}

/** Draw units with replacement; `counts` receives how often each was drawn. */
export function drawUnits(random: Random, { strata, count }: Units, counts: Float64Array): void {
  counts.fill(0);
  if (strata === null) {
    random.tally(counts, count);
    return;
  }
  for (const members of strata) {
    for (let draw = 0; draw < members.length; draw += 1)
      counts[members[random.integer(members.length)] as number]! += 1;
  }
}

interface Resampled {
  statistic: (weights: Float64Array) => number;
  units: Units;
  rows: number;
  /** Weights of the rows themselves; null counts every row once. */
  base: Float64Array | null;
  seed: number;
}

/** Replicates of a statistic of row weights under resampling of units. */
export function rowReplicates(input: Resampled & { resamples: number }): Float64Array {
  const { statistic, units, rows, base, resamples, seed } = input;
  const random = randomFrom(seed);
  const counts = new Float64Array(units.count);
  const direct = units.ofRow === null && base === null;
  const weights = direct ? counts : new Float64Array(rows);
  return Float64Array.from({ length: resamples }, () => {
    drawUnits(random, units, counts);
    if (!direct) spread(counts, units, base, weights);
    return statistic(weights);
  });
}

/** The statistic without one random group of units at a time: for the acceleration of a BCa interval. */
export function groupJackknife(input: Resampled & { groups: number }): Float64Array {
  const { statistic, units, rows, base, seed } = input;
  const groups = Math.min(units.count, input.groups);
  const random = randomFrom(seed);
  const group = Int32Array.from({ length: units.count }, (_, unit) =>
    groups === units.count ? unit : random.integer(groups),
  );
  const counts = new Float64Array(units.count);
  const weights = new Float64Array(rows);
  return Float64Array.from({ length: groups }, (_, left) => {
    for (let unit = 0; unit < units.count; unit += 1) counts[unit] = group[unit] === left ? 0 : 1;
    spread(counts, units, base, weights);
    return statistic(weights);
  });
}

/** Replicates of a statistic of cell counts, the cells drawn anew from their observed shares. */
export function cellReplicates(
  statistic: (counts: Float64Array) => number,
  cells: Float64Array,
  resamples: number,
  seed: number,
): Float64Array {
  const random = randomFrom(seed);
  const counts = new Float64Array(cells.length);
  const total = sum(cells);
  return Float64Array.from({ length: resamples }, () => {
    multinomial(random, total, cells, counts);
    return statistic(counts);
  });
}

function spread(counts: Float64Array, units: Units, base: Float64Array | null, weights: Float64Array): void {
  for (let row = 0; row < weights.length; row += 1) {
    const count = counts[units.ofRow === null ? row : (units.ofRow[row] as number)] as number;
    weights[row] = base === null ? count : count * (base[row] as number);
  }
}
