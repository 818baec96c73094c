import { reasonOf } from '../registry/hops.ts';

/** There was no answer; the message is the system's word for why. */
export class NoAnswer extends Error {}

/** One request, which follows no redirect and is given up after so many milliseconds. @throws NoAnswer, or why `signal` ended it */
export async function fetchWithin(
  ms: number,
  address: string | URL,
  init: RequestInit,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const timeout = AbortSignal.timeout(ms);
  const ending = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  try {
    return await fetch(address, { ...init, redirect: 'error', signal: ending });
  } catch (error) {
    signal?.throwIfAborted();
    const { cause } = error as Error & { cause?: { code?: string } };
    // The words of the error may repeat a header.
    throw new NoAnswer(cause?.code ?? reasonOf(error as Error), { cause: error });
  }
}
