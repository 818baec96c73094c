import type { RuleOf, TableRule } from './schema.ts';
import { nearest } from '../../config/suggest.ts';
import { quoteIdentifier, requireColumns, type Dataset } from '../../data/dataset.ts';
import { isRowNumber, readingOfKeys } from '../../data/row-ids.ts';
import type { Check } from '../../evidence/check.ts';
import { checkId } from './check-id.ts';
import { rowsOf, showColumn, showValue } from './show.ts';
import type { Survey } from './sieve/suspects.ts';
import { count } from '../../wording.ts';

/**
 * The checks of a whole table: the row count (an empty dataset always fails), the id column (unique and without nulls,
 * wherever the dataset has it; the evaluation data must have it) and the rules of the configuration.
 * @throws DataError for a rule on a column that is not there
 */
export async function tableChecks(
  dataset: Dataset,
  rules: readonly TableRule[],
  idColumn: string,
  /** What is known of the id column already. */
  id?: Survey['id'],
): Promise<Check[]> {
  const checks = [rowCount(dataset, rules)];
  const keys = rules.flatMap((rule) => ('unique' in rule ? [rule] : []));
  const isThere = dataset.columns.some((column) => column.name === idColumn);
  const hasId = isThere || (dataset.name === 'evaluation' && !isRowNumber(dataset, idColumn));
  for (const rule of distinct(hasId ? [{ unique: [idColumn] }, ...keys] : keys)) {
    const isId = rule.unique.length === 1 && rule.unique[0] === idColumn;
    checks.push(await unique(dataset, rule, isId, isId ? id : undefined));
  }
  const limits = new Map<string, RuleOf<'null_fraction'>>();
  for (const rule of rules) {
    if (!('null_fraction' in rule)) continue;
    const { column, max } = rule.null_fraction;
    if (max < (limits.get(column)?.null_fraction.max ?? 2)) limits.set(column, rule);
  }
  for (const rule of limits.values()) checks.push(await nullFraction(dataset, rule));
  return checks;
}

/** Of several row counts the strictest holds. */
function rowCount(dataset: Dataset, rules: readonly TableRule[]): Check {
  const asked = rules.flatMap((rule) => ('row_count' in rule ? [rule] : []));
  const counts = asked.map((rule) => rule.row_count);
  const min = Math.max(1, ...counts.map((each) => each.min ?? 1));
  const max = Math.min(Infinity, ...counts.map((each) => each.max ?? Infinity));
  const { rows } = dataset;
  const required = max === Infinity ? `at least ${count(min)}` : `${count(min)} to ${count(max)}`;
  const passes = rows >= min && rows <= max;
  return {
    id: `data/${dataset.name}/row-count`,
    title: `Rows of the ${dataset.name} data`,
    verdict: passes ? 'pass' : 'fail',
    // Of no rows nothing can be judged, whatever the rule says.
    severity: rows === 0 ? 'block' : strictest(asked),
    message: rows === 0 ? 'there are no rows' : `${rowsOf(rows)}; ${required} required`,
    observed: rows,
    required,
  };
}

/** Of several rules that are judged as one. */
function strictest(rules: readonly { severity?: Check['severity'] }[]): Check['severity'] {
  const said = rules.map(({ severity = 'block' }) => severity);
  return (['block', 'warn', 'info'] as const).find((each) => said.includes(each)) ?? 'block';
}

async function unique(
  dataset: Dataset,
  { unique: columns, severity = 'block', mostly = 1 }: RuleOf<'unique'>,
  isId: boolean,
  known: Survey['id'],
): Promise<Check> {
  const check = {
    id: checkId(`data/${dataset.name}/unique(${columns.join(',')})`),
    title: `${columns.map(showColumn).join(', ')} unique in the ${dataset.name} data`,
    severity: isId ? ('block' as const) : severity,
    required: isId ? 'unique, never null' : mostly < 1 ? `${mostly * 100}% of the rows unique` : 'unique',
  };
  requireColumns(dataset, columns);
  const ids = readingOfKeys(dataset, columns);
  const keys = columns.map((_, index) => `key${index}`);
  const from = `(select ${ids.texts.map((text, index) => `${text} as key${index}`).join(', ')} from ${ids.from})`;
  const nulls = keys.map((key) => `${key} is null`).join(' or ');
  const grouped = `select ${keys.join(', ')}, count(*) as n from ${from} group by all`;
  const shown = keys.join(', ');
  const { surplus, missing } = known ?? (await repeatedKeys(dataset, grouped, nulls));
  const problems: string[] = [];
  if (surplus > allowedRows(dataset.rows, isId ? 1 : mostly)) {
    const example = await firstRow(
      dataset,
      `select ${shown}, n::double from (${grouped}) where not (${nulls}) order by n desc, ${keys.join(', ')} limit 1`,
    );
    const times = Number(example.at(-1));
    const values = example.slice(0, -1).map(showValue).join(', ');
    problems.push(
      `${rowsOf(surplus)} repeat${surplus === 1 ? 's' : ''} an earlier one, such as ${values} (${count(times)} times)`,
    );
  }
  if (isId && missing > 0) problems.push(`${rowsOf(missing)} without a value`);
  const passes = problems.length === 0;
  return {
    ...check,
    verdict: passes ? 'pass' : 'fail',
    message: !passes
      ? problems.join('; ')
      : surplus > 0
        ? `${rowsOf(surplus)} of ${count(dataset.rows)} repeat an earlier one, no more than allowed`
        : `no value occurs twice in ${rowsOf(dataset.rows)}`,
    observed: passes ? check.required : problems.join('; '),
  };
}

/** Rows with a key of an earlier row, and rows without one. @param grouped a query of the keys, each with how often it stands, `n` */
async function repeatedKeys(dataset: Dataset, grouped: string, nulls: string): Promise<NonNullable<Survey['id']>> {
  const [surplus, missing] = await firstRow(
    dataset,
    `select coalesce(sum(n - 1) filter (not (${nulls})), 0)::double, coalesce(sum(n) filter (${nulls}), 0)::double from (${grouped})`,
  );
  return { surplus: Number(surplus), missing: Number(missing) };
}

async function nullFraction(
  dataset: Dataset,
  { null_fraction: { column, max }, severity = 'block' }: RuleOf<'null_fraction'>,
): Promise<Check> {
  const check = {
    id: checkId(`data/${dataset.name}/null-fraction(${column})`),
    title: `Missing values of ${showColumn(column)} in the ${dataset.name} data`,
    severity,
    required: max,
    limit: 'at most' as const,
    unit: 'share',
  };
  const [{ present } = {}] = requireColumns(dataset, [column]);
  const counted = `select count(*) filter (${quoteIdentifier(column)} is null)::double from ${dataset.relation}`;
  const nulls = present === undefined ? Number((await firstRow(dataset, counted))[0]) : dataset.rows - present;
  // Of no rows nothing is known.
  if (dataset.rows === 0) {
    return { ...check, verdict: 'fail', message: 'there are no rows', observed: null };
  }
  const fraction = nulls / dataset.rows;
  const passes = fraction <= max;
  return {
    ...check,
    verdict: passes ? 'pass' : 'fail',
    message: `${count(nulls)} of ${rowsOf(dataset.rows)} have no value (${fraction.toPrecision(3)}); at most ${max} allowed`,
    observed: fraction,
  };
}

/** Of a name that no column has: "; did you mean word_free?". */
export function suggestion(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  return near === undefined ? `; there is no column ${showColumn(name)}` : `; did you mean ${showColumn(near)}?`;
}

async function firstRow(dataset: Dataset, select: string): Promise<readonly unknown[]> {
  return (await dataset.connection.runAndReadAll(select)).getRows()[0] ?? [];
}

/** The last of those on the same columns, in the order of the first; the id is judged as an id. */
function distinct(rules: readonly RuleOf<'unique'>[]): RuleOf<'unique'>[] {
  return [...new Map(rules.map((rule) => [JSON.stringify(rule.unique), rule])).values()];
}

/** Rows that may break a rule that so large a share must keep to. */
export function allowedRows(rows: number, mostly: number): number {
  // A share such as 0.9 is a little less than it says.
  return Math.floor(rows * (1 - mostly) + 1e-9 * rows);
}
