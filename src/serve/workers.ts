import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { entryPath } from '../entries.ts';
import { ContenderError, type Fault } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Opened } from '../model/artifact.ts';
import { added, type Counts } from './metrics.ts';
import type { RunningServer, ServerSettings } from './server.ts';

/** What a worker says: how it started, what it counts, and that somebody asks it for the counts of all. */
export type FromWorker =
  | { kind: 'ready'; url: string; opened: Opened }
  | { kind: 'refused'; code: string; fault: Fault }
  | { kind: 'counts'; counts: Counts }
  | { kind: 'ask' };
export type ToWorker = { kind: 'tell' } | { kind: 'all'; counts: Counts };

/** A worker that ended is not replaced sooner than so long after it started: one that cannot live costs no core. */
const leastMs = 1000;
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
  cluster.setupPrimary({
    exec: entryPath('serve-process'),
    args: Object.entries(given).map(([name, value]) => `--${name}=${value}`),
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let closing = false;
  /** What workers counted that are no more. */
  let past: Counts | undefined;
  const seats: Seat[] = [];

  try {
    const started = await Promise.all(Array.from({ length: input.workers }, () => start()));
    const [{ url, opened }] = started as [Ready, ...Ready[]];
    for (const seat of seats) replaceAtEnd(seat, opened);
    for (const each of started) requireSameBytes(each, opened);
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

  function replaceAtEnd(seat: Seat, opened: Opened): void {
    const began = performance.now();
    const replace = async (code: number | null, signal: string | null): Promise<void> => {
      seats.splice(seats.indexOf(seat), 1);
      if (closing) return;
      if (seat.told !== undefined) {
        const lasting = { ...seat.told, inFlight: 0, limit: 0, memoryBytes: 0 };
        past = past === undefined ? lasting : added(past, lasting);
      }
      log.warning(`Worker ${seat.worker.process.pid} ended ${how(code, signal)}: another takes its place.`);
      await sleep(Math.max(0, leastMs - (performance.now() - began)));
      if (closing) return;
      const next: Seat = { worker: cluster.fork(), told: undefined };
      replaceAtEnd(next, opened);
      try {
        requireSameBytes(await start(next), opened);
      } catch (error) {
        log.warning(`A worker cannot take its place: ${error instanceof Error ? error.message : String(error)}`);
        next.worker.process.kill('SIGKILL');
      }
    };
    seat.worker.once('exit', (code: number | null, signal: string | null) => void replace(code, signal));
    if (seat.worker.isDead()) void replace(seat.worker.process.exitCode, seat.worker.process.signalCode);
  }

  async function counts(): Promise<Counts> {
    await Promise.all(
      seats.map(async ({ worker }) => {
        if (!worker.isConnected()) return;
        const told = once(worker, 'told');
        send(worker, { kind: 'tell' });
        await Promise.race([told, sleep(tellMs, undefined, { ref: false })]);
      }),
    );
    const all = [past, ...seats.map(({ told }) => told)].filter((each) => each !== undefined);
    return all.reduce(added);
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

/** The file of the model may have changed since the first worker opened it. */
function requireSameBytes(ready: Ready, opened: Opened): void {
  if (ready.opened.sha256 === opened.sha256) return;
  throw new ContenderError('model', {
    found: `a worker opened a model of digest ${ready.opened.sha256.slice(0, 12)}`,
    expected: `the one the others serve, ${opened.sha256.slice(0, 12)}`,
    where: ready.opened.path,
    remedy: 'Put the file back, or start the server anew to serve what is there now',
  });
}

function send(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message, () => {}); // it may end just now, which its end tells
}

function how(code: number | null, signal: string | null): string {
  return signal === null ? `with exit code ${code}` : `by ${signal}`;
}
