import { labelColumns } from '../../../config/index.ts';
import { holdsNumbers, readingOfColumn } from '../../../data/cells.ts';
import { classReader, classText, type ClassValue } from '../../../data/class-text.ts';
import { requireColumns, rowsFrom, type Dataset, type DatasetColumn } from '../../../data/dataset.ts';
import { readingOfTimes, timeText } from '../../../data/times.ts';
import { ConfigError } from '../../../errors.ts';
import type { RuleOf } from '../schema.ts';
import { rowsOf, showValue } from '../show.ts';
import { rangeOutcome, type RuleContext, type RuleOutcome } from './rule.ts';
import { count } from '../../../wording.ts';

export async function distinctCount(dataset: Dataset, rule: RuleOf<'distinct_count'>): Promise<RuleOutcome> {
  const { column, min, max } = rule.distinct_count;
  const { from, expression } = readingOfColumn(dataset, column, 'text');
  const [[found] = []] = await rowsFrom(dataset, `select count(distinct ${expression})::double from ${from}`);
  const observed = Number(found);
  return rangeOutcome(
    dataset,
    {
      rule: 'distinct_count',
      column,
      what: 'different values',
      observed,
      min,
      max,
      said: `${count(observed)} different value${observed === 1 ? '' : 's'}`,
      unit: 'values',
    },
    rule,
  );
}

const minutes = { m: 1, h: 60, d: 1440 } as const;

/** @throws DataError where a value is no date or time */
export async function freshness(
  dataset: Dataset,
  rule: RuleOf<'freshness'>,
  { now }: RuleContext,
): Promise<RuleOutcome> {
  const { column, max_age } = rule.freshness;
  const times = await readingOfTimes(dataset, column);
  const { from, expression } = readingOfColumn(dataset, column, times.use);
  const time = times.of(expression);
  // Times without a zone may be those of a zone that is ahead; what lies further ahead is a fault of a cell, and would never grow old.
  const latest = `${now.getTime() + 86_400_000}::double`;
  const query = `select max(${time}) filter (${time} <= ${latest}), count(*) filter (${time} > ${latest})::double from ${from}`;
  const [[newest, ahead] = []] = await rowsFrom(dataset, query);
  const [, size = '0', unit = 'm'] = /^([0-9]+)(.)$/u.exec(max_age) ?? [];
  const limit = Number(size) * minutes[unit as keyof typeof minutes];
  const outcome = (observed: number, message: string): RuleOutcome => {
    const range = { rule: 'freshness', column, what: 'age of the newest row', observed, max: limit, unit: 'minutes' };
    const { check } = rangeOutcome(dataset, { ...range, said: '' }, rule);
    return { check: { ...check, message }, broken: [] };
  };
  const left = Number(ahead) === 0 ? '' : `; ${rowsOf(Number(ahead))} more than a day in the future not counted`;
  if (typeof newest !== 'number') return outcome(Infinity, `there is no date or time${left}`);
  const age = Math.floor((now.getTime() - newest) / 60_000);
  const ago = age < 0 ? 'which is in the future' : `${ageText(age)} ago`;
  return outcome(age, `the newest row is of ${timeText(newest)}, ${ago}; at most ${max_age} required${left}`);
}

function ageText(age: number): string {
  if (age < 120) return `${age} min`;
  return age < 2880 ? `${Math.floor(age / 60)} h` : `${count(Math.floor(age / 1440))} days`;
}

/** @throws ConfigError where there are several labels and no column is named */
export async function classBalance(
  dataset: Dataset,
  rule: RuleOf<'class_balance'>,
  { columns }: RuleContext,
): Promise<RuleOutcome> {
  const labels = labelColumns(columns);
  const { column = labels.length === 1 ? labels[0] : undefined, min, max } = rule.class_balance;
  if (column === undefined) {
    throw new ConfigError({
      found: 'class_balance does not state its column, and there are several labels',
      expected: 'one column',
      where: 'data.rules',
      remedy: 'Set class_balance: { column: ... }',
    });
  }
  const counts = await classCounts(dataset, column);
  const rows = [...counts.values()].reduce((sum, each) => sum + each, 0);
  const shares = [...counts].map(([name, times]) => ({ name, share: times / rows })).sort((a, b) => a.share - b.share);
  const [rarest, commonest] = [shares[0], shares.at(-1)];
  const range = { rule: 'class_balance', column, what: 'shares of the classes', min, max, unit: 'share' };
  if (rarest === undefined || commonest === undefined)
    return rangeOutcome(dataset, { ...range, observed: Number.NaN, said: 'there are no labels' }, rule);
  const tooRare = min !== undefined && rarest.share < min;
  const shown = tooRare || max === undefined ? rarest : commonest;
  return rangeOutcome(
    dataset,
    {
      ...range,
      observed: shown.share,
      said: `${showValue(shown.name)} is ${percent(shown.share)} of ${rowsOf(rows)} of ${count(shares.length)} class${shares.length === 1 ? '' : 'es'}`,
    },
    rule,
  );
}

export async function valueFrequency(dataset: Dataset, rule: RuleOf<'value_frequency'>): Promise<RuleOutcome> {
  const { column, values, min, max } = rule.value_frequency;
  const named = valuesNamed(dataset, column, values, await valuesOf(dataset, column));
  const rows = dataset.rows;
  const times = [...named].reduce((sum, each) => sum + each.times, 0);
  const shown = values.slice(0, 3).map(showValue).join(', ') + (values.length > 3 ? ', …' : '');
  const share = rows === 0 ? Number.NaN : times / rows;
  return rangeOutcome(
    dataset,
    {
      rule: 'value_frequency',
      column,
      what: `share of ${shown}`,
      observed: share,
      min,
      max,
      said: `${count(times)} of ${rowsOf(rows)} (${percent(share)}) have ${shown}`,
      unit: 'share',
    },
    rule,
  );
}

/** Rows by class. @throws DataError where the column writes one class in two ways */
async function classCounts(dataset: Dataset, column: string): Promise<Map<string, number>> {
  const classOf = classReader(column, dataset.uri);
  return new Map((await valuesOf(dataset, column)).map(({ text, times }) => [classOf(text), times]));
}

interface ColumnValue {
  text: string;
  times: number;
}

async function valuesOf(dataset: Dataset, column: string): Promise<ColumnValue[]> {
  const { from, expression } = readingOfColumn(dataset, column, 'text');
  const rows = await rowsFrom(
    dataset,
    `select text, count(*)::double from (select cast(${expression} as varchar) as text from ${from})
     where text is not null group by text order by text`,
  );
  return rows.map(([text, times]) => ({ text: String(text), times: Number(times) }));
}

/**
 * Those that the configuration names: a text is only itself, a number in a column of numbers any way to write it.
 * @throws ConfigError where a number or a boolean is several texts of a column of texts, such as 7 and 007
 */
function valuesNamed(
  { columns, format, uri }: Dataset,
  name: string,
  values: readonly ClassValue[],
  found: readonly ColumnValue[],
): Set<ColumnValue> {
  const [column] = requireColumns({ columns, uri }, [name]) as [DatasetColumn];
  const numbers = holdsNumbers(column);
  const named = new Set<ColumnValue>();
  for (const value of values) {
    const exact = typeof value === 'string' && !(numbers && format === 'parquet');
    const same = found.filter(({ text }) => (exact ? text === value : classText(text) === classText(value)));
    if (!exact && !numbers && same.length > 1) {
      throw new ConfigError({
        found: `${showValue(value)} is ${same
          .slice(0, 3)
          .map(({ text }) => showValue(text))
          .join(' and ')} of the texts in column ${JSON.stringify(name)}`,
        expected: 'values as texts, because the column contains texts',
        where: 'data.rules[].value_frequency.values',
        remedy: `Write it in quotes, such as "${same[0]?.text}"; if several are meant, list all of them`,
      });
    }
    for (const each of same) named.add(each);
  }
  return named;
}

function percent(share: number): string {
  return Number.isNaN(share) ? 'none' : `${Number((100 * share).toPrecision(3))}%`;
}
