import { performance } from 'node:perf_hooks';
import { takeOver, type Answer, type Connection } from './connection.ts';
import { observeHost, type HostLoad } from './host.ts';

/** One stretch of load: which requests, when. */
export interface Window {
  /** When to send each request, milliseconds after the start, ascending. */
  offsets: Float64Array;
  /** The bytes of request number `index`, HTTP head and body. */
  request(index: number): Buffer;
  /** Whether the answer to request number `index` is a usable one. Must not throw. */
  accept(index: number, answer: Answer): boolean;
  /** Stops the window: what is not answered by then is `unfinished`. */
  signal?: AbortSignal | undefined;
  progress?(settled: number, planned: number): void;
}

/** What became of a request. Anything but `accepted` is an error. */
export const outcomes = ['unfinished', 'accepted', 'refused', 'timeout', 'lost'] as const;
export type Outcome = (typeof outcomes)[number];
const code = { unfinished: 0, accepted: 1, refused: 2, timeout: 3, lost: 4 } as const;

/** Raw samples of a window, one element a planned request, in milliseconds. */
export interface WindowResult {
  offsets: Float64Array;
  /** From the intended send time to the last byte of the answer; at least the time-out where none was accepted. */
  latency: Float64Array;
  /** The part of the latency that the generator itself added: it had an idle connection and sent late. */
  lag: Float64Array;
  /** Index into `outcomes`. */
  outcome: Uint8Array;
  /** Why requests were lost: connection closed, ECONNREFUSED, not HTTP, ... */
  lost: Record<string, number>;
  /** Requests that were due while every connection was busy: the server, or the number of connections, is the limit. */
  queued: number;
  elapsedMs: number;
  host: HostLoad;
}

export interface Generator {
  connections: number;
  /** Send one window and wait until each of its requests is answered, lost or timed out. One window at a time. */
  run(window: Window): Promise<WindowResult>;
  close(): Promise<void>;
}

const forever = 86_400; // seconds; autocannon's own limits never strike
const sweepMs = 50;

/**
 * An open-loop load generator on keep-alive connections of autocannon. Requests are sent by one schedule, whichever
 * connection is free, and are timed from the moment they were meant to be sent, so that a stalled server cannot hide the
 * requests it kept waiting (coordinated omission: G. Tene, "How NOT to Measure Latency"). A request not answered
 * `timeoutMs` after that moment is given up, which bounds every window to its schedule plus one time-out.
 */
export async function openGenerator(input: {
  url: string;
  connections: number;
  timeoutMs: number;
}): Promise<Generator> {
  const { timeoutMs } = input;
  const { default: autocannon } = await import('autocannon');
  const idle = new Map<Connection, number>(); // since when; the longest idle first
  const inFlight = new Map<Connection, number>();
  let active: Run | null = null;

  // The promise is the tracker itself, with its stop(); the types do not say so.
  const tracker = autocannon({
    url: input.url,
    connections: input.connections,
    pipelining: 1,
    timeout: forever,
    duration: forever,
    sampleInt: 100, // how soon stop() acts
    setupClient: (client) => {
      takeOver(client, {
        ready(connection) {
          idle.set(connection, performance.now());
          active?.pump();
        },
        answered(connection, answer) {
          const index = claim(connection);
          if (index !== null) active?.answered(index, answer);
        },
        dropped(connection, reason) {
          idle.delete(connection);
          const index = claim(connection);
          if (index !== null) active?.lost(index, reason);
        },
      });
    },
  }) as unknown as PromiseLike<unknown> & { stop(): void };
  const finished = Promise.resolve(tracker);
  // A connection that cannot be taken over fails here, before any request.
  await Promise.race([finished, new Promise((resolve) => setImmediate(resolve))]);

  return {
    connections: input.connections,
    run(window) {
      if (active !== null) throw new Error('one window at a time');
      return new Promise<WindowResult>((resolve, reject) => {
        active = startRun(window, resolve, reject);
        active.pump();
      }).finally(() => {
        active = null;
      });
    },
    async close() {
      tracker.stop();
      await finished;
    },
  };

  function claim(connection: Connection): number | null {
    const index = inFlight.get(connection) ?? null;
    inFlight.delete(connection);
    return index;
  }

  interface Run {
    pump(): void;
    answered(index: number, answer: Answer): void;
    lost(index: number, reason: string): void;
  }

  function startRun(window: Window, resolve: (result: WindowResult) => void, reject: (error: unknown) => void): Run {
    const { offsets } = window;
    const planned = offsets.length;
    const latency = new Float64Array(planned).fill(timeoutMs);
    const lag = new Float64Array(planned);
    const outcome = new Uint8Array(planned);
    const lost: Record<string, number> = {};
    let queued = 0;
    let next = 0;
    let settled = 0;
    let over = false;
    let timer: NodeJS.Timeout | undefined;
    const hostLoad = observeHost();
    const start = performance.now();
    const sweeper = setInterval(sweep, sweepMs);
    window.signal?.addEventListener('abort', finish, { once: true });
    if (window.signal?.aborted === true) queueMicrotask(finish);
    return { pump, answered, lost: lose };

    function due(index: number): number {
      return start + (offsets[index] as number);
    }

    /** Send what is due, as far as connections are free; then sleep until the next is due. */
    function pump(): void {
      clearTimeout(timer);
      while (next < planned) {
        if (over) return; // the request before was not to be had
        const now = performance.now();
        const wait = due(next) - now;
        if (wait > 0) {
          timer = setTimeout(pump, Math.ceil(wait)); // a timer rounds down, and would fire early
          return;
        }
        const free = idle.entries().next().value;
        if (-wait >= timeoutMs) {
          if (free !== undefined) lag[next] = now - Math.max(due(next), free[1]);
          settle(next, code.timeout, now);
          next += 1;
          continue;
        }
        if (free === undefined) return; // the next connection that is ready, or the sweeper, comes back
        const [connection, since] = free;
        if (since > due(next)) queued += 1;
        lag[next] = now - Math.max(due(next), since);
        idle.delete(connection);
        inFlight.set(connection, next);
        next += 1;
        guarded(() => connection.send(window.request(next - 1)));
      }
    }

    function answered(index: number, answer: Answer): void {
      guarded(() => settle(index, window.accept(index, answer) ? code.accepted : code.refused, answer.at));
    }

    function lose(index: number, reason: string): void {
      lost[reason] = (lost[reason] ?? 0) + 1;
      settle(index, code.lost, performance.now());
    }

    function sweep(): void {
      const now = performance.now();
      for (const [connection, index] of inFlight) {
        if (now - due(index) < timeoutMs) continue;
        inFlight.delete(connection);
        connection.reset();
        settle(index, code.timeout, now);
      }
      pump();
      window.progress?.(settled, planned);
    }

    function settle(index: number, reached: number, at: number): void {
      if (over) return;
      const elapsed = at - due(index);
      latency[index] = reached === code.accepted ? elapsed : Math.max(timeoutMs, elapsed);
      outcome[index] = reached;
      settled += 1;
      if (settled === planned) finish();
    }

    /** A fault of ours must not surface in the parser of some connection. */
    function guarded(work: () => void): void {
      try {
        work();
      } catch (error) {
        stop();
        reject(error);
      }
    }

    function stop(): void {
      over = true;
      clearTimeout(timer);
      clearInterval(sweeper);
      window.signal?.removeEventListener('abort', finish);
      const unanswered = [...inFlight.keys()];
      inFlight.clear();
      for (const connection of unanswered) connection.reset();
    }

    function finish(): void {
      if (over) return;
      stop();
      const elapsedMs = performance.now() - start;
      resolve({ offsets, latency, lag, outcome, lost, queued, elapsedMs, host: hostLoad() });
    }
  }
}
