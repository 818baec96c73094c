/*
 * How text spells a number or a boolean: for the engine and for JavaScript alike, of CSV and of the tokens of JSON.
 * Written so that both engines of patterns read it the same way.
 */

/** A whole number of RFC 8259, section 6. */
export const wholePattern = '-?(?:0|[1-9][0-9]*)';

/** Any number of RFC 8259, with this character before the fraction. */
export function numberPattern(decimal: '.' | ',' = '.'): string {
  return `${wholePattern}(?:[${decimal}][0-9]+)?(?:[eE][+-]?[0-9]+)?`;
}

/** Ways that programs write a number that is none: as good as an empty cell in a column of numbers. */
export const notANumber: readonly string[] = ['nan', '-nan', '+nan'];

/** Ways that programs write a boolean. */
export const booleanTexts = { true: ['true', 'True', 'TRUE'], false: ['false', 'False', 'FALSE'] } as const;

/** The boolean that a text spells; null for any other text. */
export function booleanOf(text: string): boolean | null {
  if ((booleanTexts.true as readonly string[]).includes(text)) return true;
  return (booleanTexts.false as readonly string[]).includes(text) ? false : null;
}

export function isNotANumber(text: string): boolean {
  return notANumber.includes(text.toLowerCase());
}
