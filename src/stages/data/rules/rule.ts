import type { Columns } from '../../../config/schema.ts';
import { rowsFrom, type Dataset } from '../../../data/dataset.ts';
import type { Check } from '../../../evidence/check.ts';
import { checkId } from '../check-id.ts';
import type { Violation } from '../judge.ts';
import { rowsOf, showColumn, showValue } from '../show.ts';
import { allowedRows } from '../table-rules.ts';
import { count } from '../../../wording.ts';

export interface RuleContext {
  datasets: Readonly<Record<string, Dataset>>;
  columns: Columns;
  now: Date;
  signal?: AbortSignal | undefined;
}

/** A row that breaks a rule. */
export type BrokenRow = Omit<Violation, 'row' | 'value'> & {
  /** 1-based; null: the rule does not say which. */
  row: number | null;
  value: string | null;
};

export interface RuleOutcome {
  check: Check;
  /** Those that are shown or written, at most `mostBrokenRows`. */
  broken: BrokenRow[];
}

/** Rows of one rule or contract that are listed. */
export const mostBrokenRows = 10_000;

interface Judged {
  severity?: Check['severity'];
  mostly?: number;
}

export interface RowRule {
  /** Name of the rule in the configuration. */
  rule: string;
  columns: readonly string[];
  title: string;
  /** What a row that breaks it is: "no value of the reference data". */
  wrong: string;
  /** Rows that break it. */
  broken: number;
  listed: readonly { row: number | null; value: string | null }[];
}

export function rowOutcome(
  dataset: Dataset,
  { rule, columns, title, wrong, broken, listed }: RowRule,
  { severity = 'block', mostly = 1 }: Judged,
): RuleOutcome {
  const { rows } = dataset;
  const allowed = allowedRows(rows, mostly);
  const passes = broken <= allowed;
  const [first] = listed;
  const where = first?.row === null || first === undefined ? '' : ` (row ${count(first.row)})`;
  const such = first?.value === undefined || first.value === null ? '' : `, such as ${showValue(first.value)}${where}`;
  const column = columns.length === 1 ? (columns[0] ?? null) : null;
  return {
    check: {
      id: checkId(
        `data/${dataset.name}/${rule.replaceAll('_', '-')}${columns.length === 0 ? '' : `(${columns.join(',')})`}`,
      ),
      title,
      verdict: passes ? 'pass' : 'fail',
      severity,
      message:
        broken === 0
          ? `none of ${rowsOf(rows)}: ${wrong}`
          : `${count(broken)} of ${rowsOf(rows)}: ${wrong}${such}${allowed > 0 ? `; at most ${count(allowed)} allowed` : ''}`,
      observed: broken,
      required: allowed,
      limit: 'at most',
      unit: 'rows',
    },
    broken: listed.map(({ row, value }) => ({ row, column, rule, value, message: wrong })),
  };
}

/** A rule on a share, or a number, that must lie between two limits. */
interface RangeRule {
  rule: string;
  column: string;
  /** What of the column: "different values". */
  what: string;
  /** Not finite: there is none. */
  observed: number;
  min?: number | undefined;
  max?: number | undefined;
  said: string;
  unit: string;
}

export function rangeOutcome(
  dataset: Dataset,
  { rule, column, what, observed, min, max, said, unit }: RangeRule,
  { severity = 'block' }: Judged,
): RuleOutcome {
  const passes = observed >= (min ?? -Infinity) && observed <= (max ?? Infinity);
  const required = min === undefined ? `at most ${max}` : max === undefined ? `at least ${min}` : `${min} to ${max}`;
  return {
    check: {
      id: checkId(`data/${dataset.name}/${rule.replaceAll('_', '-')}(${column})`),
      title: titleOf([column], what, dataset),
      verdict: passes ? 'pass' : 'fail',
      severity,
      message: `${said}; ${required} required`,
      observed: Number.isFinite(observed) ? observed : null,
      required,
      unit,
    },
    broken: [],
  };
}

export function titleOf(columns: readonly string[], what: string, dataset: Dataset): string {
  return `${columns.map(showColumn).join(', ')}: ${what} in the ${dataset.name} data`;
}

/** Count and list the rows of a query that gives `row` and `value`. */
export async function brokenOf(
  dataset: Dataset,
  query: string,
): Promise<{ broken: number; listed: { row: number; value: string | null }[] }> {
  const counted = await rowsFrom(dataset, `select count(*)::double from (${query})`);
  const broken = Number(counted[0]?.[0]);
  if (broken === 0) return { broken, listed: [] };
  const rows = await rowsFrom(
    dataset,
    `select row::double, value::varchar from (${query}) order by row limit ${mostBrokenRows}`,
  );
  return { broken, listed: listedOf(rows) };
}

export function listedOf(rows: readonly unknown[][]): { row: number; value: string | null }[] {
  return rows.map(([row, value]) => ({ row: Number(row), value: typeof value === 'string' ? value : null }));
}
