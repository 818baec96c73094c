import { reservedColumns } from '../../config/columns.ts';
import type { Columns } from '../../config/schema.ts';
import type { Discover } from './schema.ts';
import { defaults } from '../../config/defaults.ts';
import {
  readColumns,
  requireColumns,
  type ColumnVector,
  type Dataset,
  type DatasetColumn,
} from '../../data/dataset.ts';
import { isNested, isNumeric } from '../../data/types.ts';
import type { Check } from '../../evidence/check.ts';
import { capitalised, count, counted } from '../../wording.ts';
import { cannotCompute, type ChampionGate } from './gate.ts';
import { findMetric } from './metrics/catalogue.ts';
import { metricValue, shownMetric, type Metric } from './metrics/metric.ts';
import { countingQueries } from './metrics/ranking.ts';
import { columnAt } from './read-sample.ts';
import { outputRows, sampleRows, type Outputs, type Queries, type Sample } from './sample.ts';
import { shown } from './slice-names.ts';
import { binLabels, binOf, quantileEdges } from './slices.ts';
import { sortedOrder } from './sort.ts';
import { tCdf } from '../../statistics/distributions.ts';
import { lossMidP } from './statistics/mcnemar.ts';
import { benjaminiHochberg } from '../../statistics/multiplicity.ts';
import { sum } from '../../statistics/sums.ts';
import { deltaText } from '../comparison.ts';

/** A column as codes: few enough values, or bins of a number, to slice by. */
export interface CodedColumn {
  name: string;
  /** One a row, below `labels.length`. */
  codes: Uint8Array;
  labels: string[];
}

/** What the candidate wins or loses by row against the champion, positive where it is better; `counts` 0 where a row does not count. */
export interface RowGains {
  gains: Float64Array;
  counts: Float64Array;
  /** Numbers of the units that are independent; null where every row is. */
  clusters: Int32Array | null;
  /** Gains are only 1, 0 and -1 and rows count alike, so an exact test applies. */
  paired: boolean;
}

export interface WeakSlice {
  /** One or two columns with the code of their value. */
  terms: { column: CodedColumn; code: number }[];
  rows: number;
  /** Mean gain of its rows: negative. */
  gain: number;
  /** One-sided, of "the candidate does not lose here". */
  pValue: number;
  /** Benjamini and Hochberg's, over every slice looked at. */
  adjusted: number;
}

export interface WeakSliceSearch {
  slices: WeakSlice[];
  /** Slices below the corrected level, those that echo others included. */
  weak: number;
  /** Slices of at least `minimumRows` rows that were tested. */
  tested: number;
  pairs: number;
  /** Pairs of columns left out so that the search stays short. */
  pairsLeftOut: number;
}

/** Values a column may have to be sliced by value. */
const maximumValues = 20;
/** A number of more values than this is cut into quantile bins. */
const numericValues = 10;
const bins = 4;
/** Values that quantile edges are taken from: they need not be exact. */
const edgeRows = 10_000;
/** Row visits the pairs of columns may cost. */
const visitLimit = 2e8;
const shownSlices = 10;
/** Weak slices looked at, clearest first, for those that echo no other. */
const echoLimit = 100;

/**
 * Slices of one and two columns on which the candidate loses against the champion: advice, never a gate.
 * A slice is reported when its p-value, corrected over every slice looked at, is below alpha.
 */
export async function weakSliceAdvice(
  gate: ChampionGate,
  discover: Discover,
  columns: Columns,
  dataset: Dataset,
): Promise<{ checks: Check[]; details: Record<string, unknown> }> {
  const { metric, ...judged } = lossOf(gate);
  const problem =
    cannotCompute(gate.plan.primary.metric, gate.sample, gate) ?? cannotCompute(metric, judged.sample, judged);
  const title = 'Slices where the candidate is worse';
  const common = { id: 'evaluation/weak-slices', title, severity: 'info', required: null } as const;
  if (problem !== null) {
    const message = `Slices were not searched: ${problem.reason}.`;
    return { checks: [{ ...common, verdict: 'skipped', message, observed: null }], details: {} };
  }
  const { coded, leftOut } = await codedColumns(dataset, searched(discover, columns, dataset), gate.sample);
  const minimumRows = discover.min_rows ?? defaults.minRows;
  const search = searchWeakSlices(coded, gainsOf(metric, judged), { minimumRows, level: gate.plan.guardAlpha });
  const slices = search.slices.map((slice) => {
    const rows = sliceRows(slice);
    const part = sampleRows(judged.sample, rows);
    const valueOf = (side: 'champion' | 'candidate'): number =>
      metricValue(metric, part, outputRows(judged[side], judged.sample, rows));
    return {
      slice: shown(nameOf(slice)),
      n: rows.length,
      champion: valueOf('champion'),
      candidate: valueOf('candidate'),
      delta: slice.gain,
      pValue: slice.pValue,
      adjusted: slice.adjusted,
    };
  });
  const [worst] = slices;
  const looked = `${count(search.tested)} slices of ${counted(coded.length, 'columns')} and ${search.pairs} pairs of them`;
  const message =
    worst === undefined
      ? `No slice was found on which the candidate's ${metric.title} is significantly worse (${looked}).`
      : `${capitalised(metric.title)} is worse on ${worst.slice} (${deltaText(metric, worst.delta)} over ${counted(worst.n, judged.sample.unit ?? 'rows')}, p = ${worst.adjusted.toPrecision(2)} corrected over ${looked})${slices.length > 1 ? `, and on ${slices.length - 1} more` : ''}: advice, not a gate.`;
  return {
    checks: [{ ...common, verdict: worst === undefined ? 'pass' : 'fail', message, observed: slices.length }],
    details: {
      weakSlices: {
        metric: metric.name,
        minRows: minimumRows,
        level: gate.plan.guardAlpha,
        correction: 'benjamini-hochberg',
        columns: coded.map((column) => column.name),
        leftOut,
        tested: search.tested,
        pairs: search.pairs,
        pairsLeftOut: search.pairsLeftOut,
        weak: search.weak,
        slices,
      },
    },
  };
}

/**
 * The slices on which the mean gain is below 0 at the corrected level, clearest first, at most ten; one whose loss is that of
 * slices before it is left out.
 */
export function searchWeakSlices(
  columns: readonly CodedColumn[],
  gains: RowGains,
  { minimumRows, level, visits = visitLimit }: { minimumRows: number; level: number; visits?: number },
): WeakSliceSearch {
  const rows = gains.gains.length;
  const order = gains.clusters === null ? null : sortedOrder(Float64Array.from(gains.clusters));
  const found = columns.flatMap((column) => testCells([column], gains, order, minimumRows));
  const possible = (columns.length * (columns.length - 1)) / 2;
  const allowed = Math.min(possible, Math.floor(visits / Math.max(1, rows)));
  let pairs = 0;
  for (let first = 0; first < columns.length && pairs < allowed; first += 1) {
    for (let second = first + 1; second < columns.length && pairs < allowed; second += 1) {
      const pair = [columns[first] as CodedColumn, columns[second] as CodedColumn];
      found.push(...testCells(pair, gains, order, minimumRows));
      pairs += 1;
    }
  }
  const adjusted = benjaminiHochberg(found.map((slice) => slice.pValue));
  const weak = found
    .map((slice, index) => ({ ...slice, adjusted: adjusted[index] as number }))
    .filter((slice) => slice.adjusted < level && slice.gain < 0)
    .sort((a, b) => a.pValue - b.pValue || a.gain * a.rows - b.gain * b.rows);
  return {
    slices: withoutEchoes(weak, gains, { minimumRows, level, order }),
    weak: weak.length,
    tested: found.length,
    pairs,
    pairsLeftOut: possible - pairs,
  };
}

/**
 * The clearest slices, each only if the candidate still loses on those of its rows that no slice before it holds: a loss on one
 * value shows, diluted, on every value of every other column.
 */
function withoutEchoes(
  weak: readonly WeakSlice[],
  gains: RowGains,
  { minimumRows, level, order }: { minimumRows: number; level: number; order: Uint32Array | null },
): WeakSlice[] {
  const left = { ...gains, counts: Float64Array.from(gains.counts) };
  const reported: WeakSlice[] = [];
  for (const slice of weak.slice(0, echoLimit)) {
    if (reported.length === shownSlices) break;
    const inside = membership(slice);
    const own = testCells([{ name: '', codes: inside, labels: ['outside', 'inside'] }], left, order, minimumRows).find(
      ({ terms }) => terms[0]?.code === 1,
    );
    if (own === undefined || own.gain >= 0 || own.pValue >= level) continue;
    reported.push(slice);
    for (let row = 0; row < inside.length; row += 1) if (inside[row] === 1) left.counts[row] = 0;
  }
  return reported;
}

/** A column as codes, or why it cannot be sliced by. */
export function codeColumn(vector: ColumnVector): CodedColumn | string {
  const { name } = vector;
  const rows = vector.values.length;
  const codes = new Uint8Array(rows);
  const values = vector.kind === 'number' ? fewValues(vector.values, numericValues) : null;
  if (vector.kind === 'number' && values === null) {
    const step = Math.max(1, Math.floor(rows / edgeRows));
    const some = vector.values.filter((value, row) => row % step === 0 && Number.isFinite(value));
    const edges = quantileEdges(some.sort(), bins);
    const labels = [...binLabels(edges), '(missing)'];
    for (let row = 0; row < rows; row += 1) {
      const value = vector.values[row] as number;
      codes[row] = Number.isNaN(value) ? labels.length - 1 : binOf(value, edges);
    }
    return { name, codes, labels };
  }
  const known = new Map<unknown, number>();
  const labels: string[] = [];
  for (let row = 0; row < rows; row += 1) {
    const found = vector.values[row] ?? null;
    const value = Number.isNaN(found) ? null : found;
    let code = known.get(value);
    if (code === undefined) {
      if (labels.length === maximumValues) return `more than ${maximumValues} values`;
      code = labels.length;
      known.set(value, code);
      labels.push(value === null ? '(missing)' : String(value));
    }
    codes[row] = code;
  }
  return labels.length < 2 ? 'one value only' : { name, codes, labels };
}

interface Judged {
  sample: Sample;
  champion: Outputs;
  candidate: Outputs;
}

/**
 * The metric that tells the loss of a row, or of a query: the primary one where it is a mean over them, else a wrong decision
 * or the absolute error.
 */
function lossOf({ plan, sample, champion, candidate }: ChampionGate): Judged & { metric: Metric } {
  const { metric } = plan.primary;
  const shown = shownMetric(metric);
  if (shown.kind === 'proportion' || (shown.kind === 'moments' && shown.value === undefined)) {
    if (metric.kind !== 'view') return { metric, sample, champion, candidate };
    const seen = (outputs: Outputs): Outputs => metric.outputs(sample, outputs);
    return { metric: shown, sample: metric.sample(sample), champion: seen(champion), candidate: seen(candidate) };
  }
  const name = { regression: 'mae', 'multilabel-classification': 'hamming_loss' }[plan.task as string] ?? 'accuracy';
  return { metric: findMetric(name, plan.task, 'policy.discover'), sample, champion, candidate };
}

function gainsOf(metric: Metric, { sample, champion, candidate }: Judged): RowGains {
  const { weights, clusters } = sample;
  const counts = weights === null ? new Float64Array(sample.rows).fill(1) : Float64Array.from(weights);
  const of = (outputs: typeof champion): ArrayLike<number> => {
    if (metric.kind === 'proportion') return metric.successes(sample, outputs);
    if (metric.kind === 'moments') return metric.terms(sample, outputs)[0] as Float64Array;
    throw new Error(`${metric.name} is not a mean over rows`);
  };
  const before = of(champion);
  const after = of(candidate);
  const sign = metric.better === 'higher' ? 1 : -1;
  const proportion = metric.kind === 'proportion';
  const gains = new Float64Array(sample.rows);
  for (let row = 0; row < sample.rows; row += 1) {
    if (proportion && (before[row] as number) < 0) counts[row] = 0;
    else gains[row] = sign * ((after[row] as number) - (before[row] as number));
  }
  return { gains, counts, clusters, paired: proportion && weights === null && clusters === null };
}

function searched(discover: Discover, columns: Columns, dataset: Dataset): string[] {
  if (discover.columns !== undefined) return requireColumns(dataset, discover.columns).map(({ name }) => name);
  const reserved = new Set(reservedColumns(columns));
  return dataset.columns.map(({ name }) => name).filter((name) => !reserved.has(name));
}

/** One column at a time, kept as a byte a row: memory does not hold all features at once. */
async function codedColumns(
  dataset: Dataset,
  names: readonly string[],
  sample: Sample,
): Promise<{ coded: CodedColumn[]; leftOut: { column: string; reason: string }[] }> {
  const coded: CodedColumn[] = [];
  const leftOut: { column: string; reason: string }[] = [];
  for (const name of names) {
    const [found] = requireColumns(dataset, [name]) as [DatasetColumn];
    const rows = isNested(found.type) ? 'lists or structs' : codeColumn(await readOne(dataset, found, sample));
    const column =
      typeof rows === 'string' || sample.queries === undefined ? rows : ofQueries(rows, sample, sample.queries);
    if (typeof column === 'string') leftOut.push({ column: shown(name), reason: column });
    else coded.push(column);
  }
  return { coded, leftOut };
}

/** Numbers, which may be many, are cut into bins; everything else is distinguished by its text. */
async function readOne(dataset: Dataset, { name, type }: DatasetColumn, { dataRows }: Sample): Promise<ColumnVector> {
  const numeric = isNumeric(type);
  const read = await readColumns(dataset, numeric ? { numbers: [name] } : { texts: [name] });
  const column = (numeric ? read.numbers : read.texts).get(name) as ColumnVector;
  return dataRows === undefined ? column : columnAt(column, dataRows);
}

/** The column at the level of queries, if it is one of theirs. */
function ofQueries({ name, codes, labels }: CodedColumn, sample: Sample, queries: Queries): CodedColumn | string {
  const { ofRow, rows, starts } = queries;
  const codeOf = (query: number): number => codes[rows[starts[query] as number] as number] as number;
  if (codes.some((code, row) => code !== codeOf(ofRow[row] as number))) return 'differs between the rows of a query';
  return { name, codes: Uint8Array.from(countingQueries(sample), codeOf), labels };
}

/** Every value (or pair of values) of at least `minimumRows` counting rows, with its gain and p-value. */
function testCells(
  columns: readonly CodedColumn[],
  all: RowGains,
  order: Uint32Array | null,
  minimumRows: number,
): Omit<WeakSlice, 'adjusted'>[] {
  const [first, second] = columns as [CodedColumn, CodedColumn | undefined];
  const width = second?.labels.length ?? 1;
  const cells = first.labels.length * width;
  const sums = order === null ? rowSums(first, second, all) : clusterSums(first, second, all, order);
  const { rows, units, gain, weight, gainGain, gainWeight, weightWeight } = sums;
  const unseen = unseenGains(sums);
  const tested: Omit<WeakSlice, 'adjusted'>[] = [];
  for (let cell = 0; cell < cells; cell += 1) {
    if ((rows[cell] as number) < minimumRows) continue;
    const mean = (gain[cell] as number) / (weight[cell] as number);
    const gained = gain[cell] as number;
    const squares =
      (gainGain[cell] as number) -
      2 * mean * (gainWeight[cell] as number) +
      mean * mean * (weightWeight[cell] as number);
    tested.push({
      terms: columns.map((column, index) => ({
        column,
        code: index === 0 ? Math.floor(cell / width) : cell % width,
      })),
      rows: rows[cell] as number,
      gain: mean,
      // Of gains of 1, 0 and -1 the squares add up to the discordant rows.
      pValue: all.paired
        ? lossMidP(((gainGain[cell] as number) + gained) / 2, ((gainGain[cell] as number) - gained) / 2)
        : meanPValue(mean, squares + unseen(cell), weight[cell] as number, units[cell] as number),
    });
  }
  return tested;
}

/** Sums of each cell over its units (rows, or the rows of a cluster in it): how many, and the moments of (gain, weight). */
interface CellSums {
  rows: Uint32Array;
  units: Uint32Array;
  gain: Float64Array;
  weight: Float64Array;
  gainGain: Float64Array;
  /** Of units that gain alone. */
  gainedGained: Float64Array;
  gainWeight: Float64Array;
  weightWeight: Float64Array;
}

function emptySums(first: CodedColumn, second: CodedColumn | undefined): CellSums {
  const cells = first.labels.length * (second?.labels.length ?? 1);
  const zeros = (): Float64Array => new Float64Array(cells);
  return {
    rows: new Uint32Array(cells),
    units: new Uint32Array(cells),
    gain: zeros(),
    weight: zeros(),
    gainGain: zeros(),
    gainedGained: zeros(),
    gainWeight: zeros(),
    weightWeight: zeros(),
  };
}

/** This runs once for every pair of columns: most rows of two good models gain nothing, and are only counted. */
function rowSums(first: CodedColumn, second: CodedColumn | undefined, { gains, counts }: RowGains): CellSums {
  const sums = emptySums(first, second);
  const { rows, gain, weight, gainGain, gainedGained, gainWeight, weightWeight } = sums;
  const width = second?.labels.length ?? 1;
  const major = first.codes;
  const minor = second?.codes ?? new Uint8Array(major.length);
  for (let row = 0; row < gains.length; row += 1) {
    const count = counts[row] as number;
    if (count === 0) continue;
    const cell = (major[row] as number) * width + (minor[row] as number);
    rows[cell]! += 1;
    weight[cell]! += count;
    weightWeight[cell]! += count * count;
    const gained = count * (gains[row] as number);
    if (gained === 0) continue;
    gain[cell]! += gained;
    gainGain[cell]! += gained * gained;
    if (gained > 0) gainedGained[cell]! += gained * gained;
    gainWeight[cell]! += gained * count;
  }
  sums.units.set(rows);
  return sums;
}

/** The same, where the rows of a cluster (together in `order`) count as one. */
function clusterSums(
  first: CodedColumn,
  second: CodedColumn | undefined,
  { gains, counts, clusters }: RowGains,
  order: Uint32Array,
): CellSums {
  const sums = emptySums(first, second);
  const open = emptySums(first, second);
  const width = second?.labels.length ?? 1;
  const touched: number[] = [];
  for (let place = 0; place < order.length; place += 1) {
    const row = order[place] as number;
    const count = counts[row] as number;
    const cell = (first.codes[row] as number) * width + (second?.codes[row] ?? 0);
    if (count > 0) {
      if (open.rows[cell] === 0) touched.push(cell);
      open.rows[cell]! += 1;
      open.gain[cell]! += count * (gains[row] as number);
      open.weight[cell]! += count;
    }
    if (clusters?.[row] === clusters?.[order[place + 1] ?? -1]) continue;
    for (const each of touched) {
      const gain = open.gain[each] as number;
      const weight = open.weight[each] as number;
      sums.units[each]! += 1;
      sums.rows[each]! += open.rows[each] as number;
      sums.gain[each]! += gain;
      sums.weight[each]! += weight;
      sums.gainGain[each]! += gain * gain;
      if (gain > 0) sums.gainedGained[each]! += gain * gain;
      sums.gainWeight[each]! += gain * weight;
      sums.weightWeight[each]! += weight * weight;
      open.rows[each] = 0;
      open.gain[each] = 0;
      open.weight[each] = 0;
    }
    touched.length = 0;
  }
  return sums;
}

/**
 * Squares of gains that a cell should have and has not: large gains that are rare are in few cells, and all others seem to lose for certain.
 * So many are added as the other rows have, in the proportion of their losses, the fewer the more of all rows the cell has.
 */
function unseenGains({ units, gainGain, gainedGained }: CellSums): (cell: number) => number {
  const [all, gained] = [sum(units), sum(gainedGained)];
  const lost = sum(gainGain) - gained;
  return (cell) => {
    const [own, seen] = [units[cell] as number, gainedGained[cell] as number];
    const losses = (gainGain[cell] as number) - seen;
    const expected = lost > 0 ? gained * Math.min(own / all, losses / lost) : 0;
    return (1 - own / all) * Math.max(0, expected - seen);
  };
}

/** One-sided t test that the mean gain is not below 0, its residuals summed by unit. */
function meanPValue(mean: number, squares: number, weight: number, units: number): number {
  if (units < 2) return 1;
  const error = Math.sqrt((Math.max(0, squares) / (units - 1)) * units) / weight;
  // A difference that does not vary gives no scale to judge it by.
  return error > 1e-12 * Math.abs(mean) && error > 0 ? tCdf(mean / error, units - 1) : 1;
}

function fewValues(values: Float64Array, most: number): Set<number> | null {
  const seen = new Set<number>();
  for (const value of values) {
    seen.add(value);
    if (seen.size > most) return null;
  }
  return seen;
}

function sliceRows(slice: WeakSlice): Uint32Array {
  const inside = membership(slice);
  return Uint32Array.from(inside.keys()).filter((row) => inside[row] === 1);
}

/** 1 for each row of the slice. */
function membership({ terms }: WeakSlice): Uint8Array {
  const [first, second] = terms;
  const inside = new Uint8Array(first?.column.codes.length ?? 0);
  const major = first?.column.codes ?? inside;
  const minor = second?.column.codes;
  for (let row = 0; row < inside.length; row += 1) {
    if (major[row] === first?.code && (minor === undefined || minor[row] === second?.code)) inside[row] = 1;
  }
  return inside;
}

function nameOf({ terms }: WeakSlice): string {
  return terms.map(({ column, code }) => `${column.name}=${column.labels[code] as string}`).join(' & ');
}
