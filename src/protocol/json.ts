export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
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
