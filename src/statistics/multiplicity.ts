/** Holm's step-down adjusted p-values (family-wise error), in the order given. Scand. J. Statist. 6 (1979). */
export function holm(pValues: readonly number[]): number[] {
  const order = ascending(pValues);
  const adjusted = new Array<number>(pValues.length);
  let running = 0;
  for (const [rank, index] of order.entries()) {
    running = Math.max(running, Math.min(1, (pValues.length - rank) * (pValues[index] as number)));
    adjusted[index] = running;
  }
  return adjusted;
}

/** Benjamini and Hochberg's adjusted p-values (false discovery rate), in the order given. J. R. Statist. Soc. B 57 (1995). */
export function benjaminiHochberg(pValues: readonly number[]): number[] {
  const order = ascending(pValues);
  const adjusted = new Array<number>(pValues.length);
  let running = 1;
  for (const [rank, index] of [...order.entries()].reverse()) {
    running = Math.min(running, ((pValues[index] as number) * pValues.length) / (rank + 1));
    adjusted[index] = running;
  }
  return adjusted;
}

function ascending(pValues: readonly number[]): number[] {
  return pValues.map((_, index) => index).sort((a, b) => (pValues[a] as number) - (pValues[b] as number));
}
