/** So many at one time, the others in the order they came. `take` answers with what gives the place back. */
export function places(count: number): { take(): Promise<() => void> } {
  let free = count;
  const waiting: (() => void)[] = [];
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next();
  };
  return {
    async take() {
      if (free > 0) free--;
      else await new Promise<void>((turn) => waiting.push(turn));
      return leave;
    },
  };
}
