import type { DuckDBConnection, DuckDBType, DuckDBValue } from '@duckdb/node-api';
import type { Columns, Task } from '../config/schema.ts';
import { quoteIdentifier, reading, type Dataset } from '../data/relation.ts';
import { copyRows, inWorkspace } from '../data/workspace.ts';
import { ConfigError } from '../errors.ts';
import { ownColumns, type SqlMetric } from './metrics/sql.ts';
import { sampleRows, type Measured, type Outputs, type Sample } from './sample.ts';
import { clusterUnits, rowUnits, type Units } from './statistics/resample.ts';

/** Up to this many rows a metric in SQL is resampled; beyond it groups of rows are left out in turn. */
const resampledRows = 10_000;
const resamples = 1000;
const groups = 50;
const timeLimitMs = 120_000;

export interface MeasureInput {
  task: Task;
  columns: Columns;
  dataset: Dataset;
  sample: Sample;
  /** What each model says of the sample. */
  sides: readonly Outputs[];
  /** What to measure on which rows of the sample; null: all of them. */
  parts: readonly { rows: Uint32Array | null; metrics: readonly SqlMetric[] }[];
  seed: number;
  signal?: AbortSignal;
  timeLimitMs?: number;
}

/**
 * Compute metrics in SQL for every model on every part, with what their differences are judged by: the metric on resamples
 * of the units (rows within their true class, clusters, queries), the same for all models, and with groups of units left out.
 * One thread, so that the sums are the same every time.
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
      const units = await loadUnits(workspace, part, rows, input.seed, key);
      const bySide: ReadonlyMap<string, Measured>[] = [];
      for (const side of sides.keys()) {
        const values = new Map<string, Measured>();
        for (const metric of metrics)
          values.set(metric.name, await measureOne(workspace, metric, side, units, input, key));
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
  replicate: string;
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
  const keys = { row: free('row'), replicate: free('replicate') };
  const row = quoteIdentifier(keys.row);
  const fields = read.map(({ name, type }) => `${quoteIdentifier(name)} ${type}, `).join('');
  await workspace.run(`create table source (${fields}${row} bigint)`);
  const selected = [...read.map(({ name }) => quoteIdentifier(name)), 'row_number() over () - 1'];
  await reading(dataset, () => copyRows(dataset, selected, workspace, 'source'));
  for (const [side, outputs] of sides.entries()) {
    const said = await saidColumns(task, columns, sample, outputs);
    const table = said.map(({ name, type }) => `, ${quoteIdentifier(name)} ${type.toString()}`).join('');
    await workspace.run(`create table said${side} (${row} integer${table})`);
    await insert(workspace, `said${side}`, sample.rows, [{ name: keys.row, type: INTEGER, at: (at) => at }, ...said]);
    await workspace.run(`create table facts${side} as select * from said${side} join source using (${row})`);
    await workspace.run(`drop table said${side}`);
  }
  await workspace.run(`create table replicates as select range::integer as replicate from range(${resamples})`);
  return keys;
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

/** Tables of the units of a part: `members` with their rows, `units` with their place in their stratum and their group. */
async function loadUnits(
  workspace: DuckDBConnection,
  part: Sample,
  rows: Uint32Array | null,
  seed: number,
  { row }: Keys,
): Promise<Units> {
  const { INTEGER } = await import('@duckdb/node-api');
  const units =
    part.clusters !== null
      ? clusterUnits(part.clusters)
      : part.queries !== undefined
        ? clusterUnits(part.queries.ofRow)
        : rowUnits(part.rows, part.classes > 0 ? part.truth : null);
  const places = new Int32Array(units.count);
  const strata = new Int32Array(units.count);
  const byStratum = units.strata ?? [Uint32Array.from(places.keys())];
  for (const [stratum, members] of byStratum.entries()) {
    for (const [place, unit] of members.entries()) {
      places[unit] = place;
      strata[unit] = stratum;
    }
  }
  await workspace.run(`create or replace table members (${quoteIdentifier(row)} integer, unit integer)`);
  await insert(workspace, 'members', part.rows, [
    { name: row, type: INTEGER, at: (at) => rows?.[at] ?? at },
    { name: 'unit', type: INTEGER, at: (at) => units.ofRow?.[at] ?? at },
  ]);
  await workspace.run('create or replace table placed (unit integer, stratum integer, place integer, size integer)');
  const sizeOf = (unit: number): number => (byStratum[strata[unit] as number] as Uint32Array).length;
  await insert(workspace, 'placed', units.count, [
    { name: 'unit', type: INTEGER, at: (unit) => unit },
    { name: 'stratum', type: INTEGER, at: (unit) => strata[unit] as number },
    { name: 'place', type: INTEGER, at: (unit) => places[unit] as number },
    { name: 'size', type: INTEGER, at: sizeOf },
  ]);
  await workspace.run(
    `create or replace table units as select *, (ntile(${groupsOf(units)}) over (order by hash(${seed}, unit), unit))::integer - 1 as part from placed`,
  );
  return units;
}

function groupsOf(units: Units): number {
  return Math.max(1, Math.min(groups, units.count));
}

async function measureOne(
  workspace: DuckDBConnection,
  metric: SqlMetric,
  side: number,
  units: Units,
  input: MeasureInput,
  keys: Keys,
): Promise<Measured> {
  const row = quoteIdentifier(keys.row);
  const replicate = quoteIdentifier(keys.replicate);
  const value = `cast((\n${metric.expression}\n) as double)`;
  const facts = `f.* exclude (${row})`;
  const members = `members m join facts${side} f using (${row})`;
  const run = (query: string): Promise<Float64Array> => within(workspace, query, metric, input);
  const [whole = Number.NaN] = await run(`select ${value} from (select ${facts} from ${members}) group by ()`);
  // A stratum's units are numbered; the hash picks one of them: 31 bits of it, scaled.
  const draws = `select r.replicate, u.stratum, ((hash(${input.seed}, u.unit, r.replicate) >> 33)::bigint * u.size) >> 31 as place from units u, replicates r`;
  const resampled =
    (units.ofRow?.length ?? units.count) <= resampledRows
      ? await run(
          `select ${value} from (select d.replicate as ${replicate}, ${facts} from (${draws}) d join units u on u.stratum = d.stratum and u.place = d.place join ${members} on m.unit = u.unit) group by ${replicate} order by ${replicate}`,
        )
      : new Float64Array(0);
  const left =
    units.count < 2
      ? new Float64Array(0)
      : await run(
          `select ${value} from (select r.replicate as ${replicate}, ${facts} from ${members} join units u on u.unit = m.unit join replicates r on r.replicate < ${groupsOf(units)} and r.replicate <> u.part) group by ${replicate} order by ${replicate}`,
        );
  return { value: whole, resampled, left, units: units.count };
}

/** The first column of a query, NaN where it is null or not finite. @throws ConfigError */
async function within(
  workspace: DuckDBConnection,
  query: string,
  metric: SqlMetric,
  { signal, timeLimitMs: limit = timeLimitMs }: MeasureInput,
): Promise<Float64Array> {
  signal?.throwIfAborted();
  let late = false;
  const interrupt = (): void => workspace.interrupt();
  const timer = setTimeout(() => {
    late = true;
    interrupt();
  }, limit);
  signal?.addEventListener('abort', interrupt, { once: true });
  try {
    const rows = (await workspace.runAndReadAll(query)).getRows();
    return Float64Array.from(rows, ([value]) => (Number.isFinite(value) ? (value as number) : Number.NaN));
  } catch (cause) {
    signal?.throwIfAborted();
    const text = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    throw new ConfigError({
      found: late ? `${metric.name} took longer than ${limit / 1000} s` : `${metric.name} cannot be computed: ${text}`,
      expected: 'an expression of aggregates that gives a number',
      where: `${metric.where}.sql`,
      cause,
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', interrupt);
  }
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
