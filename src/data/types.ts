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
