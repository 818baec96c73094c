import { StagingError } from '../errors.ts';
import { isObject } from '../json.ts';
import { quote } from './json.ts';

/** Finds the values of rows in an answer. @throws StagingError where they are not there */
export type RowPointer = (answer: unknown, rows: number) => unknown[];

/**
 * A JSON pointer (RFC 6901) in which `*` stands for each row: `/predictions/N/score` with `*` for N. Without it the answer is of one
 * row. A list under `*` must have an element for each row.
 */
export function rowPointer(pointer: string): RowPointer {
  const steps = pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  const star = pointer.split('/').slice(1).indexOf('*');
  const before = star === -1 ? steps : steps.slice(0, star);
  const after = star === -1 ? [] : steps.slice(star + 1);
  return (answer, rows) => {
    const found = follow(answer, before, pointer);
    if (star === -1) {
      if (rows === 1) return [found];
      throw missing(pointer, `one answer for ${rows} rows`, 'a pointer with * for each row');
    }
    if (!Array.isArray(found)) throw missing(pointer, `${named(found)} where * stands`, `a list of ${rows}`);
    if (found.length !== rows) throw missing(pointer, `${found.length} elements at *`, `${rows}, one for each row`);
    return after.length === 0 ? (found as unknown[]) : found.map((item) => follow(item, after, pointer));
  };
}

/** Does the pointer tell rows apart? */
export function isOfRows(pointer: string): boolean {
  return pointer.split('/').includes('*');
}

function follow(value: unknown, steps: readonly string[], pointer: string): unknown {
  let here = value;
  for (const step of steps) {
    const next = Array.isArray(here)
      ? (here[/^(?:0|[1-9][0-9]*)$/u.test(step) ? Number(step) : -1] as unknown)
      : isObject(here) && Object.hasOwn(here, step)
        ? here[step]
        : undefined;
    if (next === undefined) {
      const there = isObject(here)
        ? `the keys ${Object.keys(here).slice(0, 10).join(', ').slice(0, 200)}`
        : named(here);
      throw missing(pointer, `no ${quote(step)}: there are ${there}`, 'a value');
    }
    here = next;
  }
  return here;
}

function named(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? `a list of ${value.length}` : isObject(value) ? 'an object' : `a ${typeof value}`;
}

function missing(pointer: string, found: string, expected: string): StagingError {
  return new StagingError({ found: `The answer has ${found} (pointer ${JSON.stringify(pointer)})`, expected });
}
