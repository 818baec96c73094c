import { setTimeout as sleep } from 'node:timers/promises';

/** Exponential back-off with full jitter: writers that collided once must not collide again in step. */
export async function pause(attempt: number): Promise<void> {
  await sleep(5 + Math.random() * Math.min(500, 10 * 2 ** attempt));
}
