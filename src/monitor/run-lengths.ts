import { bisected } from '../statistics/bisection.ts';
import { normalCdf } from '../statistics/distributions.ts';
import { solve } from '../statistics/linear.ts';

/*
 * How long control charts of independent standard normal values run on average until they alarm, and the limits that follow from
 * a run length: Fredholm integral equations, solved on the nodes of a Gauss-Legendre rule (Crowder, Technometrics 29, 1987).
 */

const nodes = 48;

/**
 * Average run length of the one-sided CUSUM S = max(0, S + x - k), alarm at S > h, from S = 0.
 * @param shift mean of the values, in standard deviations
 */
export function cusumRunLength(h: number, k = 0.5, shift = 0): number {
  const { at, weights } = gaussLegendre(nodes, 0, h);
  // L(u) = 1 + L(0) P(x <= k - u) + integral of L(y) f(y - u + k) over (0, h); the first unknown is L(0).
  const states = [0, ...at];
  const matrix = states.map((from, row) => [
    (row === 0 ? 1 : 0) - normalCdf(k - from - shift),
    ...at.map((to, column) => {
      const own = row === column + 1 ? 1 : 0;
      return own - (weights[column] as number) * density(to - from + k - shift);
    }),
  ]);
  return solve(
    matrix,
    states.map(() => 1),
  )[0] as number;
}

/** The limit h at which a one-sided CUSUM of nothing but noise runs this long. */
export function cusumLimit(runLength: number, k = 0.5): number {
  const [below, above] = bisected(0.01, 20, 50, (h) => {
    // Far beyond the limit the equation is too stiff to be solved; the run is longer all the same.
    const found = cusumRunLength(h, k);
    return !(found > 0 && found < runLength);
  });
  return (below + above) / 2;
}

function density(x: number): number {
  return Math.exp(-(x * x) / 2) / Math.sqrt(2 * Math.PI);
}

/** Nodes and weights on an interval: Newton's method on the Legendre polynomial. */
function gaussLegendre(count: number, low: number, high: number): { at: number[]; weights: number[] } {
  const at = new Array<number>(count);
  const weights = new Array<number>(count);
  const [middle, half] = [(high + low) / 2, (high - low) / 2];
  for (let index = 0; index < count; index++) {
    let x = Math.cos((Math.PI * (index + 0.75)) / (count + 0.5));
    let slope = 1;
    for (let step = 0; step < 100; step++) {
      let [previous, value] = [1, x];
      for (let degree = 2; degree <= count; degree++) {
        [previous, value] = [value, ((2 * degree - 1) * x * value - (degree - 1) * previous) / degree];
      }
      slope = (count * (x * value - previous)) / (x * x - 1);
      const change = value / slope;
      x -= change;
      if (Math.abs(change) < 1e-15) break;
    }
    at[index] = middle - half * x;
    weights[index] = (2 * half) / ((1 - x * x) * slope * slope);
  }
  return { at, weights };
}
