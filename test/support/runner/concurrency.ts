import { asText, evaluateToken, type Scope, type Value } from './expressions.ts';

export interface Concurrency {
  group: string;
  cancelInProgress: boolean;
  /** `single`: one waits, and the next to come takes its place; `max`: up to a hundred wait in order. */
  queue: 'single' | 'max';
}

/** Concurrency groups ("Control the concurrency of workflows and jobs", GitHub docs). */
export interface ConcurrencyGroups {
  /** Wait for a turn; the answer ends it. Null: it was never given, another took its place or there was none. */
  enter(wanted: Concurrency, cancel: () => void): Promise<(() => void) | null>;
}

/** "Once the queue is full, any additional runs are canceled." */
const mostWaiting = 100;

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
        if (state.waiting.length >= mostWaiting) return start(null);
        state.waiting.push({ cancel, start });
        if (state.running === null) next();
        else if (cancelInProgress) state.running.cancel();
      }),
  };
}

/** What a workflow's or job's `concurrency` says. @throws Error for what GitHub takes for no workflow */
export function concurrencyOf(token: Parameters<typeof evaluateToken>[0], scope: Scope): Concurrency | null {
  const value = evaluateToken(token, scope);
  if (value === null) return null;
  if (typeof value !== 'object') return { group: asText(value), cancelInProgress: false, queue: 'single' };
  const { group = '', 'cancel-in-progress': cancel, queue } = value as Record<string, Value>;
  const cancelInProgress = asText(cancel ?? false) === 'true';
  if (queue === 'max' && cancelInProgress) throw new Error('queue: max goes with no cancel-in-progress: true');
  return { group: asText(group), cancelInProgress, queue: queue === 'max' ? 'max' : 'single' };
}
