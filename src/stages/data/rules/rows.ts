import { holdsNumbers, readingOf } from '../../../data/cells.ts';
import { reading, requireColumns, rowsFrom, type Dataset, type DatasetColumn } from '../../../data/dataset.ts';
import { wholePattern } from '../../../data/grammar.ts';
import { quoteLiteral } from '../../../data/relation.ts';
import { numberText, readingOfKeys } from '../../../data/row-ids.ts';
import { millisecondsOf, momentOf, momentText, spellsTime } from '../../../data/times.ts';
import { isNumeric, isWhole } from '../../../data/types.ts';
import { copyRows, inWorkspace } from '../../../data/workspace.ts';
import { ConfigError } from '../../../errors.ts';
import type { RuleOf } from '../schema.ts';
import { brokenOf, listedOf, mostBrokenRows, rowOutcome, titleOf, type RuleContext, type RuleOutcome } from './rule.ts';

export async function monotonic(dataset: Dataset, rule: RuleOf<'monotonic'>): Promise<RuleOutcome> {
  const { column, order = 'increasing', strict = false } = rule.monotonic;
  const [known] = requireColumns(dataset, [column]) as [DatasetColumn];
  const { from, expressions } = readingOf(dataset, [
    { column: known, use: holdsNumbers(known) ? 'exact' : 'text' },
    { column: known, use: 'typed' },
  ]);
  const [value, typed] = expressions as [string, string];
  // Texts of times are not in the order of time: they differ in zone and form.
  const key = /^(?:DATE|TIME)/u.test(known.type)
    ? typed
    : known.type === 'VARCHAR' && (await allTimes(dataset, value, from))
      ? momentOf(value)
      : value;
  const cells = `(select row_number() over () as row, ${value} as value, ${key} as key from ${from})`;
  const follows = `key ${order === 'increasing' ? '>' : '<'}${strict ? '' : '='} before`;
  const query = `select row, value from (select row, value, key, lag(key) over (order by row) as before from ${cells} where value is not null)
    where before is not null and not (${follows})`;
  const wrong = `${order === 'increasing' ? 'less than' : 'more than'}${strict ? ' or equal to' : ''} the value before it`;
  return rowOutcome(
    dataset,
    {
      rule: 'monotonic',
      columns: [column],
      title: titleOf([column], `${strict ? 'strictly ' : ''}${order}`, dataset),
      wrong,
      ...(await brokenOf(dataset, query)),
    },
    rule,
  );
}

/** Whether every text that there is, is a time. */
async function allTimes(dataset: Dataset, text: string, from: string): Promise<boolean> {
  const [[present, times] = []] = await rowsFrom(
    dataset,
    `select count(${text})::double, count(${millisecondsOf(text)})::double from ${from}`,
  );
  return Number(present) > 0 && present === times;
}

export async function functionalDependency(
  dataset: Dataset,
  rule: RuleOf<'functional_dependency'>,
): Promise<RuleOutcome> {
  const { from: determinants, to } = rule.functional_dependency;
  const { texts, from } = readingOfKeys(dataset, [...determinants, ...to]);
  const list = (expressions: readonly string[]): string =>
    `[${expressions.map((each) => `cast(${each} as varchar)`).join(', ')}]`;
  const keys = texts.slice(0, determinants.length);
  const there = keys.map((key) => `${key} is not null`).join(' and ');
  // The most frequent of each group is right; of those as frequent the least text, so that the answer is one.
  const query = `with cells as (select row_number() over () as row, ${list(keys)} as key, ${list(texts.slice(keys.length))} as value, ${there} as there from ${from}),
    usual as (select key, value as right_one from (
      select key, value, row_number() over (partition by key order by count(*) desc, value) as place from cells where there group by key, value
    ) where place = 1)
    select row, array_to_string(list_transform(value, lambda each: coalesce(each, '')), ', ') as value from cells join usual using (key) where there and value is distinct from right_one`;
  return rowOutcome(
    dataset,
    {
      rule: 'functional_dependency',
      columns: [...determinants, ...to],
      title: titleOf(determinants, `determines ${to.join(', ')}`, dataset),
      wrong: `another ${to.join(', ')} than most rows with the same ${determinants.join(', ')}`,
      ...(await brokenOf(dataset, query)),
    },
    rule,
  );
}

/** @throws ConfigError where the other dataset is not given as rows, or the columns do not pair */
export async function foreignKey(
  dataset: Dataset,
  rule: RuleOf<'foreign_key'>,
  { datasets }: RuleContext,
): Promise<RuleOutcome | null> {
  const { columns, dataset: name, to = columns } = rule.foreign_key;
  // A key to oneself holds.
  if (name === dataset.name) return null;
  const other = datasets[name];
  if (other === undefined || to.length !== columns.length) {
    throw new ConfigError({
      found:
        other === undefined
          ? `foreign_key to the ${name} data, which are not given as rows`
          : `foreign_key of ${columns.length} columns to ${to.length}`,
      expected: other === undefined ? `a file of rows in data.${name}` : 'the same number of columns on both sides',
      where: 'data.rules',
    });
  }
  const own = requireColumns(dataset, columns);
  const alike = requireColumns(other, to).map((column, index) => inOneText(own[index] as DatasetColumn, column));
  const fields = columns.map((_, index) => `key${index} varchar`).join(', ');
  const names = columns.map((_, index) => `key${index}`).join(', ');
  const present = columns.map((_, index) => `key${index} is not null`).join(' and ');
  const found = await inWorkspace(async (workspace) => {
    for (const [table, side, keys] of [
      ['own', dataset, columns],
      ['other', other, to],
    ] as const) {
      const { texts, from } = readingOfKeys(side, keys);
      await workspace.run(`create table ${table} (row bigint, written varchar, ${fields})`);
      const written = texts.map((text) => `cast(${text} as varchar)`);
      const selected = ['row_number() over ()', `concat_ws(', ', ${written.join(', ')})`];
      selected.push(...written.map((text, index) => (alike[index] as (text: string) => string)(text)));
      await reading(side, () => copyRows(side, selected, workspace, table, from));
    }
    const alone = `from own anti join other using (${names}) where ${present}`;
    const counted = await workspace.runAndReadAll(`select count(*)::double ${alone}`);
    const rows = await workspace.runAndReadAll(
      `select row::double, own.written ${alone} order by row limit ${mostBrokenRows}`,
    );
    return { broken: Number(counted.getRows()[0]?.[0]), listed: listedOf(rows.getRows()) };
  });
  return rowOutcome(
    dataset,
    {
      rule: 'foreign_key',
      columns,
      title: titleOf(columns, `in ${to.join(', ')} of the ${name} data`, dataset),
      wrong: `not in the ${name} data`,
      ...found,
    },
    rule,
  );
}

/** How texts of two columns are written so that equal values of one kind are, whatever formats they are from: True, 1.50, 2026-03-01. */
function inOneText(...columns: readonly [DatasetColumn, DatasetColumn]): (text: string) => string {
  const types = columns.map(({ type }) => type);
  if (types.every((type) => type === 'BOOLEAN')) return (text) => `lower(${text})`;
  if (types.every((type) => isNumeric(type)) && !types.every((type) => isWhole(type))) {
    // Whole ones are written alike, and may have more digits than a double.
    return (text) => {
      const number = `cast(${text} as double)`;
      return `if(regexp_full_match(${text}, ${quoteLiteral(wholePattern)}), ${text}, ${numberText(number, 'DOUBLE', `cast(${number} as varchar)`)})`;
    };
  }
  if (types.some((type) => /^(?:DATE|TIMESTAMP)/u.test(type))) {
    return momentText;
  }
  return types.includes('VARCHAR') ? (text) => `if(${spellsTime(text)}, ${momentText(text)}, ${text})` : (text) => text;
}

/** The rows that stand more than once, for the list of those that break a rule. */
export async function repeatedRows(
  dataset: Dataset,
  columns: readonly string[],
): Promise<{ row: number; value: string | null }[]> {
  const { texts, from } = readingOfKeys(dataset, columns);
  const keys = texts.map((text, index) => `cast(${text} as varchar) as key${index}`).join(', ');
  const names = columns.map((_, index) => `key${index}`);
  const rows = await rowsFrom(
    dataset,
    `select row::double, concat_ws(', ', ${names.join(', ')}) from (
      select row, ${names.join(', ')}, count(*) over (partition by ${names.join(', ')}) as times from (select row_number() over () as row, ${keys} from ${from})
      where ${names.map((name) => `${name} is not null`).join(' and ')}
    ) where times > 1 order by row limit ${mostBrokenRows}`,
  );
  return listedOf(rows);
}
