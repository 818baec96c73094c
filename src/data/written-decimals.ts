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
