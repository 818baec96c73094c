import { ConfigError } from '../errors.ts';

/** Limits that nothing can keep are a slip of the pen, and nobody's fault that they are broken. @throws ConfigError */
export function refuseEmptyRange(
  { min, max }: { min?: number | null | undefined; max?: number | null | undefined },
  where: string,
): void {
  if (typeof min !== 'number' || typeof max !== 'number' || min <= max) return;
  throw new ConfigError({
    found: `min ${min} and max ${max}: no value can satisfy both`,
    expected: 'min not greater than max',
    where,
    remedy: 'Swap them, or correct one of them',
  });
}
