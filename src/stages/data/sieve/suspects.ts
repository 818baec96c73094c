import type { Dataset } from '../../../data/relation.ts';
import { isNumeric } from '../../../data/types.ts';
import type { CellTypes } from '../cell-types.ts';
import type { ContractNumbers } from '../exact-numbers.ts';
import { cellValues, type CellValues, type Token } from './cell-values.ts';
import { compileSchema } from './compile.ts';
import { rowValue } from './values.ts';
import { and, notTrue, or } from './verdicts.ts';

/** Conditions longer than this cost the engine more than they spare. */
const longest = 200_000;

/** The rows that SQL cannot clear. */
export interface Suspects {
  /** A FROM clause with all rows, in file order. */
  from: string;
  /** Holds of every row that may break the contract. */
  condition: string;
  /** Expressions that make the values of the columns that ajv gets. */
  cells: string[];
  /** The text of the id of a row, where `from` tells it. */
  id?: string;
  /** The numbers of these rows, from 1, in order, where whoever read them told it. */
  rows?: readonly number[];
  /** Whether `from` has a `row_key`. */
  key: boolean;
}

/** Null where SQL can clear no row: the schema has nothing that the sieve knows, or the rows are of JSON and not flat. */
export function suspectsOf(
  dataset: Dataset,
  schema: unknown,
  types: readonly CellTypes[],
  numbers?: ContractNumbers,
  /** The column that tells rows apart. */
  id?: string,
): Suspects | null {
  const found = cellValues(dataset, types, id);
  if (found === undefined) return null;
  const condition = conditionOf(found, schema, dataset, numbers);
  if (condition === null) return null;
  const { from, cells, key } = found;
  return { from, condition, cells, key, ...(key ? { id: 'cast(row_key as varchar)' } : {}) };
}

/** Null where it says nothing, or too much. */
function conditionOf(
  { values, tokens, within, eitherNull = [] }: CellValues,
  schema: unknown,
  dataset: Dataset,
  numbers: ContractNumbers | undefined,
): string | null {
  const broken = notTrue(compileSchema(schema, rowValue(values)).yes());
  const condition =
    numbers === undefined
      ? or([broken, ...eitherNull])
      : or([
          broken,
          ...eitherNull,
          ...tokens.map((each) => doubtful(each, numbers, dataset.format)),
          ...within.map((json) =>
            numbers.inexact.size > 0 ? 'true' : `coalesce(regexp_matches(${json}, '[0-9.]{16}'), false)`,
          ),
        ]);
  return condition === 'true' || condition.length > longest ? null : condition;
}

/** Whether no number of the contract has more than ten digits. */
function hasFewDigits({ all }: ContractNumbers): boolean {
  return [...all.values()].every((written) => [...written].every((each) => each.replace(/-|e.*/gu, '').length <= 10));
}

/** A number whose double may be judged otherwise than itself: see `requireJudgeable`. */
function doubtful(
  { number, text, digits = 'unclear', whole, multiple }: Token,
  numbers: ContractNumbers,
  format: Dataset['format'],
): string {
  const { all, inexact } = numbers;
  const among = (set: Iterable<number>): string => {
    const finite = [...set].filter(Number.isFinite);
    return finite.length === 0
      ? 'false'
      : `${number} in (${finite.map((each) => `cast('${each}' as double)`).join(', ')})`;
  };
  const has = (...parts: readonly string[]): string => or(parts.map((each) => `contains(${text}, '${each}')`));
  const known = digits === 'few' || (digits === 'many' && hasFewDigits(numbers) && !multiple);
  const inDoubt = known
    ? 'false'
    : whole
      ? and([
          `abs(${number}) >= 1e15`,
          multiple ? 'true' : among([...all.keys()].filter((each) => Math.abs(each) >= 1e15)),
        ])
      : // Of texts a fraction or an exponent may hide in a whole double; of typed numbers nothing is hidden but by a decimal's places.
        // Short texts are other numbers only where no double is as near to zero.
        and([
          text === null ? 'true' : or([`strlen(${text}) > 15`, and([`abs(${number}) < 1e-290`, has('e', 'E')])]),
          or([
            among(all.keys()),
            and([`${number} = trunc(${number})`, text === null ? 'true' : has('.', ',', 'e', 'E')]),
            multiple ? 'true' : 'false',
          ]),
        ]);
  const infinite = format === 'csv' ? `isinf(${number})` : 'false';
  return or([inDoubt, among(inexact), infinite]);
}

/** What one reading of all rows says. */
export interface Survey {
  /** How many rows there are for ajv, or more. */
  suspects: number;
  /** Of the column that tells rows apart: rows with a value of an earlier row, and rows without one. */
  id?: { surplus: number; missing: number };
  /** Of columns whose cells with a value were not counted before: how many there are, by name. */
  present: ReadonlyMap<string, number>;
}

/** Of more keys at once the engine would need more memory the more rows there are: some 30 bytes each. */
const mostKeys = 2_000_000;

/** Look at all rows at once. All cores do, which they cannot where rows are numbered. */
export async function survey(
  dataset: Dataset,
  { from, condition, key }: Suspects,
  keysAtOnce = mostKeys,
): Promise<Survey> {
  // One column of Parquet is soon read again; other formats are read as a whole.
  const inShares = key && dataset.format === 'parquet' && dataset.rows > keysAtOnce;
  const counted = dataset.columns.flatMap(({ name, type, present }, index) =>
    dataset.format === 'parquet' && present === undefined && isCounted(type) ? [{ name, cell: `cell_${index}` }] : [],
  );
  const asked = [
    `count(*) filter (where ${condition})`,
    ...(key ? ['count(row_key)', inShares ? '0' : 'count(distinct row_key)'] : []),
    ...counted.map(({ cell }) => `count(${cell})`),
  ];
  const read = await dataset.connection.runAndReadAll(
    `select ${asked.map((each) => `(${each})::double`).join(', ')} from ${from}`,
  );
  const [suspects = 0, ...counts] = (read.getRows()[0] ?? []).map(Number);
  const [present = 0, atOnce = 0] = key ? counts.splice(0, 2) : [];
  const different = inShares ? await differentKeys(dataset, from, Math.ceil(dataset.rows / keysAtOnce)) : atOnce;
  return {
    suspects,
    ...(key ? { id: { surplus: present - different, missing: dataset.rows - present } } : {}),
    present: new Map(counted.map(({ name }, index) => [name, counts[index] ?? 0])),
  };
}

/** How many different keys there are, counted in so many shares of them, one after the other. */
async function differentKeys(dataset: Dataset, from: string, shares: number): Promise<number> {
  let different = 0;
  for (let share = 0; share < shares; share += 1) {
    const read = await dataset.connection.runAndReadAll(
      `select count(distinct row_key)::double from ${from} where hash(row_key, 'share') % ${shares} = ${share}`,
    );
    different += Number(read.getRows()[0]?.[0]);
  }
  return different;
}

/** Whether a cell that ajv gets is null where there is no value, and nowhere else. */
function isCounted(type: string): boolean {
  return isNumeric(type) || type === 'VARCHAR' || type === 'BOOLEAN';
}

/** How many rows there are for ajv, or more. */
export async function countSuspects(dataset: Dataset, { from, condition }: Suspects): Promise<number> {
  if (condition === 'false') return 0;
  const read = await dataset.connection.runAndReadAll(`select count(*)::double from ${from} where ${condition}`);
  return Number(read.getRows()[0]?.[0]);
}
