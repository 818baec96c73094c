import type { Fault } from '../../errors.ts';
import type { LoaderPlan, LoadOrder, LoadResult } from './loader.ts';

/* What is said between a load test and the process of its load generator. */

/** What the process is told. Each loader has a number; `run` and `close` are answered under theirs. */
export type LoadCommand =
  | { open: number; plan: LoaderPlan }
  | { run: number; order: LoadOrder; withProgress: boolean }
  | { abort: number }
  | { close: number };

export type LoadNews =
  | { result: number; found: LoadResult }
  | { progress: number; settled: number; planned: number }
  | { closed: number }
  /** A fault of the server, or, as text, of the generator itself. */
  | { failed: number; fault: Fault | string };

/** What `performance.now()` lacks to the clock that all processes share, in milliseconds. */
export function sharedClock(): number {
  return Number(process.hrtime.bigint()) / 1e6 - performance.now();
}

export function shifted({ window, answers, summary }: LoadResult, ms: number): LoadResult {
  return {
    window: { ...window, startedAt: window.startedAt + ms },
    answers: { ...answers, at: answers.at.map((at) => at + ms) },
    summary,
  };
}
