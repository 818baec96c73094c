export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A name of hostile origin, quoted and cut for a message. */
export function quote(value: unknown): string {
  return value === undefined ? '(none)' : (JSON.stringify(value) ?? '(none)').slice(0, 100);
}
