import type { Use } from './uses.ts';
import { escapeGlob, quoteIdentifier, quoteLiteral, type DatasetColumn } from './relation.ts';
import { isBinary, isNested, isNumeric, isWhole } from './types.ts';

/** The rows of a Parquet file, and nothing that the names of its folders say. */
export function parquetFrom(path: string): string {
  return `read_parquet(${quoteLiteral(escapeGlob(path))}, hive_partitioning = false)`;
}

/** A cell of Parquet, by the type that the file says. */
export function parquetCell({ name, type }: DatasetColumn, use: Use): string {
  return typedCell(quoteIdentifier(name), type, use);
}

/** Types whose values JavaScript gets as numbers, without a cast. */
const direct = /^(?:FLOAT|DOUBLE|U?TINYINT|U?SMALLINT|U?INTEGER)$/u;

/** An expression of this type, read for this use. */
export function typedCell(value: string, type: string, use: Use): string {
  switch (use) {
    case 'text':
      return textOf(present(value, type), type);
    case 'typed':
      return present(value, type);
    case 'number':
      return numberOf(present(value, type), type);
    case 'input':
      return direct.test(type) ? value : type === 'BOOLEAN' ? `cast(${value} as tinyint)` : numberOf(value, type);
    case 'exact':
      if (isWhole(type)) return value;
      return /^DECIMAL\(\d+,\s?0\)$/u.test(type) ? `cast(${value} as hugeint)` : numberOf(present(value, type), type);
    case 'json':
      if (type === 'BOOLEAN') return value;
      if (isNumeric(type)) return jsonNumberOf(present(value, type), type);
      return textOf(value, type);
  }
}

function present(value: string, type: string): string {
  return isBinary(type) ? `nullif(${value}, cast('nan' as ${type.toLowerCase()}))` : value;
}

function numberOf(value: string, type: string): string {
  if (type === 'DOUBLE') return value;
  if (type === 'BOOLEAN') return `cast(cast(${value} as tinyint) as double)`;
  // The engine divides a decimal by a power of ten, which rounds twice where there are many digits.
  const digits = Number(/^DECIMAL\((\d+)/u.exec(type)?.[1] ?? 0);
  return digits > 15 ? `cast(cast(${value} as varchar) as double)` : `cast(${value} as double)`;
}

/** JSON has decimals alone: of a single-precision number the shortest that is that number, as everyone writes it. */
function jsonNumberOf(value: string, type: string): string {
  return type === 'FLOAT' ? `cast(cast(${value} as varchar) as double)` : numberOf(value, type);
}

/** The documented text of each type (docs/data.md). */
function textOf(value: string, type: string): string {
  if (type === 'VARCHAR') return value;
  if (isNested(type)) return `cast(to_json(${value}) as varchar)`;
  if (type === 'TIMESTAMP WITH TIME ZONE') {
    // epoch_us(infinity) is NULL, which would pass for a missing cell.
    const finite = `strftime(make_timestamp(epoch_us(${value})), '%Y-%m-%dT%H:%M:%S.%fZ')`;
    return `if(isfinite(${value}), ${finite}, cast(${value} as varchar))`;
  }
  if (type.startsWith('TIMESTAMP')) return `strftime(cast(${value} as timestamp), '%Y-%m-%dT%H:%M:%S.%fZ')`;
  if (type === 'TIME') return `cast(${value} as varchar) || 'Z'`;
  if (type === 'BLOB') return `base64(${value})`;
  return `cast(${value} as varchar)`;
}
