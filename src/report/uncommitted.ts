import type { Source } from '../evidence/index.ts';

/** Which files decided without being committed; undefined where all were. */
export function uncommittedText({ uncommitted }: Source): string | undefined {
  return uncommitted === undefined ? undefined : `not committed: ${uncommitted.join(', ')}`;
}
