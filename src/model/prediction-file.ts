import { mkdtemp, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { labelColumns } from '../config/columns.ts';
import type { Columns, ModelReference, Task } from '../config/schema.ts';
import { openDataset, quoteIdentifier, quoteLiteral, requireColumns, type Dataset } from '../data/dataset.ts';
import { copyRows, inWorkspace } from '../data/workspace.ts';
import { DataError } from '../errors.ts';
import { digest } from '../evidence/canonical.ts';
import { fileDigest } from '../file-digest.ts';
import type { Predictions } from './predictions.ts';

export type PredictionReference = Extract<ModelReference, { predictions: string }>;

/** Names that a file of predictions has by default: `writePredictionFile` uses them too. */
const scoreColumn = 'score';
const labelColumn = 'prediction';

const sumTolerance = 0.01;
const roundingTolerance = 1e-6;

/**
 * Read predictions made elsewhere and put them in the order of the dataset, joined by row id. Rows the dataset does not
 * have are left out; every row of the dataset must have exactly one prediction.
 *
 * Columns: the id (`id`, default the id column of the data); scores (`score`, default a column `score`, else all columns
 * `score_<class>`, else none): one column is the positive class or the value, several are class probabilities in the order of
 * `columns.classes` (or of the `<class>` in their names, or 0, 1, 2, ...); the predicted label (`label`, default a column
 * `prediction` if there is one). For several labels: a score, or a predicted 0 or 1, of each, in columns `score_<label>` and
 * `prediction_<label>` or in those that `score` and `label` list in the order of `columns.label`.
 * A column named as the label of the data must agree with it.
 * @throws DataError naming the first rows at fault: ids missing, repeated or null; labels that differ; scores that are missing, NaN or no probabilities
 */
export async function readPredictionFile(input: {
  reference: PredictionReference;
  /** Absolute; the last part may have the wildcards `*` and `?`: shards. */
  path: string;
  /** Only these of the files that `path` stands for. */
  only?: readonly string[];
  dataset: Dataset;
  columns: Columns;
  task: Task;
}): Promise<Predictions> {
  const { reference, dataset, columns, task } = input;
  const where = reference.predictions;
  const paths = input.only ?? (await filesOf(input.path, where));
  return inWorkspace(async (workspace) => {
    const layout = await gather(workspace, paths, input);
    await gatherDataset(workspace, dataset, columns, layout);
    await refuseBadRows(workspace, where, dataset);
    await refuseOtherLabels(workspace, where, dataset, layout);
    const numbers = [...layout.scores, ...layout.decisions];
    const width = numbers.length;
    const values = new Float64Array(dataset.rows * width);
    const texts: string[] = [];
    const selected = [
      'd.id',
      ...numbers.map((_, index) => `p.s${index}`),
      ...(layout.predicted === null ? [] : ['p.predicted']),
    ];
    const result = await workspace.stream(
      `select ${selected.join(', ')} from dataset d join predictions p on p.id = d.id order by d.row`,
    );
    let row = 0;
    for (
      let chunk = await result.fetchChunk();
      chunk !== null && chunk.rowCount > 0;
      chunk = await result.fetchChunk()
    ) {
      const vectors = selected.map((_, index) => chunk.getColumnVector(index));
      for (let at = 0; at < chunk.rowCount; at += 1, row += 1) {
        for (let index = 0; index < width; index += 1) {
          const value = vectors[index + 1]?.getItem(at) as number | null;
          if (value === null || !Number.isFinite(value)) {
            throw new DataError({
              found: `the ${numbers[index]} of id ${vectors[0]?.getItem(at) as string} is ${value === null ? 'missing' : value}`,
              expected: 'a finite number for every row',
              where,
              remedy: 'Predict every row; such rows are never dropped silently',
            });
          }
          values[row * width + index] = value;
        }
        if (layout.predicted !== null) {
          const text = vectors[width + 1]?.getItem(at) as string | null;
          if (text === null) {
            throw new DataError({
              found: `the ${layout.predicted} of id ${vectors[0]?.getItem(at) as string} is missing`,
              expected: 'a predicted label for every row',
              where,
            });
          }
          texts.push(text);
        }
      }
    }
    const context = { reference, columns, task, where };
    if (task === 'multilabel-classification') return interpretLabels(values, layout, context);
    const scores = width === 0 ? null : values;
    return interpret(scores, width, layout.predicted === null ? null : texts, layout.scores, context);
  });
}

/** Identity of a file of predictions, or of all its shards: the digest of `[{name, sha256, size}, ...]`. @throws DataError */
export async function digestFiles(path: string): Promise<{ sha256: string; size: number }> {
  const paths = await filesOf(path, path);
  const files = await Promise.all(
    paths.map(async (each) => ({
      name: basename(each),
      sha256: await fileDigest(each),
      size: (await stat(each)).size,
    })),
  );
  const [only] = files;
  if (only !== undefined && files.length === 1) return { sha256: only.sha256, size: only.size };
  return { sha256: digest(files), size: files.reduce((sum, file) => sum + file.size, 0) };
}

/**
 * Write predictions so that `readPredictionFile` gives them back: Parquet, or CSV by the name of the file.
 * @param ids of the rows, as many as there are predictions
 * @param metadata kept in a Parquet file beside the rows, by key; CSV has no place for it
 */
export async function writePredictionFile(input: {
  path: string;
  idColumn: string;
  ids: readonly (string | number | null)[];
  predictions: Predictions;
  metadata?: Readonly<Record<string, string>>;
}): Promise<void> {
  const { path, ids, predictions } = input;
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const folder = await mkdtemp(join(dirname(path), '.predictions-'));
  const written = join(folder, 'file');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await connection.run(`set allowed_paths = [${quoteLiteral(written)}]`);
    await connection.run('set enable_external_access = false');
    const { scores, labels, classes, rows } = predictions;
    const width = scores === null ? 0 : scores.length / Math.max(1, rows);
    const names = width === 1 ? [scoreColumn] : (classes ?? []).map((each) => `${scoreColumn}_${each}`);
    // One label a row, or 0 or 1 for each label.
    const given = labels === null ? 0 : labels.length / Math.max(1, rows);
    const labelNames = given === 1 ? [labelColumn] : (classes ?? []).map((each) => `${labelColumn}_${each}`);
    const fields = [
      `${quoteIdentifier(input.idColumn)} varchar`,
      ...names.slice(0, width).map((name) => `${quoteIdentifier(name)} double`),
      ...labelNames.slice(0, given).map((name) => `${quoteIdentifier(name)} varchar`),
    ];
    await connection.run(`create table predictions (${fields.join(', ')})`);
    const appender = await connection.createAppender('predictions');
    for (let row = 0; row < rows; row += 1) {
      appender.appendVarchar(String(ids[row]));
      for (let index = 0; index < width; index += 1)
        appender.appendDouble((scores as Float64Array)[row * width + index] as number);
      for (let index = 0; index < given; index += 1) {
        const label = labels?.[row * given + index] as number;
        appender.appendVarchar(String(given === 1 ? classes?.[label] : label));
      }
      appender.endRow();
    }
    appender.closeSync();
    const pairs = Object.entries(input.metadata ?? {}).map(
      ([key, text]) => `${quoteIdentifier(key)}: ${quoteLiteral(text)}`,
    );
    const metadata = pairs.length === 0 ? '' : `, kv_metadata {${pairs.join(', ')}}`;
    const format = extname(path).toLowerCase() === '.csv' ? 'csv, header true' : `parquet${metadata}`;
    await connection.run(`copy predictions to ${quoteLiteral(written)} (format ${format})`);
    await rename(written, path);
  } finally {
    connection.closeSync();
    instance.closeSync();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Layout {
  scores: string[];
  /** Multilabel: a column of 0 and 1 for each label. */
  decisions: string[];
  /** The predicted label of every other classification. */
  predicted: string | null;
  /** Label columns of the data that the file has too. */
  truth: string[];
}

/** Copy id, scores and labels of every shard into the table `predictions`. */
async function gather(
  workspace: DuckDBConnection,
  paths: readonly string[],
  { reference, columns, task }: { reference: PredictionReference; columns: Columns; task: Task },
): Promise<Layout> {
  let layout: Layout | null = null;
  for (const path of paths) {
    const uri = paths.length === 1 ? reference.predictions : join(dirname(reference.predictions), basename(path));
    const shard = await openDataset({ name: 'predictions', path, uri });
    try {
      if (layout === null) {
        layout = layoutOf(shard, reference, columns, task);
        const fields = [
          'id varchar',
          ...[...layout.scores, ...layout.decisions].map((_, index) => `s${index} double`),
          ...(layout.predicted === null ? [] : ['predicted varchar']),
          ...layout.truth.map((_, index) => `truth${index} varchar`),
        ];
        await workspace.run(`create table predictions (${fields.join(', ')})`);
      }
      const id = reference.id ?? columns.id;
      requireColumns(shard, [id, ...layout.scores, ...layout.decisions]);
      requireNumbers(shard, layout.scores);
      const texts = [...(layout.predicted === null ? [] : [layout.predicted]), ...layout.truth];
      const selected = [
        `cast(${quoteIdentifier(id)} as varchar)`,
        ...layout.scores.map((name) => `cast(${quoteIdentifier(name)} as double)`),
        ...layout.decisions.map((name) => `try_cast(${quoteIdentifier(name)} as double)`),
        ...texts.map((name) => `cast(${quoteIdentifier(name)} as varchar)`),
      ];
      await copyRows(shard, selected, workspace, 'predictions');
    } finally {
      shard.close();
    }
  }
  return layout as Layout;
}

function layoutOf(shard: Dataset, reference: PredictionReference, columns: Columns, task: Task): Layout {
  const names = shard.columns.map(({ name }) => name);
  if (task === 'multilabel-classification') return labelsLayout(shard, names, reference, columns);
  const { score, label } = reference;
  if (typeof label === 'object')
    throw wrongWidth(label.length, 'one column of predicted labels', reference.predictions);
  const predicted = label ?? (names.includes(labelColumn) ? labelColumn : null);
  let scores = score === undefined ? [] : typeof score === 'string' ? [score] : [...score];
  if (score === undefined) {
    scores = names.includes(scoreColumn) ? [scoreColumn] : names.filter((name) => name.startsWith(`${scoreColumn}_`));
  }
  if (scores.length === 0 && (predicted === null || task === 'regression' || task === 'ranking')) {
    throw new DataError({
      found: `there is no column ${JSON.stringify(scoreColumn)}`,
      expected: `the predictions in one of: ${names.slice(0, 20).join(', ')}`,
      where: reference.predictions,
      remedy: 'Name the column: {predictions, score} (or {predictions, label} for labels only)',
    });
  }
  if (predicted !== null) requireColumns(shard, [predicted]);
  return {
    scores,
    decisions: [],
    predicted,
    truth: labelColumns(columns).filter((name) => name !== predicted && names.includes(name)),
  };
}

/** A score, or a predicted 0 or 1, of every label. */
function labelsLayout(
  shard: Dataset,
  names: readonly string[],
  reference: PredictionReference,
  columns: Columns,
): Layout {
  const labels = labelColumns(columns);
  const named = (given: string | readonly string[] | undefined, prefix: string): string[] => {
    if (given !== undefined) return typeof given === 'string' ? [given] : [...given];
    const own = labels.map((name) => `${prefix}_${name}`);
    // All of them, if any: a missing one is named by whoever requires them.
    return own.some((name) => names.includes(name)) ? own : [];
  };
  const scores = named(reference.score, scoreColumn);
  const decisions = named(reference.label, labelColumn);
  if (scores.length === 0 && decisions.length === 0) {
    throw new DataError({
      found: `there are no columns ${labels.map((name) => `${scoreColumn}_${name}`).join(', ')}`,
      expected: `a score, or a predicted 0 or 1, of each label in: ${names.slice(0, 20).join(', ')}`,
      where: reference.predictions,
      remedy:
        'Name the columns in the order of columns.label: {predictions, score: [...]} or {predictions, label: [...]}',
    });
  }
  for (const { length } of [scores, decisions]) {
    if (length > 0 && length !== labels.length) {
      throw wrongWidth(length, `${labels.length}, one for each label`, reference.predictions);
    }
  }
  requireColumns(shard, decisions);
  return {
    scores,
    decisions,
    predicted: null,
    truth: labels.filter((name) => !decisions.includes(name) && names.includes(name)),
  };
}

function requireNumbers(shard: Dataset, names: readonly string[]): void {
  const bad = requireColumns(shard, names).find(
    ({ type }) => !/^(?:U?(?:TINYINT|SMALLINT|INTEGER|BIGINT)|U?HUGEINT|FLOAT|DOUBLE|DECIMAL)/u.test(type),
  );
  if (bad === undefined) return;
  throw new DataError({
    found: `column ${JSON.stringify(bad.name)} is ${bad.type}`,
    expected: 'numbers',
    where: shard.uri,
    remedy: 'Name the column of the scores: {predictions, score}',
  });
}

async function gatherDataset(
  workspace: DuckDBConnection,
  dataset: Dataset,
  columns: Columns,
  layout: Layout,
): Promise<void> {
  requireColumns(dataset, [columns.id, ...layout.truth]);
  const truth = layout.truth.map((_, index) => `truth${index} varchar, `).join('');
  await workspace.run(`create table dataset (id varchar, ${truth}row bigint)`);
  const texts = [columns.id, ...layout.truth].map((name) => `cast(${quoteIdentifier(name)} as varchar)`);
  await copyRows(dataset, [...texts, 'row_number() over ()'], workspace, 'dataset');
}

async function refuseBadRows(workspace: DuckDBConnection, where: string, dataset: Dataset): Promise<void> {
  const nulls = await first(workspace, 'select null from predictions where id is null');
  if (nulls.count > 0) {
    throw new DataError({ found: `${nulls.count} predictions have no id`, expected: 'the id of a row in each', where });
  }
  const twice = (table: string): string =>
    `select id from (select distinct id from ${table}) semi join dataset using (id) where id in (select id from ${table} group by id having count(*) > 1) order by id`;
  for (const [table, file, what] of [
    ['dataset', dataset.uri, 'the data'],
    ['predictions', where, 'the predictions'],
  ] as const) {
    const repeated = await first(workspace, twice(table));
    if (repeated.count === 0) continue;
    throw new DataError({
      found: `${repeated.count} ids stand more than once in ${what}: ${repeated.shown}`,
      expected: 'each id once',
      where: file,
      remedy: 'Remove the repetitions: which of them counts is not for us to say',
    });
  }
  const missing = await first(workspace, 'select id from dataset anti join predictions using (id) order by row');
  if (missing.count > 0) {
    throw new DataError({
      found: `${missing.count} of ${dataset.rows} rows of ${dataset.uri} have no prediction: id ${missing.shown}`,
      expected: 'a prediction for every row',
      where,
      remedy: 'Predict every row, and name the id column as in the data ({predictions, id})',
    });
  }
}

async function refuseOtherLabels(
  workspace: DuckDBConnection,
  where: string,
  dataset: Dataset,
  layout: Layout,
): Promise<void> {
  for (const [index, name] of layout.truth.entries()) {
    const [own, given] = [`d.truth${index}`, `p.truth${index}`];
    // 1 and 1.0 are one label; text is compared as text.
    const same = `(${own} is not distinct from ${given} or try_cast(${own} as double) = try_cast(${given} as double))`;
    const other = await first(
      workspace,
      `select d.id || ' (' || coalesce(${given}, 'none') || ' here, ' || coalesce(${own}, 'none') || ' in the data)' from dataset d join predictions p on p.id = d.id where not coalesce(${same}, false) order by d.row`,
    );
    if (other.count === 0) continue;
    throw new DataError({
      found: `${other.count} labels differ from ${dataset.uri}: id ${other.shown}`,
      expected: `the same ${name} for the same id`,
      where,
      remedy: 'The predictions were made on other data: predict again',
    });
  }
}

/** How many rows a query has, and the first of them as text. */
async function first(connection: DuckDBConnection, query: string): Promise<{ count: number; shown: string }> {
  const reader = await connection.runAndReadAll(
    `with found as (${query}) select (select count(*)::double from found), (select string_agg(v, ', ') from (select * from found limit 5) t(v))`,
  );
  const [count, shown] = reader.getRows()[0] as [number, string | null];
  return { count, shown: `${(shown ?? '').slice(0, 500)}${count > 5 ? ', …' : ''}` };
}

function interpret(
  scores: Float64Array | null,
  width: number,
  texts: string[] | null,
  names: readonly string[],
  { reference, columns, task, where }: { reference: PredictionReference; columns: Columns; task: Task; where: string },
): Predictions {
  const threshold = reference.threshold ?? 0.5;
  const rows = scores === null ? (texts?.length ?? 0) : scores.length / width;
  if (task === 'regression' || task === 'ranking') {
    if (width !== 1) throw wrongWidth(width, 'one column of predicted values', where);
    return { rows, classes: null, kind: 'value', scores, labels: null, threshold };
  }
  if (scores !== null) refuseNonProbabilities(scores, width, task, where);
  const classes = classesOf(width, texts, names, columns);
  const labels = texts === null ? null : labelIndexes(texts, classes, where);
  if (scores === null) return { rows, classes, kind: 'label', scores, labels, threshold };
  if (task !== 'binary-classification') {
    if (width < 2) throw wrongWidth(width, 'a column of probabilities for each class', where);
    if (classes.length !== width) throw wrongWidth(width, `${classes.length} columns, one for each class`, where);
    return { rows, classes, kind: 'probability', scores, labels, threshold };
  }
  if (width > 2) throw wrongWidth(width, 'one column, of the positive class, or two', where);
  const positive = width === 1 ? 0 : classes.findIndex((each) => String(each) === String(columns.positive ?? 1));
  if (positive < 0) {
    throw new DataError({
      found: `the scores are of the classes ${classes.join(', ')}`,
      expected: `the positive class ${String(columns.positive ?? 1)} among them`,
      where,
      remedy: 'List the classes in the order of the columns in columns.classes',
    });
  }
  const own = width === 1 ? scores : scores.filter((_, index) => index % 2 === positive);
  return { rows, classes, kind: 'probability', scores: own, labels, threshold };
}

/** @param values a score (if there are any), then a decision (if there are any), of every label, row by row */
function interpretLabels(
  values: Float64Array,
  layout: Layout,
  { reference, columns, task, where }: { reference: PredictionReference; columns: Columns; task: Task; where: string },
): Predictions {
  const classes = labelColumns(columns);
  const count = layout.scores.length + layout.decisions.length;
  const part = (from: number): Float64Array =>
    values.filter((_, at) => at % count >= from && at % count < from + classes.length);
  const scores = layout.scores.length === 0 ? null : part(0);
  const decided = layout.decisions.length === 0 ? null : part(layout.scores.length);
  if (scores !== null) refuseNonProbabilities(scores, classes.length, task, where);
  const other = decided?.findIndex((value) => value !== 0 && value !== 1) ?? -1;
  if (decided !== null && other >= 0) {
    throw new DataError({
      found: `row ${Math.floor(other / classes.length) + 1} of the data has ${decided[other]} in ${layout.decisions[other % classes.length]}`,
      expected: '0 or 1 for every label',
      where,
    });
  }
  return {
    rows: values.length / count,
    classes,
    kind: scores === null ? 'label' : 'probability',
    scores,
    labels: decided === null ? null : Int32Array.from(decided),
    threshold: reference.threshold ?? 0.5,
  };
}

function classesOf(
  width: number,
  texts: readonly string[] | null,
  names: readonly string[],
  columns: Columns,
): (string | number)[] {
  const prefix = `${scoreColumn}_`;
  const named = names.map((name) => (name.startsWith(prefix) ? name.slice(prefix.length) : null));
  const { classes } = columns;
  // Columns that name the very classes of the configuration say which is which, in whatever order they stand.
  if (classes !== undefined) {
    const own = named.map((name) => classes.find((each) => String(each) === name));
    return new Set(own).size === classes.length && !own.includes(undefined) ? (own as typeof classes) : [...classes];
  }
  if (width > 1 && !named.includes(null)) return named.map((name) => value(name as string));
  if (width > 1) return names.map((_, index) => index);
  const found = new Set(texts ?? []);
  if (found.size === 0 || [...found].every((text) => text === '0' || text === '1')) return [0, 1];
  return [...found].toSorted().map(value);
}

/** What is written as a number is one, if it reads back the same. */
function value(text: string): string | number {
  return String(Number(text)) === text ? Number(text) : text;
}

function labelIndexes(texts: readonly string[], classes: readonly (string | number)[], where: string): Int32Array {
  const index = new Map(classes.map((each, position) => [String(each), position]));
  return Int32Array.from(texts, (text, row) => {
    const position = index.get(text) ?? index.get(String(Number(text)));
    if (position !== undefined) return position;
    throw new DataError({
      found: `row ${row + 1} is predicted ${JSON.stringify(text)}`,
      expected: `one of the classes ${classes.slice(0, 20).join(', ')}`,
      where,
      remedy: 'List every class in columns.classes',
    });
  });
}

function refuseNonProbabilities(scores: Float64Array, width: number, task: Task, where: string): void {
  const outside = scores.findIndex((score) => score < -roundingTolerance || score > 1 + roundingTolerance);
  if (outside >= 0) {
    throw new DataError({
      found: `row ${Math.floor(outside / width) + 1} of the data is given the probability ${scores[outside]}`,
      expected: 'probabilities in [0, 1]',
      where,
      remedy: 'Write probabilities, not raw scores',
    });
  }
  if (width === 1 || task === 'multilabel-classification') return;
  for (let start = 0; start < scores.length; start += width) {
    let sum = 0;
    for (let index = 0; index < width; index += 1) sum += scores[start + index] as number;
    if (Math.abs(sum - 1) <= sumTolerance) continue;
    throw new DataError({
      found: `the class probabilities of row ${start / width + 1} of the data add up to ${sum}`,
      expected: '1',
      where,
      remedy: 'Write the probabilities of all classes, not raw scores',
    });
  }
}

function wrongWidth(width: number, expected: string, where: string): DataError {
  return new DataError({
    found: `there ${width === 1 ? 'is 1 column' : `are ${width} columns`} of scores`,
    expected,
    where,
    remedy: 'Name the columns: {predictions, score: [...]}',
  });
}

/** The file itself, or the shards that a wildcard in its last part stands for, by name. */
export async function filesOf(path: string, where: string): Promise<string[]> {
  if (
    await stat(path).then(
      () => true,
      () => false,
    )
  )
    return [path];
  const pattern = basename(path);
  const folder = dirname(path);
  const found = /[*?]/u.test(pattern)
    ? (await readdir(folder).catch(() => [])).filter((name) => matches(pattern, name)).toSorted()
    : [];
  if (found.length > 0) return Promise.all(found.map((name) => shardOf(folder, name, where)));
  throw new DataError({
    found: /[*?]/u.test(pattern) ? 'no file matches' : 'there is no such file',
    expected: 'predictions as CSV or Parquet',
    where,
    remedy: 'Check the path of the predictions',
  });
}

/** A wildcard finds what lies in its folder, and no link that leads out of it. */
async function shardOf(folder: string, name: string, where: string): Promise<string> {
  const path = join(folder, name);
  const [own, real] = await Promise.all([realpath(folder), realpath(path).catch(() => path)]);
  if (real === path || dirname(real) === own) return path;
  throw new DataError({
    found: `${JSON.stringify(name.slice(0, 200))} is a link to a file outside the folder`,
    expected: 'shards that lie beside each other',
    where,
    remedy: 'Put the file itself there',
  });
}

/** Wildcards `*` and `?`. Greedy with one point to fall back to: linear for one star, never exponential. */
function matches(pattern: string, name: string): boolean {
  let [at, star, resume] = [0, -1, 0];
  for (let position = 0; position < name.length;) {
    if (pattern[at] === '*') [star, resume, at] = [at, position, at + 1];
    else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === name[position]))
      [at, position] = [at + 1, position + 1];
    else if (star >= 0) {
      resume += 1;
      [at, position] = [star + 1, resume];
    } else return false;
  }
  return /^\**$/u.test(pattern.slice(at));
}
