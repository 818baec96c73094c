import { DataError } from '../errors.ts';
import { quoted, seenOf } from '../wording.ts';

/** A class as a column, a model or the configuration names it. */
export type ClassValue = string | number | boolean;

/** A label of a tensor: a number that JavaScript would round stays its digits. */
export function classValue(value: ClassValue | bigint): ClassValue {
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
}

/**
 * The one text of a class, whoever names it and as whatever type: 1, "1" and "1.0" (as pandas writes it once a column has had a
 * gap) are one class, and so are true and "True", which a CSV file holds for a boolean. Any other text is what it is: case counts.
 */
export function classText(value: ClassValue): string {
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return numberText(value);
  if (/^(?:true|false)$/iu.test(value)) return value.toLowerCase();
  if (/^[+-]?\d+$/u.test(value)) return BigInt(value).toString();
  const number = /^[+-]?(?:\d+\.\d*|\.\d+|\d+(?=e))(?:e[+-]?\d+)?$/iu.test(value) ? Number(value) : Number.NaN;
  return Number.isFinite(number) ? numberText(number) : value;
}

/** The one name of a class where columns of several types meet: of true and false 1 and 0 are other names. */
export function canonicalClass(name: string): string {
  const text = classText(name);
  return text === 'true' ? '1' : text === 'false' ? '0' : text;
}

/**
 * The classes of one column, text by text.
 * @returns the class of a text. @throws DataError for one that is the class of another text of the column
 */
export function classReader(column: string, where: string): (text: string, row?: number) => string {
  const classOf = new Map<string, string>();
  const textOf = new Map<string, string>();
  return (text, row) => {
    const known = classOf.get(text);
    if (known !== undefined) return known;
    const name = classText(text);
    // Two ways to write one word look the same wherever they are shown.
    const seen = seenOf(name);
    const twin = textOf.get(seen);
    if (twin !== undefined) {
      const place = row === undefined ? '' : `, of row ${row + 1}`;
      const both = `${quoted(twin)} and ${quoted(text)}${place}`;
      const inForm = twin.normalize('NFC') === text.normalize('NFC');
      if (classText(twin) !== name) {
        throw new DataError({
          found: `column ${JSON.stringify(column)} has the labels ${both}, which ${inForm ? 'are the same text in two Unicode forms' : 'differ only in spaces or invisible characters'}`,
          expected: 'one spelling for each class',
          where,
          remedy: inForm
            ? 'Write all texts in one form, such as NFC'
            : 'Use one spelling, or give two classes clearly different names',
        });
      }
      throw new DataError({
        found: `column ${JSON.stringify(column)} has the labels ${both}`,
        expected: 'one spelling for each class: numbers are compared by value, true and false in any case',
        where,
        remedy: 'Use one spelling, or give two classes clearly different names',
      });
    }
    textOf.set(seen, text);
    classOf.set(text, name);
    return name;
  };
}

/**
 * Position of a class among the texts of the classes there are; -1 where it is none of them. Of false and true, 0 and 1 are
 * other names, and the other way round: models have only numbers for them.
 */
export function classPosition(value: ClassValue, classes: readonly string[]): number {
  const text = classText(value);
  const position = classes.indexOf(text);
  if (position >= 0 || classes.length !== 2) return position;
  const alias = otherNames.get(text);
  return alias !== undefined && classes.every((each) => otherNames.has(each)) ? classes.indexOf(alias) : -1;
}

const otherNames = new Map([
  ['false', '0'],
  ['true', '1'],
  ['0', 'false'],
  ['1', 'true'],
]);

/** As JavaScript writes it, but in digits, however large: never 1e+21. */
function numberText(value: number): string {
  return Math.abs(value) >= 1e21 && Number.isInteger(value) ? BigInt(value).toString() : String(value);
}
