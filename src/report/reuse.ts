import type { Evidence } from '../evidence/index.ts';
import { count } from '../wording.ts';

/**
 * How many decisions were made on the evaluation set before, as the evaluation itself counted them: the one number that evidence,
 * report, diff and release notes tell. Null where nothing was evaluated.
 */
export function reuseOf(evidence: readonly Evidence[]): number | null {
  const reuse = evidence.find(({ kind }) => kind === 'evaluation')?.details['reuse'];
  return typeof reuse === 'number' ? reuse : null;
}

/** `used for 3 decisions before` */
export function reuseText(reuse: number): string {
  if (reuse === 0) return 'not used for a decision before';
  return `used for ${reuse === 1 ? '1 decision' : `${count(reuse)} decisions`} before`;
}
