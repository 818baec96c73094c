import type { Dataset } from '../../../data/relation.ts';
import type { CellTypes } from '../cell-types.ts';
import type { ContractNumbers } from '../exact-numbers.ts';
import { cellValues, type Token } from './cell-values.ts';
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
}

/** Null where SQL can clear no row: the schema has nothing that the sieve knows, or the rows are of JSON and not flat. */
export function suspectsOf(
  dataset: Dataset,
  schema: unknown,
  types: readonly CellTypes[],
  numbers?: ContractNumbers,
): Suspects | null {
  const found = cellValues(dataset, types);
  if (found === undefined) return null;
  const { from, values, cells, tokens, within, eitherNull = [] } = found;
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
  return condition === 'true' || condition.length > longest ? null : { from, condition, cells };
}

/** A number whose double may be judged otherwise than itself: see `requireJudgeable`. */
function doubtful(
  { number, text, digits = 'unclear', whole, multiple }: Token,
  { all, inexact }: ContractNumbers,
  format: Dataset['format'],
): string {
  const among = (set: Iterable<number>): string => {
    const finite = [...set].filter(Number.isFinite);
    return finite.length === 0
      ? 'false'
      : `${number} in (${finite.map((each) => `cast('${each}' as double)`).join(', ')})`;
  };
  const fewDigits = [...all.values()].every((written) =>
    [...written].every((each) => each.replace(/-|e.*/gu, '').length <= 10),
  );
  const known = digits === 'few' || (digits === 'many' && fewDigits && !multiple);
  const inDoubt = known
    ? 'false'
    : whole
      ? and([`abs(${number}) >= 1e15`, multiple ? 'true' : among(all.keys())])
      : // Of texts a fraction or an exponent may hide in a whole double; of typed numbers nothing is hidden but by a decimal's places.
        and([
          text === null ? 'true' : `strlen(${text}) > 15`,
          or([
            among(all.keys()),
            and([`${number} = trunc(${number})`, text === null ? 'true' : `regexp_matches(${text}, '[.,eE]')`]),
            multiple ? 'true' : 'false',
          ]),
        ]);
  const infinite = format === 'csv' ? `isinf(${number})` : 'false';
  return or([inDoubt, among(inexact), infinite]);
}

/** How many rows there are for ajv. All cores look, which they cannot where rows are numbered. */
export async function countSuspects(dataset: Dataset, { from, condition }: Suspects): Promise<number> {
  if (condition === 'false') return 0;
  const read = await dataset.connection.runAndReadAll(`select count(*)::double from ${from} where ${condition}`);
  return Number(read.getRows()[0]?.[0]);
}
