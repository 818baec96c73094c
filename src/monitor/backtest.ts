import { normalCdf, normalQuantile } from '../statistics/distributions.ts';
import { holm } from '../statistics/multiplicity.ts';

/** A model of the past, and its loss on every row of the history; NaN: it predicted nothing there. */
export interface PastModel {
  name: string;
  /** It may have seen rows up to this time, in milliseconds: on these it is never judged. */
  trainedUntil: number;
  losses: Float64Array;
}

export interface BacktestInput {
  /** Time of each row, and when its label was known. */
  times: Float64Array;
  known: Float64Array;
  /** Weight of each row, above 0; null: all are 1. */
  weights: Float64Array | null;
  /** By `trainedUntil`. */
  models: readonly PastModel[];
  /** Length of a window, in milliseconds. */
  window: number;
  /** A loss of this much more is too much. */
  maxLoss: number;
  /** One-sided level. */
  alpha: number;
}

/** Fewer rows show nothing by a normal approximation. */
const fewestRows = 30;

export interface LossOf {
  rows: number;
  mean: number;
  se: number;
}

export interface BacktestResult {
  windows: { start: number; end: number; losses: Record<string, LossOf> }[];
  /** By age in windows: the mean loss beyond that of the model's own first window, over all models that lived so long. */
  ageing: { age: number; models: number; more: number; lower: number }[];
  /** The first age, in windows, at which the loss is shown to be too much more, over all ages together (Holm); null: at none that is on record. */
  tooOld: number | null;
  /** What each new model's gate would have said once its first window had labels, and what later rows said of it. */
  decisions: {
    model: string;
    against: string;
    /** When it could have been decided. */
    at: number;
    rows: number;
    /** Loss of the old less that of the new: positive is better. */
    gain: number;
    lower: number;
    upper: number;
    verdict: 'superior' | 'non-inferior' | 'inferior' | 'inconclusive';
    /** The same on all rows from its first window on, with every label there is today. */
    hindsight: { rows: number; gain: number };
  }[];
}

/**
 * Judge models of the past as they could have been judged then: each on windows after its training alone (rolling origin), with the
 * labels that were known by the time of a decision. Pure.
 */
export function backtest(input: BacktestInput): BacktestResult {
  const { times, models, window, maxLoss, alpha } = input;
  const z = normalQuantile(1 - alpha);
  const last = times.reduce((latest, time) => Math.max(latest, time), -Infinity);
  const lives = models.map((model) => livesOf(input, model, last));
  const ageing: BacktestResult['ageing'] = [];
  const pValues: number[] = [];
  const longest = Math.max(0, ...lives.map((life) => life.length));
  for (let age = 1; age < longest; age++) {
    const seen = lives.flatMap((life) => {
      const [first, now] = [life[0]?.loss, life[age]?.loss];
      if (first === undefined || now === undefined || Math.min(first.rows, now.rows) < fewestRows) return [];
      return [{ more: now.mean - first.mean, variance: first.se ** 2 + now.se ** 2 }];
    });
    if (seen.length === 0) continue;
    const more = seen.reduce((sum, each) => sum + each.more, 0) / seen.length;
    const se = Math.sqrt(seen.reduce((sum, each) => sum + each.variance, 0)) / seen.length;
    ageing.push({ age, models: seen.length, more, lower: more - z * se });
    pValues.push(se > 0 ? normalCdf((maxLoss - more) / se) : more > maxLoss ? 0 : 1);
  }
  // Of many ages one seems to be too much by chance.
  const shown = holm(pValues).findIndex((p) => p < alpha);
  const starts = [...new Set(lives.flatMap((life) => life.map(({ start }) => start)))].sort((a, b) => a - b);
  return {
    windows: starts.map((start) => ({
      start,
      end: start + window,
      losses: Object.fromEntries(
        lives.flatMap((life, index) => {
          const here = life.find((each) => each.start === start);
          return here === undefined || here.loss.rows === 0 ? [] : [[(models[index] as PastModel).name, here.loss]];
        }),
      ),
    })),
    ageing,
    tooOld: ageing[shown]?.age ?? null,
    decisions: models.slice(1).map((model, index) => decisionOn(input, models[index] as PastModel, model, z)),
  };
}

/** Windows of a model's life, from the first whole one after its training. */
function livesOf(
  { times, window, weights }: BacktestInput,
  { losses, ...model }: PastModel,
  last: number,
): { start: number; loss: LossOf }[] {
  const first = firstWindow(model, window);
  const life: { start: number; rows: number[] }[] = [];
  for (let start = first; start + window <= last + 1; start += window) life.push({ start, rows: [] });
  for (const [row, time] of times.entries()) {
    if (time >= first && !Number.isNaN(losses[row])) life[Math.floor((time - first) / window)]?.rows.push(row);
  }
  return life.map(({ start, rows }) => ({ start, loss: summary(rows, (row) => losses[row] as number, weights) }));
}

function firstWindow({ trainedUntil }: Pick<PastModel, 'trainedUntil'>, window: number): number {
  return (Math.floor(trainedUntil / window) + 1) * window;
}

function decisionOn(
  { times, known, window, maxLoss, weights }: BacktestInput,
  old: PastModel,
  model: PastModel,
  z: number,
): BacktestResult['decisions'][number] {
  const start = firstWindow(model, window);
  const rows = [...times.keys()].filter(
    (row) =>
      (times[row] as number) >= start && !Number.isNaN((old.losses[row] as number) + (model.losses[row] as number)),
  );
  const inWindow = rows.filter((row) => (times[row] as number) < start + window);
  // Decided when nine tenths of the labels of its first window were known, with these alone.
  const arrivals = inWindow.map((row) => known[row] as number).sort((a, b) => a - b);
  const at = arrivals[Math.max(0, Math.ceil(0.9 * arrivals.length) - 1)] ?? start + window;
  const decidedAt = Math.max(at, start + window);
  const gain = (row: number): number => (old.losses[row] as number) - (model.losses[row] as number);
  const early = inWindow.filter((row) => (known[row] as number) <= decidedAt);
  const then = summary(early, gain, weights);
  const [lower, upper] = [then.mean - z * then.se, then.mean + z * then.se];
  const later = summary(rows, gain, weights);
  const verdict =
    then.rows < fewestRows
      ? 'inconclusive'
      : lower > 0
        ? 'superior'
        : lower > -maxLoss
          ? 'non-inferior'
          : upper < -maxLoss
            ? 'inferior'
            : 'inconclusive';
  return {
    model: model.name,
    against: old.name,
    at: decidedAt,
    rows: then.rows,
    gain: then.mean,
    lower,
    upper,
    verdict,
    hindsight: { rows: later.rows, gain: later.mean },
  };
}

function summary(rows: readonly number[], valueOf: (row: number) => number, weights: Float64Array | null): LossOf {
  const count = rows.length;
  if (count === 0) return { rows: count, mean: 0, se: 0 };
  const weightOf = (row: number): number => weights?.[row] ?? 1;
  const total = rows.reduce((sum, row) => sum + weightOf(row), 0);
  const mean = rows.reduce((sum, row) => sum + weightOf(row) * valueOf(row), 0) / total;
  const squares = rows.reduce((sum, row) => sum + (weightOf(row) * (valueOf(row) - mean)) ** 2, 0);
  return { rows: count, mean, se: count < 2 ? 0 : Math.sqrt((squares * count) / (count - 1)) / total };
}
