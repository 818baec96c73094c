import { ConfigError } from '../errors.ts';

/** Limits that nothing can keep are a slip of the pen, and nobody's fault that they are broken. @throws ConfigError */
export function refuseEmptyRange(
  { min, max }: { min?: number | null | undefined; max?: number | null | undefined },
  where: string,
): void {
  if (typeof min !== 'number' || typeof max !== 'number' || min <= max) return;
  throw new ConfigError({
    found: `min ${min} and max ${max}, which nothing can keep to`,
    expected: 'a min of at most the max',
    where,
    remedy: 'Exchange them, or correct one',
  });
}
