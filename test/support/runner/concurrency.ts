export interface Concurrency {
  group: string;
  cancelInProgress: boolean;
  /** `single`: one waits, and the next to come takes its place; `max`: all wait in order. */
  queue: 'single' | 'max';
}

/** Concurrency groups ("Control the concurrency of workflows and jobs", GitHub docs). */
export interface ConcurrencyGroups {
  /** Wait for a turn; the answer ends it. Null: it was never given, another took its place. */
  enter(wanted: Concurrency, cancel: () => void): Promise<(() => void) | null>;
}

interface Member {
  cancel: () => void;
  start: (leave: (() => void) | null) => void;
}

export function concurrencyGroups(): ConcurrencyGroups {
  const groups = new Map<string, { running: Member | null; waiting: Member[] }>();
  return {
    enter: ({ group, cancelInProgress, queue }, cancel) =>
      new Promise((start) => {
        const name = group.toLowerCase();
        const state = groups.get(name) ?? { running: null, waiting: [] };
        groups.set(name, state);
        const next = (): void => {
          const member = state.waiting.shift() ?? null;
          state.running = member;
          member?.start(next);
        };
        if (queue === 'single' || cancelInProgress) {
          for (const replaced of state.waiting.splice(0)) replaced.start(null);
        }
        state.waiting.push({ cancel, start });
        if (state.running === null) next();
        else if (cancelInProgress) state.running.cancel();
      }),
  };
}
