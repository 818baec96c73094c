/*
 * How many different values there are, from as many numbers as there are registers: the least of the digests that fall to each.
 * Sketches of parts merge to that of the whole, register by register.
 */
import { createHash } from 'node:crypto';
import { bisected } from '../statistics/bisection.ts';

const registers = 512;
const empty = 2 ** 32 - 1;

export type Registers = Uint32Array;

export function noValues(): Registers {
  return new Uint32Array(registers).fill(empty);
}

const bits = new DataView(new ArrayBuffer(8));

/** Count a number. -0 is 0. */
export function countNumber(found: Registers, value: number): void {
  bits.setFloat64(0, value === 0 ? 0 : value);
  const first = mixed(bits.getUint32(0) ^ 0x9e3779b9, bits.getUint32(4));
  note(found, first, mixed(first, bits.getUint32(4) ^ 0x85ebca6b));
}

/** Finalizer of MurmurHash3, over both halves. */
function mixed(high: number, low: number): number {
  let hash = Math.imul(high, 0xcc9e2d51) ^ low;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Count a text: by its MD5, as `registersOfTexts` has it. */
export function countText(found: Registers, text: string): void {
  const digest = createHash('md5').update(text).digest();
  note(found, digest.readUInt32LE(0), digest.readUInt32LE(4));
}

/** The registers of texts as rows (register, least digest) in SQL, so that they need not leave the engine. */
export function registersOfTexts(text: string, from: string): string {
  const half = (start: number): string =>
    [3, 2, 1, 0].map((byte) => `substr(digest, ${start + 2 * byte + 1}, 2)`).join(' || ');
  const number = (start: number): string => `cast('0x' || ${half(start)} as bigint)`;
  return `select ${number(0)} % ${registers} as register, min(${number(8)})::double
    from (select md5(value) as digest from (select distinct ${text} as value from ${from}) where value is not null) group by register`;
}

function note(found: Registers, first: number, second: number): void {
  const register = first % registers;
  if (second < (found[register] as number)) found[register] = second;
}

export function mergeRegisters(one: Registers, other: Registers): Registers {
  return one.map((value, index) => Math.min(value, other[index] as number));
}

/**
 * Estimate of the number of different values; the standard error is about 4.5%. A register that n values fall to has a least one
 * whose share of the range is exponential with rate n, cut at 1: n solves (1 - exp(-n)) / n = mean share.
 */
export function distinctCount(found: Registers): number {
  let sum = 0;
  for (const value of found) sum += (value + 1) / 2 ** 32;
  const mean = sum / registers;
  const [least] = bisected(0, 2 ** 40, 200, (rate) => !(-Math.expm1(-rate) / rate > mean));
  return Math.round(least * registers);
}

export function registersText(found: Registers): string {
  return Buffer.from(found.buffer, found.byteOffset, found.byteLength).toString('base64');
}

/** Null for a text that no registers have. */
export function registersFrom(text: string): Registers | null {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== 4 * registers) return null;
  return Uint32Array.from({ length: registers }, (_, index) => bytes.readUInt32LE(4 * index));
}
