/** Tensor element types of the Open Inference Protocol v2 (`BF16` aside: JSON carries FP16 and wider), by the names ONNX gives them. */
const byOnnxType = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float16: 'FP16',
  float: 'FP32',
  bfloat16: 'FP32',
  double: 'FP64',
  string: 'BYTES',
} as const;
export type Datatype = (typeof byOnnxType)[keyof typeof byOnnxType];
export const datatypeOf: Readonly<Record<string, Datatype>> = byOnnxType;
export const datatypes = [...new Set(Object.values(datatypeOf))];

/** Least and greatest integer a JSON number may hold for each integer type; 64 bit types end where a double ends. */
export const integerRanges: Partial<Record<Datatype, readonly [number, number]>> = {
  UINT8: [0, 0xff],
  UINT16: [0, 0xffff],
  UINT32: [0, 0xffff_ffff],
  UINT64: [0, Number.MAX_SAFE_INTEGER],
  INT8: [-0x80, 0x7f],
  INT16: [-0x8000, 0x7fff],
  INT32: [-0x8000_0000, 0x7fff_ffff],
  INT64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

export function isDatatype(value: unknown): value is Datatype {
  return datatypes.some((datatype) => datatype === value);
}

export function isFloating(datatype: Datatype): boolean {
  return datatype.startsWith('FP');
}

/** ONNX's name of a datatype. */
export function onnxTypeOf(datatype: Datatype): string {
  return Object.entries(datatypeOf).find(([, each]) => each === datatype)?.[0] ?? 'undefined';
}
