/** Elements of a tensor. Numbers of 16 bits are held as 32; int64 as bigint. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | readonly string[];

/** A tensor in row-major order; `type` is ONNX's name of its elements: float, double, float16, int64, string, bool, ... */
export interface TensorValues {
  type: string;
  dims: readonly number[];
  data: TensorData;
}

const readable = /^(?:float|double|float16|bfloat16|u?int(?:8|16|32|64)|bool|string)$/u;

/** Can tensors of this type be fed and read? */
export function isTensorType(type: string): boolean {
  return readable.test(type);
}

export function isFloating(type: string): boolean {
  return type === 'float' || type === 'double' || type === 'float16' || type === 'bfloat16';
}

/** Values of one row of a tensor of this shape; null where the shape leaves that open. */
export function rowSize(shape: readonly (number | string | null)[]): number | null {
  const row = shape.slice(1);
  return row.every((size) => typeof size === 'number' && size >= 0) ? product(row as number[]) : null;
}

/** Rows of a tensor, in the given order; a row may be taken several times. `axis` is the dimension that counts rows. */
export function takeRows({ type, dims, data }: TensorValues, rows: readonly number[], axis = 0): TensorValues {
  const [outer, size] = [product(dims.slice(0, axis)), dims[axis] ?? 1];
  const width = data.length / outer / size;
  const taken = [...dims.slice(0, axis), rows.length, ...dims.slice(axis + 1)];
  const starts = Array.from({ length: outer }, (_, part) => rows.map((row) => (part * size + row) * width)).flat();
  if (Array.isArray(data)) {
    return { type, dims: taken, data: starts.flatMap((start) => (data as string[]).slice(start, start + width)) };
  }
  const source = data as Float32Array;
  const target = new (source.constructor as Float32ArrayConstructor)(starts.length * width);
  for (const [index, start] of starts.entries()) target.set(source.subarray(start, start + width), index * width);
  return { type, dims: taken, data: target };
}

/** Tensors below each other, of which `axis` is the dimension that counts rows. */
export function joinRows(parts: readonly TensorValues[], axis = 0): TensorValues {
  const [first] = parts;
  if (first === undefined || parts.length === 1) return first as TensorValues;
  const rows = parts.reduce((sum, part) => sum + (part.dims[axis] ?? 0), 0);
  const dims = [...first.dims.slice(0, axis), rows, ...first.dims.slice(axis + 1)];
  const outer = product(first.dims.slice(0, axis));
  const chunks = Array.from({ length: outer }, (_, index) =>
    parts.map(({ data }) => {
      const size = data.length / outer;
      return (data as Float32Array).slice(index * size, (index + 1) * size);
    }),
  ).flat();
  if (Array.isArray(first.data)) return { type: first.type, dims, data: (chunks as unknown as string[][]).flat() };
  const target = new (first.data.constructor as Float32ArrayConstructor)(
    chunks.reduce((sum, { length }) => sum + length, 0),
  );
  let start = 0;
  for (const chunk of chunks) {
    target.set(chunk, start);
    start += chunk.length;
  }
  return { type: first.type, dims, data: target };
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all * size, 1);
}

/** The bfloat16 nearest to a number, ties to even: the upper half of a float. */
export function roundBfloat16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  const [all = 0] = bits;
  bits[0] = (all + 0x7fff + ((all >>> 16) & 1)) & 0xffff_0000;
  return new Float32Array(bits.buffer)[0] as number;
}

/** The number that the 16 bits of an IEEE 754 binary16 stand for. */
export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The bits of the binary16 nearest to a number, ties to even. */
export function toFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  // Halfway between the largest binary16 (65504) and what would come next.
  if (size >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const scaled = roundHalfEven(size / 2 ** (exponent - 10));
  // A carry out of the fraction runs into the exponent, as it should.
  return sign | (scaled < 1024 ? scaled : ((exponent + 14) << 10) + scaled);
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
