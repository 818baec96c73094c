import { createHash } from 'node:crypto';

/** Longest name in an id and a message. */
const longest = 200;
/** What a person cannot see, or what breaks a line. */
const invisible = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u;

/**
 * Name of the rows that have these values in these columns, such as `source=hard_ham` or `source=web & lang=en`. Different values
 * have different names: a value stands in quotes, with escapes, where it could be taken for another as it is, and a name
 * that is cut ends with a digest of the whole.
 */
export function sliceName(columns: readonly string[], values: readonly (string | null)[]): string {
  const terms = columns.map((column, index) => `${columnName(column)}=${valueName(values[index] ?? null)}`);
  return shortened(terms.join(' & '));
}

/** A name that a person gave, as it stands in an id. */
export function givenName(name: string): string {
  return shortened(invisible.test(name) ? quoted(name) : name);
}

/** A text from the data in a message: no control characters, not endless. */
export function shown(text: string): string {
  const printable = text.replace(new RegExp(invisible, 'gu'), '\ufffd');
  return printable.length > longest ? `${printable.slice(0, longest - 1)}\u2026` : printable;
}

const missing = '(missing)';

function valueName(value: string | null): string {
  if (value === null) return missing;
  const ambiguous = value === missing || value.startsWith('"') || / & .*=/su.test(value) || invisible.test(value);
  return ambiguous ? quoted(value) : value;
}

function columnName(column: string): string {
  return /^"|=| & /u.test(column) || invisible.test(column) ? quoted(column) : column;
}

function quoted(text: string): string {
  return JSON.stringify(text).replace(
    new RegExp(invisible, 'gu'),
    (character) => `\\u{${(character.codePointAt(0) as number).toString(16)}}`,
  );
}

/** A name that ends as a cut one does gets a digest too. */
function shortened(name: string): string {
  if (name.length <= longest && !/\u2026 #[0-9a-f]{8}$/u.test(name)) return name;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 8);
  // Not through the middle of a character.
  const start = name.slice(0, longest - 11).replace(/[\ud800-\udbff]$/u, '');
  return `${start}\u2026 #${digest}`;
}
