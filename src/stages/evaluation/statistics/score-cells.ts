import { binsOf, type Binned, type CalibrationBin } from '../metrics/calibration.ts';
import { remembered } from '../remember.ts';
import { multinomial, normalPair, randomFrom } from '../../../statistics/random.ts';
import { standardErrorInterval } from './bootstrap.ts';
import { pointInterval, type PairedInterval } from './interval.ts';

/** Rows that share bin and outcome with both models: how many, and the mean and spread of the two scores among them. */
interface ScoreCell {
  count: number;
  championBin: number;
  championOutcome: number;
  candidateBin: number;
  candidateOutcome: number;
  championMean: number;
  candidateMean: number;
  championSpread: number;
  /** Part of the candidate's spread that goes with the champion's, and the rest. */
  sharedSpread: number;
  ownSpread: number;
}

/**
 * Interval on the difference of a calibration error. The counts of the joint cells (bin and outcome of both models) are drawn anew,
 * and the scores of a cell's rows add up to a normal variate of the mean and covariance of as many draws from them: scores of one cell
 * differ by less than a bin, so that what matters is how many fall into it. The cost does not grow with the rows.
 */
export function calibrationInterval(
  champion: Binned,
  candidate: Binned,
  error: (bins: readonly CalibrationBin[]) => number,
  { seed, resamples }: { seed: number; resamples: number },
): PairedInterval {
  const found = scoreCells(candidate, champion);
  const { cells } = found;
  if (found.differing === 0) return pointInterval(0, 'bootstrap-cells');
  const bins = champion.edges.length - 1;
  const sums = { champion: new Float64Array(3 * bins), candidate: new Float64Array(3 * bins) };
  const add = (cell: ScoreCell, count: number, championExtra: number, candidateExtra: number): void => {
    const { championBin, candidateBin } = cell;
    sums.champion[championBin]! += count;
    sums.champion[bins + championBin]! += count * cell.championMean + championExtra;
    sums.champion[2 * bins + championBin]! += count * cell.championOutcome;
    sums.candidate[candidateBin]! += count;
    sums.candidate[bins + candidateBin]! += count * cell.candidateMean + candidateExtra;
    sums.candidate[2 * bins + candidateBin]! += count * cell.candidateOutcome;
  };
  const difference = (): number => {
    const delta = error(binsOf(sums.candidate, candidate.edges)) - error(binsOf(sums.champion, champion.edges));
    sums.champion.fill(0);
    sums.candidate.fill(0);
    return delta;
  };
  const observed = Float64Array.from(cells, ({ count }) => count);
  const rows = observed.reduce((sum, count) => sum + count, 0);
  const random = randomFrom(seed);
  const drawn = new Float64Array(cells.length);
  const normals = new Float64Array(2);
  const values = Float64Array.from({ length: resamples }, () => {
    multinomial(random, rows, observed, drawn);
    for (let index = 0; index < cells.length; index += 1) {
      const count = drawn[index] as number;
      if (count === 0) continue;
      const cell = cells[index] as ScoreCell;
      normalPair(random, normals);
      const root = Math.sqrt(count);
      const shared = root * (normals[0] as number);
      const own = root * (normals[1] as number);
      add(cell, count, shared * cell.championSpread, shared * cell.sharedSpread + own * cell.ownSpread);
    }
    return difference();
  });
  for (const cell of cells) add(cell, cell.count, 0, 0);
  return standardErrorInterval({
    delta: difference(),
    values,
    observations: found.differing,
    method: 'bootstrap-cells',
    seed,
  });
}

/** The cells that occur, and on how many rows scores or outcomes differ. */
const scoreCells = remembered((candidate: Binned, champion: Binned): { cells: ScoreCell[]; differing: number } => {
  const width = 2 * (candidate.edges.length - 1);
  const possible = 2 * (champion.edges.length - 1) * width;
  // Sums of 1, a, b, aa, ab and bb, of scores less the lower edge of their bin: they lose no digits so.
  const sums = new Float64Array(6 * possible);
  let differing = 0;
  for (let row = 0; row < champion.scores.length; row += 1) {
    const before = champion.assigned[row] as number;
    const after = candidate.assigned[row] as number;
    const first = champion.outcomes[row] as number;
    const second = candidate.outcomes[row] as number;
    if (champion.scores[row] !== candidate.scores[row] || first !== second) differing += 1;
    const a = (champion.scores[row] as number) - (champion.edges[before] as number);
    const b = (candidate.scores[row] as number) - (candidate.edges[after] as number);
    const start = 6 * ((2 * before + first) * width + 2 * after + second);
    sums[start]! += 1;
    sums[start + 1]! += a;
    sums[start + 2]! += b;
    sums[start + 3]! += a * a;
    sums[start + 4]! += a * b;
    sums[start + 5]! += b * b;
  }
  const cells: ScoreCell[] = [];
  for (let cell = 0; cell < possible; cell += 1) {
    const [count = 0, a = 0, b = 0, aa = 0, ab = 0, bb = 0] = sums.subarray(6 * cell, 6 * cell + 6);
    if (count === 0) continue;
    const left = Math.floor(cell / width);
    const right = cell % width;
    const variance = Math.max(0, aa / count - (a / count) ** 2);
    const other = Math.max(0, bb / count - (b / count) ** 2);
    const covariance = ab / count - (a / count) * (b / count);
    const championSpread = Math.sqrt(variance);
    const sharedSpread = championSpread > 0 ? covariance / championSpread : 0;
    cells.push({
      count,
      championBin: left >> 1,
      championOutcome: left & 1,
      candidateBin: right >> 1,
      candidateOutcome: right & 1,
      championMean: (champion.edges[left >> 1] as number) + a / count,
      candidateMean: (candidate.edges[right >> 1] as number) + b / count,
      championSpread,
      sharedSpread,
      ownSpread: Math.sqrt(Math.max(0, other - sharedSpread * sharedSpread)),
    });
  }
  return { cells, differing };
});
