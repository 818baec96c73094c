import { nearest } from '../../config/suggest.ts';
import type { DatasetColumn } from '../../data/relation.ts';
import { ConfigError } from '../../errors.ts';
import { SqlFault, type SqlSession } from '../../sql/session.ts';
import { firstOf } from '../../wording.ts';

/**
 * The names of the columns that an expression reads, in their order. The engine that will run it parses it.
 * @param where key of the configuration that holds it
 * @param expected what it should be, in an error
 * @throws ConfigError for anything but one expression of the functions that may be called
 */
export async function columnsOfExpression(
  session: SqlSession,
  sql: string,
  where: string,
  expected: string,
): Promise<string[]> {
  const parsed = await orRefused(
    session.parse(sql),
    (found, cause) => new ConfigError({ found: `this expression ${found}`, expected, where, cause }),
  );
  if (parsed.ok) return parsed.columns;
  throw new ConfigError({
    found: parsed.found,
    expected:
      parsed.shape === true
        ? expected
        : 'functions that depend on the rows alone: the same inputs must give the same evidence',
    where,
    remedy: parsed.remedy,
  });
}

/** @param refusal makes an error of what the engine could not do, such as "took longer than 120 s" @throws that error */
export async function orRefused<T>(answer: Promise<T>, refusal: (found: string, cause: unknown) => Error): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw cause instanceof SqlFault ? refusal(cause.message, cause) : cause;
  }
}

/** The column of the data that a name means. @throws ConfigError with the nearest there is */
export function dataColumn(
  name: string,
  available: readonly DatasetColumn[],
  own: readonly string[],
  where: string,
): DatasetColumn {
  const column = available.find((each) => sameName(each.name, name));
  if (column !== undefined) return column;
  const names = [...own, ...available.map((each) => each.name)];
  const near = nearest(name, names);
  throw new ConfigError({
    found: `there is no column ${JSON.stringify(name.slice(0, 200))}`,
    expected: `one of ${firstOf(names, 20)}`,
    where,
    ...(near === undefined ? {} : { remedy: `Did you mean ${JSON.stringify(near)}?` }),
  });
}

/** SQL does not tell names by their case. */
export function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
