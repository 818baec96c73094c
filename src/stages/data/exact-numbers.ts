import { isExact, normal } from '../../data/written-decimals.ts';
import { DataError } from '../../errors.ts';
import { showColumn } from './show.ts';

/** The numbers of a contract, by which some numbers of the data cannot be judged as doubles. */
export interface ContractNumbers {
  /** All of them, as doubles, each with the decimals that are written. */
  all: ReadonlyMap<number, ReadonlySet<string>>;
  /** Those whose double is another number than is written. */
  inexact: ReadonlySet<number>;
  /** Whether anything must be a multiple. */
  multiples: boolean;
}

const stringOrNumber = /"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*/gu;

/** @param text the contract as it is written */
export function contractNumbers(text: string): ContractNumbers {
  const tokens = (text.match(stringOrNumber) ?? []).filter((token) => !token.startsWith('"'));
  const all = new Map<number, Set<string>>();
  for (const token of tokens) all.set(Number(token), (all.get(Number(token)) ?? new Set()).add(normal(token)));
  return {
    all,
    inexact: new Set(tokens.filter((token) => !isExact(token)).map(Number)),
    multiples: text.includes('"multipleOf"'),
  };
}

/** A number in an object of JSON. */
export interface JsonNumber {
  token: string;
  /** The key of the object that it is the value of, or is within the value of. */
  column: string;
  nested: boolean;
}

const parts = /"(?:[^"\\]|\\.)*"|[{}[\]:]|-?[0-9][0-9.eE+-]*/gu;

/** Texts, which are passed over, and numbers that a double may not hold. */
const textOrMany = /"(?:[^"\\]|\\.)*"|-?[0-9][0-9.]{14}[0-9.eE+-]*|-?[0-9][0-9.]*[eE][0-9+-]+/gu;

/** Whether a text of JSON may have one. Of few digits a number is in doubt only where one of the contract is. */
function mayBeDoubtful(text: string, { inexact }: ContractNumbers): boolean {
  if (inexact.size > 0) return true;
  if (!/[0-9.]{16}|[0-9][eE][0-9+-]/u.test(text)) return false;
  textOrMany.lastIndex = 0;
  for (let found = textOrMany.exec(text); found !== null; found = textOrMany.exec(text)) {
    const [token] = found;
    if (!token.startsWith('"') && !isExact(token)) return true;
  }
  return false;
}

/** The numbers of a line of JSON whose doubles are other numbers, and others that the contract makes doubtful. */
export function doubtfulNumbers(line: string, numbers: ContractNumbers): JsonNumber[] {
  const found: JsonNumber[] = [];
  if (!mayBeDoubtful(line, numbers)) return found;
  let depth = 0;
  let [last, column] = ['""', ''];
  for (const [part] of line.matchAll(parts)) {
    if (part === '{' || part === '[') depth += 1;
    else if (part === '}' || part === ']') depth -= 1;
    else if (part.startsWith('"')) last = part;
    else if (part === ':') {
      if (depth === 1) column = keyOf(last);
    } else if (!isExact(part) || numbers.inexact.has(Number(part)))
      found.push({ token: part, column, nested: depth > 1 });
  }
  return found;
}

function keyOf(quoted: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    // The line is no JSON, which whoever reads it says.
    return quoted;
  }
}

interface PlaceOfNumber {
  uri: string;
  row: number;
  line?: number;
  column?: string;
  /** Whether it must be a multiple of some number, which depends on its last digit. */
  multiple?: boolean;
}

/**
 * Refuse a number whose double may be judged otherwise than the number itself. Rounding keeps the order of numbers, so that only
 * one that becomes equal to a number of the contract, or whole, is in doubt.
 * @throws DataError that quotes it
 */
export function requireJudgeable(
  token: string,
  numbers: ContractNumbers,
  { uri, row, line, column, multiple = false }: PlaceOfNumber,
): void {
  const value = Number(token);
  const exact = isExact(token);
  const equal = [...(numbers.all.get(value) ?? [])].some((each) => each !== normal(token));
  const becomesWhole = !exact && Number.isInteger(value) && !isWholeToken(token);
  if (!equal && !becomesWhole && (exact || !multiple)) return;
  throw new DataError({
    found: `${column === undefined ? '' : `${showColumn(column)}, `}row ${row}${line === undefined ? '' : ` (line ${line})`} is ${token.slice(0, 80)}, which cannot be checked exactly against the contract`,
    expected: 'numbers within the precision of a double: integers up to 2^53, or about 16 digits',
    where: uri,
    remedy: 'Write such identifiers and amounts as texts, and check them with pattern or enum',
  });
}

function isWholeToken(token: string): boolean {
  const [, power = '0'] = normal(token).split('e');
  return !power.startsWith('-');
}
