export function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A text in quotes, in which the characters that are not seen, or are not those that they seem to be, are escaped. */
export function quoted(text: string): string {
  const others = text.normalize('NFC') === text ? /(?! )[\p{Cf}\p{Zs}\p{Zl}\p{Zp}]/gu : /[^ -~]/gu;
  return JSON.stringify(text).replace(others, (each) => `\\u{${(each.codePointAt(0) ?? 0).toString(16)}}`);
}

/**
 * What is seen of a text: texts of which it is the same are told apart by programs only. Joiners and the tags of flags change what is drawn.
 */
export function seenOf(text: string): string {
  return text
    .normalize('NFC')
    .replace(/(?!\u200c|\u200d|[\u{e0020}-\u{e007f}])\p{Cf}/gu, '')
    .replace(/\s+/gu, ' ')
    .trim();
}

/** A share in percent. */
export function percent(share: number, digits = 4): string {
  return `${rounded(100 * share, digits)}%`;
}

/** A number in so many significant digits, with its thousands apart. */
export function rounded(value: number, digits = 4): string {
  return (formats[digits] ??= new Intl.NumberFormat('en-US', { maximumSignificantDigits: digits })).format(value);
}

// Each is made once: toLocaleString makes one at each call, which takes longer than all else of a look at a rollout.
const formats: Partial<Record<number, Intl.NumberFormat>> = {};

/** The same, but for whole numbers, which are never rounded. */
export function significant(value: number, digits = 4): string {
  return rounded(value, Number.isInteger(value) ? 21 : digits);
}

/** In three significant digits, as a program reads it. */
export function brief(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** A whole number with its thousands apart. */
export function count(value: number): string {
  return separated(Math.round(value));
}

/** A number with its thousands apart and at most three decimals. What the language has for this takes 20 ms to load. */
export function separated(value: number): string {
  const [whole = '', ...decimals] = String(Number(value.toFixed(3))).split('.');
  return [whole.replaceAll(/\B(?=(?:\d{3})+$)/gu, ','), ...decimals].join('.');
}

const singulars = new Map([
  ['answers', 'answer'],
  ['bytes', 'byte'],
  ['checks', 'check'],
  ['classes', 'class'],
  ['clusters', 'cluster'],
  ['columns', 'column'],
  ['commits', 'commit'],
  ['cores', 'core'],
  ['ids', 'id'],
  ['minutes', 'minute'],
  ['pages', 'page'],
  ['problems', 'problem'],
  ['queries', 'query'],
  ['replicas', 'replica'],
  ['requests', 'request'],
  ['rows', 'row'],
  ['shards', 'shard'],
  ['values', 'value'],
  ['windows', 'window'],
]);

/** The unit as it is said of so many: one `row`, two `rows`. Units that are no plural, such as `ms`, stay as they are. */
export function unitOf(value: number, unit: string): string {
  return value === 1 ? (singulars.get(unit) ?? unit) : unit;
}

/** A whole number with its thousands apart, and its unit: `1 row`, `2,350 rows`. */
export function counted(value: number, unit: string): string {
  return `${count(value)} ${unitOf(value, unit)}`;
}

/** The first of these, and where that is not all, how many there are: `a, b, … (40 columns)`. */
export function firstOf(texts: readonly string[], most: number, unit?: string): string {
  const shown = texts.slice(0, most).join(', ');
  if (texts.length <= most) return shown;
  return `${shown}, … (${unit === undefined ? count(texts.length) : counted(texts.length, unit)})`;
}

/** The minute of a time in ISO 8601 and UTC, as people read it: `2026-11-29 18:16`. */
export function minuteOf(iso: string): string {
  return iso.slice(0, 16).replace('T', ' ');
}

/** A file name as a shell takes it. */
export function shellWord(text: string): string {
  return /^[\w./@%+:,-]+$/u.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
