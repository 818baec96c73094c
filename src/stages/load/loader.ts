import type { Tolerance, Predictions } from '../../model/predictions.ts';
import { answerBook, type AnswerSummary } from './answers.ts';
import { openGenerator, type ClosedLoop, type Generator, type WindowResult } from './driver.ts';
import { exchangeOf, type ExchangePlan } from './exchange-plan.ts';
import { isHopelessBy, type HopelessRule } from './hopeless.ts';
import { planRequests, type RequestPlan } from './requests.ts';

/* Loads one server as it is told, in plain data: it runs in a process of its own, so that no other work delays a request. */

/** A server and what is asked of it. */
export interface LoaderPlan {
  exchange: ExchangePlan;
  /** How answers are judged; see `answerBook`. */
  judging: { offline: Predictions; positive: number | null; truth: Int32Array | null; tolerance: Tolerance };
  /** Rows of the dataset. */
  rows: number;
  seed: number;
}

/** How a stretch of load reaches the server; another one opens other connections. */
export interface Link {
  connections: number;
  timeoutMs: number;
  rowsPerRequest: number;
}

export interface LoadOrder {
  link: Link;
  /** See `Window.offsets`. */
  offsets: Float64Array | ClosedLoop;
  /** Number of the first request, in the endless order of requests. */
  first: number;
  /** From one request to the next in that order (default 1): another machine sends those between. */
  step?: number;
  /** Its answers count; false: it only warms up. */
  judged: boolean;
  hopeless?: HopelessRule | undefined;
}

/** What each usable answer was worth, in the order in which they came. */
export interface AnswerLog {
  /** `performance.now()` when it was read. */
  at: number[];
  /** Rows with a label, and those of them predicted rightly. */
  judged: number[];
  right: number[];
  /** Rows that are not as the model predicts them offline. */
  differing: number[];
}

export interface LoadResult {
  window: WindowResult;
  answers: AnswerLog;
  /** Of all that was judged so far. */
  summary: AnswerSummary;
}

export interface Loader {
  /** One stretch at a time. */
  run(
    order: LoadOrder,
    signal: AbortSignal,
    progress?: (settled: number, planned: number) => void,
  ): Promise<LoadResult>;
  close(): Promise<void>;
}

export function openLoader({ exchange: plan, judging, rows, seed }: LoaderPlan): Loader {
  const exchange = exchangeOf(plan);
  const book = answerBook({ ...judging, read: exchange.read });
  let linked: { link: Link; generator: Generator; requests: RequestPlan } | null = null;
  return {
    async run({ link, offsets, first, step = 1, judged, hopeless }, signal, progress) {
      const { generator, requests } = await reach(link);
      const answers: AnswerLog = { at: [], judged: [], right: [], differing: [] };
      requests.prepare(first, offsets instanceof Float64Array ? offsets.length * step : 1000);
      const window = await generator.run({
        offsets,
        request: (index) => requests.message(first + index * step),
        accept(index, answer) {
          if (!judged) return true;
          const before = book.summary();
          const [rowsBefore, rightBefore, differingBefore] = [before.judged, before.correct, before.mismatched];
          const usable = book.take(requests.rows(first + index * step), answer);
          if (usable) {
            const now = book.summary();
            answers.at.push(answer.at);
            answers.judged.push(now.judged - rowsBefore);
            answers.right.push(now.correct - rightBefore);
            answers.differing.push(now.mismatched - differingBefore);
          }
          return usable;
        },
        signal,
        progress,
        ...(hopeless === undefined ? {} : { hopeless: (soFar) => isHopelessBy(hopeless, soFar) }),
      });
      return { window, answers, summary: book.summary() };
    },
    async close() {
      await linked?.generator.close();
      linked = null;
    },
  };

  async function reach(link: Link): Promise<{ generator: Generator; requests: RequestPlan }> {
    if (linked !== null && JSON.stringify(linked.link) === JSON.stringify(link)) return linked;
    await linked?.generator.close();
    const { url, tls } = plan;
    linked = {
      link,
      generator: await openGenerator({ url, tls, connections: link.connections, timeoutMs: link.timeoutMs }),
      requests: planRequests({ exchange, rows, rowsPerRequest: link.rowsPerRequest, seed }),
    };
    return linked;
  }
}
