/*
 * The hot loop of src/data/plain-csv.ts, in AssemblyScript: WebAssembly takes half the time of what the engine of JavaScript makes of the
 * same. Compiled by `npm run assembly` into src/data/plain-rows.ts. It knows nothing of contracts but numbers and tables in its memory,
 * whose places the caller names; what is rare it asks the caller.
 */

/** Says of a cell what it spells, with `unclear` where it is not certainly allowed. */
declare function askCell(start: i32, end: i32, column: i32): i32;

/** Whether a number is certainly allowed, of which bounds are not all that is asked. */
declare function askNumber(start: i32, end: i32, column: i32, value: f64, places: i32, isWhole: bool): bool;

/** The quote that ends a cell; -1 where nobody knows yet. */
declare function askClosing(start: i32, to: i32): i32;

/** Keeps a row that is not clear. */
declare function tellUnclear(start: i32, end: i32, row: f64): void;

const unclear: i32 = 256;
/** As `kind` has them. */
const whole: u8 = 1;
const fraction: u8 = 4;
const boolean: u8 = 16;
const text: u8 = 32;
/** As `beginnings` has them. */
const digit: u8 = 1;
const letter: u8 = 3;
const other: u8 = 0;

const newline: u8 = 0x0a;
const carriageReturn: u8 = 0x0d;
const quote: u8 = 0x22;
const minus: u8 = 0x2d;
const point: u8 = 0x2e;
const zero: u8 = 0x30;
const mark: u8 = 0xef;

/** Digits of which whole numbers are doubles, each of them. */
const mostExact: f64 = 1e15;
/** As `longestNumber` has it. */
const longestNumber: i32 = 100;
const powers: i32 = 23;

/** Set by the caller before the first row. */
export let width: i32 = 0;
export let delimiter: i32 = 0;
/** The column that tells rows apart; -1: none. */
export let idColumn: i32 = -1;
/** Places in the memory: see `Table` and `Column` there. */
export let columnsAt: i32 = 0;
export let endingAt: i32 = 0;
export let beginningsAt: i32 = 0;
export let powersAt: i32 = 0;
export let acceptsAt: i32 = 0;
export let statesAt: i32 = 0;
export let gapsAt: i32 = 0;

/** Told by rows. */
export let rows: f64 = 0;
/** 0: unknown, 1: LF, 2: CRLF. */
export let ends: i32 = 0;
export let broken: bool = false;
export let firstId: f64 = Infinity;
/** NaN where they do not grow. */
export let lastId: f64 = -Infinity;

/** Of a column, each of `columnSize` bytes. */
const columnSize: i32 = 48;
const entryOf: usize = 0;
const shortestOf: usize = 4;
const longestOf: usize = 8;
const missingOf: usize = 12;
const leastOf: usize = 16;
const greatestOf: usize = 24;
const kindsOf: usize = 32;
const boundedOf: usize = 34;
const wholeOf: usize = 35;
const truthsOf: usize = 36;

/** The place after the last whole row, or after the first so many; before one that is not plain (`broken`). The last byte is a line end. */
export function read(from: i32, to: i32, most: f64): i32 {
  const delimiters = v128.splat<u8>(<u8>delimiter);
  const quotes = v128.splat<u8>(quote);
  const controls = v128.splat<u8>(14);
  const ending = <usize>endingAt;
  const width_ = width;
  let start = from;
  for (let left = most; start < to && left > 0; left--) {
    let clear = true;
    let id = NaN;
    let at = start;
    let gaps = 0;
    let column = <usize>columnsAt;
    for (let index = 0; index < width_; index++, column += columnSize) {
      let first = at;
      let byte = load<u8>(at);
      let begins = load<u8>(beginningsAt + byte);
      let told = false;
      if (begins == digit || byte == minus) {
        if (byte == minus) at += 1;
        const wholes = at;
        let digits: i64 = 0;
        let each = load<u8>(at) ^ zero;
        for (; each <= 9; each = load<u8>(++at) ^ zero) digits = digits * 10 + each;
        const end = at;
        const isWhole = load<u8>(at) != point;
        if (!isWhole) {
          each = load<u8>(++at) ^ zero;
          for (; each <= 9; each = load<u8>(++at) ^ zero) digits = digits * 10 + each;
        }
        const places = isWhole ? 0 : at - end - 1;
        const length = at - first;
        told =
          load<u8>(ending + load<u8>(at)) == 1 &&
          end > wholes &&
          (isWhole || places > 0) &&
          (load<u8>(wholes) != zero || (end == wholes + 1 && (byte != minus || !isWhole))) &&
          length <= (isWhole ? 18 : longestNumber);
        if (told) {
          store<u8>(column, load<u8>(column, kindsOf) | (isWhole ? whole : fraction), kindsOf);
          // More digits may be more than fit.
          let value = length <= 19 ? <f64>digits : longValue(wholes, at);
          if (byte == minus) value = -value;
          if (index == idColumn && isWhole) id = value;
          if (load<u8>(column, boundedOf) == 1 && places < powers) {
            // See `allowsNumber`.
            const isHeld = value < mostExact && value > -mostExact;
            if (!isWhole) value /= load<f64>(<usize>powersAt + (places << 3));
            const error: f64 = isHeld ? 0 : abs(value) * 1e-13;
            if (!(value - error >= load<f64>(column, leastOf) && value + error <= load<f64>(column, greatestOf)))
              clear = false;
            if (load<u8>(column, wholeOf) == 1 && (isHeld ? value != trunc(value) : !isWhole)) clear = false;
            if (!isHeld && !isWhole && abs(value - nearest(value)) <= error) clear = false;
          } else if (!askNumber(first, at, index, value, places, isWhole)) clear = false;
        } else {
          // Nothing that goes on otherwise, or begins with a zero in vain, is a number.
          const stop = load<u8>(at);
          const goesOn = load<u8>(ending + stop) == 0 && (stop | 0x20) != 0x65;
          if (byte != minus && (goesOn || (load<u8>(wholes) == zero && end > wholes + 1))) begins = other;
          at = first;
        }
      }
      if (!told && byte != quote) {
        let state = load<i32>(column, entryOf);
        let accepted = true;
        if (state == 0) {
          for (;;) {
            const bytes = v128.load(at);
            const found = i8x16.bitmask(
              v128.or(v128.or(i8x16.eq(bytes, delimiters), i8x16.eq(bytes, quotes)), i8x16.lt_u(bytes, controls)),
            );
            if (found == 0) {
              at += 16;
              continue;
            }
            at += ctz(found);
            byte = load<u8>(at);
            if (load<u8>(ending + byte) != 0) break;
            at += 1;
          }
        } else {
          for (
            let next = load<i32>(state + ((<i32>byte) << 2));
            next >= 0;
            next = load<i32>(state + ((<i32>byte) << 2))
          ) {
            state = next;
            byte = load<u8>(++at);
          }
          accepted = load<u8>(acceptsAt + ((state - statesAt) >> 10)) == 1;
        }
        const length = at - first;
        if (begins == letter && load<u8>(ending + byte) == 1) {
          const truth = truthOf(first, length);
          if (truth == 0) begins = other;
          else if ((load<u8>(column, truthsOf) & truth) != 0) {
            told = true;
            store<u8>(column, load<u8>(column, kindsOf) | boolean, kindsOf);
          }
        }
        if (
          !told &&
          accepted &&
          load<u8>(ending + byte) == 1 &&
          length >= load<i32>(column, shortestOf) &&
          length <= load<i32>(column, longestOf) &&
          // A byte order mark may be none of the text.
          load<u8>(first) != mark
        ) {
          told = begins == other;
          if (told) store<u8>(column, load<u8>(column, kindsOf) | text, kindsOf);
        }
      }
      if (!told) {
        let end = at;
        if (byte == quote && at == first) {
          first += 1;
          end = askClosing(first, to);
          if (end < 0) return start;
          at = end + 1;
        } else {
          while (load<u8>(ending + load<u8>(at)) == 0) at += 1;
          if (load<u8>(ending + load<u8>(at)) == 2) return refuse(start);
          end = at;
        }
        const found = askCell(first, end, index);
        const spelled = <u8>found;
        if (spelled == 0) store<i32>(gapsAt + (gaps++ << 2), <i32>column);
        store<u8>(column, load<u8>(column, kindsOf) | spelled, kindsOf);
        if (index == idColumn && spelled == whole) id = wholeValue(first, end);
        if ((found & unclear) != 0) clear = false;
      }
      if (index < width_ - 1) {
        if (load<u8>(at) != <u8>delimiter) return refuse(start);
        at += 1;
      }
    }
    const end = at;
    const crlf = load<u8>(at) == carriageReturn;
    if (crlf) at += 1;
    // A line without anything may be no row.
    if (load<u8>(at) != newline || (width_ == 1 && at - start <= 1)) return refuse(start);
    if (ends == 0) ends = crlf ? 2 : 1;
    if (ends != (crlf ? 2 : 1)) return refuse(start);
    rows += 1;
    for (; gaps > 0; gaps--) {
      const gap = <usize>load<i32>(gapsAt + ((gaps - 1) << 2));
      store<i32>(gap, load<i32>(gap, missingOf) + 1, missingOf);
    }
    if (id == id) {
      if (firstId == Infinity) firstId = id;
      lastId = lastId < id && abs(id) < mostExact ? id : NaN;
    }
    if (!clear) tellUnclear(start, end, rows);
    start = at + 1;
  }
  return start;
}

/** 1: true, 2: false, 4: what else may be a word of the grammar; 0: no word. */
function truthOf(start: i32, length: i32): u8 {
  if (length == 3) return 4;
  if (length < 3 || length > 5) return 0;
  const four = load<u32>(start);
  if (length == 4) {
    if (four == 0x65757274 || four == 0x65757254 || four == 0x45555254) return 1;
    return (four | 0x20202020) == 0x65757274 ? 4 : 0;
  }
  const last = load<u8>(start + 4);
  if (((four == 0x736c6166 || four == 0x736c6146) && last == 0x65) || (four == 0x534c4146 && last == 0x45)) return 2;
  return (four | 0x20202020) == 0x736c6166 ? 4 : 0;
}

/** As double by double, of digits and a point. */
function longValue(start: i32, end: i32): f64 {
  let value: f64 = 0;
  for (let at = start; at < end; at++) {
    const each = load<u8>(at) ^ zero;
    if (each <= 9) value = value * 10 + <f64>each;
  }
  return value;
}

/** Of a whole number. */
function wholeValue(start: i32, end: i32): f64 {
  const isNegative = load<u8>(start) == minus;
  const value = longValue(isNegative ? start + 1 : start, end);
  return isNegative ? -value : value;
}

function refuse(start: i32): i32 {
  broken = true;
  return start;
}
