/** The rows on which models are judged. All arrays have one element a row. */
export interface Sample {
  rows: number;
  /** Number of classes; 0 for regression. */
  classes: number;
  /** Class names in the order of their numbers; null for regression. */
  names: readonly string[] | null;
  /** Class numbers, or the target of a regression. In binary classification 1 is the positive class. */
  truth: Float64Array;
  weights: Float64Array | null;
  /** Cluster numbers: rows of one cluster are not independent. */
  clusters: Int32Array | null;
}

/** What one model says of the rows of a sample. */
export interface Outputs {
  /** Binary: score of the positive class, one a row. Multiclass: row-major [rows x classes]. Regression: the value. */
  scores: Float64Array | null;
  /** Whether the scores are probabilities. */
  probabilities: boolean;
  /** The class decided for, one a row; null for regression. */
  decisions: Int32Array | null;
}

/** The sample at some of its rows, in the order given. */
export function sampleRows(sample: Sample, rows: Uint32Array): Sample {
  return {
    rows: rows.length,
    classes: sample.classes,
    names: sample.names,
    truth: take(sample.truth, rows),
    weights: sample.weights === null ? null : take(sample.weights, rows),
    clusters:
      sample.clusters === null ? null : Int32Array.from(rows, (row) => (sample.clusters as Int32Array)[row] as number),
  };
}

/** The outputs at some rows of the sample they belong to. */
export function outputRows(outputs: Outputs, classes: number, rows: Uint32Array): Outputs {
  const { scores, decisions, probabilities } = outputs;
  const width = classes > 2 ? classes : 1;
  let taken: Float64Array | null = null;
  if (scores !== null && width === 1) taken = take(scores, rows);
  else if (scores !== null) {
    taken = new Float64Array(rows.length * width);
    for (let place = 0; place < rows.length; place += 1) {
      const start = (rows[place] as number) * width;
      taken.set(scores.subarray(start, start + width), place * width);
    }
  }
  return {
    scores: taken,
    probabilities,
    decisions: decisions === null ? null : Int32Array.from(rows, (row) => decisions[row] as number),
  };
}

function take(values: Float64Array, rows: Uint32Array): Float64Array {
  const taken = new Float64Array(rows.length);
  for (let place = 0; place < rows.length; place += 1) taken[place] = values[rows[place] as number] as number;
  return taken;
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
