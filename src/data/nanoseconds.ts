import * as zlib from 'node:zlib';
import type { Compressors, SchemaElement } from 'hyparquet';
import { ContenderError, DataError } from '../errors.ts';

/** Of Node before 22.15 there is none for Zstandard. */
const zstd = (zlib as { zstdDecompressSync?: (bytes: Uint8Array) => Uint8Array }).zstdDecompressSync;

const compressors: Compressors = {
  GZIP: (bytes) => zlib.gunzipSync(bytes),
  BROTLI: (bytes) => zlib.brotliDecompressSync(bytes),
  ...(zstd === undefined ? {} : { ZSTD: zstd }),
};

/** Whether the engine reads microseconds of what is written in nanoseconds. A TIMESTAMP without a zone it reads whole. */
function isCut({ type, logical_type: logical }: SchemaElement): boolean {
  if (type === 'INT96') return true;
  if (logical?.type !== 'TIME' && logical?.type !== 'TIMESTAMP') return false;
  return logical.unit === 'NANOS' && (logical.type === 'TIME' || logical.isAdjustedToUTC);
}

/**
 * Two times that differ below a microsecond would be one: as ids, labels and slices, and in every comparison.
 * @throws DataError for a time of more digits than the engine reads, or where that cannot be told
 */
export async function refuseCutTimes(path: string, uri: string): Promise<void> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetRead, parquetSchema } = await import('hyparquet');
  let column = '';
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file, { geoparquet: false });
    const holds = ({ element, children }: ReturnType<typeof parquetSchema>): boolean =>
      isCut(element) || children.some(holds);
    const columns = parquetSchema(metadata).children.filter(holds);
    for (const { element } of columns) {
      column = element.name;
      let rowStart = 0;
      // One group of rows after another: no more of them is kept.
      for (const { num_rows: rows } of metadata.row_groups) {
        const rowEnd = rowStart + Number(rows);
        const parsers = { timestampFromNanoseconds: (nanoseconds: bigint) => nanoseconds };
        const onPage = ({ columnData }: { columnData: ArrayLike<unknown> }): void => {
          const lost = firstCut(columnData);
          if (lost !== undefined) throw cutTime(column, lost, uri);
        };
        await parquetRead({ file, metadata, columns: [column], rowStart, rowEnd, compressors, parsers, onPage });
        rowStart = rowEnd;
      }
    }
  } catch (cause) {
    if (cause instanceof ContenderError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const codec = /compression codec: (\w+)/u.exec(reason)?.[1];
    throw new DataError({
      found: `column ${shown(column)} has times in nanoseconds, and Contender cannot check whether some would be truncated: ${codec === undefined ? reason.slice(0, 200) : `the file is packed with ${codec}, which Node.js ${process.versions.node} does not unpack`}`,
      expected: 'times in microseconds',
      where: uri,
      remedy: `${remedy}${codec === undefined ? '' : `; or pack the file with Snappy${codec === 'ZSTD' ? ', or run Node.js 22.15 or later' : ''}`}`,
      cause,
    });
  }
}

const remedy =
  "Write the times in microseconds (pandas: df[column].dt.floor('us'), coerce_timestamps='us'), or as text";

/** The nanoseconds of a time that are not whole microseconds, of lists and structs within. */
function firstCut(values: ArrayLike<unknown>): bigint | undefined {
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at];
    if (typeof value === 'bigint') {
      if (value % 1000n !== 0n) return value;
    } else if (Array.isArray(value)) {
      const found = firstCut(value);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function cutTime(column: string, nanoseconds: bigint, uri: string): DataError {
  const below = ((nanoseconds % 1000n) + 1000n) % 1000n;
  return new DataError({
    found: `column ${shown(column)} has times with nanoseconds, such as one that ends in ${String(below).padStart(3, '0')}`,
    expected:
      'times in microseconds, or a TIMESTAMP without a time zone: in other types the nanoseconds are truncated, and different times become equal',
    where: uri,
    remedy,
  });
}

function shown(column: string): string {
  return JSON.stringify(column.slice(0, 100));
}
