import { setTimeout as sleep } from 'node:timers/promises';
import { StagingError } from '../errors.ts';
import { modelPath, readModelMetadata, type ModelMetadata } from '../protocol/index.ts';
import { get } from './get.ts';

const requestTimeoutMs = 5_000;

/** Something that is being waited for. */
export interface Awaited {
  /** For messages: what is started, without credentials. */
  what: string;
  /** Full URL of the health endpoint. */
  url: string;
  timeoutMs: number;
  signal: AbortSignal | undefined;
  /** Somebody else runs it: that it does not answer at all says nothing about the candidate. */
  external: boolean;
  /** Why it can no longer become healthy, or null while it may. */
  ended: () => Promise<string | null>;
  /** The last lines it wrote, for the message. */
  logs: () => Promise<string>;
}

/**
 * Ask until the health endpoint answers 200.
 * @throws StagingError when the target ends or the time is over first, with the last answer and its log.
 */
export async function untilHealthy(awaited: Awaited): Promise<void> {
  const deadline = Date.now() + awaited.timeoutMs;
  let last = 'no answer';
  for (let pause = 25; ; pause = Math.min(pause * 1.5, 500)) {
    awaited.signal?.throwIfAborted();
    last = await askHealth(awaited.url, Math.max(1, Math.min(requestTimeoutMs, deadline - Date.now())), awaited.signal);
    if (last === '200') return;
    awaited.signal?.throwIfAborted();
    const ended = await awaited.ended();
    if (ended !== null) {
      throw new StagingError({
        found: `${awaited.what} ended before it was healthy: ${ended}${shownLogs(await awaited.logs())}`,
        expected: `status 200 from ${awaited.url}`,
        remedy: ended.startsWith('out of memory')
          ? 'Raise staging.memory or serve a smaller model'
          : 'Read its log, and try the same start by hand',
      });
    }
    if (Date.now() + pause > deadline) {
      const setting = awaited.external ? 'staging.url and staging.health' : 'staging.health and staging.port';
      throw new StagingError(
        {
          found: `${awaited.what} was not healthy after ${awaited.timeoutMs / 1000} s (last answer: ${last})${shownLogs(await awaited.logs())}`,
          expected: `status 200 from ${awaited.url}`,
          remedy: `Check ${setting}, or raise staging.start_timeout`,
        },
        awaited.external && !/^\d+$/u.test(last),
      );
    }
    await sleep(pause, undefined, awaited.signal === undefined ? {} : { signal: awaited.signal });
  }
}

/** Status code of one health request as text, or why there is none. */
export async function askHealth(url: string, timeoutMs: number, signal?: AbortSignal): Promise<string> {
  return get(url, timeoutMs, signal).then(({ status }) => String(status), reason);
}

/**
 * Ask a healthy server for the metadata of the model that is to be tested.
 * @throws StagingError when it does not serve that model or does not speak the protocol.
 */
export async function askMetadata(base: string, model: string, signal?: AbortSignal): Promise<ModelMetadata> {
  const url = base + modelPath(model);
  const { status, body } = await get(url, requestTimeoutMs, signal).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw new StagingError({ found: `No metadata from ${url}: ${reason(error)}`, cause: error });
  });
  if (status !== 200) {
    throw new StagingError({
      found: `${url} answered ${status}`,
      expected: `the metadata of model ${JSON.stringify(model)} (Open Inference Protocol v2)`,
      remedy: 'Serve the model under that name; the image of Contender takes it from CONTENDER_MODEL_NAME',
    });
  }
  return readModelMetadata(body);
}

/** The log of something that failed, cut to its last lines, ready to follow a sentence. */
export function shownLogs(logs: string): string {
  const lines = logs
    .trimEnd()
    .split('\n')
    .slice(-10)
    .map((line) => line.slice(0, 300));
  return lines.join('').trim() === '' ? '' : `. Its last lines: ${lines.join(' | ')}`;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
