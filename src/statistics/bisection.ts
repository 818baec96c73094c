/**
 * Where a condition begins to hold between `from` and `to`, after so many halvings: the last place without it and the first with it.
 * The ends themselves are not tried; `to` may be the smaller one.
 */
export function bisected(
  from: number,
  to: number,
  steps: number,
  holds: (at: number) => boolean,
): [without: number, within: number] {
  let [without, within] = [from, to];
  for (let step = 0; step < steps; step += 1) {
    const middle = (without + within) / 2;
    if (holds(middle)) within = middle;
    else without = middle;
  }
  return [without, within];
}
