import { createHash } from 'node:crypto';
import type { Check } from '../../evidence/check.ts';

/** Names may be long; an id may not. */
export function checkId(id: string): string {
  if (id.length <= 200) return id;
  return `${id.slice(0, 180)}…${createHash('sha256').update(id).digest('hex').slice(0, 16)})`;
}

/** With the place of what did not pass: the file of the dataset, where the check names no other. */
export function located(checks: readonly Check[], { uri }: { uri: string }): Check[] {
  return checks.map((check) => {
    if (check.verdict === 'pass' || check.location !== undefined) return check;
    return { ...check, location: { file: uri } };
  });
}
