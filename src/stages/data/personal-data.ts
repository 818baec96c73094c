import { reservedColumns } from '../../config/columns.ts';
import type { Columns } from '../../config/index.ts';
import { readingOfColumns } from '../../data/cells.ts';
import { reading, type Dataset } from '../../data/dataset.ts';
import {
  certainKinds,
  maskOf,
  personalIn,
  personalNames,
  withoutPersonal,
  type PersonalKind,
} from '../../data/personal.ts';
import { isNested, isWideInteger } from '../../data/types.ts';
import type { Check } from '../../evidence/check.ts';
import type { ColumnProfile, Profile } from '../../profile/profile.ts';
import type { BrokenRow } from './rules/rule.ts';
import type { Privacy } from './schema.ts';
import { showColumn } from './show.ts';
import { count } from '../../wording.ts';

/** A column some of whose values look like personal data. */
export interface PersonalColumn {
  column: string;
  kind: PersonalKind;
  /** Values looked at, and those of them that are or hold such. */
  values: number;
  found: number;
  /** Whether it is a column of such values, and no text that mentions some. */
  whole: boolean;
}

const mostRows = 10_000;
/** Values looked at in all columns together. */
const mostValues = 500_000;
/** From this share of whole values on, a column is one of them. */
const wholeShare = 0.5;
/** Of kinds that other things look like too: this many, and this share, are no accident. */
const leastFound = 3;
const leastShare = 0.02;

/** The columns whose values look like personal data: of texts, and of whole numbers as long as a card's. The first rows are looked at. */
export async function personalColumns(dataset: Dataset, privacy: Privacy = {}): Promise<PersonalColumn[]> {
  const columns = dataset.columns.filter(
    ({ name, type }) =>
      (type === 'VARCHAR' || type === 'BLOB' || isNested(type) || isWideInteger(type)) &&
      privacy.allow?.includes(name) !== true,
  );
  if (columns.length === 0 || dataset.rows === 0) return [];
  const rows = Math.max(100, Math.min(mostRows, Math.floor(mostValues / columns.length)));
  const { from, expressions } = readingOfColumns(dataset, columns, 'text');
  const texts = expressions.map((each) => `cast(${each} as varchar)`);
  const read = await reading(dataset, () =>
    dataset.connection.runAndReadAll(`select ${texts.join(', ')} from ${from} limit ${rows}`),
  );
  return read.getColumns().flatMap((cells, index) => personalOf(columns[index]?.name ?? '', cells));
}

function personalOf(column: string, cells: readonly unknown[]): PersonalColumn[] {
  const texts = cells.filter((cell): cell is string => typeof cell === 'string' && cell !== '');
  const counts = new Map<PersonalKind, { found: number; whole: number }>();
  for (const text of texts) {
    for (const { kind, whole } of personalIn(text)) {
      const known = counts.get(kind) ?? { found: 0, whole: 0 };
      counts.set(kind, { found: known.found + 1, whole: known.whole + Number(whole) });
    }
  }
  const values = texts.length;
  return [...counts].flatMap(([kind, { found, whole: alone }]) => {
    const whole = alone >= wholeShare * values;
    const enough = certainKinds.includes(kind) || (found >= leastFound && found >= leastShare * values);
    // A tenth of all numbers as long as a card's pass its check digit.
    const accident = kind === 'card' && !whole && alone > 0 && alone < 0.25 * values;
    return enough && !accident ? [{ column, kind, values, found, whole }] : [];
  });
}

/** What a person should know before such data are kept, shown or learnt from. */
export function personalCheck(
  dataset: Dataset,
  found: readonly PersonalColumn[],
  columns: Columns,
  { mask = true }: Privacy = {},
): Check[] {
  if (found.length === 0) return [];
  const reserved = new Set(reservedColumns(columns));
  const said = found.slice(0, 10).map(({ column, kind, values, found: such, whole }) => {
    const fed = columns.features === undefined ? !reserved.has(column) : columns.features.includes(column);
    const use = fed ? 'is an input of the model' : reserved.has(column) ? 'names rows in reports' : 'is in the data';
    const what = personalNames[kind][1];
    return whole
      ? `${showColumn(column)}, which ${use}, has ${what}`
      : `${showColumn(column)}, which ${use}, has texts with ${what} (${count(such)} of ${count(values)})`;
  });
  const more = found.length > said.length ? `, and ${count(found.length - said.length)} more` : '';
  const shown = mask ? 'their values are masked in reports' : 'their values are shown in reports (mask: false)';
  return [
    {
      id: `data/${dataset.name}/personal-data`,
      title: `Possible personal data in the ${dataset.name} data`,
      verdict: 'fail',
      severity: 'warn',
      message: `${said.join('; ')}${more}; ${shown}. Remove columns that the model does not need, or list intended columns in data.privacy.allow`,
      observed: new Set(found.map(({ column }) => column)).size,
      required: 0,
      limit: 'at most',
      unit: 'columns',
    },
  ];
}

/** Puts personal data out of sight in what leaves the stage. */
export interface Masker {
  /** A text of any column, or of several. */
  text(value: string): string;
  /** A value of this column. */
  value(column: string | null, value: string): string;
  row(row: BrokenRow): BrokenRow;
  /** Every text within, but for names of columns and files. */
  all<T>(value: T): T;
  /** A profile to be kept: categories of such columns are counted, and not named. */
  profile(profile: Profile): Profile;
}

/** @param found of all datasets together. A text is masked by its form; a value of a column of such values whatever it is */
export function maskerOf(found: readonly PersonalColumn[], { mask = true }: Privacy = {}): Masker {
  const kinds = [...new Set([...certainKinds, ...found.map(({ kind }) => kind)])];
  const whole = new Map(found.filter((each) => each.whole).map(({ column, kind }) => [column, kind]));
  const text = (value: string): string => (mask ? withoutPersonal(value, kinds) : value);
  const value = (column: string | null, each: string): string => {
    const kind = mask && column !== null ? whole.get(column) : undefined;
    return kind === undefined || each === 'nothing' ? text(each) : maskOf(kind);
  };
  const all = (each: unknown, key = ''): unknown => {
    if (typeof each === 'string') return names.has(key) ? each : text(each);
    if (Array.isArray(each)) return each.map((item) => all(item, key));
    if (typeof each !== 'object' || each === null) return each;
    return Object.fromEntries(Object.entries(each).map(([name, inner]) => [name, all(inner, name)]));
  };
  return {
    text,
    value,
    row: (row) => ({
      ...row,
      value: row.value === null ? null : value(row.column, row.value),
      message: text(row.message),
    }),
    all: <T>(each: T): T => (mask ? (all(each) as T) : each),
    profile: (profile) =>
      mask
        ? { ...profile, columns: profile.columns.map((column) => (whole.has(column.name) ? unnamed(column) : column)) }
        : profile,
  };
}

/** Keys whose texts are names of columns, files and types, and digests. */
const names = new Set(['column', 'columns', 'uri', 'file', 'sha256', 'type', 'format', 'id', 'title']);

function unnamed(column: ColumnProfile): ColumnProfile {
  if (column.kind !== 'category' || column.categories === null) return column;
  const named = column.categories.reduce((sum, [, rows]) => sum + rows, 0);
  const rare = column.rare ?? { categories: 0, rows: 0 };
  return {
    ...column,
    categories: [],
    rare: { categories: rare.categories + column.categories.length, rows: rare.rows + named },
  };
}
