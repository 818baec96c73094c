/**
 * JSON of hostile origin. A byte order mark before it, as .NET writes one, is passed over (RFC 8259, 8.1).
 * @throws SyntaxError whose message says what JSON it is not, such as NaN, which Python writes
 */
export function parseJson(body: string | Buffer): unknown {
  const text = body.toString().replace(/^\uFEFF/u, '');
  try {
    return JSON.parse(text);
  } catch (error) {
    const number = /[[:,]\s*(-?Infinity|NaN)\b/u.exec(text.slice(0, 1_000_000))?.[1];
    throw number === undefined ? error : new SyntaxError(`JSON has no ${number}; a missing number is null in it`);
  }
}

/**
 * A value of hostile origin, quoted and cut for a message. What is nested is named, not written out: it may be nested deeper than any
 * stack.
 */
export function quote(value: unknown): string {
  if (value === undefined) return '(none)';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return (JSON.stringify(typeof value === 'string' ? value.slice(0, 200) : value) ?? '(none)').slice(0, 100);
}
