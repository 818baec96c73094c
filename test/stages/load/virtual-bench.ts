import { silentLog } from '../../../src/log.ts';
import { nothingAnswered } from '../../../src/stages/load/answers.ts';
import type { Clock } from '../../../src/stages/load/capacity.ts';
import type { Bench, Session } from '../../../src/stages/load/session.ts';
import { windowOf } from './windows.ts';

/** Milliseconds that one request takes a server, which may depend on the time. */
export type ServiceTime = (now: number) => number;

/**
 * A bench whose server is a queue in virtual time: `servers` requests at once, so long each. The search that it is given to is the real
 * one, and three minutes of it take some milliseconds.
 */
export function virtualBench(
  serviceMs: ServiceTime,
  { servers = 1, timeoutMs = 5000, seed = 1 } = {},
): { bench: Bench; clock: Clock } {
  let now = 0;
  const clock: Clock = {
    seed,
    now: () => now,
    sleep(ms) {
      now += ms;
      return Promise.resolve();
    },
  };
  const session: Session = {
    target: { kind: 'url', limits: { cpus: null, memoryBytes: null } } as Session['target'],
    loader: {} as Session['loader'],
    summary: nothingAnswered(),
    watch: { exit: null, samples: [] },
    answers: { at: [], judged: [], right: [], differing: [] },
    log: silentLog,
    signal: new AbortController().signal,
  };
  const run: Bench['run'] = (offsets) => {
    const began = now;
    const free = new Array<number>(servers).fill(began);
    const sent: number[] = [];
    const latency: number[] = [];
    const serve = (due: number): number => {
      const at = free.indexOf(Math.min(...free));
      const start = Math.max(free[at] as number, due);
      const done = start + serviceMs(start);
      free[at] = done;
      sent.push(due - began);
      latency.push(done - due);
      return done;
    };
    let last = began;
    if (offsets instanceof Float64Array) for (const offset of offsets) last = Math.max(last, serve(began + offset));
    else {
      const asking = new Array<number>(offsets.users).fill(began);
      for (;;) {
        const user = asking.indexOf(Math.min(...asking));
        if ((asking[user] as number) >= began + offsets.durationMs) break;
        last = asking[user] = serve(asking[user] as number);
      }
    }
    now = Math.max(last, began + (sent.at(-1) ?? 0));
    const outcome = latency.map((each) => (each >= timeoutMs ? 3 : 1));
    const window = windowOf({
      offsets: Float64Array.from(sent),
      latency: Float64Array.from(latency, (each) => Math.min(each, timeoutMs)),
      outcome: Uint8Array.from(outcome),
      startedAt: began,
      elapsedMs: Math.max(1, now - began),
      host: { eventLoop: 0, cpu: 0, steal: null },
    });
    return Promise.resolve(window);
  };
  return { clock, bench: { session, profile: undefined as never, run } };
}
