import { labelColumns, type Columns } from '../../config/index.ts';
import { classText } from '../../data/class-text.ts';
import { readingOf, type CellRequest } from '../../data/cells.ts';
import { fillColumns, type ColumnVector } from '../../data/columns.ts';
import { reading, requireColumns, type Dataset, type DatasetColumn } from '../../data/dataset.ts';
import type { Check } from '../../evidence/check.ts';
import { domainTest, type DomainTest, type SampledColumn } from '../../profile/domain-classifier.ts';
import { oneNameEach, type ComparableColumn, type Side } from './drift-columns.ts';
import type { Drift } from './schema.ts';
import { showColumn } from './show.ts';
import { count } from '../../wording.ts';

/** What the evidence keeps of the test of all columns together. */
export interface MultivariateDetails extends DomainTest {
  limit: number;
}

/** Rows of each side, spread over the file: half to learn from, half to try. */
const sampled = 4000;
const fewest = 200;
const seed = 20_240_501;

/**
 * Can rows of the two datasets be told apart by all columns together? Labels are left out, which one side may not have. Null where a
 * side is a profile, has too few rows, or no column in common.
 */
export async function multivariateDrift(
  reference: Side,
  current: Side,
  compared: readonly ComparableColumn[],
  { columns, settings }: { columns: Columns; settings: Drift },
): Promise<{ check: Check; details: MultivariateDetails } | null> {
  if ('profile' in reference || 'profile' in current) return null;
  if (Math.min(reference.rows, current.rows) < fewest) return null;
  // What was predicted follows from the other columns.
  const labels = new Set([...labelColumns(columns), ...Object.values(settings.predictions ?? {})]);
  const asked = compared.filter(({ name }) => !labels.has(name));
  // Of one column its own tests say more.
  if (asked.length < 2) return null;
  const [before, now] = [await sampleOf(reference, asked), await sampleOf(current, asked)];
  const together = asked.map(({ name, as }, index): SampledColumn => {
    const [one, other] = [before[index], now[index]] as [ColumnVector, ColumnVector];
    if (one.kind === 'number' && other.kind === 'number') {
      const values = new Float64Array(one.values.length + other.values.length);
      values.set(one.values);
      values.set(other.values, one.values.length);
      return { name, kind: 'number', values };
    }
    const texts = [...one.values, ...other.values].map((text) =>
      text === null || as === 'texts' ? (text as string | null) : classText(text as string),
    );
    const nameOf = as === 'texts' ? String : oneNameEach(texts.filter((text) => text !== null));
    return { name, kind: 'category', values: texts.map((text) => (text === null ? null : nameOf(text))) };
  });
  const found = domainTest(together, before[0]?.values.length ?? 0, seed);
  if (found === null) return null;
  const { max_auc: limit = 0.6, alpha = 0.05, severity = 'block' } = settings;
  const fails = found.auc > limit && found.p < alpha;
  const shown = found.columns.slice(0, 3).map(({ name }) => showColumn(name));
  const p = found.p < 0.001 ? 'p < 0.001' : `p = ${found.p.toPrecision(2)}`;
  return {
    details: { ...found, columns: found.columns.slice(0, 20), limit },
    check: {
      id: `data/drift-together/${current.name}`,
      title: `All columns of the ${current.name} data together against the reference data`,
      verdict: fails ? 'fail' : 'pass',
      severity,
      message: `a linear classifier distinguishes rows of the two with an AUC of ${found.auc.toFixed(3)}, at most ${limit} allowed (0.5: no difference; ${p}, ${count(found.rows[0])} against ${count(found.rows[1])} rows)${fails ? `, most of all by ${shown.join(', ')}` : ''}`,
      observed: found.auc,
      required: limit,
      limit: 'at most',
    },
  };
}

/** Rows of a dataset, a column each. Which ones, their places in the file say. */
async function sampleOf(dataset: Dataset, asked: readonly ComparableColumn[]): Promise<ColumnVector[]> {
  const known = requireColumns(
    dataset,
    asked.map(({ name }) => name),
  );
  const requests = asked.map(({ as }, index): CellRequest => {
    return { column: known[index] as DatasetColumn, use: as === 'numbers' ? 'number' : 'text' };
  });
  const { from, expressions } = readingOf(dataset, requests);
  const cells = expressions.map((each, index) => {
    return `cast(${each} as ${requests[index]?.use === 'number' ? 'double' : 'varchar'}) as c${index}`;
  });
  const every = Math.max(1, Math.floor(dataset.rows / sampled));
  const columns = asked.map(({ name, as }): ColumnVector => {
    return as === 'numbers'
      ? { name, kind: 'number', values: new Float64Array(2 * sampled) }
      : { name, kind: 'text', values: [] };
  });
  const rows = await reading(dataset, async () =>
    fillColumns(
      await dataset.connection.stream(
        `select ${cells.map((_, index) => `c${index}`).join(', ')} from (select row_number() over () as row, ${cells.join(', ')} from ${from}) where hash(row) % ${every} = 0 order by row limit ${2 * sampled}`,
      ),
      columns,
    ),
  );
  return columns.map((column) =>
    column.kind === 'number' ? { ...column, values: column.values.slice(0, rows) } : column,
  );
}
