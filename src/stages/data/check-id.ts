import { createHash } from 'node:crypto';

/** Names may be long; an id may not. */
export function checkId(id: string): string {
  if (id.length <= 200) return id;
  return `${id.slice(0, 180)}…${createHash('sha256').update(id).digest('hex').slice(0, 16)})`;
}
