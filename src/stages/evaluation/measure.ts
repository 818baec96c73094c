import type { DuckDBConnection, DuckDBType, DuckDBValue } from '@duckdb/node-api';
import type { Columns, Task } from '../../config/schema.ts';
import { quoteIdentifier, reading, type Dataset } from '../../data/relation.ts';
import { copyRows, inWorkspace } from '../../data/workspace.ts';
import { ConfigError } from '../../errors.ts';
import { ownColumns, type SqlMetric } from './metrics/sql.ts';
import { sampleRows, type Measured, type Outputs, type Sample } from './sample.ts';
import { clusterUnits } from './statistics/resample.ts';
import { within, type Limits } from './within.ts';

/** Groups of units that are left out in turn: at least as many units in each as there are groups, where units are many. */
const fewestGroups = 25;
const mostGroups = 50;

export interface MeasureInput extends Limits {
  task: Task;
  columns: Columns;
  dataset: Dataset;
  sample: Sample;
  /** What each model says of the sample. */
  sides: readonly Outputs[];
  /** What to measure on which rows of the sample; null: all of them. */
  parts: readonly { rows: Uint32Array | null; metrics: readonly SqlMetric[] }[];
  seed: number;
}

/**
 * Compute metrics in SQL for every model on every part, and again without each of some groups of units (rows, clusters, queries):
 * the differences are judged by how much they move. One thread, so that the sums are the same every time.
 * @returns by part, then by model
 * @throws ConfigError for an expression that does not run, or not in time
 */
export async function measure(input: MeasureInput): Promise<ReadonlyMap<string, Measured>[][]> {
  const { dataset, sample, sides, parts } = input;
  return inWorkspace(async (workspace) => {
    const key = await loadFacts(workspace, input);
    const measured: ReadonlyMap<string, Measured>[][] = [];
    for (const { rows, metrics } of parts) {
      const part = rows === null ? sample : sampleRows(sample, rows);
      const groups = await loadGroups(workspace, part, rows, input.seed, key);
      const bySide: ReadonlyMap<string, Measured>[] = [];
      for (const side of sides.keys()) {
        const values = new Map<string, Measured>();
        for (const metric of metrics)
          values.set(metric.name, await measureOne(workspace, metric, side, groups, input, key));
        bySide.push(values);
      }
      measured.push(bySide);
    }
    return measured;
  }, 1).catch((cause: unknown) => {
    throw cause instanceof Error && cause.message.startsWith('Out of Memory')
      ? new ConfigError({ found: `${dataset.uri} is too large for metrics in SQL`, where: 'policy.metrics', cause })
      : cause;
  });
}

interface Keys {
  row: string;
  group: string;
}

/** A table `facts<side>` for each model: the columns the metrics read, the label, and what the model says. */
async function loadFacts(
  workspace: DuckDBConnection,
  { parts, task, columns, dataset, sample, sides }: MeasureInput,
): Promise<Keys> {
  const { INTEGER } = await import('@duckdb/node-api');
  const used = parts.flatMap(({ metrics }) => metrics.flatMap((metric) => metric.columns));
  const read = [...new Map(used.map((each) => [each.name, each])).values()];
  const own = ownColumns(task, columns);
  const taken = [...own.labels, ...own.predictions, ...own.scores, ...read.map(({ name }) => name)];
  const free = (name: string): string => (taken.some((each) => each.toLowerCase() === name) ? free(`${name}_`) : name);
  const keys = { row: free('row'), group: free('left_out') };
  const row = quoteIdentifier(keys.row);
  const fields = read.map(({ name, type }) => `${quoteIdentifier(name)} ${type}, `).join('');
  await workspace.run(`create table source (${fields}${row} bigint)`);
  const selected = [...read.map(({ name }) => quoteIdentifier(name)), 'row_number() over () - 1'];
  await reading(dataset, () => copyRows(dataset, selected, workspace, 'source'));
  if (sample.dataRows !== undefined) await keepRows(workspace, sample.dataRows, row);
  for (const [side, outputs] of sides.entries()) {
    const said = await saidColumns(task, columns, sample, outputs);
    const table = said.map(({ name, type }) => `, ${quoteIdentifier(name)} ${type.toString()}`).join('');
    await workspace.run(`create table said${side} (${row} integer${table})`);
    await insert(workspace, `said${side}`, sample.rows, [{ name: keys.row, type: INTEGER, at: (at) => at }, ...said]);
    await workspace.run(`create table facts${side} as select * from said${side} join source using (${row})`);
    await workspace.run(`drop table said${side}`);
  }
  return keys;
}

/** Leave in `source` the rows of the sample alone, under their numbers there. */
async function keepRows(workspace: DuckDBConnection, dataRows: Uint32Array, row: string): Promise<void> {
  const { INTEGER } = await import('@duckdb/node-api');
  await workspace.run('create table kept (of_data integer, of_sample integer)');
  await insert(workspace, 'kept', dataRows.length, [
    { name: 'of_data', type: INTEGER, at: (at) => dataRows[at] as number },
    { name: 'of_sample', type: INTEGER, at: (at) => at },
  ]);
  await workspace.run(
    `create or replace table source as select s.* replace (k.of_sample::bigint as ${row}) from source s join kept k on s.${row} = k.of_data`,
  );
  await workspace.run('drop table kept');
}

interface Column {
  name: string;
  type: DuckDBType;
  at(row: number): DuckDBValue;
}

/**
 * Label, prediction and score. Classes: 1 and 0 in binary classification (1 is the positive class), else their names, as numbers
 * where all are numbers; the score is that of the positive, or of the decided class. Otherwise prediction and score are the value.
 */
async function saidColumns(task: Task, columns: Columns, sample: Sample, outputs: Outputs): Promise<Column[]> {
  const { DOUBLE, INTEGER, VARCHAR } = await import('@duckdb/node-api');
  const { truth, names, labels: width = 1, classes } = sample;
  const { scores, decisions } = outputs;
  const { labels, predictions, scores: scoreNames } = ownColumns(task, columns);
  const decisionAt = (at: number): number => decisions?.[at] as number;
  if (task === 'multilabel-classification') {
    return [
      ...labels.map((name, label): Column => ({
        name,
        type: INTEGER,
        at: (row) => truth[row * width + label] as number,
      })),
      ...predictions.map((name, label): Column => ({
        name,
        type: INTEGER,
        at: (row) => decisionAt(row * width + label),
      })),
      ...scoreNames.map((name, label): Column => ({
        name,
        type: DOUBLE,
        at: (row) => scores?.[row * width + label] ?? null,
      })),
    ];
  }
  const [label, prediction, score] = ['label', 'prediction', 'score'] as const;
  const truthAt = (row: number): number => truth[row] as number;
  if (task === 'regression' || task === 'ranking') {
    const value = (row: number): DuckDBValue => scores?.[row] ?? null;
    return [
      { name: label, type: DOUBLE, at: truthAt },
      { name: prediction, type: DOUBLE, at: value },
      { name: score, type: DOUBLE, at: value },
    ];
  }
  if (task === 'binary-classification') {
    return [
      { name: label, type: INTEGER, at: truthAt },
      { name: prediction, type: INTEGER, at: decisionAt },
      { name: score, type: DOUBLE, at: (row) => scores?.[row] ?? null },
    ];
  }
  const numeric = (names ?? []).every((name) => name.trim() !== '' && Number.isFinite(Number(name)));
  const type = numeric ? DOUBLE : VARCHAR;
  const shown = (number: number): DuckDBValue => (numeric ? Number(names?.[number]) : (names?.[number] as string));
  return [
    { name: label, type, at: (row) => shown(truthAt(row)) },
    { name: prediction, type, at: (row) => shown(decisionAt(row)) },
    { name: score, type: DOUBLE, at: (row) => scores?.[row * classes + decisionAt(row)] ?? null },
  ];
}

/** The table `members`: the rows of a part with the group they are left out in. @returns how many groups there are */
async function loadGroups(
  workspace: DuckDBConnection,
  part: Sample,
  rows: Uint32Array | null,
  seed: number,
  { row, group }: Keys,
): Promise<number> {
  const { INTEGER } = await import('@duckdb/node-api');
  const unitOf =
    part.clusters !== null ? clusterUnits(part.clusters).ofRow : part.queries !== undefined ? part.queries.ofRow : null;
  // Rows of every class in every group.
  const stratumOf = unitOf === null && part.classes > 0 ? part.truth : null;
  await workspace.run(
    `create or replace table placed (${quoteIdentifier(row)} integer, unit integer, stratum integer)`,
  );
  await insert(workspace, 'placed', part.rows, [
    { name: row, type: INTEGER, at: (at) => rows?.[at] ?? at },
    { name: 'unit', type: INTEGER, at: (at) => unitOf?.[at] ?? at },
    { name: 'stratum', type: INTEGER, at: (at) => stratumOf?.[at] ?? 0 },
  ]);
  const [[units]] = (await workspace.runAndReadAll('select count(distinct unit)::integer from placed')).getRows() as [
    [number],
  ];
  const count = Math.min(units, Math.max(fewestGroups, Math.min(mostGroups, Math.floor(Math.sqrt(units)))));
  const start = BigInt(Math.trunc(seed) >>> 0) * 2n ** 31n;
  await workspace.run(
    `create or replace table members as select ${quoteIdentifier(row)}, part as ${quoteIdentifier(group)} from placed join (select unit, ((row_number() over (order by stratum, hash(${start}::bigint + unit), unit)) % ${Math.max(1, count)})::integer as part from (select distinct unit, stratum from placed)) using (unit)`,
  );
  return count;
}

async function measureOne(
  workspace: DuckDBConnection,
  metric: SqlMetric,
  side: number,
  groups: number,
  input: MeasureInput,
  keys: Keys,
): Promise<Measured> {
  const [row, group] = [quoteIdentifier(keys.row), quoteIdentifier(keys.group)];
  const value = `cast((\n${metric.expression}\n) as double)`;
  const rows = `members m join facts${side} f using (${row})`;
  const said = `f.* exclude (${row})`;
  const run = (query: string): Promise<Float64Array> => valuesOf(workspace, query, metric, input);
  const [whole = Number.NaN] = await run(`select ${value} from (select ${said} from ${rows}) group by ()`);
  const left = await run(
    `select ${value} from (select g.range as ${group}, ${said} from ${rows} join range(${groups}) g on g.range <> m.${group}) group by ${group} order by ${group}`,
  );
  return { value: whole, left };
}

/** The first column of a query, NaN where it is null or not finite. @throws ConfigError */
async function valuesOf(
  workspace: DuckDBConnection,
  query: string,
  metric: SqlMetric,
  limits: Limits,
): Promise<Float64Array> {
  const rows = await within(
    workspace,
    query,
    limits,
    (found, cause) =>
      new ConfigError({
        found: `${metric.name} ${found}`,
        expected: 'an expression of aggregates that gives a number',
        where: `${metric.where}.sql`,
        cause,
      }),
  );
  return Float64Array.from(rows, ([value]) => (Number.isFinite(value) ? (value as number) : Number.NaN));
}

/** Rows go in by chunks of the engine's own size. */
async function insert(
  workspace: DuckDBConnection,
  table: string,
  rows: number,
  columns: readonly Column[],
): Promise<void> {
  const { DuckDBDataChunk } = await import('@duckdb/node-api');
  const appender = await workspace.createAppender(table);
  const types = columns.map(({ type }) => type);
  const size = 2048;
  for (let start = 0; start < rows; start += size) {
    const length = Math.min(size, rows - start);
    const chunk = DuckDBDataChunk.create(types, length);
    for (const [index, { at }] of columns.entries()) {
      chunk.setColumnValues(
        index,
        Array.from({ length }, (_, place) => at(start + place)),
      );
    }
    appender.appendDataChunk(chunk);
  }
  appender.closeSync();
}
