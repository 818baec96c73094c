import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { entryPath } from '../entries.ts';
import { ContenderError, type Fault } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Opened } from '../model/artifact.ts';
import { added, nothingCounted, type Counts } from './metrics.ts';
import { requireBytes, type RunningServer, type ServerSettings } from './server.ts';

/** What a worker says: how it started, what it counts, and that somebody asks it for the counts of all. */
export type FromWorker =
  | { kind: 'ready'; url: string; opened: Opened }
  | { kind: 'refused'; code: string; fault: Fault }
  | { kind: 'counts'; counts: Counts }
  | { kind: 'ask' };
export type ToWorker = { kind: 'tell' } | { kind: 'all'; counts: Counts };

/** A worker that ended is not replaced sooner than so long after it started: one that cannot live costs no core. */
const leastMs = 1000;
/** Each failure in a row doubles the pause, up to so long; one that lived longer begins anew. */
const mostMs = 30_000;
/** How long the counts of a worker are waited for before those that it told last are taken. */
const tellMs = 1000;

interface Seat {
  worker: Worker;
  /** What its worker counted, as far as it told. */
  told: Counts | undefined;
}

/**
 * Serve a model by several processes that share a port, each with a session of its own. One that ends is replaced.
 * @param input.settings `queue` is of all together
 * @throws ContenderError as `startServer` does, where the first of them cannot start
 */
export async function startWorkers(input: {
  workers: number;
  path: string;
  modelName: string;
  port: number;
  host: string;
  log: Log;
  settings: Pick<ServerSettings, 'queue' | 'batch' | 'drainDelayMs'> & { queue: number };
}): Promise<RunningServer> {
  const { log, settings } = input;
  const given = {
    model: input.path,
    name: input.modelName,
    host: input.host,
    port: input.port,
    queue: Math.ceil(settings.queue / input.workers),
    batch: settings.batch?.maxRows ?? 0,
    'batch-delay': settings.batch?.maxDelayMs ?? 0,
    'drain-delay': settings.drainDelayMs ?? 0,
  };
  const setUp = (options: Record<string, string | number>): void =>
    cluster.setupPrimary({
      exec: entryPath('serve-process'),
      args: Object.entries(options).map(([name, value]) => `--${name}=${value}`),
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
  setUp(given);
  let closing = false;
  /** What workers counted that are no more. */
  let past: Counts | undefined;
  let counting: Promise<Counts> | undefined;
  const seats: Seat[] = [];

  try {
    const started = await Promise.all(Array.from({ length: input.workers }, () => start()));
    const [{ url, opened }] = started as [Ready, ...Ready[]];
    for (const each of started) requireBytes(each.opened, opened.sha256);
    setUp({ ...given, sha256: opened.sha256 }); // of those that come later: one that opens other bytes never listens
    for (const seat of seats) replaceAtEnd(seat);
    let closed: Promise<void> | undefined;
    return { url, opened, counts, close: () => (closed ??= close()) };
  } catch (error) {
    await close();
    throw error;
  }

  /** Start a worker and wait until it serves. */
  async function start(seat: Seat = { worker: cluster.fork(), told: undefined }): Promise<Ready> {
    const { worker } = seat;
    seats.push(seat);
    const ready = new Promise<Ready>((resolve, reject) => {
      worker.once('exit', (code, signal) => reject(new Error(`A worker ended ${how(code, signal)} before it served`)));
      worker.on('message', (message: FromWorker) => {
        switch (message.kind) {
          case 'ready':
            return resolve(message);
          case 'refused':
            return reject(new ContenderError(message.code, message.fault));
          case 'counts':
            seat.told = message.counts;
            return void worker.emit('told');
          case 'ask':
            return void counts().then((all) => send(worker, { kind: 'all', counts: all }));
        }
      });
    });
    return ready;
  }

  /** @param failures how many did not live long before it, one after the other */
  function replaceAtEnd(seat: Seat, failures = 0): void {
    const began = performance.now();
    const ended = (code: number | null, signal: string | null): void => {
      seats.splice(seats.indexOf(seat), 1);
      if (closing) return;
      if (seat.told !== undefined) {
        const lasting = { ...seat.told, inFlight: 0, limit: 0, memoryBytes: 0 };
        past = past === undefined ? lasting : added(past, lasting);
      }
      log.warning(`Worker ${seat.worker.process.pid} ended ${how(code, signal)}: another takes its place.`);
      const lived = performance.now() - began;
      const before = lived > mostMs ? 0 : failures;
      void replace(Math.max(0, pauseMs(before) - lived), before + 1);
    };
    seat.worker.once('exit', ended);
    if (seat.worker.isDead()) ended(seat.worker.process.exitCode, seat.worker.process.signalCode);
  }

  /** Start workers, one after the other, until one serves. */
  async function replace(firstPauseMs: number, failures: number): Promise<void> {
    for (let pause = firstPauseMs; ; pause = pauseMs(failures), failures += 1) {
      await sleep(pause);
      if (closing) return;
      const seat: Seat = { worker: cluster.fork(), told: undefined };
      try {
        await start(seat);
        return replaceAtEnd(seat, failures);
      } catch (error) {
        seats.splice(seats.indexOf(seat), 1);
        if (closing) return;
        const reason = error instanceof Error ? error.message : String(error);
        log.warning(
          `A worker cannot take its place: ${reason} The next one is tried in ${pauseMs(failures) / 1000} s.`,
        );
        seat.worker.process.kill('SIGKILL');
      }
    }
  }

  /** Those who ask at the same time are told the same. */
  function counts(): Promise<Counts> {
    return (counting ??= counted().finally(() => (counting = undefined)));
  }

  async function counted(): Promise<Counts> {
    await Promise.all(
      seats.map(async ({ worker }) => {
        if (!worker.isConnected()) return;
        const told = once(worker, 'told', { signal: AbortSignal.timeout(tellMs) });
        send(worker, { kind: 'tell' });
        await told.catch(() => {}); // it hangs, and what it told last counts
      }),
    );
    const all = [past, ...seats.map(({ told }) => told)].filter((each) => each !== undefined);
    return all.reduce(added, nothingCounted());
  }

  async function close(): Promise<void> {
    closing = true;
    await Promise.all(
      seats.map(async ({ worker }) => {
        if (worker.isDead()) return;
        const gone = once(worker, 'exit');
        worker.process.kill('SIGTERM');
        await gone;
      }),
    );
  }
}

type Ready = Extract<FromWorker, { kind: 'ready' }>;

function pauseMs(failures: number): number {
  return Math.min(mostMs, leastMs * 2 ** failures);
}

function send(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message, () => {}); // it may end just now, which its end tells
}

function how(code: number | null, signal: string | null): string {
  return signal === null ? `with exit code ${code}` : `by ${signal}`;
}
