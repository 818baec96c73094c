import { setTimeout as sleep } from 'node:timers/promises';
import { RegistryError } from '../../errors.ts';
import { jittered } from '../../github/retry.ts';
import { faultOf, isPassing, pauseOf } from '../download.ts';
import { follow, reasonOf, requestOnce, type Address } from '../hops.ts';
import { jsonIn, objectOf } from '../../json.ts';

/** What a store says of an object, as opposed to the bytes of it. */
export interface Reply {
  status: number;
  headers: Headers;
  /** Empty where `discard` was said and the answer is not a fault. */
  body: Buffer;
}

export interface AskOptions {
  headers?: Record<string, string>;
  /** Give back a redirect as it is. */
  stay?: boolean;
  /** Only the headers of a good answer count. */
  discard?: boolean;
  /** Posted to this address alone, and once unless `repeatable`: nobody knows what became of a request without an answer. */
  json?: unknown;
  /** The same, as a form. */
  form?: Record<string, string>;
  /** What is posted changes nothing. */
  repeatable?: boolean;
  /** What messages call who is asked (default: the server). */
  server?: string;
  /** Of one attempt, in milliseconds (default: a minute). */
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
}

const attempts = 5;
const defaultTimeoutMs = 60_000;
/** The Distribution Specification asks of registries to take manifests of 4 MiB. */
const maximumBytes = 4 * 1024 ** 2;

/**
 * Ask a store about an object, or another server. Faults that pass are tried again.
 * @throws RegistryError when there is no answer; an answer that says no is given back
 */
export async function ask(from: Address, options: AskOptions = {}): Promise<Reply> {
  const { signal, stay = false, discard = false, json, form, timeoutMs = defaultTimeoutMs } = options;
  const { repeatable = false, server = 'the server' } = options;
  const isPost = json !== undefined || form !== undefined;
  const body = form === undefined ? JSON.stringify(json) : new URLSearchParams(form).toString();
  const type = form === undefined ? 'application/json' : 'application/x-www-form-urlencoded';
  for (let count = 1; ; count += 1) {
    const timeout = AbortSignal.timeout(timeoutMs);
    let pause = 0;
    let fault: RegistryError;
    try {
      const response = await (stay || isPost ? requestOnce : follow)(from, {
        ...(isPost ? { method: 'POST', body } : {}),
        headers: {
          'accept-encoding': 'identity',
          ...(isPost ? { 'content-type': type } : {}),
          ...options.headers,
        },
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      });
      const { status, headers } = response;
      if (!isPassing(status)) {
        if (discard && response.ok) await response.body?.cancel();
        return { status, headers, body: discard && response.ok ? Buffer.alloc(0) : await bodyOf(response, from.url) };
      }
      await response.body?.cancel();
      pause = pauseOf(response);
      fault = new RegistryError(faultOf(from.url, `${server} answered ${status}`));
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof RegistryError) throw error;
      fault = new RegistryError(faultOf(from.url, `${server} gave no answer: ${reasonOf(error as Error)}`));
    }
    if (count >= attempts || (isPost && !repeatable)) throw fault;
    const ms = Math.max(pause, jittered(count, { baseMs: 500, capMs: 15_000 }));
    await sleep(ms, undefined, { signal });
  }
}

/** The JSON of an answer, as far as it is an object; else an empty one. */
export function jsonOf({ body }: Reply): Record<string, unknown> {
  return objectOf(jsonIn(body.toString('utf8')));
}

async function bodyOf({ body }: Response, url: URL): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of (body ?? []) as AsyncIterable<Uint8Array>) {
    size += part.length;
    if (size > maximumBytes) throw new RegistryError(faultOf(url, `an answer of more than ${maximumBytes} bytes`));
    parts.push(part);
  }
  return Buffer.concat(parts);
}
