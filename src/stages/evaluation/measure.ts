import type { Columns, Task } from '../../config/schema.ts';
import { quoteIdentifier } from '../../data/relation.ts';
import { ConfigError } from '../../errors.ts';
import type { SqlSession } from '../../sql/session.ts';
import type { SentColumn } from '../../sql/sql-process.ts';
import { ownColumns, type SqlMetric } from './metrics/sql.ts';
import { sampleRows, type MeasuredMetric, type Outputs, type Sample } from './sample.ts';
import { orRefused } from './sql-expression.ts';
import { clusterUnits } from './statistics/resample.ts';

/** Groups of units that are left out in turn: at least as many units in each as there are groups, where units are many. */
const fewestGroups = 25;
const mostGroups = 50;

export interface MeasureInput {
  session: SqlSession;
  task: Task;
  columns: Columns;
  sample: Sample;
  /** What each model says of the sample. */
  sides: readonly Outputs[];
  /** What to measure on which rows of the sample; null: all of them. */
  parts: readonly { rows: Uint32Array | null; metrics: readonly SqlMetric[] }[];
  seed: number;
}

/**
 * Compute metrics in SQL for every model on every part, and again without each of some groups of units (rows, clusters, queries):
 * the differences are judged by how much they move.
 * @returns by part, then by model
 * @throws ConfigError for an expression that does not run, or not within its limits
 */
export async function measure(input: MeasureInput): Promise<ReadonlyMap<string, MeasuredMetric>[][]> {
  const { session, sample, sides, parts } = input;
  const tooLarge = (found: string, cause: unknown): ConfigError =>
    new ConfigError({ found: `the data that metrics in SQL read ${found}`, where: 'policy.metrics', cause });
  const key = await orRefused(loadFacts(input), tooLarge);
  const measured: ReadonlyMap<string, MeasuredMetric>[][] = [];
  for (const { rows, metrics } of parts) {
    const part = rows === null ? sample : sampleRows(sample, rows);
    const groups = await orRefused(loadGroups(session, part, rows, input.seed, key), tooLarge);
    const bySide: ReadonlyMap<string, MeasuredMetric>[] = [];
    for (const side of sides.keys()) {
      const values = new Map<string, MeasuredMetric>();
      for (const metric of metrics) values.set(metric.name, await measureOne(session, metric, side, groups, key));
      bySide.push(values);
    }
    measured.push(bySide);
  }
  return measured;
}

interface Keys {
  row: string;
  group: string;
}

/** A table `facts<side>` for each model: the columns the metrics read, the label, and what the model says. */
async function loadFacts({ session, parts, task, columns, sample, sides }: MeasureInput): Promise<Keys> {
  const used = parts.flatMap(({ metrics }) => metrics.flatMap((metric) => metric.columns));
  const read = [...new Map(used.map((each) => [each.name, each])).values()];
  const own = ownColumns(task, columns);
  const taken = [...own.labels, ...own.predictions, ...own.scores, ...read.map(({ name }) => name)];
  const free = (name: string): string => (taken.some((each) => each.toLowerCase() === name) ? free(`${name}_`) : name);
  const keys = { row: free('row'), group: free('left_out') };
  const row = quoteIdentifier(keys.row);
  await session.source('source', read, keys.row);
  if (sample.dataRows !== undefined) await keepRows(session, sample.dataRows, row);
  const numbers = Int32Array.from({ length: sample.rows }, (_, at) => at);
  for (const [side, outputs] of sides.entries()) {
    const said = saidColumns(task, columns, sample, outputs);
    await session.table(`said${side}`, [{ name: keys.row, type: 'integer', values: numbers }, ...said], sample.rows);
    await session.run(`create table facts${side} as select * from said${side} join source using (${row})`);
    await session.run(`drop table said${side}`);
  }
  return keys;
}

/** Leave in `source` the rows of the sample alone, under their numbers there. */
async function keepRows(session: SqlSession, dataRows: Uint32Array, row: string): Promise<void> {
  const columns: SentColumn[] = [
    { name: 'of_data', type: 'integer', values: Int32Array.from(dataRows) },
    { name: 'of_sample', type: 'integer', values: Int32Array.from(dataRows.keys()) },
  ];
  await session.table('kept', columns, dataRows.length);
  await session.run(
    `create or replace table source as select s.* replace (k.of_sample::bigint as ${row}) from source s join kept k on s.${row} = k.of_data`,
  );
  await session.run('drop table kept');
}

/**
 * Label, prediction and score. Classes: 1 and 0 in binary classification (1 is the positive class), else their names, as numbers
 * where all are numbers; the score is that of the positive, or of the decided class. Otherwise prediction and score are the value.
 */
function saidColumns(task: Task, columns: Columns, sample: Sample, outputs: Outputs): SentColumn[] {
  const { truth, names, labels: width = 1, classes, rows } = sample;
  const { scores, decisions } = outputs;
  const { labels, predictions, scores: scoreNames } = ownColumns(task, columns);
  const integers = (name: string, at: (row: number) => number): SentColumn => ({
    name,
    type: 'integer',
    values: Int32Array.from({ length: rows }, (_, row) => at(row)),
  });
  const doubles = (name: string, at: (row: number) => number): SentColumn => ({
    name,
    type: 'double',
    values: Float64Array.from({ length: rows }, (_, row) => at(row)),
  });
  const scored = (name: string, at: (row: number) => number): SentColumn =>
    scores === null ? { name, type: 'nothing' } : doubles(name, (row) => scores[at(row)] as number);
  const decisionAt = (at: number): number => decisions?.[at] as number;
  if (task === 'multilabel-classification') {
    return [
      ...labels.map((name, label) => integers(name, (row) => truth[row * width + label] as number)),
      ...predictions.map((name, label) => integers(name, (row) => decisionAt(row * width + label))),
      ...scoreNames.map((name, label) => scored(name, (row) => row * width + label)),
    ];
  }
  const truthAt = (row: number): number => truth[row] as number;
  if (task === 'regression' || task === 'ranking') {
    return [doubles('label', truthAt), scored('prediction', (row) => row), scored('score', (row) => row)];
  }
  if (task === 'binary-classification') {
    return [integers('label', truthAt), integers('prediction', decisionAt), scored('score', (row) => row)];
  }
  const classNames = names ?? [];
  const numeric = classNames.every((name) => name.trim() !== '' && Number.isFinite(Number(name)));
  const values = classNames.map(Number);
  const named = (name: string, at: (row: number) => number): SentColumn =>
    numeric
      ? doubles(name, (row) => values[at(row)] as number)
      : { name, type: 'text', values: Int32Array.from({ length: rows }, (_, row) => at(row)), names: classNames };
  return [
    named('label', truthAt),
    named('prediction', decisionAt),
    scored('score', (row) => row * classes + decisionAt(row)),
  ];
}

/** The table `members`: the rows of a part with the group they are left out in. @returns how many groups there are */
async function loadGroups(
  session: SqlSession,
  part: Sample,
  rows: Uint32Array | null,
  seed: number,
  { row, group }: Keys,
): Promise<number> {
  const unitOf =
    part.clusters !== null ? clusterUnits(part.clusters).ofRow : part.queries !== undefined ? part.queries.ofRow : null;
  // Rows of every class in every group.
  const stratumOf = unitOf === null && part.classes > 0 ? part.truth : null;
  // Rows of weight 0 are no rows.
  const counting = Array.from({ length: part.rows }, (_, at) => at).filter((at) => part.weights?.[at] !== 0);
  const integers = (name: string, at: (row: number) => number): SentColumn => ({
    name,
    type: 'integer',
    values: Int32Array.from(counting, at),
  });
  await session.table(
    'placed',
    [
      integers(row, (at) => rows?.[at] ?? at),
      integers('unit', (at) => unitOf?.[at] ?? at),
      integers('stratum', (at) => stratumOf?.[at] ?? 0),
    ],
    counting.length,
  );
  const [units = 0] = await session.numbers('select count(distinct unit)::integer from placed');
  const count = Math.min(units, Math.max(fewestGroups, Math.min(mostGroups, Math.floor(Math.sqrt(units)))));
  const start = BigInt(Math.trunc(seed) >>> 0) * 2n ** 31n;
  await session.run(
    `create or replace table members as select ${quoteIdentifier(row)}, part as ${quoteIdentifier(group)} from placed join (select unit, ((row_number() over (order by stratum, hash(${start}::bigint + unit), unit)) % ${Math.max(1, count)})::integer as part from (select distinct unit, stratum from placed)) using (unit)`,
  );
  return count;
}

async function measureOne(
  session: SqlSession,
  { name, expression, where }: SqlMetric,
  side: number,
  groups: number,
  keys: Keys,
): Promise<MeasuredMetric> {
  const [row, group] = [quoteIdentifier(keys.row), quoteIdentifier(keys.group)];
  const value = `cast((\n${expression}\n) as double)`;
  const rows = `members m join facts${side} f using (${row})`;
  const said = `f.* exclude (${row})`;
  const refusal = (found: string, cause: unknown): ConfigError =>
    new ConfigError({
      found: `${name} ${found}`,
      expected: 'an expression of aggregates that gives a number',
      where: `${where}.sql`,
      cause,
    });
  const run = (query: string): Promise<Float64Array> => orRefused(session.numbers(query), refusal);
  const [whole = Number.NaN] = await run(`select ${value} from (select ${said} from ${rows}) group by ()`);
  const left = await run(
    `select ${value} from (select g.range as ${group}, ${said} from ${rows} join range(${groups}) g on g.range <> m.${group}) group by ${group} order by ${group}`,
  );
  return { value: whole, left };
}
