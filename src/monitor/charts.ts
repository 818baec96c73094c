/* Control charts of values in standard deviations, as one step each: a chart is a fold over its values. */

/** Both sides of a CUSUM (Page, Biometrika 41, 1954). */
export interface Cusum {
  up: number;
  down: number;
}

export const startOfCusum: Cusum = { up: 0, down: 0 };

/** S = max(0, S + x - k), and the same of -x. */
export function cusumStep({ up, down }: Cusum, x: number, k = 0.5): Cusum {
  return { up: Math.max(0, up + x - k), down: Math.max(0, down - x - k) };
}
