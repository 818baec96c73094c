import { normalCdf } from '../statistics/distributions.ts';
import { solve } from '../statistics/linear.ts';
import { splitmix32 } from '../statistics/splitmix.ts';

/** Columns of rows of two samples: numbers with NaN where there is none, or categories with null. */
export type SampledColumn = { name: string } & (
  | { kind: 'number'; values: Float64Array }
  | { kind: 'category'; values: readonly (string | null)[] }
);

/** How well a row can be told to be of one sample or the other. */
export interface DomainTest {
  /** Area under the ROC curve on rows that were not learned from: 0.5 where nothing can be told. */
  auc: number;
  /** Of an AUC so large where both samples are of one distribution: one-sided. */
  p: number;
  /** Rows of each sample that the AUC is of. */
  rows: [reference: number, current: number];
  /** Columns by the weight that they have in telling, largest first. */
  columns: { name: string; weight: number }[];
}

const mostCategories = 10;
/** Numbers whose products are looked at too, for changes of how columns go together. */
const mostPaired = 8;
const mostFeatures = 150;
const ridge = 0.01;
const steps = 6;

/**
 * Learn on one half of the rows to tell the samples apart (logistic regression over standardised numbers, their squares and products,
 * and frequent categories) and try it on the other half. Since the classifier knows nothing of that half, its AUC there is a
 * Mann-Whitney statistic whose distribution is known where nothing has changed: mean 0.5, variance (n + m + 1) / (12 n m).
 * @param size of the reference; the other rows of each column are of the current sample
 */
export function domainTest(columns: readonly SampledColumn[], size: number, seed: number): DomainTest | null {
  const rows = columns[0]?.values.length ?? 0;
  if (size < 4 || rows - size < 4) return null;
  const half = halves(size, rows, seed);
  const { features, owners } = featuresOf(columns, half);
  if (features.length === 0) return null;
  const weights = logistic(features, half, size);
  const test = half.flatMap((learned, row) => (learned ? [] : [row]));
  const scores = test.map((row) => score(features, weights, row));
  const current = test.map((row) => row >= size);
  const m = current.filter(Boolean).length;
  const n = test.length - m;
  const auc = areaOf(scores, current, n, m);
  const error = Math.sqrt((n + m + 1) / (12 * n * m));
  const byColumn = new Map<string, number>();
  for (const [index, owner] of owners.entries()) {
    for (const name of owner) byColumn.set(name, (byColumn.get(name) ?? 0) + Math.abs(weights[index + 1] ?? 0));
  }
  return {
    auc,
    p: 1 - normalCdf((auc - 0.5) / error),
    rows: [n, m],
    columns: [...byColumn].map(([name, weight]) => ({ name, weight })).sort((a, b) => b.weight - a.weight),
  };
}

/** True: learned from. Half of each sample. */
function halves(size: number, rows: number, seed: number): boolean[] {
  const random = splitmix32(seed);
  const learned = new Array<boolean>(rows).fill(false);
  for (const [from, to] of [
    [0, size],
    [size, rows],
  ] as const) {
    const order = Array.from({ length: to - from }, (_, index) => ({ row: from + index, key: random() }));
    order.sort((a, b) => a.key - b.key || a.row - b.row);
    for (const { row } of order.slice(0, Math.floor(order.length / 2))) learned[row] = true;
  }
  return learned;
}

interface Features {
  features: Float64Array[];
  /** Columns that each feature is of. */
  owners: string[][];
}

function featuresOf(columns: readonly SampledColumn[], learned: readonly boolean[]): Features {
  const found: Features = { features: [], owners: [] };
  const add = (values: Float64Array, ...names: string[]): Float64Array | null => {
    const standard = found.features.length < mostFeatures ? standardised(values, learned) : null;
    if (standard === null) return null;
    found.features.push(standard);
    found.owners.push(names);
    return standard;
  };
  const numbers: { name: string; values: Float64Array }[] = [];
  for (const column of columns) {
    const { name } = column;
    if (column.kind === 'category') {
      const counts = new Map<string | null, number>();
      for (const value of column.values) counts.set(value, (counts.get(value) ?? 0) + 1);
      const frequent = [...counts].sort(([a, n], [b, m]) => m - n || String(a).localeCompare(String(b), 'en'));
      for (const [value] of frequent.slice(0, mostCategories)) {
        add(
          Float64Array.from(column.values, (each) => (each === value ? 1 : 0)),
          name,
        );
      }
      continue;
    }
    const { values } = column;
    if (values.some(Number.isNaN))
      add(
        values.map((value) => (Number.isNaN(value) ? 1 : 0)),
        name,
      );
    const standard = add(values, name);
    if (standard !== null) numbers.push({ name, values: standard });
  }
  for (const { name, values } of numbers)
    add(
      values.map((value) => value ** 2),
      name,
    );
  const paired = numbers.slice(0, mostPaired);
  for (const [index, one] of paired.entries()) {
    for (const other of paired.slice(index + 1)) {
      add(
        one.values.map((value, row) => value * (other.values[row] as number)),
        one.name,
        other.name,
      );
    }
  }
  return found;
}

/** With mean 0 and deviation 1 over the rows that are learned from; missing ones 0; at most 5 from the mean. Null: constant. */
function standardised(values: Float64Array, learned: readonly boolean[]): Float64Array | null {
  const known = values.filter((value, row) => learned[row] === true && Number.isFinite(value)).sort();
  if (known.length < 2) return null;
  // Outliers say little of most rows.
  const low = known[Math.floor(known.length * 0.005)] as number;
  const high = known[Math.ceil(known.length * 0.995) - 1] as number;
  if (low === high) return null;
  const clipped = known.map((value) => Math.min(high, Math.max(low, value)));
  const mean = clipped.reduce((sum, value) => sum + value / clipped.length, 0);
  const variance = clipped.reduce((sum, value) => sum + (value - mean) ** 2 / clipped.length, 0);
  if (!(variance > 0) || !Number.isFinite(variance)) return null;
  const deviation = Math.sqrt(variance);
  return values.map((value) => (Number.isNaN(value) ? 0 : Math.min(5, Math.max(-5, (value - mean) / deviation))));
}

/** Intercept and weights, by Newton's method with a ridge. */
function logistic(features: readonly Float64Array[], learned: readonly boolean[], size: number): Float64Array {
  const rows = learned.flatMap((each, row) => (each ? [row] : []));
  const width = features.length + 1;
  const weights = new Float64Array(width);
  const row = new Float64Array(width);
  for (let step = 0; step < steps; step++) {
    const gradient = new Float64Array(width);
    const hessian = Array.from({ length: width }, () => new Float64Array(width));
    for (const at of rows) {
      row[0] = 1;
      for (const [index, feature] of features.entries()) row[index + 1] = feature[at] as number;
      const probability = 1 / (1 + Math.exp(-score(features, weights, at)));
      const residual = (at >= size ? 1 : 0) - probability;
      const spread = probability * (1 - probability);
      for (let i = 0; i < width; i++) {
        const value = row[i] as number;
        gradient[i] = (gradient[i] as number) + (residual * value) / rows.length;
        const line = hessian[i] as Float64Array;
        for (let j = 0; j <= i; j++)
          line[j] = (line[j] as number) + (spread * value * (row[j] as number)) / rows.length;
      }
    }
    for (let i = 0; i < width; i++) {
      // The intercept is free.
      const penalty = i === 0 ? 1e-9 : ridge;
      gradient[i] = (gradient[i] as number) - (i === 0 ? 0 : ridge) * (weights[i] as number);
      const line = hessian[i] as Float64Array;
      line[i] = (line[i] as number) + penalty;
      // It is symmetric: only half of it was added up.
      for (let j = 0; j < i; j++) (hessian[j] as Float64Array)[i] = line[j] as number;
    }
    const change = solve(hessian, gradient);
    for (let i = 0; i < width; i++) weights[i] = (weights[i] as number) + (change[i] as number);
  }
  return weights;
}

function score(features: readonly Float64Array[], weights: Float64Array, row: number): number {
  let sum = weights[0] as number;
  for (const [index, feature] of features.entries()) sum += (weights[index + 1] as number) * (feature[row] as number);
  return sum;
}

/** Mann-Whitney's estimate; ties count half. */
function areaOf(scores: readonly number[], current: readonly boolean[], n: number, m: number): number {
  const order = scores.map((value, index) => ({ value, current: current[index] === true }));
  order.sort((a, b) => a.value - b.value);
  let below = 0;
  let wins = 0;
  for (let start = 0; start < order.length;) {
    let end = start;
    let [references, currents] = [0, 0];
    for (; end < order.length && order[end]?.value === order[start]?.value; end++) {
      if (order[end]?.current === true) currents += 1;
      else references += 1;
    }
    wins += currents * (below + references / 2);
    below += references;
    start = end;
  }
  return wins / (n * m);
}
