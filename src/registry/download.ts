import { open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { RegistryError } from '../errors.ts';
import { jittered } from '../github/retry.ts';
import { follow, reasonOf, withoutQuery, type Address } from './hops.ts';

export interface DownloadOptions {
  /** More bytes than this are refused. */
  limit: number;
  signal?: AbortSignal | undefined;
  /** Milliseconds without a byte after which a connection is given up (default 60 s). */
  stallMs?: number;
  /** The first pause between attempts, in milliseconds; it doubles, with jitter (default 500). */
  pauseMs?: number;
}

/** The server said no, and would say so again. */
export class RefusedDownload extends RegistryError {
  readonly status: number;
  constructor(status: number, url: URL) {
    super(faultOf(url, `the server answered ${status}`));
    this.name = 'RefusedDownload';
    this.status = status;
  }
}

/** In a row that bring nothing, and in all. */
const attempts = 5;
const mostAttempts = 100;
const longestPauseMs = 60_000;

/**
 * Download to a file. A connection that breaks or stalls, and a server that is not able to answer, are tried again, each time from
 * where the file ends (Range and If-Range, RFC 9110); what an earlier call left in the file is gone on with too, so the caller must
 * know the digest. What cannot be had leaves in the file what was received.
 * @throws RegistryError when the bytes cannot be had or are more than `limit`; RefusedDownload with the status of a final no
 */
export async function download(from: Address, to: string, options: DownloadOptions): Promise<void> {
  let entity: string | null = null;
  let before = await sizeOf(to);
  // Attempts in all, and those since the last that brought something.
  for (let [all, count] = [1, 1]; ; all += 1, count += 1) {
    let pause = 0;
    try {
      const outcome = await attempt(from, to, entity, options);
      if (outcome.done) return;
      ({ pause, entity } = outcome);
      if (count >= attempts) throw new RegistryError(faultOf(from.url, outcome.why));
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof RegistryError) throw error;
      const why = `the download failed: ${reasonOf(error as Error)}`;
      const size = await sizeOf(to);
      if (size > before && all < mostAttempts) count = 1;
      before = size;
      if (count >= attempts) throw new RegistryError(faultOf(from.url, why));
    }
    const random = jittered(count, { baseMs: options.pauseMs ?? 500, capMs: 15_000 });
    await sleep(Math.max(pause, random), undefined, { signal: options.signal });
  }
}

type Outcome = { done: true } | { done: false; why: string; pause: number; entity: string | null };

async function attempt(
  from: Address,
  to: string,
  entity: string | null,
  { limit, signal, stallMs = 60_000 }: DownloadOptions,
): Promise<Outcome> {
  const stalled = new AbortController();
  let timer = setTimeout(() => {}, 0);
  const alive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => stalled.abort(new Error(`nothing was received for ${stallMs / 1000} s`)), stallMs);
  };
  const have = await sizeOf(to);
  alive();
  try {
    const { url } = from;
    const response = await follow(from, {
      headers: {
        // Of compressed bytes a range would be another.
        'accept-encoding': 'identity',
        ...(have > 0 ? { range: `bytes=${have}-` } : {}),
        ...(have > 0 && entity !== null ? { 'if-range': entity } : {}),
      },
      signal: signal === undefined ? stalled.signal : AbortSignal.any([signal, stalled.signal]),
    });
    const validator = strong(response.headers.get('etag'));
    const goesOn = response.status === 206 && rangeStart(response) === have;
    if (response.status === 416 || (response.status === 206 && !goesOn)) {
      // What is there is no part of what the server has: from the start.
      await response.body?.cancel();
      await (await open(to, 'w')).close();
      return { done: false, why: 'the server has other bytes than were begun with', pause: 0, entity: validator };
    }
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      if (!isPassing(response.status)) throw new RefusedDownload(response.status, url);
      return { done: false, why: `the server answered ${response.status}`, pause: pauseOf(response), entity };
    }
    entity = validator;
    const file = await open(to, goesOn ? 'a' : 'w');
    let size = goesOn ? have : 0;
    try {
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        alive();
        size += chunk.length;
        if (size > limit) {
          await file.truncate();
          throw new RegistryError(faultOf(url, `more than ${limit} bytes`));
        }
        await file.write(chunk);
      }
    } finally {
      await file.close();
    }
    return { done: true };
  } finally {
    clearTimeout(timer);
  }
}

/** Whether an answer may be another a moment later (RFC 9110, 15.5 and 15.6; RFC 6585). */
export function isPassing(status: number): boolean {
  return [408, 425, 429, 500, 502, 503, 504].includes(status);
}

/** Only a strong validator says that the bytes are the same (RFC 9110, 13.1.5). */
function strong(etag: string | null): string | null {
  return etag === null || etag.startsWith('W/') ? null : etag;
}

function rangeStart(response: Response): number | null {
  const start = /^bytes (\d+)-/u.exec(response.headers.get('content-range') ?? '')?.[1];
  return start === undefined ? null : Number(start);
}

/** What the server asks for in retry-after, in milliseconds. */
export function pauseOf(response: Response): number {
  const seconds = Number(response.headers.get('retry-after') ?? 0);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(longestPauseMs, 1000 * seconds) : 0;
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

export function faultOf(url: URL, found: string): { found: string; where: string; remedy: string } {
  return { found, where: withoutQuery(url), remedy: 'Check the address and that it can be reached from here' };
}
