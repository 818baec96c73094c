import { setTimeout as sleep } from 'node:timers/promises';
import { GitHubError } from '../errors.ts';
import { minuteOf } from '../wording.ts';

/** How long to put up with faults that pass. */
export interface Patience {
  /** Attempts in all. */
  attempts: number;
  /** The first pause is random up to this, and the limit doubles with every further one up to `capMs`. */
  baseMs: number;
  capMs: number;
  /** What a rate limit without retry-after asks for: GitHub says at least a minute. */
  limitedMs: number;
  /** A rate limit that asks for more than this is an error that says when to come back. */
  longestMs: number;
}

const defaults: Patience = { attempts: 6, baseMs: 500, capMs: 15_000, limitedMs: 60_000, longestMs: 5 * 60_000 };

/** What became of one attempt. `pause`: what the server asked for, in milliseconds. */
export type Outcome<T> = { done: T } | { error: GitHubError; pause: number | null };

export interface PatienceOptions {
  repeatable: boolean;
  patience: Partial<Patience>;
  onPause(error: GitHubError, ms: number): void;
  signal: AbortSignal | undefined;
}

/**
 * Attempt something until it is done, a error is final, or patience ends. A rate limit refused the request, so it may always be
 * repeated; a request of unknown outcome only when that is harmless.
 *
 * @throws GitHubError the last error
 */
export async function patiently<T>(attempt: () => Promise<Outcome<T>>, options: PatienceOptions): Promise<T> {
  const patience = { ...defaults, ...options.patience };
  for (let count = 1; ; count++) {
    const result = await attempt();
    if ('done' in result) return result.done;
    const { error, pause } = result;
    const ms =
      error.kind === 'limited' ? (pause ?? patience.limitedMs) : Math.max(pause ?? 0, jittered(count, patience));
    if (!passes(error, options.repeatable) || count >= patience.attempts) throw error;
    if (ms > patience.longestMs) throw later(error, ms);
    options.onPause(error, ms);
    await sleep(ms, undefined, { signal: options.signal });
  }
}

/** Exponential back-off with full jitter: writers that collided once must not collide again in step. */
export function jittered(count: number, { baseMs, capMs }: Pick<Patience, 'baseMs' | 'capMs'>): number {
  return Math.random() * Math.min(capMs, baseMs * 2 ** (count - 1));
}

function passes({ kind, uncertain }: GitHubError, repeatable: boolean): boolean {
  return kind === 'limited' || (kind === 'unavailable' && (!uncertain || repeatable));
}

function later(error: GitHubError, ms: number): GitHubError {
  const at = minuteOf(new Date(Date.now() + ms).toISOString());
  return new GitHubError('limited', { ...error.fault, remedy: `The limit resets at ${at} UTC. Run again then` });
}
