import type { Task } from '../../../config/schema.ts';
import { scoresOf, type Outputs, type Queries, type Sample } from '../sample.ts';
import { sortedOrder } from '../sort.ts';
import { metricName } from '../../../report/numbers.ts';
import type { Metric } from './metric.ts';
import { remembered } from '../remember.ts';

const ranking: readonly Task[] = ['ranking'];

/** One query's rows from the highest score to the lowest. */
export interface RankedList {
  /** Relevance by rank. */
  relevance: Float64Array;
  /** Ranks (from 1) of the last row of each run of equal scores. */
  ends: readonly number[];
}

/** How many queries there are, and why some say nothing of a ranking. */
export interface QueryCounts {
  queries: number;
  /** At least two rows, one of them relevant: any order of the others is as good as any other. */
  counted: number;
  oneRow: number;
  noneRelevant: number;
}

export function countQueries(sample: Sample): QueryCounts {
  const { starts } = queries(sample);
  const counts = { queries: starts.length - 1, counted: countingQueries(sample).length, oneRow: 0 };
  for (let query = 0; query < counts.queries; query += 1) {
    if ((starts[query + 1] as number) - (starts[query] as number) === 1) counts.oneRow += 1;
  }
  return { ...counts, noneRelevant: counts.queries - counts.counted - counts.oneRow };
}

const forms: Record<string, { cutoff: 'none' | 'may' | 'must'; value: ListValue }> = {
  ndcg: { cutoff: 'may', value: (list, k) => normalisedGain(list, k, (relevance) => relevance) },
  ndcg_exponential: { cutoff: 'may', value: (list, k) => normalisedGain(list, k, (relevance) => 2 ** relevance - 1) },
  map: { cutoff: 'none', value: listPrecision },
  mrr: { cutoff: 'none', value: reciprocalRank },
  precision: { cutoff: 'must', value: (list, k) => relevantWithin(list, k) / k },
  recall: {
    cutoff: 'must',
    value: (list, k) => relevantWithin(list, k) / list.relevance.filter((relevance) => relevance > 0).length,
  },
};

type ListValue = (list: RankedList, cutoff: number) => number;

/** The metrics of a ranking; those at a cut-off of their own, such as `ndcg@7`, are found by `rankingMetric`. */
export const rankingMetrics: readonly Metric[] = [
  'ndcg',
  'ndcg@5',
  'ndcg@10',
  'map',
  'mrr',
  'precision@5',
  'precision@10',
  'recall@5',
  'recall@10',
].map((name) => rankingMetric(name) as Metric);

/**
 * A metric of ranking by its name: `map`, `mrr`, `ndcg`, `ndcg_exponential`, and with a cut-off `ndcg@k`, `ndcg_exponential@k`,
 * `precision@k`, `recall@k` for any k up to 100,000. Undefined for any other name.
 */
export function rankingMetric(name: string): Metric | undefined {
  const [, base = '', digits] = /^([a-z_]+)(?:@([1-9][0-9]{0,4}|100000))?$/u.exec(name) ?? [];
  const form = Object.hasOwn(forms, base) ? forms[base] : undefined;
  if (form === undefined || form.cutoff === (digits === undefined ? 'must' : 'none')) return undefined;
  const cutoff = digits === undefined ? Number.POSITIVE_INFINITY : Number(digits);
  const common = {
    name,
    title: metricName(name),
    better: 'higher',
    scale: 'share',
    needs: 'scores',
    tasks: ranking,
  } as const;
  return {
    ...common,
    kind: 'view',
    of: { ...common, kind: 'moments', terms: (_, outputs) => [scoresOf(outputs)] },
    sample: querySample,
    outputs: (sample, outputs) => ({
      scores: listValues(sample, outputs, (list) => form.value(list, cutoff)),
      probabilities: false,
      decisions: null,
    }),
    undefinedOn: (sample) =>
      countingQueries(sample).length > 0 ? null : 'no query has at least two rows, one of them relevant',
  };
}

/** A row for every query that counts, with the weight and the cluster of its rows. */
function querySample(sample: Sample): Sample {
  const { rows, starts } = queries(sample);
  const counting = countingQueries(sample);
  const first = (query: number): number => rows[starts[query] as number] as number;
  const { weights, clusters } = sample;
  return {
    rows: counting.length,
    unit: 'queries',
    classes: 0,
    names: null,
    truth: new Float64Array(counting.length),
    weights: weights === null ? null : Float64Array.from(counting, (query) => weights[first(query)] as number),
    clusters: clusters === null ? null : Int32Array.from(counting, (query) => clusters[first(query)] as number),
  };
}

/** Queries with at least two rows, one of them relevant. */
export function countingQueries(sample: Sample): Uint32Array {
  const { ofRow, starts } = queries(sample);
  const relevant = new Uint8Array(starts.length - 1);
  for (const [row, query] of ofRow.entries()) if ((sample.truth[row] as number) > 0) relevant[query] = 1;
  return Uint32Array.from(relevant.keys()).filter(
    (query) => relevant[query] === 1 && (starts[query + 1] as number) - (starts[query] as number) > 1,
  );
}

/** The value of every query that counts. */
function listValues(sample: Sample, outputs: Outputs, value: (list: RankedList) => number): Float64Array {
  const { starts } = queries(sample);
  const order = rankedRows(outputs, queries(sample));
  const scores = scoresOf(outputs);
  return Float64Array.from(countingQueries(sample), (query) => {
    return value(listOf(order.subarray(starts[query], starts[query + 1]), scores, sample.truth));
  });
}

/** The list of a few rows. */
export function rankedList(scores: Float64Array, relevance: Float64Array): RankedList {
  const order = Uint32Array.from(scores.keys()).sort((a, b) => (scores[b] as number) - (scores[a] as number));
  return listOf(order, scores, relevance);
}

function listOf(order: Uint32Array, scores: Float64Array, relevance: Float64Array): RankedList {
  const ends: number[] = [];
  for (let rank = 1; rank <= order.length; rank += 1) {
    if (rank === order.length || scores[order[rank] as number] !== scores[order[rank - 1] as number]) ends.push(rank);
  }
  return { relevance: Float64Array.from(order, (row) => relevance[row] as number), ends };
}

/** All rows by query, each query's from the highest score to the lowest: found once for all metrics of the outputs of a model. */
const rankedRows = remembered((outputs: Outputs, { ofRow, starts }: Queries): Uint32Array => {
  const next = Uint32Array.from(starts);
  const order = new Uint32Array(ofRow.length);
  for (const row of sortedOrder(scoresOf(outputs)).reverse()) order[next[ofRow[row] as number]!++] = row;
  return order;
});

/**
 * Normalised discounted cumulative gain (Järvelin and Kekäläinen, ACM TOIS 2002) as scikit-learn's `ndcg_score`: discount
 * 1 / log2(rank + 1); rows of equal score share the mean of their gains (McSherry and Najork, ECIR 2008).
 */
function normalisedGain({ relevance, ends }: RankedList, cutoff: number, gain: (relevance: number) => number): number {
  const gains = relevance.map(gain);
  let reached = 0;
  let start = 0;
  for (const end of ends) {
    let sum = 0;
    let discounts = 0;
    for (let place = start; place < end; place += 1) {
      sum += gains[place] as number;
      if (place < cutoff) discounts += discount(place);
    }
    reached += (sum / (end - start)) * discounts;
    start = end;
  }
  const best = gains
    .sort()
    .reverse()
    .reduce((sum, each, place) => sum + (place < cutoff ? each * discount(place) : 0), 0);
  return reached / best;
}

function discount(place: number): number {
  return 1 / Math.log2(place + 2);
}

/** Average precision of one list, as scikit-learn's `average_precision_score`: a run of equal scores is one threshold. */
export function listPrecision({ relevance, ends }: RankedList): number {
  let sum = 0;
  let hits = 0;
  let start = 0;
  for (const end of ends) {
    const found = relevance.subarray(start, end).filter((each) => each > 0).length;
    hits += found;
    sum += (found * hits) / end;
    start = end;
  }
  return sum / hits;
}

/** 1 / the rank of the first relevant row; rows of equal score all have the last of their ranks, as in scikit-learn's label ranking. */
function reciprocalRank({ relevance, ends }: RankedList): number {
  const first = relevance.findIndex((each) => each > 0);
  return 1 / (ends.find((end) => end > first) as number);
}

/** Relevant rows among the first `cutoff`; those of equal score that straddle it count in proportion. */
function relevantWithin({ relevance, ends }: RankedList, cutoff: number): number {
  let count = 0;
  let start = 0;
  for (const end of ends) {
    const taken = Math.min(end, cutoff) - start;
    if (taken <= 0) break;
    count += (relevance.subarray(start, end).filter((each) => each > 0).length * taken) / (end - start);
    start = end;
  }
  return count;
}

function queries(sample: Sample): Queries {
  if (sample.queries === undefined) throw new Error('the sample has no queries');
  return sample.queries;
}
