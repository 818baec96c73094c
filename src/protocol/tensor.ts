import { quote } from './json.ts';
import { integerRanges, isFloating, type Datatype } from './datatype.ts';

/** One element as JSON carries it. A missing number is `null` in JSON and NaN in memory: JSON knows no NaN. */
export type Element = number | string | boolean;

/** A named tensor in row-major order. FP16 and 64 bit integers are held as plain numbers. */
export interface Tensor extends TensorMetadata {
  data: readonly Element[] | Float32Array | Float64Array;
}

/** Name, type and shape of an input or output; -1 is a dimension of any size. */
export interface TensorMetadata {
  name: string;
  datatype: Datatype;
  shape: readonly number[];
}

/** What `GET /v2/models/{name}` answers. */
export interface ModelMetadata {
  name: string;
  versions?: readonly string[];
  platform: string;
  inputs: readonly TensorMetadata[];
  outputs: readonly TensorMetadata[];
}

/** Number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** Does `shape` fit `pattern`, in which -1 is any size? */
export function shapeFits(shape: readonly number[], pattern: readonly number[]): boolean {
  return shape.length === pattern.length && pattern.every((size, axis) => size === -1 || size === shape[axis]);
}

/** `[?, 60]`, for messages. */
export function describeShape(shape: readonly number[]): string {
  return `[${shape.map((size) => (size === -1 ? '?' : size)).join(', ')}]`;
}

/** A shape as hostile JSON gives it, or undefined. */
export function readShape(value: unknown, least: 0 | -1 = 0): number[] | undefined {
  if (!Array.isArray(value) || value.length > 8) return undefined;
  const shape: number[] = [];
  for (const size of value as unknown[]) {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < least) return undefined;
    shape.push(size);
  }
  return shape;
}

/**
 * Elements of hostile JSON `data`, flat or nested, checked against the type and the number expected.
 * Gives a sentence that says what is wrong instead, such as `holds "a" at index 3`.
 */
export function readElements(value: unknown, datatype: Datatype, count: number): Tensor['data'] | string {
  if (value instanceof Float32Array || value instanceof Float64Array) return ofBinary(value, datatype, count);
  if (!Array.isArray(value)) return 'has no array of data';
  const flat = value.some((item) => Array.isArray(item)) ? (value.flat(8) as unknown[]) : (value as unknown[]);
  if (flat.length !== count) return `has ${flat.length} elements`;
  if (isFloating(datatype)) return readNumbers(flat, datatype);
  const range = integerRanges[datatype];
  const fits = (element: unknown): element is Element => {
    if (range !== undefined) {
      return Number.isInteger(element) && (element as number) >= range[0] && (element as number) <= range[1];
    }
    return typeof element === (datatype === 'BOOL' ? 'boolean' : 'string');
  };
  const wrong = flat.findIndex((element) => !fits(element));
  return wrong === -1 ? (flat as Element[]) : elementFault(flat, wrong);
}

/** Numbers that came in bytes, whose type was checked already. */
function ofBinary(
  value: Float32Array | Float64Array,
  datatype: Datatype,
  count: number,
): Float32Array | Float64Array | string {
  if (value.length !== count) return `has ${value.length} elements`;
  if (datatype === 'FP64') return value instanceof Float64Array ? value : Float64Array.from(value);
  return value instanceof Float32Array ? value : Float32Array.from(value);
}

function readNumbers(flat: readonly unknown[], datatype: Datatype): Tensor['data'] | string {
  const data = datatype === 'FP64' ? new Float64Array(flat.length) : new Float32Array(flat.length);
  for (let index = 0; index < flat.length; index++) {
    const element = flat[index];
    if (typeof element === 'number') data[index] = element;
    else if (element === null) data[index] = Number.NaN;
    else return elementFault(flat, index);
  }
  return data;
}

function elementFault(flat: readonly unknown[], index: number): string {
  return `holds ${quote(flat[index]).slice(0, 50)} at index ${index}`;
}
