/** Whether the shortest decimal of the double nearest to a number is that number. */
export function isExact(token: string): boolean {
  // Up to 15 digits every decimal comes back.
  if (token.length <= 15 && !/e/iu.test(token)) return true;
  const value = Number(token);
  // Most programs write a double as the shortest decimal that is read as it.
  return String(value) === token || (Number.isFinite(value) && normal(token) === normal(String(value)));
}

/** Digits without zeros at either end, and the power of ten that they are times. */
export function normal(token: string): string {
  const [digits = '', exponent = '0'] = token.toLowerCase().split('e');
  const [whole = '', fraction = ''] = digits.replace('-', '').split('.');
  const all = (whole + fraction).replace(/^0+/u, '');
  const kept = all.replace(/0+$/u, '');
  if (kept === '') return '0';
  const power = BigInt(exponent) - BigInt(fraction.length) + BigInt(all.length - kept.length);
  return `${token.startsWith('-') ? '-' : ''}${kept}e${power}`;
}

/** Whether numbers of a column have so few digits that a double holds them; and where not, whether that may change what is said of one. */
export const clarity = ['few', 'many', 'unclear'] as const;

/** Of longer numbers a double may be infinite. */
export const longestNumber = 100;

/**
 * Whether five digits 0 or 9 follow one another. A number of at most ten digits, or a whole one, whose double another number of up to
 * ten digits before its point has, differs from that one by less than 1.2e-16 of it: after its own digits these come.
 */
export function hasRun(bytes: Buffer, start: number, end: number): boolean {
  let run = 0;
  let before = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === 0x2e) continue;
    run = byte === before && (byte === 0x30 || byte === 0x39) ? run + 1 : 1;
    if (run === 5 && (byte === 0x30 || byte === 0x39)) return true;
    before = byte;
  }
  return false;
}
