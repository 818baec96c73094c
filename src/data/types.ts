const whole = /^U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/u;
const fractional = /^(?:FLOAT|DOUBLE|DECIMAL(?:\(\d+,\s?\d+\))?)$/u;
/** Integers that a double may not hold exactly. */
const wide = /^U?(?:BIGINT|HUGEINT)$/u;

/** Whether a type of the engine is one of whole numbers, however large: `BIGINT`, and not `BIGINT[]`. */
export function isWhole(type: string): boolean {
  return whole.test(type);
}

/** Whether it is one of numbers. */
export function isNumeric(type: string): boolean {
  return whole.test(type) || fractional.test(type);
}

/** Whether it is one of binary fractions, which may be NaN, and whose decimal text is not unique. */
export function isBinary(type: string): boolean {
  return type === 'FLOAT' || type === 'DOUBLE';
}

export function isWideInteger(type: string): boolean {
  return wide.test(type);
}

/** Whether a number of this type may have more digits than a double tells apart. */
export function hasManyDigits(type: string): boolean {
  return wide.test(type) || Number(/^DECIMAL\((\d+)/u.exec(type)?.[1] ?? 0) > 15;
}

/** Whether a cell holds several values: a list, a struct, a map, or any other JSON. */
export function isNested(type: string): boolean {
  return /^(?:STRUCT|MAP|UNION|VARIANT|JSON$)|\]$/u.test(type);
}

/** The type of the elements of a list: `DOUBLE` of `DOUBLE[]`; undefined for any other type. */
export function elementOf(type: string): string | undefined {
  return /^(.*)\[\]$/u.exec(type)?.[1];
}

/** Names and types of `STRUCT("a" INTEGER, b VARCHAR[])`; undefined for any other type. */
export function fieldsOf(type: string): [string, string][] | undefined {
  const inner = /^STRUCT\((.*)\)$/u.exec(type)?.[1];
  if (inner === undefined) return undefined;
  const fields: [string, string][] = [];
  let rest = inner;
  while (rest !== '') {
    const head = /^(?:"((?:[^"]|"")*)"|([A-Za-z_][A-Za-z0-9_]*)) /u.exec(rest);
    if (head === null) return undefined;
    rest = rest.slice(head[0].length);
    const end = endOfType(rest);
    fields.push([head[1]?.replaceAll('""', '"') ?? (head[2] as string), rest.slice(0, end)]);
    rest = rest.slice(end).replace(/^,\s*/u, '');
  }
  return fields;
}

/** Types of key and value of `MAP(VARCHAR, DOUBLE)`; undefined for any other type. */
export function mapTypes(type: string): [key: string, value: string] | undefined {
  const inner = /^MAP\((.*)\)$/u.exec(type)?.[1];
  if (inner === undefined) return undefined;
  const end = endOfType(inner);
  return [inner.slice(0, end), inner.slice(end).replace(/^,\s*/u, '')];
}

function endOfType(text: string): number {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const each = text[at];
    if (each === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (each === '(') depth++;
    else if (each === ')') depth--;
    else if (each === ',' && depth === 0) return at;
  }
  return text.length;
}
