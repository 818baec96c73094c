import { DataError } from '../errors.ts';
import { quoted } from '../wording.ts';
import { byteStream } from './lines.ts';
import type { CsvDialect, Dataset } from './relation.ts';

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const space = 0x20;
const longestHeader = 1024 * 1024;

/**
 * The names in the first row of a CSV file (RFC 4180, comma, UTF-8), exactly as written; a byte order mark is dropped.
 * @throws DataError when a name is empty or stands twice (also when two names differ only in case, which SQL cannot tell apart)
 */
export async function csvHeader(
  path: string,
  uri: string,
  dialect: CsvDialect = {},
  /** Whether the configuration may say another dialect. */
  configurable = true,
): Promise<string[]> {
  const { delimiter = ',' } = dialect;
  const names = splitRecord(await firstRecord(path, uri, dialect, configurable), dialect);
  if (names.length === 1 && names[0] === '') {
    throw new DataError({
      found: 'the first line is blank',
      expected: 'a first line with the names of the columns',
      where: `${uri}:1`,
      remedy: 'Remove the line, or write the names there',
    });
  }
  refuseOtherDelimiter(names, delimiter, uri, configurable);
  const seen = new Map<string, string>();
  for (const [index, name] of names.entries()) {
    if (name === '') {
      throw new DataError({
        found: `column ${index + 1} has no name`,
        expected: 'a first line with the names of the columns',
        where: `${uri}:1`,
        remedy:
          index === 0
            ? 'Name the column, or leave it out (pandas leaves its index out with to_csv(index=False))'
            : 'Name every column',
      });
    }
    refuseNul(name, `${uri}:1`);
    refuseTwin(name, seen, `${uri}:1`);
  }
  return names;
}

/** @throws DataError for a column of JSONL or Parquet whose name SQL cannot say: the empty text, or one with a NUL */
export function refuseUnspeakable(name: string, where: string): void {
  refuseNul(name, where);
  if (name !== '') return;
  throw new DataError({
    found: 'a column (a key of JSON) has no name',
    expected: 'a name for every column',
    where,
    remedy: 'Name the column, or leave it out',
  });
}

function refuseNul(name: string, where: string): void {
  if (!name.includes('\0')) return;
  throw new DataError({
    found: `the name of column ${JSON.stringify(name.slice(0, 100))} contains a NUL`,
    expected: 'names of printable characters',
    where,
    remedy: 'Rename the column',
  });
}

/** Refuse a column name that SQL or a reader cannot tell from one seen before. */
export function refuseTwin(name: string, seen: Map<string, string>, where: string): void {
  // Letters of two Unicode forms look the same, wherever they are shown.
  const key = name.toLowerCase().normalize('NFC');
  const twin = seen.get(key);
  if (twin !== undefined) {
    throw new DataError({
      found:
        twin === name
          ? `column ${JSON.stringify(name)} occurs twice`
          : `columns ${quoted(twin)} and ${quoted(name)} differ only in ${twin.toLowerCase() === name.toLowerCase() ? 'case' : 'Unicode form'}`,
      expected: 'column names that differ',
      where,
      remedy: 'Rename one of them',
    });
  }
  seen.set(key, name);
}

/** A line of one of the files of a dataset. */
export interface LineOfFile {
  line: number;
  /** The file, as the user names it, where the dataset has several. */
  file?: string;
}

/** The line of which file each of these rows of a dataset begins on. Rows are as `linesOfRecords` counts them, over all files. */
export async function linesOfRows(
  { format, parts, paths, csv = {} }: Pick<Dataset, 'format' | 'parts' | 'paths' | 'csv'>,
  rows: readonly number[],
): Promise<Map<number, LineOfFile>> {
  const places = new Map<number, LineOfFile>();
  if (format !== 'csv') return places;
  let before = 0;
  for (const [index, path] of paths.entries()) {
    const left = rows.filter((row) => row > before).map((row) => row - before);
    if (left.length === 0) break;
    const { found, records } = await linesOfRecords(path, left, csv);
    for (const [row, line] of found) {
      places.set(row + before, { line, ...(parts.length > 1 ? { file: parts[index]?.uri ?? '' } : {}) });
    }
    before += records;
  }
  return places;
}

/**
 * The line of the file on which each of these rows begins. Rows are 1-based, without the header and without blank lines,
 * and must be sorted. One pass over the bytes, up to the last row asked for.
 *
 * @returns how many records there are too, where not all were found
 */
export async function linesOfRecords(
  path: string,
  rows: readonly number[],
  dialect: CsvDialect = {},
): Promise<{ found: Map<number, number>; records: number }> {
  const { between, quote } = bytesOf(dialect);
  // Of the other bytes within a cell nothing is to be noted.
  const noted = new Uint8Array(256);
  for (const byte of [lineFeed, carriageReturn, between, ...(quote === -1 ? [] : [quote])]) noted[byte] = 1;
  const found = new Map<number, number>();
  let next = 0;
  // The first record has the names.
  let record = dialect.header === undefined ? -1 : 0;
  let line = 1;
  let begun = false;
  let place: Place = 'start';
  let previous = 0;
  for await (const bytes of withoutMark(path)) {
    for (let at = 0; at < bytes.length; at += 1) {
      if (place === 'plain' || place === 'quoted') {
        const from = at;
        while (at < bytes.length && noted[bytes[at] as number] === 0) at += 1;
        if (at > from) previous = bytes[at - 1] as number;
        if (at === bytes.length) break;
      }
      if (next >= rows.length) return { found, records: record };
      const byte = bytes[at] as number;
      const ends = place !== 'quoted' && isLineEnd(byte);
      if (!begun && !ends) {
        begun = true;
        record += 1;
        if (record === rows[next]) {
          found.set(record, line);
          next += 1;
        }
      }
      place = placeAfter(byte, place, between, quote);
      if (ends) begun = false;
      if (byte === carriageReturn || (byte === lineFeed && previous !== carriageReturn)) line += 1;
      previous = byte;
    }
  }
  return { found, records: record };
}

/** The bytes between cells and around them; of the latter none where there is none. */
function bytesOf({ delimiter = ',', quote = '"' }: CsvDialect): { between: number; quote: number } {
  return { between: delimiter.charCodeAt(0), quote: quote === '' ? -1 : quote.charCodeAt(0) };
}

function isLineEnd(byte: number): boolean {
  return byte === lineFeed || byte === carriageReturn;
}

/** Where in its cell a byte stands. */
type Place = 'start' | 'spaces' | 'plain' | 'quoted' | 'closed';

/**
 * The place after a byte. A quote begins a quoted cell only where the cell begins: elsewhere it is a part of the text, as in
 * `a,5" pipe,b`, which all that read CSV agree on.
 */
function placeAfter(byte: number, place: Place, between: number, quote: number): Place {
  if (place === 'quoted') return byte === quote ? 'closed' : 'quoted';
  if (byte === between || isLineEnd(byte)) return 'start';
  if (place === 'plain') return 'plain';
  if (byte === quote) return 'quoted';
  return byte === space && place !== 'closed' ? 'spaces' : 'plain';
}

/**
 * Where the bytes of a file break the rules of CSV, as far as the engine does not say it; null where they do not. Blank lines at
 * the end of the file are harmless, but not in a file of a single column, where one could be an empty cell.
 * @param columns how many the header has; without it, cells are not counted
 * @param cause what the engine said of it
 */
export async function csvFault(
  { path, uri }: { path: string; uri: string },
  dialect: CsvDialect = {},
  { columns, cause }: { columns?: number; cause?: unknown } = {},
): Promise<DataError | null> {
  const { between, quote } = bytesOf(dialect);
  const singleColumn = columns === 1;
  const names = { lf: 'LF', crlf: 'CRLF', cr: 'CR' } as const;
  let first = null as keyof typeof names | null;
  let line = 1;
  let blank = null as number | null;
  let begun = false;
  let cells = 1;
  let place: Place = 'start';
  let returned = false;
  const fault = (at: number, what: { found: string; remedy: string }): DataError =>
    new DataError({ ...what, expected: 'CSV as defined in RFC 4180', where: `${uri}:${at}`, cause });
  const tooMany = (): DataError =>
    fault(line, {
      found: `this row has ${cells} cells, and the ${dialect.header === undefined ? 'first line' : 'header'} ${columns}`,
      remedy: 'Remove the extra cells at the end of the row, or name the extra columns in the first line',
    });
  const ended = (end: keyof typeof names): DataError | null => {
    const before = first;
    first ??= end;
    if (columns !== undefined && cells > columns) return tooMany();
    if (!begun) blank ??= line;
    begun = false;
    cells = 1;
    line += 1;
    if (before === null || before === end) return null;
    return fault(line - 1, {
      found: `this line ends with ${names[end]}, but the lines before it with ${names[before]}`,
      remedy: 'Use the same line ending in the whole file, for instance with dos2unix',
    });
  };
  const blankLine = (at: number): DataError =>
    fault(at, {
      found: 'this line is blank',
      remedy: singleColumn
        ? 'Write "" (two quotes) for a missing value, or remove the line'
        : 'Remove the line, or write the missing row',
    });
  for await (const piece of withoutMark(path)) {
    for (const byte of piece) {
      const before: Place = place;
      place = placeAfter(byte, before, between, quote);
      if (before === 'quoted') {
        if (byte === lineFeed) line += 1;
        continue;
      }
      if (byte === lineFeed || returned) {
        const mixed = ended(byte !== lineFeed ? 'cr' : returned ? 'crlf' : 'lf');
        if (mixed !== null) return mixed;
        returned = false;
        if (byte === lineFeed) continue;
      }
      if (byte === carriageReturn) {
        returned = true;
        continue;
      }
      if (blank !== null) return blankLine(blank);
      begun = true;
      if (byte === between) cells += 1;
      // The engine leaves out the spaces of both without a word.
      else if (before === 'closed' && place !== 'quoted') {
        return fault(line, {
          found: 'a quote is closed before the end of its cell',
          remedy: 'Quote the whole cell, and double each quote inside it',
        });
      } else if (before === 'spaces' && place === 'quoted') {
        return fault(line, {
          found: 'a cell begins with spaces before its quote',
          remedy: 'Remove the spaces, or put them inside the quotes if they are part of the text',
        });
      }
    }
  }
  if (returned) {
    const mixed = ended('cr');
    if (mixed !== null) return mixed;
  }
  if (columns !== undefined && cells > columns) return tooMany();
  return singleColumn && blank !== null ? blankLine(blank) : null;
}

/** The bytes of a file that are text: its byte order mark is no part of the first cell. */
async function* withoutMark(path: string): AsyncGenerator<Buffer> {
  let atStart = true;
  for await (const piece of byteStream(path)) {
    const bytes = piece as Buffer;
    yield atStart && bytes.subarray(0, 3).equals(byteOrderMark) ? bytes.subarray(3) : bytes;
    atStart = false;
  }
}

const byteOrderMark = Buffer.from('\uFEFF');

/** The beginning of a file: its first line and a byte more, or more than 1 MiB, where there is as much. */
async function headOf(path: string, { between, quote }: ReturnType<typeof bytesOf>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let [size, enough] = [0, longestHeader];
  let place: Place = 'start';
  for await (const bytes of withoutMark(path)) {
    pieces.push(bytes);
    for (const [at, byte] of enough === longestHeader ? bytes.entries() : []) {
      if (place !== 'quoted' && isLineEnd(byte)) {
        enough = Math.min(enough, size + at + 1);
        break;
      }
      place = placeAfter(byte, place, between, quote);
    }
    size += bytes.length;
    if (size > enough) break;
  }
  return Buffer.concat(pieces);
}

/** What ends the rows of a file whose first line end stands within quotes, which the engine would take for that of all. */
export async function endOfRows(path: string, dialect: CsvDialect = {}): Promise<CsvDialect['end']> {
  const bytes = bytesOf(dialect);
  const { between, quote } = bytes;
  const head = await headOf(path, bytes);
  let place: Place = 'start';
  let isQuoted = false;
  for (const [at, byte] of head.entries()) {
    const before: Place = place;
    place = placeAfter(byte, before, between, quote);
    if (!isLineEnd(byte)) continue;
    if (before === 'quoted') isQuoted = true;
    else if (!isQuoted) return undefined;
    else if (byte === lineFeed) return '\n';
    else return head[at + 1] === lineFeed ? '\r\n' : undefined;
  }
  return undefined;
}

async function firstRecord(path: string, uri: string, dialect: CsvDialect, configurable: boolean): Promise<string> {
  const bytes = bytesOf(dialect);
  const { between, quote } = bytes;
  const head = await headOf(path, bytes);
  let place: Place = 'start';
  for (const [at, byte] of head.entries()) {
    if (place !== 'quoted' && isLineEnd(byte)) return decode(head.subarray(0, at), uri, configurable);
    place = placeAfter(byte, place, between, quote);
  }
  if (head.length > longestHeader) {
    throw new DataError({
      found: 'the first line does not end within 1 MiB',
      expected: 'a line with the names of the columns',
      where: `${uri}:1`,
      remedy: 'Close the quote, or write the file as CSV',
    });
  }
  if (place === 'quoted') {
    throw new DataError({
      found: 'a quote in the first line is not closed',
      expected: 'a line with the names of the columns',
      where: `${uri}:1`,
      remedy: 'Close the quote, or double it if it is part of a name',
    });
  }
  return decode(head, uri, configurable);
}

function decode(bytes: Buffer, uri: string, configurable: boolean): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const wide =
      bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : null;
    throw new DataError({
      found: `the first line is not UTF-8${wide === null ? '' : ', but begins as UTF-16 does'}`,
      where: `${uri}:1`,
      remedy: `Save the file as UTF-8${configurable ? `, or set data.csv.encoding${wide === null ? '' : ` to ${wide}`}` : ''}`,
      cause,
    });
  }
}

/** One column whose name holds what other files have between their cells is taken for several. */
function refuseOtherDelimiter(names: readonly string[], delimiter: string, uri: string, configurable: boolean): void {
  const [only = ''] = names;
  const other =
    names.length === 1 ? [';', '\t', '|', ','].find((each) => each !== delimiter && only.includes(each)) : undefined;
  if (other === undefined) return;
  const said = { '\t': 'tabs', ';': 'semicolons', '|': 'vertical bars', ',': 'commas' }[other];
  throw new DataError({
    found: `the first line has ${said} and no ${delimiter === ',' ? 'comma' : JSON.stringify(delimiter)}: ${JSON.stringify(only.slice(0, 80))}`,
    expected: `column names separated by ${JSON.stringify(delimiter)}`,
    where: `${uri}:1`,
    remedy: `${configurable ? `Set data.csv.delimiter to ${JSON.stringify(other)}, or write` : 'Write'} the file with ${delimiter === ',' ? 'commas' : JSON.stringify(delimiter)}`,
  });
}

/** The cells of a row, without the quotes around them. */
export function splitRecord(text: string, dialect: CsvDialect): string[] {
  const bytes = Buffer.from(text);
  const { between, quote } = bytesOf(dialect);
  const { quote: mark = '"' } = dialect;
  const names: string[] = [];
  let start = 0;
  let place: Place = 'start';
  for (let index = 0; index <= bytes.length; index++) {
    const byte = bytes[index];
    if (byte !== undefined) {
      const isBetween = place !== 'quoted' && byte === between;
      place = placeAfter(byte, place, between, quote);
      if (!isBetween) continue;
    }
    const name = bytes.toString('utf8', start, index);
    const isQuoted = mark !== '' && name.length > 1 && name.startsWith(mark) && name.endsWith(mark);
    names.push(isQuoted ? name.slice(1, -1).replaceAll(mark + mark, mark) : name);
    start = index + 1;
  }
  return names;
}
