import type { Value } from './expressions.ts';

export type Combination = Record<string, Value>;

/**
 * The jobs of a matrix: every combination, less those excluded; an included one is merged into those whose values it does not
 * change, or else stands alone ("Running variations of jobs in a workflow", GitHub docs).
 */
export function combinations(matrix: Value): Combination[] {
  const { include, exclude, ...axes } = (matrix ?? {}) as Record<string, Value>;
  const named = Object.entries(axes).map(([name, values]) => [name, values as Value[]] as const);
  const product = named.reduce<Combination[]>(
    (made, [name, values]) => made.flatMap((each) => values.map((value) => ({ ...each, [name]: value }))),
    [{}],
  );
  const kept = (named.length === 0 ? [] : product).filter(
    (each) =>
      !combinationsIn(exclude).some((out) => Object.entries(out).every(([name, value]) => same(each[name], value))),
  );
  const result = kept.map((each) => ({ ...each }));
  const alone: Combination[] = [];
  for (const added of combinationsIn(include)) {
    const fitting = kept.flatMap((original, index) =>
      Object.entries(added).every(([name, value]) => !(name in original) || same(original[name], value)) ? [index] : [],
    );
    for (const index of fitting) Object.assign(result[index] as Combination, added);
    if (fitting.length === 0) alone.push(added);
  }
  return [...result, ...alone];
}

function combinationsIn(value: Value | undefined): Combination[] {
  return Array.isArray(value) ? (value as Combination[]) : [];
}

function same(a: Value | undefined, b: Value): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
