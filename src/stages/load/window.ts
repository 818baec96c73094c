import { firstFrom } from '../../statistics/quantile.ts';
import { cutOf, type WindowResult } from './driver.ts';

/**
 * The requests of a window that were due from `from` until before `to`, in milliseconds after its start. Its host stands for the part;
 * why requests were lost is known of the whole alone.
 */
export function partOf(result: WindowResult, from: number, to: number): WindowResult {
  const [first, last] = [firstFrom(result.offsets, from), firstFrom(result.offsets, to)];
  return { ...result, ...cutOf(result, first, last), lost: {}, elapsedMs: to - from };
}
