/** Questions to another process or thread, each under a number, until it is answered or nobody is left to answer. */
export interface Questions {
  /** @param send hands the question over under its number */
  ask<T>(send: (id: number) => void): Promise<T>;
  answer(id: number, value: unknown): void;
  refuse(id: number, error: unknown): void;
  /** Refuse what waits, and what is asked from then on, with the first such error. */
  giveUp(error: unknown): void;
}

export function questions(): Questions {
  const waiting = new Map<number, { take(value: never): void; refuse(error: unknown): void }>();
  let next = 0;
  let over: unknown;
  return {
    ask: (send) =>
      new Promise((take, refuse) => {
        if (over !== undefined) return refuse(over);
        const id = (next += 1);
        waiting.set(id, { take, refuse });
        send(id);
      }),
    answer(id, value) {
      waiting.get(id)?.take(value as never);
      waiting.delete(id);
    },
    refuse(id, error) {
      waiting.get(id)?.refuse(error);
      waiting.delete(id);
    },
    giveUp(error) {
      over ??= error;
      for (const { refuse } of waiting.values()) refuse(over);
      waiting.clear();
    },
  };
}
