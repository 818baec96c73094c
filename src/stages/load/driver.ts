import { performance } from 'node:perf_hooks';
import type { Service } from '../../staging/service.ts';
import { takeOver, type Answer, type Connection } from './connection.ts';
import { observeHost, type HostLoad } from './host.ts';

/** One stretch of load: which requests, when. */
export interface Window {
  /** When to send each request, milliseconds after the start, ascending; or so many users, each of whom asks when it has its answer. */
  offsets: Float64Array | ClosedLoop;
  /** The bytes of request number `index`, HTTP head and body. */
  request(index: number): Buffer;
  /** Whether the answer to request number `index` is a usable one. Must not throw. */
  accept(index: number, answer: Answer): boolean;
  /** Stops the window: what is not answered by then is `unfinished`. */
  signal?: AbortSignal | undefined;
  progress?: ((settled: number, planned: number) => void) | undefined;
  /** Looks at what has come so far, now and then; true: more would say nothing new, so nothing more is sent. */
  hopeless?(soFar: Samples): boolean;
}

/** Users who ask again as soon as they are answered, until the time is over. */
export interface ClosedLoop {
  users: number;
  durationMs: number;
}

/** What became of a request. Anything but `accepted` is an error, save those that were never sent. */
export const outcomes = ['unfinished', 'accepted', 'refused', 'timeout', 'lost', 'unsent'] as const;
export type Outcome = (typeof outcomes)[number];
const code = { unfinished: 0, accepted: 1, refused: 2, timeout: 3, lost: 4, unsent: 5 } as const;
/** This machine had no file, port or memory for a request. */
const outOfMeans: readonly string[] = ['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM'];

/** Raw samples of requests, one element each, in milliseconds. */
export interface Samples {
  offsets: Float64Array;
  /** From the intended send time to the last byte of the answer; at least the time-out where none was accepted. */
  latency: Float64Array;
  /** The part of the latency that the generator itself added: it had a free connection and sent late. */
  lag: Float64Array;
  /** Index into `outcomes`. */
  outcome: Uint8Array;
}

/** The samples of the requests from `first` until before `last`. */
export function cutOf({ offsets, latency, lag, outcome }: Samples, first: number, last: number): Samples {
  return {
    offsets: offsets.subarray(first, last),
    latency: latency.subarray(first, last),
    lag: lag.subarray(first, last),
    outcome: outcome.subarray(first, last),
  };
}

/** Requests without a usable answer. */
export function errorsIn({ outcome }: Samples): number {
  return outcome.reduce((sum, each) => sum + Number(each !== code.accepted), 0);
}

/** Raw samples of a window. */
export interface WindowResult extends Samples {
  /** Why requests were lost or not sent: connection closed, ECONNREFUSED, not HTTP, ... */
  lost: Record<string, number>;
  /** Requests that were due while every connection was busy: the server, or the number of connections, is the limit. */
  queued: number;
  /** Requests sent again, since the server had closed the connection while they were on their way. */
  resent: number;
  /** Most connections that were open at once. */
  opened: number;
  /** `performance.now()` of its start. */
  startedAt: number;
  elapsedMs: number;
  /** It was ended because it was hopeless: requests after that were never sent, and are not among the samples. */
  cutShort: boolean;
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
/** gunicorn's threads close connections that were idle for two seconds; others wait longer. */
const idleMs = 1000;
/** A connection that was busy until just now was closed for the request, not for its idleness. */
const leastIdleMs = 100;
/** A new connection that waited so long, and so many times as long as what was answered meanwhile over older ones, is not served before those are closed. */
const cramped = { ms: 250, times: 5, answers: 5 };
/** A user of a closed loop who was refused waits before the next attempt. */
const pauseMs = 100;

/**
 * A load generator over keep-alive connections of autocannon. Requests are sent by one schedule and timed from the moment they were
 * meant to be sent, so that a stalled server cannot hide the requests it kept waiting (coordinated omission: G. Tene, "How NOT to
 * Measure Latency"). A connection is opened when a request is due and all open ones are busy; the one used last is used first, and
 * what is idle for a second is closed, and what keeps a worker from those who wait for it is too: a server is given no connection that the
 * load does not need, and none that it may just be closing. A request not answered `timeoutMs` after its moment is given up, which bounds every window to its schedule plus one time-out.
 */
export async function openGenerator(input: {
  url: string;
  /** As many as may be open at once. */
  connections: number;
  timeoutMs: number;
  /** Of a client of its own certificate; whom the server is was verified before. */
  tls?: Service['tls'];
}): Promise<Generator> {
  const { timeoutMs } = input;
  const { default: autocannon } = await import('autocannon');
  const since = new Map<Connection, number>(); // when it became free, or was given its request
  const idle: Connection[] = []; // open; the longest idle first
  const closed: Connection[] = []; // the longest closed first
  const inFlight = new Map<Connection, number>();
  let active: Run | null = null;
  let reuses = false; // some connection has carried a second answer
  const fresh = new Map<Connection, { answers: number; longestMs: number }>(); // no answer yet: what came meanwhile; the first opened first
  let isCramped = false;

  // The promise is the tracker itself, with its stop(); the types do not say so.
  const tracker = autocannon({
    url: input.url,
    connections: input.connections,
    pipelining: 1,
    ...(input.tls === undefined ? {} : { tlsOptions: input.tls }),
    timeout: forever,
    duration: forever,
    sampleInt: 100, // how soon stop() acts
    setupClient: (client) => {
      takeOver(client, {
        ready(connection) {
          // Not at once: this is a callback of the parser.
          if (isCramped && connection.isOpen) return queueMicrotask(() => connection.close());
          since.set(connection, performance.now());
          (connection.isOpen ? idle : closed).push(connection);
          active?.pump();
        },
        answered(connection, answer) {
          const index = claim(connection);
          reuses ||= connection.answers > 1;
          noteOrder(connection);
          if (index !== null) active?.answered(index, answer);
        },
        dropped(connection, reason, unheard) {
          fresh.delete(connection);
          isCramped &&= fresh.size > 0;
          const place = idle.indexOf(connection);
          if (place !== -1) idle.splice(place, 1);
          const index = claim(connection);
          // A server that closes each connection after its first answer, without saying so, does it while the next is on its way.
          const closing = unheard !== null && (unheard.idleMs >= leastIdleMs || !reuses);
          if (index !== null) active?.dropped(index, reason, closing);
        },
      });
    },
  }) as unknown as PromiseLike<unknown> & { stop(): void };
  const finished = Promise.resolve(tracker);
  // A connection that cannot be taken over fails here, before any request.
  await Promise.race([finished, new Promise((resolve) => setImmediate(resolve))]);
  const sweeper = setInterval(sweep, sweepMs);

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
      clearInterval(sweeper);
      tracker.stop();
      await finished;
    },
  };

  /**
   * A server of one worker reads the next connection when the one before is closed: if that is always busy, it must be closed, or whoever
   * came by another waits for ever. A server that answers a new connection before an older new one is not such a one.
   */
  function noteOrder(connection: Connection): void {
    const now = performance.now();
    if (fresh.has(connection)) {
      for (const other of fresh.keys()) {
        if (other === connection) break;
        fresh.delete(other);
        isCramped = false;
      }
      fresh.delete(connection);
    } else {
      const took = now - (since.get(connection) as number);
      for (const [other, seen] of fresh) {
        if ((since.get(other) as number) > now - took) break;
        seen.answers += 1;
        seen.longestMs = Math.max(seen.longestMs, took);
        const least = Math.max(cramped.ms, cramped.times * seen.longestMs);
        isCramped ||= seen.answers >= cramped.answers && now - (since.get(other) as number) > least;
      }
      if (isCramped) for (const each of idle.slice()) each.close();
    }
    isCramped &&= fresh.size > 0;
  }

  function claim(connection: Connection): number | null {
    const index = inFlight.get(connection) ?? null;
    inFlight.delete(connection);
    return index;
  }

  function sweep(): void {
    const now = performance.now();
    while (idle[0] !== undefined && now - (since.get(idle[0]) as number) > idleMs) idle[0].close();
    active?.sweep(now);
  }

  interface Run {
    pump(): void;
    sweep(now: number): void;
    answered(index: number, answer: Answer): void;
    dropped(index: number, reason: string, closing: boolean): void;
  }

  function startRun(window: Window, resolve: (result: WindowResult) => void, reject: (error: unknown) => void): Run {
    const loop = window.offsets instanceof Float64Array ? null : window.offsets;
    const samples = samplesOf(window.offsets, timeoutMs);
    const lost: Record<string, number> = {};
    const again: number[] = []; // to be sent a second time
    const resent = new Set<number>();
    let planned = loop === null ? samples.length() : 0;
    let opened = 0;
    let queued = 0;
    let next = 0;
    let settled = 0;
    let over = false;
    let cutShort = false;
    let timer: NodeJS.Timeout | undefined;
    const hostLoad = observeHost();
    const start = performance.now();
    window.signal?.addEventListener('abort', finish, { once: true });
    if (window.signal?.aborted === true) queueMicrotask(finish);
    for (let user = 0; user < (loop?.users ?? 0); user += 1) planned = samples.add(0);
    return { pump, sweep: sweepRun, answered, dropped };

    function due(index: number): number {
      return start + samples.offset(index);
    }

    /** Send what is due, as far as connections are free; then sleep until the next is due. */
    function pump(): void {
      clearTimeout(timer);
      while (again.length > 0 || next < planned) {
        if (over) return; // the request before was not to be had
        const index = again[0] ?? next;
        const now = performance.now();
        const wait = due(index) - now;
        if (wait > 0) {
          timer = setTimeout(pump, Math.ceil(wait)); // a timer rounds down, and would fire early
          return;
        }
        const free = idle.at(-1) ?? closed[0];
        const freeSince = Math.min(sinceOf(idle[0]), sinceOf(closed[0]));
        if (-wait >= timeoutMs) {
          if (free !== undefined) samples.late(index, now - Math.max(due(index), freeSince));
          taken(index);
          settle(index, code.timeout, now);
          continue;
        }
        if (free === undefined) return; // the next connection that is ready, or the sweeper, comes back
        if (freeSince > due(index)) queued += 1;
        if (!resent.has(index)) samples.late(index, now - Math.max(due(index), freeSince));
        if (free.isOpen) idle.pop();
        else {
          closed.shift();
          fresh.set(free, { answers: 0, longestMs: 0 });
        }
        since.set(free, now);
        inFlight.set(free, index);
        taken(index);
        opened = Math.max(opened, idle.length + inFlight.size);
        guarded(() => free.send(window.request(index)));
      }
    }

    function taken(index: number): void {
      if (again[0] === index) again.shift();
      else next += 1;
    }

    function sinceOf(connection: Connection | undefined): number {
      return connection === undefined ? Number.POSITIVE_INFINITY : (since.get(connection) as number);
    }

    function answered(index: number, answer: Answer): void {
      guarded(() => settle(index, window.accept(index, answer) ? code.accepted : code.refused, answer.at));
    }

    function dropped(index: number, reason: string, closing: boolean): void {
      if (over) return;
      if (closing && !resent.has(index)) {
        resent.add(index);
        again.push(index);
        for (const connection of idle.slice()) connection.close(); // the server is as likely to have closed these
        return;
      }
      lost[reason] = (lost[reason] ?? 0) + 1;
      settle(index, outOfMeans.includes(reason) ? code.unsent : code.lost, performance.now());
    }

    function sweepRun(now: number): void {
      for (const [connection, index] of inFlight) {
        if (now - due(index) < timeoutMs) continue;
        inFlight.delete(connection);
        connection.close();
        settle(index, code.timeout, now);
      }
      pump();
      if (over) return;
      window.progress?.(settled, loop === null ? planned : Math.max(planned, settled));
      if (!cutShort && window.hopeless?.(samples.taken(next)) === true) {
        cutShort = true;
        planned = next; // what is under way is waited for
        if (settled === planned) finish();
      }
    }

    function settle(index: number, reached: number, at: number): void {
      if (over) return;
      samples.settle(index, reached, at - due(index));
      settled += 1;
      if (loop !== null && !cutShort) return repeat(loop, reached);
      if (settled === planned) finish();
    }

    /** A user who was answered asks again. */
    function repeat({ durationMs }: ClosedLoop, reached: number): void {
      const isLost = reached === code.lost || reached === code.unsent;
      const offset = performance.now() - start + (isLost ? pauseMs : 0);
      if (offset < durationMs) planned = samples.add(offset);
      else if (settled === planned) return finish();
      // Not from within a callback of the connection: it is ready a moment later, and calls back.
      if (reached === code.timeout || isLost) setImmediate(pump);
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
      window.signal?.removeEventListener('abort', finish);
      const unanswered = [...inFlight.keys()];
      inFlight.clear();
      for (const connection of unanswered) connection.close();
    }

    function finish(): void {
      if (over) return;
      stop();
      const now = performance.now();
      resolve({
        ...samples.taken(cutShort || loop !== null ? planned : samples.length()),
        lost,
        queued,
        resent: resent.size,
        opened,
        startedAt: start,
        elapsedMs: now - start,
        cutShort,
        host: hostLoad(),
      });
    }
  }
}

/** Samples that grow where the number of requests is not known beforehand. */
function samplesOf(planned: Window['offsets'], timeoutMs: number) {
  const known = planned instanceof Float64Array ? planned : null;
  let length = known?.length ?? 0;
  let offsets: Float64Array = known ?? new Float64Array(1024);
  let latency: Float64Array = new Float64Array(offsets.length).fill(timeoutMs);
  let lag: Float64Array = new Float64Array(offsets.length);
  let outcome = new Uint8Array(offsets.length);
  return {
    length: () => length,
    offset: (index: number) => offsets[index] as number,
    /** @returns how many there are now */
    add(offset: number): number {
      if (length === offsets.length) {
        const grown = <T extends Float64Array | Uint8Array>(before: T, after: T): T => {
          after.set(before);
          return after;
        };
        const twice = (before: Float64Array): Float64Array => grown(before, new Float64Array(2 * length));
        [offsets, lag, latency] = [twice(offsets), twice(lag), twice(latency).fill(timeoutMs, length)];
        outcome = grown(outcome, new Uint8Array(2 * length));
      }
      offsets[length] = offset;
      length += 1;
      return length;
    },
    late(index: number, ms: number): void {
      lag[index] = Math.max(0, ms);
    },
    settle(index: number, reached: number, elapsed: number): void {
      latency[index] = reached === code.accepted ? elapsed : Math.max(timeoutMs, elapsed);
      outcome[index] = reached;
    },
    /** The first so many. */
    taken: (count: number): Samples => cutOf({ offsets, latency, lag, outcome }, 0, count),
  };
}
