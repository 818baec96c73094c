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

export function isWideInteger(type: string): boolean {
  return wide.test(type);
}

/** Whether a cell holds several values: a list, a struct, a map. */
export function isNested(type: string): boolean {
  return /^(?:STRUCT|MAP|UNION|VARIANT)|\]$/u.test(type);
}
