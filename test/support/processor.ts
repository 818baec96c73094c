import { existsSync, readFileSync } from 'node:fs';

/**
 * Why sums of eight-bit products differ here from those in the stored predictions: without instructions for them the runtime adds in
 * sixteen bits, which saturate. Undefined: they do not.
 */
export const saturatesEightBits =
  existsSync('/proc/cpuinfo') && !/\b(?:avx512_vnni|avx_vnni|asimddp)\b/u.test(readFileSync('/proc/cpuinfo', 'utf8'))
    ? 'this processor has no instructions for sums of eight-bit products'
    : undefined;
