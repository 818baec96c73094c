import { onnxMessages, type Field } from './onnx-schema.ts';

/** A model that is well formed and yet refused: what it says could be read in two ways, or by nobody. */
export class RefusedEncoding extends Error {}

/** What a tensor says of the file that holds its bytes. */
export interface ExternalTensor {
  location: string;
  /** Bytes the file must have at least. */
  end: number;
}

/** As deep as the runtime reads messages within messages. */
const deepest = 100;
const external = 1;

/**
 * Walk every byte of a model, every message at any depth, and tell which files it keeps tensors in. The digest of a model
 * must cover all that the runtime loads, so what two readers could read differently is refused: a field that is not in the
 * format, one of another wire type, a single field that is written again, a number written longer than need be.
 * @throws RefusedEncoding that says which field it is; RangeError where the bytes end too early
 */
export function walkModel(bytes: Uint8Array): ExternalTensor[] {
  const found: ExternalTensor[] = [];
  walk({ bytes, at: 0 }, bytes.length, 'ModelProto', 'model', 0, found);
  return found;
}

interface Cursor {
  bytes: Uint8Array;
  at: number;
}

interface KnownField extends Field {
  name: string;
  wire: number;
  /** Name of the message it holds. */
  message: string | null;
}

const wireTypes: Readonly<Record<string, number>> = {
  int32: 0,
  int64: 0,
  uint64: 0,
  enum: 0,
  double: 1,
  string: 2,
  bytes: 2,
  float: 5,
};

/** The fields of each message by their numbers. */
const fieldsOf = new Map(
  Object.entries(onnxMessages).map(([message, fields]) => {
    const byId: KnownField[] = [];
    for (const [name, each] of Object.entries(fields)) {
      const known = each.type in onnxMessages;
      byId[each.id] = {
        ...each,
        name,
        wire: known ? 2 : (wireTypes[each.type] as number),
        message: known ? each.type : null,
      };
    }
    return [message, byId];
  }),
);

function walk(
  cursor: Cursor,
  end: number,
  message: string,
  path: string,
  depth: number,
  found: ExternalTensor[],
): void {
  if (depth > deepest) throw new RefusedEncoding(`${path.slice(0, 200)} is nested more than ${deepest} deep`);
  const fields = fieldsOf.get(message) as KnownField[];
  /** Bits of the single fields seen: all have numbers below 32. */
  let seen = 0;
  let isExternal = false;
  let entries: [key: string, value: string][] | null = null;
  while (cursor.at < end) {
    const tag = varint(cursor, end, path);
    const wire = tag & 7;
    const field = fields[Math.floor(tag / 8)];
    if (field === undefined) {
      throw new RefusedEncoding(`${path} has a field ${Math.floor(tag / 8)}, which ${message} does not have`);
    }
    const packed = field.rule === 'repeated' && wire === 2 && field.wire !== 2;
    if (wire !== field.wire && !packed) {
      throw new RefusedEncoding(`${path}.${field.name} is written as wire type ${wire} instead of ${field.wire}`);
    }
    if (field.rule !== 'repeated') {
      const bit = 1 << field.id;
      if ((seen & bit) !== 0) throw new RefusedEncoding(`${path}.${field.name} is written twice`);
      seen |= bit;
    }
    if (wire === 0) {
      // Only this one decides what is loaded; others may be negative, which takes ten bytes.
      if (message === 'TensorProto' && field.name === 'dataLocation') {
        const value = varint(cursor, end, path);
        if (value > external) throw new RefusedEncoding(`${path}.dataLocation is ${value} and not 0 or 1`);
        isExternal = value === external;
      } else skipVarint(cursor, end);
    } else if (wire === 2) {
      const stop = varint(cursor, end, path) + cursor.at;
      if (stop > end) throw new RangeError('a field extends past the end of its message');
      if (field.message === null) cursor.at = stop;
      else if (message === 'TensorProto' && field.name === 'externalData') {
        (entries ??= []).push(entryOf(cursor, stop, `${path}.${field.name}`, found));
      } else walk(cursor, stop, field.message, `${path}.${field.name}`, depth + 1, found);
    } else cursor.at += wire === 1 ? 8 : 4;
  }
  if (cursor.at > end) throw new RangeError('a field extends past the end of its message');
  if (isExternal) found.push(externalTensor(entries ?? [], path));
}

/** A key and a value. */
function entryOf(cursor: Cursor, end: number, path: string, found: ExternalTensor[]): [string, string] {
  const { at, bytes } = cursor;
  walk(cursor, end, 'StringStringEntryProto', path, 0, found);
  const texts = new Map<number, string>();
  const inner = { bytes, at };
  while (inner.at < end) {
    const id = varint(inner, end, path) >>> 3;
    const stop = varint(inner, end, path) + inner.at;
    texts.set(id, Buffer.from(bytes.buffer, bytes.byteOffset + inner.at, stop - inner.at).toString('utf8'));
    inner.at = stop;
  }
  return [texts.get(1) ?? '', texts.get(2) ?? ''];
}

function externalTensor(entries: readonly [key: string, value: string][], path: string): ExternalTensor {
  const values = new Map(entries);
  if (values.size < entries.length) throw new RefusedEncoding(`${path}.externalData states the same key twice`);
  const end = Number(values.get('offset') ?? 0) + Number(values.get('length') ?? 0);
  return { location: values.get('location') ?? '', end: Number.isFinite(end) ? end : 0 };
}

/** A number of at most 32 bits in as few bytes as it takes. */
function varint(cursor: Cursor, end: number, path: string): number {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    if (cursor.at >= end) throw new RangeError('a field extends past the end of its message');
    const byte = cursor.bytes[cursor.at++] as number;
    value += (byte & 127) * scale;
    if (byte < 128) {
      if ((byte === 0 && scale > 1) || value > 0xffffffff) break;
      return value;
    }
    if (scale > 2 ** 28) break;
  }
  throw new RefusedEncoding(`${path} has a tag, a length or an offset in a longer encoding than necessary`);
}

function skipVarint(cursor: Cursor, end: number): void {
  const last = cursor.at + 10;
  while (cursor.at < end && cursor.at < last) if ((cursor.bytes[cursor.at++] as number) < 128) return;
  throw new RangeError('a number extends past the end of its message');
}
