import { millisecondsOf, momentText, spellsTime } from '../../data/times.ts';
import { holdsNumbers, readingOfColumns, type CellRequest } from '../../data/cells.ts';
import type { Dataset, DatasetColumn } from '../../data/dataset.ts';
import { booleanTexts, notANumber, numberPattern, wholePattern } from '../../data/grammar.ts';
import { quoteLiteral, quoteLiterals } from '../../data/relation.ts';
import { isNested, isNumeric, isWhole } from '../../data/types.ts';

/** How cells of two columns are made alike, so that equal ones are equal whatever type holds them. */
export type Likeness =
  /** Whole numbers by their digits, which a double may not hold. */
  | 'whole'
  | 'number'
  /** One side is of single precision: both are rounded to it. */
  | 'single'
  /** Moments, to their last digit; a time without a zone is UTC. */
  | 'time'
  /** Texts, of which those that spell a number or a time are that one, and those that spell a boolean next to a column of such that. */
  | 'text';

export function likenessOf(one: DatasetColumn, other: DatasetColumn): Likeness {
  if (isWhole(one.type) && isWhole(other.type)) return 'whole';
  if (isTime(one) || isTime(other)) return 'time';
  if (!holdsNumbers(one) || !holdsNumbers(other)) return 'text';
  return one.type === 'FLOAT' || other.type === 'FLOAT' ? 'single' : 'number';
}

export function requestOf(column: DatasetColumn, likeness: Likeness): CellRequest {
  return { column, use: likeness === 'number' || likeness === 'single' ? 'number' : 'text' };
}

/**
 * SQL of a cell that is equal to another one of the pair where both are the same value.
 * @param cell as `requestOf` asks for it
 */
export function alike(
  cell: string,
  likeness: Likeness,
  [one, other]: readonly [DatasetColumn, DatasetColumn],
  { csv }: Pick<Dataset, 'csv'>,
): string {
  switch (likeness) {
    case 'whole':
    case 'number':
      return cell;
    case 'single':
      // Too large a number has no single precision, and stays as it is.
      return `coalesce(cast(try_cast(${cell} as float) as double), ${cell})`;
    case 'time':
      return momentText(cell);
    case 'text': {
      if (isNested(one.type) || isNested(other.type)) return cell;
      const decimal = csv?.decimal ?? '.';
      const pointed = decimal === ',' ? `replace(${cell}, ',', '.')` : cell;
      // A double does not hold more digits than these, such as of an account.
      const digits = `regexp_full_match(${cell}, ${quoteLiteral(wholePattern)}) and length(${cell}) > 15`;
      // 0 is added for -0, which is 0.
      const number = `coalesce(cast(try_cast(${pointed} as double) + 0 as varchar), ${cell})`;
      const cases = [
        `when ${digits} then ${cell}`,
        `when ${spellsNumber(cell, decimal)} then ${number}`,
        `when ${spellsTime(cell)} then ${momentText(cell)}`,
      ];
      const types = [one.type, other.type];
      if (types.includes('BOOLEAN')) {
        for (const truth of ['true', 'false'] as const)
          cases.push(`when ${cell} in (${quoteLiterals(booleanTexts[truth])}) then '${truth}'`);
      }
      // Next to a column of numbers it is no value, as it is there.
      if (types.some(isNumeric)) cases.push(`when lower(${cell}) in (${quoteLiterals(notANumber)}) then null`);
      return `case ${cases.join(' ')} else ${cell} end`;
    }
  }
}

/**
 * Whether some cell of a column may be equal to one of the other, by what both can be. Of texts next to numbers, booleans or times
 * the file says whether one of them spells such.
 */
export async function mayBeEqual(dataset: Dataset, column: DatasetColumn, other: DatasetColumn): Promise<boolean> {
  if (column.cells?.empty === true || other.cells?.empty === true || column.type === other.type) return true;
  if (isNested(column.type) || isNested(other.type)) return isNested(column.type) && isNested(other.type);
  if (isTime(column)) return isTime(other) || other.type === 'VARCHAR';
  // Of a pair of a text and something else the text decides.
  if (column.type !== 'VARCHAR') return !isTime(other);
  if (!isTime(other) && !holdsNumbers(other)) return true;
  const { from, expressions } = readingOfColumns(dataset, [column], 'text');
  const spelled = isTime(other)
    ? `${millisecondsOf('text')} is not null`
    : other.type === 'BOOLEAN'
      ? `text in (${quoteLiterals([...booleanTexts.true, ...booleanTexts.false])})`
      : spellsNumber('text', dataset.csv?.decimal);
  const read = await dataset.connection.runAndReadAll(
    `select coalesce(bool_or(${spelled}), true) from (select ${expressions[0]} as text from ${from}) where text is not null`,
  );
  return read.getRows()[0]?.[0] === true;
}

function isTime({ type }: DatasetColumn): boolean {
  return /^(?:DATE|TIMESTAMP)/u.test(type);
}

function spellsNumber(text: string, decimal?: '.' | ','): string {
  return `regexp_full_match(${text}, ${quoteLiteral(numberPattern(decimal))})`;
}
