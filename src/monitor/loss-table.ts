import type { ChampionBaseline } from './record.ts';

export type LossTable = NonNullable<ChampionBaseline['table']>;

export interface EstimatedLoss {
  loss: number;
  se: number;
  /** Share of the rows in bins that the evaluation set has no row in: nothing is said of these. */
  unknown: number;
}

/**
 * The mean loss that rows with these shares of the bins have, if a bin still means what it meant: sum of share x mean loss.
 * Works for any mean loss, of regression too.
 * @param counts rows now, by bin
 */
export function estimateLoss({ means, variances, rows }: LossTable, counts: readonly number[]): EstimatedLoss {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const known = counts.reduce((sum, count, bin) => sum + ((rows[bin] as number) > 0 ? count : 0), 0);
  let [loss, ofReference, squared] = [0, 0, 0];
  for (const [bin, count] of counts.entries()) {
    if ((rows[bin] as number) === 0 || known === 0) continue;
    const share = count / known;
    const mean = means[bin] as number;
    loss += share * mean;
    squared += share * mean * mean;
    ofReference += (share * share * (variances[bin] as number)) / (rows[bin] as number);
  }
  return {
    loss: known === 0 ? Number.NaN : loss,
    se: Math.sqrt(ofReference + (squared - loss * loss) / known),
    unknown: total === 0 ? 0 : 1 - known / total,
  };
}

/** The table of losses over bins of scores with these inner edges. */
export function lossTable(scores: ArrayLike<number>, losses: ArrayLike<number>, edges: readonly number[]): LossTable {
  const bins = edges.length + 1;
  const table: LossTable = {
    edges: [...edges],
    rows: new Array<number>(bins).fill(0),
    means: new Array<number>(bins).fill(0),
    variances: new Array<number>(bins).fill(0),
  };
  for (let row = 0; row < scores.length; row++) {
    const bin = binOf(scores[row] as number, edges);
    const count = (table.rows[bin] as number) + 1;
    const loss = losses[row] as number;
    const before = table.means[bin] as number;
    const mean = before + (loss - before) / count;
    table.rows[bin] = count;
    table.means[bin] = mean;
    table.variances[bin] = (table.variances[bin] as number) + (loss - before) * (loss - mean);
  }
  table.variances = table.variances.map((sum, bin) => {
    const count = table.rows[bin] as number;
    return count > 1 ? sum / (count - 1) : 0;
  });
  return table;
}

export function binOf(score: number, edges: readonly number[]): number {
  let bin = 0;
  while (bin < edges.length && score > (edges[bin] as number)) bin += 1;
  return bin;
}
