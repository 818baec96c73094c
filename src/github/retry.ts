import { setTimeout as sleep } from 'node:timers/promises';
import { GitHubError } from '../errors.ts';

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
export type Attempt<T> = { done: T } | { fault: GitHubError; pause: number | null };

export interface PatienceOptions {
  repeatable: boolean;
  patience: Partial<Patience>;
  onPause(fault: GitHubError, ms: number): void;
  signal: AbortSignal | undefined;
}

/**
 * Attempt something until it is done, a fault is final, or patience ends. A rate limit refused the request, so it may always be
 * repeated; a request of unknown outcome only when that is harmless.
 *
 * @throws GitHubError the last fault
 */
export async function patiently<T>(attempt: () => Promise<Attempt<T>>, options: PatienceOptions): Promise<T> {
  const patience = { ...defaults, ...options.patience };
  for (let count = 1; ; count++) {
    const result = await attempt();
    if ('done' in result) return result.done;
    const { fault, pause } = result;
    const ms =
      fault.kind === 'limited' ? (pause ?? patience.limitedMs) : Math.max(pause ?? 0, jittered(count, patience));
    if (!passes(fault, options.repeatable) || count >= patience.attempts) throw fault;
    if (ms > patience.longestMs) throw later(fault, ms);
    options.onPause(fault, ms);
    await sleep(ms, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}

/** Exponential back-off with full jitter: writers that collided once must not collide again in step. */
export function jittered(count: number, { baseMs, capMs }: Pick<Patience, 'baseMs' | 'capMs'>): number {
  return Math.random() * Math.min(capMs, baseMs * 2 ** (count - 1));
}

function passes({ kind, uncertain }: GitHubError, repeatable: boolean): boolean {
  return kind === 'limited' || (kind === 'unavailable' && (!uncertain || repeatable));
}

function later(fault: GitHubError, ms: number): GitHubError {
  const at = new Date(Date.now() + ms).toISOString().slice(0, 16).replace('T', ' ');
  return new GitHubError('limited', { ...fault.fault, remedy: `The limit resets at ${at} UTC. Run again then` });
}
