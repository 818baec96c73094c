import { counted } from '../../wording.ts';
import { WrittenNumber } from './written-number.ts';

const longest = 80;

/** A value of the data, short and on one line, for messages and evidence. Invisible and direction-changing characters are spelled out. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  let text: string;
  if (value instanceof WrittenNumber) text = value.text;
  else if (typeof value === 'number') text = String(value);
  else if (typeof value === 'string') text = JSON.stringify(value.slice(0, longest * 2));
  else text = JSON.stringify(value);
  const safe = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
  return safe.length > longest ? `${[...safe].slice(0, longest - 1).join('')}…` : safe;
}

/** A column name as it stands in a sentence: bare where it is plain, quoted where it is not. */
export function showColumn(name: string): string {
  return /^[\p{L}\p{N}_.-]{1,80}$/u.test(name) ? name : showValue(name);
}

/** "1 row", "2,350 rows". */
export function rowsOf(value: number): string {
  return counted(value, 'rows');
}
