import { isSavedIndex, labelColumns, roleOf, type Columns, type Task } from '../../config/index.ts';
import { readingOfColumn } from '../../data/cells.ts';
import { classPosition, classText } from '../../data/class-text.ts';
import { readColumns } from '../../data/columns.ts';
import { linesOfRows } from '../../data/csv.ts';
import {
  quoteIdentifier,
  reading,
  requireColumns,
  rowsFrom,
  type Dataset,
  type DatasetColumn,
} from '../../data/dataset.ts';
import { isNotANumber, numberPattern } from '../../data/grammar.ts';
import { numbersSpelled, type SpelledNumbers } from '../../data/numbers.ts';
import { isTimeText } from '../../iso-time.ts';
import { isNested, isNumeric } from '../../data/types.ts';
import { DataError } from '../../errors.ts';
import {
  numericValues,
  presentOf,
  type CategoricalValues,
  type ColumnValues,
  type NumericValues,
} from '../../profile/column-drift.ts';
import { sampleOf } from '../../profile/bins.ts';
import { mostCategories } from '../../profile/columns.ts';
import { categoriesOfColumn, numbersOfColumn, onGrid } from '../../profile/profile-values.ts';
import { withoutRepeats } from '../../profile/same-numbers.ts';
import { columnOf, type ProfiledData } from '../../profile/profiled-data.ts';
import { showColumn, showValue } from './show.ts';
import { count } from '../../wording.ts';

/** Data to compare: the rows, or a profile of them. */
export type Side = Dataset | ProfiledData;

/** A column of two datasets, and how both sides are read. */
export interface ComparableColumn {
  name: string;
  /**
   * numbers; texts, told apart as they stand in the file; or classes, of which `1` and `1.0` are one, `true` and `True`, and, where
   * there are no others, `true` and `1`, `false` and `0`
   */
  as: 'numbers' | 'texts' | 'classes';
  /** What a person should know of the comparison. */
  note?: string;
  /** Sides that hold texts; none where the texts are names of classes. */
  texts?: ('reference' | 'current')[];
  /** Whether the other side holds numbers. */
  numbers?: boolean;
}

export interface ComparableColumns {
  compared: ComparableColumn[];
  /** Columns that were not asked for by name, and why they are not compared. */
  leftOut: { name: string; why: string }[];
  /** Columns that one side has alone, labels apart. */
  alone: { reference: string[]; current: string[] };
}

/** From this share of numbers on texts are numbers but for a few cells ... */
const mostlyNumbers = 0.9;
/** ... where these are more different ones than a code has. */
const mostCodes = 20;

/** More texts than this are no categories: an address, a comment. */
const mostTexts = 100_000;
/** Numbers read at once on each side: up to 128 MB. */
const numbersAtOnce = 8_000_000;

/**
 * The columns to compare.
 * @param asked names, or every column that both have, except ids (of rows, clusters, groups), times, and lists and structs
 * @throws DataError where a column asked for by name is missing on a side
 */
export function comparableColumns(
  reference: Side,
  current: Side,
  asked: '*' | readonly string[],
  { columns, task, labels, predictions = {} }: Roles,
): ComparableColumns {
  const found: ComparableColumns = { compared: [], leftOut: [], alone: { reference: [], current: [] } };
  const labelled = new Set(labelColumns(columns));
  const classes = new Set(task === 'regression' || task === 'ranking' ? [] : labelled);
  if (predictions.class !== undefined) classes.add(predictions.class);
  const predicted = new Set(Object.values(predictions));
  if (asked !== '*') {
    const both = [...predicted].filter((name) =>
      [reference, current].every(({ columns }) => columns.some((column) => column.name === name)),
    );
    const names = [...new Set([...asked, ...both])];
    const before = requireColumns(reference, names);
    const now = requireColumns(current, names);
    found.compared = before.map((column, index) => pairOf(column, now[index] as DatasetColumn, classes));
    return found;
  }
  const there = new Map(current.columns.map((column) => [column.name, column]));
  for (const column of reference.columns) {
    const { name } = column;
    const other = there.get(name);
    there.delete(name);
    const why = reasonToLeaveOut(column, other, columns) ?? (labelled.has(name) && !labels ? 'labels: false' : null);
    if (why !== null) found.leftOut.push({ name, why });
    else if (other !== undefined) found.compared.push(pairOf(column, other, classes));
    else if (labelled.has(name)) found.leftOut.push({ name, why: `the ${current.name} data have no labels` });
    else if (predicted.has(name)) found.leftOut.push({ name, why: `the ${current.name} data have no predictions` });
    else found.alone.reference.push(name);
  }
  for (const { name } of there.values()) {
    if (predicted.has(name)) found.leftOut.push({ name, why: 'the reference data have no predictions' });
    else if (!labelled.has(name) && !isId(name, columns)) found.alone.current.push(name);
  }
  return found;
}

interface Roles {
  columns: Columns;
  task: Task;
  labels: boolean;
  predictions?: { score?: string; class?: string; confidence?: string };
}

function isId(name: string, columns: Columns): boolean {
  const role = roleOf(name, columns);
  return role === 'id' || role === 'cluster' || role === 'group' || isSavedIndex(name);
}

/** Later data are of later times: that is no change of what they are. */
export const aTime = 'a time';

function reasonToLeaveOut(column: DatasetColumn, other: DatasetColumn | undefined, columns: Columns): string | null {
  if (isId(column.name, columns)) return 'an id';
  const types = [column.type, other?.type ?? column.type];
  if (types.some(isNested)) return 'lists or structs';
  if (types.some((type) => /^(?:DATE|TIME)/u.test(type))) return aTime;
  return null;
}

function pairOf(reference: DatasetColumn, current: DatasetColumn, classes: ReadonlySet<string>): ComparableColumn {
  const { name } = reference;
  if (classes.has(name)) return { name, as: 'classes' };
  const kinds = [kindOf(reference), kindOf(current)] as const;
  const kind = kinds[0] === 'empty' ? kinds[1] : kinds[0];
  // True and true are one value, whatever wrote it.
  if (kind === 'true and false' && (kinds[0] === kinds[1] || kinds.includes('empty'))) return { name, as: 'classes' };
  if (kinds[0] === kinds[1] || kinds.includes('empty')) {
    return kind === 'numbers' ? { name, as: 'numbers' } : { name, as: 'texts', texts: textSides(kinds) };
  }
  const note = `${kinds[0]} in the reference data, ${kinds[1]} here: compared as texts`;
  return { name, as: 'classes', note, texts: textSides(kinds), numbers: kinds.includes('numbers') };
}

function textSides(kinds: readonly string[]): NonNullable<ComparableColumn['texts']> {
  return (['reference', 'current'] as const).filter((_, side) => kinds[side] === 'texts');
}

function kindOf({ type, cells }: DatasetColumn): 'numbers' | 'true and false' | 'texts' | 'empty' {
  if (cells?.empty === true) return 'empty';
  if (type === 'BOOLEAN') return 'true and false';
  return isNumeric(type) ? 'numbers' : 'texts';
}

/**
 * The values of each column on both sides, a few columns at a time.
 * Null instead of values: there are too many texts to be categories.
 * @throws DataError for such a column that was asked for by name
 */
export async function* pairsOfValues(
  reference: Side,
  current: Side,
  columns: readonly ComparableColumn[],
  asked: '*' | readonly string[],
): AsyncGenerator<{
  column: ComparableColumn;
  reference: ColumnValues | null;
  current: ColumnValues | null;
  /** Why categories say nothing of this column of numbers. */
  unjudged: string | null;
  /** Whether every text on both sides is a time. */
  times: boolean;
}> {
  const atOnce = Math.max(1, Math.floor(numbersAtOnce / Math.max(1, reference.rows, current.rows)));
  for (let start = 0; start < columns.length; start += atOnce) {
    const batch = columns.slice(start, start + atOnce);
    const names = batch.filter(({ as }) => as === 'numbers').map(({ name }) => name);
    const shifts = new Map(names.map((name) => [name, Math.max(shiftOf(reference, name), shiftOf(current, name))]));
    const isSingle = ({ name, type }: DatasetColumn): boolean => type === 'FLOAT' && names.includes(name);
    const singles = new Set(
      [reference, current].flatMap(({ columns }) => columns.filter(isSingle).map(({ name }) => name)),
    );
    const [before, now] = [await numbersOf(reference, shifts, singles), await numbersOf(current, shifts, singles)];
    for (const column of batch) {
      const counted = column.as === 'numbers' ? null : await categories(reference, current, column);
      const [a = null, b = null] = counted?.sides ?? [before.get(column.name), now.get(column.name)];
      const unjudged = column.as === 'numbers' ? null : await notAllNumbers(reference, current, column);
      if (unjudged === null && (a === null || b === null) && asked !== '*')
        throw noCategories(a === null ? reference : current, column);
      yield { column, reference: a, current: b, unjudged, times: counted?.times === true };
    }
  }
}

/** How far a profile rounds the numbers of a column; rows are as they are. */
function shiftOf(side: Side, name: string): number {
  const column = 'profile' in side ? columnOf(side, name) : undefined;
  return column?.kind === 'number' ? column.shift : 0;
}

/** The nearest number of single precision; one that is too large for it stays as it is. */
function toSingle(value: number): number {
  const single = Math.fround(value);
  return Number.isFinite(single) ? single : value;
}

/**
 * @param shifts by name of the column, to which numbers are rounded so that both sides are alike
 * @param singles columns that one side has in single precision, to which both are rounded
 */
async function numbersOf(
  side: Side,
  shifts: ReadonlyMap<string, number>,
  singles: ReadonlySet<string>,
): Promise<Map<string, NumericValues>> {
  if ('profile' in side) {
    return new Map([...shifts].map(([name, shift]) => [name, profiledNumbers(side, name, shift, singles.has(name))]));
  }
  const { numbers } = await readColumns(side, { numbers: [...shifts.keys()], nearest: true });
  return new Map(
    [...numbers].map(([name, { values }]) => {
      const known = onGrid(values, shifts.get(name) ?? 0);
      return [name, numericValues(singles.has(name) ? known.map(toSingle) : known)];
    }),
  );
}

/** Of a column that has no value in the profile it is known how many rows have none. */
function profiledNumbers(side: ProfiledData, name: string, shift: number, single: boolean): NumericValues {
  const column = columnOf(side, name);
  if (column.kind === 'number') {
    const found = numbersOfColumn(column, shift);
    if (!single) return found;
    // Numbers that become one are counted by the last of them.
    const rounded = { ...found.sorted, values: found.sorted.values.map(toSingle) };
    return { ...found, sorted: withoutRepeats(rounded) };
  }
  return {
    kind: 'number',
    sorted: sampleOf(new Float64Array(0)),
    missing: column.missing,
    infinite: { negative: 0, positive: 0 },
  };
}

async function categories(
  reference: Side,
  current: Side,
  column: ComparableColumn,
): Promise<{ sides: (CategoricalValues | null)[]; times: boolean }> {
  const counted = [await categoriesOf(reference, column), await categoriesOf(current, column)];
  const sides = counted.map(({ values }) => values);
  const times = column.as === 'texts' && counted.every((side) => side.times);
  return { sides: column.as === 'classes' ? withOneNameEach(sides) : sides, times };
}

/** The first texts say whether they are times where there are too many to be categories. */
interface Counted {
  values: CategoricalValues | null;
  times: boolean;
}

async function categoriesOf(side: Side, { name, as }: ComparableColumn): Promise<Counted> {
  if ('profile' in side) {
    const column = columnOf(side, name);
    const values = categoriesOfColumn(column, as === 'texts' ? (text) => text : classText);
    return { values, times: values !== null && areTimes(values.counts.keys()) };
  }
  const dataset = side;
  const { from, expression } = readingOfColumn(dataset, name, 'text');
  const rows = await rowsFrom(
    dataset,
    `select cast(value as varchar), count(*)::double from (select ${expression} as value from ${from}) as ${quoteIdentifier('cells')}
     group by value limit ${mostTexts + 2}`,
  );
  if (rows.length > mostTexts + 1)
    return { values: null, times: areTimes(rows.flatMap(([text]) => text ?? []) as string[]) };
  const found = { kind: 'category' as const, counts: new Map<string, number>(), missing: 0 };
  for (const [text, times] of rows) {
    if (text === null) {
      found.missing += Number(times);
      continue;
    }
    const category = as === 'texts' ? String(text) : classText(String(text));
    found.counts.set(category, (found.counts.get(category) ?? 0) + Number(times));
  }
  return { values: found, times: areTimes(found.counts.keys()) };
}

function areTimes(texts: Iterable<string>): boolean {
  const all = [...texts];
  return all.length > 0 && all.every((text) => isTimeText(text));
}

function withOneNameEach(sides: readonly (CategoricalValues | null)[]): (CategoricalValues | null)[] {
  const nameOf = oneNameEach(sides.flatMap((side) => [...(side?.counts.keys() ?? [])]));
  return sides.map((side) => {
    if (side === null) return null;
    const counts = new Map<string, number>();
    for (const [name, times] of side.counts) counts.set(nameOf(name), (counts.get(nameOf(name)) ?? 0) + times);
    return { ...side, counts };
  });
}

/** How each class of both sides is called: where there is nothing but true, false, 1 and 0, these are two under two names each. */
export function oneNameEach(names: readonly string[]): (name: string) => string {
  const classes = ['0', '1'];
  const different = new Set(names);
  const places = new Set([...different].map((name) => classPosition(name, classes)));
  if (places.has(-1) || places.size === different.size) return (name) => name;
  return (name) => classes[classPosition(name, classes)] as string;
}

/**
 * Why a column cannot be compared: it is numbers but for some cells, of which categories say nothing. Null: it can, as far as that
 * goes; every cell of it may be a text on purpose.
 */
async function notAllNumbers(
  reference: Side,
  current: Side,
  { name, texts = [], numbers = false }: ComparableColumn,
): Promise<string | null> {
  const found: { side: Side; spelled: SpelledNumbers }[] = [];
  for (const each of texts) {
    const side = each === 'reference' ? reference : current;
    const spelled = 'profile' in side ? profiledSpelling(side, name) : await spellingOf(side, name);
    if (spelled === null) return numbers ? `texts in the ${side.name} data, numbers in the other` : null;
    found.push({ side, spelled });
  }
  const [first] = found.filter(({ spelled }) => spelled.other !== null);
  if (first === undefined) return null;
  const nearly = found.every(({ spelled }) => spelled.numbers >= mostlyNumbers * spelled.present);
  if (!numbers && !(nearly && found.some(({ spelled }) => spelled.different > mostCodes))) return null;
  const { row, text, remedy } = first.spelled.other as NonNullable<SpelledNumbers['other']>;
  const line =
    'profile' in first.side || first.side.format !== 'csv' || row === 0
      ? undefined
      : (await linesOfRows(first.side, [row])).get(row)?.line;
  const place = row === 0 ? '' : `, row ${count(row)}${line === undefined ? '' : ` (line ${count(line)})`}`;
  const what = numbers ? `the other data have only numbers` : 'the others are numbers except for a few cells';
  // One sentence: a summary shows no more of a message.
  return `${showValue(text)}${place} of ${first.side.uri}, is not a number and ${what}: ${remedy.charAt(0).toLowerCase()}${remedy.slice(1)}`;
}

function spellingOf(dataset: Dataset, name: string): Promise<SpelledNumbers> {
  const [column] = requireColumns(dataset, [name]) as [DatasetColumn];
  return reading(dataset, () => numbersSpelled(dataset, column));
}

/** Of a profile no row is known. Null: nor are its texts. */
function profiledSpelling(side: ProfiledData, name: string): SpelledNumbers | null {
  const categories = categoriesOfColumn(columnOf(side, name));
  if (categories === null) return null;
  const found: SpelledNumbers = { present: 0, numbers: 0, different: 0, other: null };
  const number = new RegExp(`^(?:${numberPattern()})$`, 'u');
  for (const [text, times] of categories.counts) {
    found.present += times;
    if (number.test(text) || isNotANumber(text)) {
      found.numbers += times;
      found.different += 1;
    } else found.other ??= { row: 0, text, remedy: 'Profile the data again with such cells empty' };
  }
  return found;
}

/** Whether nearly every text is another on both sides, so that no category of the one can be found in the other. */
export function nearlyAllDifferent(...sides: readonly (ColumnValues | null)[]): boolean {
  return sides.every((side) => {
    return (
      side === null || (side.kind === 'category' && side.counts.size >= 0.9 * presentOf(side) && side.counts.size > 1)
    );
  });
}

function noCategories(dataset: Side, { name }: ComparableColumn): DataError {
  return new DataError({
    found: `column ${showColumn(name)} has more than ${count('profile' in dataset ? mostCategories : mostTexts)} different texts`,
    expected: 'numbers, or texts that are categories',
    where: dataset.uri,
    remedy: 'Remove it from data.drift.columns',
  });
}
