import { dirname, relative, resolve } from 'node:path';
import { millisecondsIn } from '../iso-time.ts';
import { isAddress } from '../object-address.ts';

/* What a person types for a command, and a workflow for an action: read before anything else is loaded. */

/** What can be exported of a version. */
export const exportParts = ['model-card', 'release-notes', 'in-toto', 'report', 'evidence'] as const;
export type ExportPart = (typeof exportParts)[number];

/** The `index`-th (from 1) of `count` contiguous parts. */
export interface Shard {
  index: number;
  count: number;
}

/** The `i/N` of a shard, i from 1 to N; null for any other text. */
export function shardOf(text: string): Shard | null {
  const [, index, count] = (/^([0-9]{1,6})\/([0-9]{1,6})$/u.exec(text) ?? []).map(Number);
  return index === undefined || count === undefined || index < 1 || index > count ? null : { index, count };
}

/** An instant in ISO 8601 with a zone; null for any other text. */
export function instantOf(text: string): Date | null {
  const form = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/u;
  const at = form.test(text) ? millisecondsIn(text) : null;
  return at === null ? null : new Date(at);
}

/**
 * A reference to a model that was typed, as contender.yml would have it: addresses and `registry` are what they are.
 *
 * @param from absolute path of the folder that a path was typed from
 * @param config absolute path of contender.yml
 */
export function asConfigured(reference: string, { from, config }: { from: string; config: string }): string {
  return reference === 'registry' || isAddress(reference)
    ? reference
    : relative(dirname(config), resolve(from, reference));
}
