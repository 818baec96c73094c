import type { Use } from './uses.ts';
import { filesFor, quoteIdentifier, quoteLiteral, type DatasetColumn } from './relation.ts';
import { elementOf, fieldsOf, isBinary, isNested, isNumeric, isWhole, mapTypes } from './types.ts';

/** The rows of a Parquet file, and nothing that the names of its folders say. */
export function parquetFrom(paths: readonly string[], /** What else `read_parquet` is told. */ more = ''): string {
  return `read_parquet(${filesFor(paths)}, hive_partitioning = false${more})`;
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
  if (isNested(type)) return `cast(to_json(${withOwnTexts(value, type)}) as varchar)`;
  if (type === 'TIMESTAMP WITH TIME ZONE') {
    // epoch_us(infinity) is NULL, which would pass for a missing cell.
    const finite = `strftime(make_timestamp(epoch_us(${value})), '%Y-%m-%dT%H:%M:%S.%fZ')`;
    return `if(isfinite(${value}), ${finite}, cast(${value} as varchar))`;
  }
  if (type === 'TIMESTAMP_NS') {
    // Times that differ are texts that differ, and a time is one text whatever its type. The engine's own %n writes beyond its end.
    const below = `((epoch_ns(${value}) % 1000 + 1000) % 1000)`;
    const micros = `strftime(make_timestamp((epoch_ns(${value}) - ${below}) // 1000), '%Y-%m-%dT%H:%M:%S.%f')`;
    const finite = `${micros} || if(${below} = 0, '', lpad(${below}::varchar, 3, '0')) || 'Z'`;
    return `if(isfinite(${value}), ${finite}, cast(${value} as varchar))`;
  }
  if (type.startsWith('TIMESTAMP')) return `strftime(cast(${value} as timestamp), '%Y-%m-%dT%H:%M:%S.%fZ')`;
  if (type === 'TIME') return `cast(${value} as varchar) || 'Z'`;
  if (type === 'BLOB') {
    // Most are texts that were written without the annotation that says so; no text has characters of control but tab and line ends.
    const text = `try(decode(${value}))`;
    return `coalesce(if(regexp_matches(${text}, '[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f]'), null, ${text}), base64(${value}))`;
  }
  // The two zeros are one number.
  if (isBinary(type)) return `if(${value} = 0, '0.0', cast(${value} as varchar))`;
  return `cast(${value} as varchar)`;
}

/** Types whose JSON by the engine is not that of a cell of this type. */
const ownText = /\b(?:FLOAT|DOUBLE|TIMESTAMP|TIME|BLOB)/u;

/** A list, struct or map whose values are written as those of cells are, NaN as null. Infinity stays, which JSON has no form of. */
function withOwnTexts(value: string, type: string): string {
  if (!ownText.test(type)) return value;
  const element = elementOf(type);
  if (element !== undefined) return each(value, element);
  const fields = fieldsOf(type);
  if (fields !== undefined) {
    const packed = fields.map(([name, field]) => {
      const inner = `struct_extract(${value}, ${quoteLiteral(name)})`;
      return `${quoteIdentifier(name)} := ${withOwnTexts(inner, field)}`;
    });
    return `if(${value} is null, null, struct_pack(${packed.join(', ')}))`;
  }
  const entries = mapTypes(type);
  if (entries === undefined) return isNested(type) ? value : typedCell(value, type, 'json');
  return `if(${value} is null, null, map(${each(`map_keys(${value})`, entries[0])}, ${each(`map_values(${value})`, entries[1])}))`;
}

function each(list: string, type: string): string {
  // The list of an inner one names the element of the outer one, so that it is longer.
  const name = `part_${list.length}`;
  return `list_transform(${list}, lambda ${name}: ${withOwnTexts(name, type)})`;
}
