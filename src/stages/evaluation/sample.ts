/** The rows on which models are judged. All arrays have one element a row, but where `labels` makes them wider. */
export interface Sample {
  rows: number;
  /** Number of classes, of which a row has one; 0 for every other task. */
  classes: number;
  /** Names of the classes in the order of their numbers, or of the labels; null for regression and ranking. */
  names: readonly string[] | null;
  /**
   * Class numbers, the target of a regression, or the relevance of a ranking. In binary classification 1 is the positive class.
   * Multilabel: row-major [rows x labels] of 0 and 1.
   */
  truth: Float64Array;
  weights: Float64Array | null;
  /** Cluster numbers: rows of one cluster are not independent. */
  clusters: Int32Array | null;
  /** Multilabel: how many labels a row may have. */
  labels?: number;
  /** Ranking: the lists that are ranked. */
  queries?: Queries;
  /** The row of the data (from 0) that each row is, where some rows of the data do not count. */
  dataRows?: Uint32Array;
  /** What a row is, where it is no row of the data. */
  unit?: 'queries';
}

/** Rows by query: those of query q are `rows[starts[q]]` up to `rows[starts[q + 1] - 1]`. */
export interface Queries {
  /** Query number of each row, from 0 and without gaps. */
  ofRow: Int32Array;
  rows: Uint32Array;
  starts: Uint32Array;
}

/** What one model says of the rows of a sample. */
export interface Outputs {
  /**
   * Binary: score of the positive class, one a row. Multiclass and multilabel: row-major [rows x classes] and [rows x labels].
   * Regression and ranking: the value.
   */
  scores: Float64Array | null;
  probabilities: boolean;
  /** The class decided for, one a row; multilabel: 0 or 1, [rows x labels]; null for regression and ranking. */
  decisions: Int32Array | null;
  /** What was measured in SQL on these very rows, by the name of the metric. */
  measured?: ReadonlyMap<string, MeasuredMetric>;
}

/** A metric of one model that only the database computes. */
export interface MeasuredMetric {
  value: number;
  /** With one group of units left out at a time, the same groups for every model. */
  left: Float64Array;
}

/** The sample at some of its rows, in the order given. */
export function sampleRows(sample: Sample, rows: Uint32Array): Sample {
  return {
    rows: rows.length,
    classes: sample.classes,
    names: sample.names,
    truth: takeRows(sample.truth, rows, sample.labels),
    weights: sample.weights === null ? null : takeRows(sample.weights, rows),
    clusters: sample.clusters === null ? null : takeRows(sample.clusters, rows),
    ...(sample.labels === undefined ? {} : { labels: sample.labels }),
    ...(sample.queries === undefined ? {} : { queries: queriesOf(takeRows(sample.queries.ofRow, rows)) }),
  };
}

/** A number for each key, from 0 on in the order in which they appear. */
export function numbered<Key>(keys: ArrayLike<Key> & Iterable<Key>): { ofRow: Int32Array; numbers: Map<Key, number> } {
  const numbers = new Map<Key, number>();
  const ofRow = Int32Array.from(keys, (key) => {
    const known = numbers.get(key) ?? numbers.size;
    if (known === numbers.size) numbers.set(key, known);
    return known;
  });
  return { ofRow, numbers };
}

/** Group rows by query. @param keys one a row; equal keys are one query */
export function queriesOf(keys: ArrayLike<unknown> & Iterable<unknown>): Queries {
  const { ofRow, numbers } = numbered(keys);
  const starts = new Uint32Array(numbers.size + 1);
  for (const query of ofRow) starts[query + 1]! += 1;
  for (let query = 0; query < numbers.size; query += 1) starts[query + 1]! += starts[query] as number;
  const next = Uint32Array.from(starts);
  const rows = new Uint32Array(ofRow.length);
  for (const [row, query] of ofRow.entries()) rows[next[query]!++] = row;
  return { ofRow, rows, starts };
}

/** The outputs at some rows of the sample they belong to. */
export function outputRows(
  { scores, decisions, probabilities }: Outputs,
  sample: Pick<Sample, 'rows'>,
  rows: Uint32Array,
): Outputs {
  const widthOf = (values: ArrayLike<number>): number => values.length / sample.rows;
  return {
    scores: scores === null ? null : takeRows(scores, rows, widthOf(scores)),
    probabilities,
    decisions: decisions === null ? null : takeRows(decisions, rows, widthOf(decisions)),
  };
}

/** These rows of a matrix of `width` numbers a row. */
export function takeRows<Values extends Float64Array | Int32Array>(
  values: Values,
  rows: Uint32Array,
  width = 1,
): Values {
  const taken =
    values instanceof Int32Array ? new Int32Array(rows.length * width) : new Float64Array(rows.length * width);
  for (let place = 0; place < rows.length; place += 1) {
    const start = (rows[place] as number) * width;
    for (let index = 0; index < width; index += 1) taken[place * width + index] = values[start + index] as number;
  }
  return taken as Values;
}

/** What was measured of a metric, or a fault of ours: it is measured before it is asked for. */
export function measuredOf({ measured }: Outputs, metric: string): MeasuredMetric {
  const found = measured?.get(metric);
  if (found === undefined) throw new Error(`${metric} was not measured`);
  return found;
}

/** Scores, or a fault of ours: a metric's needs are checked before it is computed. */
export function scoresOf(outputs: Outputs): Float64Array {
  if (outputs.scores === null) throw new Error('the outputs have no scores');
  return outputs.scores;
}

/** Decisions, or a fault of ours: a metric's needs are checked before it is computed. */
export function decisionsOf(outputs: Outputs): Int32Array {
  if (outputs.decisions === null) throw new Error('the outputs have no decisions');
  return outputs.decisions;
}
