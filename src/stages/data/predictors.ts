import { isSavedIndex, labelColumns, roleOf, type Columns, type Task } from '../../config/index.ts';
import { holdsNumbers, readingOf, type CellRequest } from '../../data/cells.ts';
import { reading, type Dataset } from '../../data/dataset.ts';
import { isNested } from '../../data/types.ts';
import { copyRows, inWorkspace } from '../../data/workspace.ts';

/** How well one column alone tells the label. */
export interface Predictor {
  column: string;
  /**
   * Of classes: the part of the errors of always naming the most frequent class that it avoids; of numbers: R squared. Measured on rows
   * that were not learned from. 1: it says all.
   */
  skill: number;
  /** Rows that it was measured on. */
  rows: number;
}

/** As many rows as tell 99% from less. */
const mostRows = 50_000;
const fewestRows = 100;
/** Rows that the most frequent class is wrong on, at least: of fewer, nothing is learned. */
const fewestErrors = 10;
const bins = 100;

/**
 * How well each column, the order of the rows and parts of the id tell the label. A column is read as groups (texts as they are, numbers
 * in a hundred bins of equal share); what half of the rows says of each group is tried on the other half, so that a column whose
 * every value is another tells nothing.
 */
export async function predictorsOf(
  dataset: Dataset,
  { columns, task }: { columns: Columns; task: Task },
  signal?: AbortSignal,
): Promise<{ features: Predictor[]; ids: Predictor[] }> {
  const labels = labelColumns(columns);
  const label = dataset.columns.find(({ name }) => labels.length === 1 && name === labels[0]);
  const none = { features: [], ids: [] };
  if (label === undefined || task === 'ranking' || dataset.rows < 2 * fewestRows) return none;
  if (task === 'regression' && !holdsNumbers(label)) return none;
  const regression = task === 'regression';
  const asked = columns.features === undefined ? null : new Set(columns.features);
  const judged = dataset.columns.flatMap((column) => {
    const role = roleOf(column.name, columns);
    if (column.name === label.name || isNested(column.type) || column.cells?.empty === true) return [];
    if (role === 'id' || (isSavedIndex(column.name) && asked?.has(column.name) !== true))
      return [{ column, use: 'text' as const, isId: true }];
    if (role !== null || asked?.has(column.name) === false) return [];
    return [{ column, use: holdsNumbers(column) ? ('number' as const) : ('text' as const), isId: false }];
  });
  const labelUse = regression ? 'number' : 'text';
  return inWorkspace(async (workspace) => {
    await sample(dataset, [{ column: label, use: labelUse }, ...judged], workspace);
    const features: Predictor[] = [];
    const ids: Predictor[] = [];
    const tryOn = async (into: Predictor[], column: string, form: Form): Promise<void> => {
      signal?.throwIfAborted();
      const found = await skillOf(workspace, form, regression);
      if (found !== null) into.push({ column, ...found });
    };
    for (const [index, { column, use, isId }] of judged.entries()) {
      const cell = `c${index + 1}`;
      const { name } = column;
      if (!isId) await tryOn(features, name, use === 'number' ? { number: cell } : { text: cell });
      else {
        // An id may tell by the number in it, or by what stands before that number.
        const digits = `try_cast(regexp_extract(${cell}, '([0-9]{1,15})[^0-9]*$', 1) as double)`;
        await tryOn(ids, `the number in ${name}`, { number: digits });
        await tryOn(ids, `the beginning of ${name}`, { text: `regexp_extract(${cell}, '^[^0-9]*')` });
      }
    }
    await tryOn(ids, 'the order of the rows', { number: 'row' });
    const bySkill = (a: Predictor, b: Predictor): number => b.skill - a.skill;
    return { features: features.sort(bySkill), ids: ids.sort(bySkill) };
  });
}

/** Labelled rows, spread over the file, as a table: `row`, `c0` (the label), `c1`, ... */
async function sample(
  dataset: Dataset,
  requests: readonly CellRequest[],
  workspace: Parameters<Parameters<typeof inWorkspace>[0]>[0],
): Promise<void> {
  const { from, expressions } = readingOf(dataset, requests);
  const fields = requests.map(({ use }, index) => `c${index} ${use === 'number' ? 'double' : 'varchar'}`);
  await workspace.run(`create table sampled (row bigint, ${fields.join(', ')})`);
  const cells = requests.map(({ use }, index) => {
    return `cast(${expressions[index]} as ${use === 'number' ? 'double' : 'varchar'}) as c${index}`;
  });
  const every = Math.max(1, Math.floor(dataset.rows / mostRows));
  const rows = `(select row_number() over () as row, ${cells.join(', ')} from ${from}) where c0 is not null and hash(row) % ${every} = 0`;
  await reading(dataset, () =>
    copyRows(dataset, ['row', ...requests.map((_, index) => `c${index}`)], workspace, 'sampled', rows),
  );
}

type Form = { number: string } | { text: string };

/** Null: there are too few rows, or too few of another class, to tell. */
async function skillOf(
  workspace: Parameters<Parameters<typeof inWorkspace>[0]>[0],
  form: Form,
  regression: boolean,
): Promise<{ skill: number; rows: number } | null> {
  const value = 'text' in form ? form.text : form.number;
  // A bin has whole groups of equal numbers, so that what is equal is told alike.
  const key =
    'text' in form ? value : `cast((rank() over (order by ${value}) - 1) * ${bins} // count(*) over () as varchar)`;
  const cells = `with cells as (select c0 as label, coalesce(${key}, '\u0001missing') as key, hash(row, 1) % 2 as half from sampled)`;
  const query = regression
    ? `${cells}, means as (select key, avg(label) as guess from cells where half = 0 group by key),
      whole as (select avg(label) as guess from cells where half = 0)
      select count(*)::double, sum((label - coalesce(means.guess, whole.guess)) ** 2)::double, sum((label - whole.guess) ** 2)::double
      from cells cross join whole left join means using (key) where half = 1`
    : `${cells}, votes as (select key, label, count(*) as n from cells where half = 0 group by all),
      best as (select key, label as guess from votes qualify row_number() over (partition by key order by n desc, label) = 1),
      whole as (select label as guess from cells where half = 0 group by label order by count(*) desc, label limit 1)
      select count(*)::double, count(*) filter (cells.label <> coalesce(best.guess, whole.guess))::double, count(*) filter (cells.label <> whole.guess)::double
      from cells cross join whole left join best using (key) where half = 1`;
  const read = await workspace.runAndReadAll(query);
  const [rows, left, before] = (read.getRows()[0] ?? []).map(Number);
  if (rows === undefined || left === undefined || before === undefined) return null;
  if (rows < fewestRows || (regression ? before <= 0 : before < fewestErrors)) return null;
  return { skill: Math.max(0, 1 - left / before), rows };
}
