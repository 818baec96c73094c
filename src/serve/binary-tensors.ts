import { isObject, listOf, objectOf } from '../json.ts';
import { fromFloat16, toFloat16 } from '../model/tensor.ts';
import { isDatatype, RequestError, type Datatype, type Tensor } from '../protocol/index.ts';
import { integerArrays } from './integer-arrays.ts';
import { typedData } from './served-model.ts';

/*
 * The binary tensor data extension of the Open Inference Protocol, which the clients of Triton use unless told otherwise: the JSON of a
 * request or an answer is followed by the bytes of its tensors, little-endian, and a header says how long the JSON is.
 */

export const headerLengthName = 'inference-header-content-length';

type Json = Record<string, unknown>;

const width: Record<Exclude<Datatype, 'BYTES'>, number> = {
  BOOL: 1,
  UINT8: 1,
  INT8: 1,
  UINT16: 2,
  INT16: 2,
  FP16: 2,
  UINT32: 4,
  INT32: 4,
  FP32: 4,
  UINT64: 8,
  INT64: 8,
  FP64: 8,
};

/**
 * Put the bytes that follow the JSON of a request into its inputs, as `data`.
 * @throws RequestError where the lengths do not go together
 */
export function withBinaryData(body: unknown, bytes: Buffer): unknown {
  let offset = 0;
  for (const input of objectsIn(body, 'inputs')) {
    const size = sizeOf(input, 'binary_data_size');
    if (size === undefined) continue;
    if (offset + size > bytes.length) {
      throw new RequestError({
        found: `The inputs have more bytes than the ${bytes.length} that follow the JSON`,
        expected: `the sum of binary_data_size of all inputs after the JSON, whose length is in ${headerLengthName}`,
      });
    }
    input['data'] = decoded(bytes.subarray(offset, offset + size), input['datatype']);
    offset += size;
  }
  if (offset === bytes.length) return body;
  throw new RequestError({
    found: `${bytes.length - offset} bytes after the JSON belong to no input`,
    expected: 'the sum of binary_data_size of all inputs',
  });
}

/** Which outputs a request wants in bytes. */
export function wantsBinary(body: unknown): (output: string) => boolean {
  const byDefault = parametersOf(body)['binary_data_output'] === true;
  if (isObject(body) && body['outputs'] === undefined) return () => byDefault;
  const asked = new Map(
    objectsIn(body, 'outputs').map((output) => [output['name'], parametersOf(output)['binary_data']]),
  );
  return (output) => {
    const own = asked.get(output);
    return typeof own === 'boolean' ? own : byDefault;
  };
}

export function encoded({ datatype, data }: Tensor): Buffer {
  if (datatype === 'BYTES') {
    return Buffer.concat(
      (data as readonly string[]).flatMap((text) => {
        const content = Buffer.from(text);
        const length = Buffer.alloc(4);
        length.writeUInt32LE(content.length);
        return [length, content];
      }),
    );
  }
  const values =
    datatype === 'FP16' ? Uint16Array.from(data as readonly number[], toFloat16) : typedData(data, datatype);
  const { buffer, byteOffset, byteLength } = values as Uint16Array<ArrayBuffer>;
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** The elements that bytes hold; 64 bit integers as plain numbers, as JSON has them. */
function decoded(bytes: Buffer, datatype: unknown): Tensor['data'] {
  if (!isDatatype(datatype)) return []; // refused where the input is read
  if (datatype === 'BYTES') return texts(bytes);
  if (bytes.length % width[datatype] !== 0) {
    throw new RequestError({
      found: `${bytes.length} bytes of ${datatype}`,
      expected: `a multiple of ${width[datatype]}`,
    });
  }
  const { buffer } = Uint8Array.from(bytes); // a typed array must start at a multiple of its width
  switch (datatype) {
    case 'FP32':
      return new Float32Array(buffer);
    case 'FP64':
      return new Float64Array(buffer);
    case 'FP16':
      return Float32Array.from(new Uint16Array(buffer), fromFloat16);
    case 'INT64':
      return Array.from(new BigInt64Array(buffer), Number);
    case 'UINT64':
      return Array.from(new BigUint64Array(buffer), Number);
    case 'BOOL':
      return Array.from(bytes, (byte) => byte !== 0);
    default:
      return Array.from(new integerArrays[datatype](buffer));
  }
}

/** Each text follows its length, in four bytes. */
function texts(bytes: Buffer): string[] {
  const found: string[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const length = offset + 4 <= bytes.length ? bytes.readUInt32LE(offset) : Number.POSITIVE_INFINITY;
    if (offset + 4 + length > bytes.length) {
      throw new RequestError({ found: 'BYTES that end within a text', expected: 'four bytes of length before each' });
    }
    found.push(bytes.toString('utf8', offset + 4, offset + 4 + length));
    offset += 4 + length;
  }
  return found;
}

function sizeOf(input: Json, name: string): number | undefined {
  const size = parametersOf(input)[name];
  if (size === undefined) return undefined;
  if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return size;
  throw new RequestError({ found: `${name} is not a number of bytes` });
}

function parametersOf(value: unknown): Json {
  return objectOf(objectOf(value)['parameters']);
}

function objectsIn(body: unknown, name: string): Json[] {
  return listOf(objectOf(body)[name]).filter(isObject);
}
