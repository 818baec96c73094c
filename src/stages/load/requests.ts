import type { Exchange, ExchangePlan } from './exchange-plan.ts';
import { postMessage } from './message.ts';
import { shuffled, uniform } from '../../statistics/splitmix.ts';

/** The requests of a load test: endless, in an order the seed fixes, each row as often as every other. */
export interface RequestPlan {
  /** Rows that request number `index` asks about, as indexes into the dataset. */
  rows(index: number): Uint32Array;
  /** The HTTP request itself, head and body. */
  message(index: number): Buffer;
  /** Encode the requests from `first` on beforehand, so that the encoding does not disturb the load. */
  prepare(first: number, count: number): void;
}

/** Encoded requests kept in memory at most; what does not fit is encoded when it is sent. */
const cacheBytes = 64 * 1024 ** 2;

/**
 * Requests for labelled rows, `rowsPerRequest` each. The rows are shuffled once and gone through again and again; every
 * request has the same number of rows, so the last one of a round takes its missing rows from the start of the next.
 */
export function planRequests(input: {
  exchange: Pick<Exchange, 'body'> & { plan: Pick<ExchangePlan, 'url' | 'headers' | 'gzip'> };
  rows: number;
  rowsPerRequest: number;
  seed: number;
}): RequestPlan {
  const { exchange } = input;
  const { headers, gzip } = exchange.plan;
  const url = new URL(exchange.plan.url);
  const order = shuffled(input.rows, uniform(input.seed));
  const each = Math.min(input.rowsPerRequest, input.rows);
  const distinct = Math.ceil(input.rows / each);
  const cache = new Map<number, Buffer>();
  let cached = 0;

  const rows = (index: number): Uint32Array => {
    const start = (index % distinct) * each;
    const taken = order.subarray(start, start + each);
    if (taken.length === each) return taken;
    return Uint32Array.from([...taken, ...order.subarray(0, each - taken.length)]);
  };
  const encode = (index: number): Buffer => postMessage(url, exchange.body(rows(index)), headers, gzip);
  return {
    rows,
    message: (index) => cache.get(index % distinct) ?? encode(index),
    prepare(first, count) {
      for (let index = first; index < first + Math.min(count, distinct) && cached < cacheBytes; index += 1) {
        if (cache.has(index % distinct)) continue;
        const message = encode(index);
        cache.set(index % distinct, message);
        cached += message.length;
      }
    },
  };
}
