import { basename, dirname, join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { labelColumns } from '../../config/columns.ts';
import type { Columns, Task } from '../../config/schema.ts';
import { classText } from '../../data/class-text.ts';
import { readingOf, readingOfColumns, readingOfColumn } from '../../data/cells.ts';
import { openDataset, reading, requireColumns, type Dataset } from '../../data/dataset.ts';
import { requireNumbers } from '../../data/numbers.ts';
import { isRowNumber, readingOfIds, withoutLeadingZeros } from '../../data/row-ids.ts';
import { copyRows } from '../../data/workspace.ts';
import { DataError } from '../../errors.ts';
import { layoutOf, type Layout, type PredictionReference } from './layout.ts';
import { count, counted } from '../../wording.ts';

/** What a file says of every row of the data, in the order of the data. */
export interface JoinedRows {
  layout: Layout;
  /** Scores, then decisions of the layout, row by row. */
  values: Float64Array;
  /** Predicted labels; null where the file has none. */
  texts: string[] | null;
  /** Texts of the classes that rows of the data are of, where the meaning of the scores depends on them. */
  labels: readonly string[];
}

/**
 * Join files of predictions with the data by row id.
 * @throws DataError for ids that are missing, repeated or null, labels that differ, and cells without a value
 */
export async function joinedRows(
  workspace: DuckDBConnection,
  paths: readonly string[],
  input: { reference: PredictionReference; dataset: Dataset; columns: Columns; task: Task },
): Promise<JoinedRows> {
  const { dataset, columns, task } = input;
  const where = input.reference.predictions;
  const { layout, idsAre } = await gather(workspace, paths, input);
  idsAre.add(await gatherDataset(workspace, dataset, columns, layout));
  if (idsAre.size > 1) {
    // One side says that ids are numbers: a text of the other is the number that it writes.
    for (const table of ['predictions', 'dataset']) {
      await workspace.run(`update ${table} set id = ${withoutLeadingZeros('id')}`);
    }
  }
  await refuseBadRows(workspace, where, dataset);
  await refuseOtherLabels(workspace, where, dataset, layout);
  await refuseLabelItself(workspace, where, columns, layout);
  const lone = task === 'binary-classification' && layout.scored?.length === 1;
  const listed = task !== 'multilabel-classification' && layout.scored === null && layout.scores.length > 1;
  const labels = lone || listed ? await labelsOf(dataset, columns) : [];
  return { labels, ...(await readJoined(workspace, layout, dataset.rows, where)) };
}

/** Few, where the column is one of labels. */
const mostLabels = 100;

async function labelsOf(dataset: Dataset, columns: Columns): Promise<string[]> {
  const [label] = labelColumns(columns) as [string];
  const { from, expression } = readingOfColumn(dataset, label, 'text');
  return reading(dataset, async () => {
    const reader = await dataset.connection.runAndReadAll(
      `select distinct label from (select ${expression} as label from ${from}) where label is not null order by 1 limit ${mostLabels}`,
    );
    return reader.getRows().map(([text]) => classText(text as string));
  });
}

async function readJoined(
  workspace: DuckDBConnection,
  layout: Layout,
  rows: number,
  where: string,
): Promise<Omit<JoinedRows, 'labels'>> {
  const numbers = [...layout.scores, ...layout.decisions];
  const width = numbers.length;
  const values = new Float64Array(rows * width);
  const texts: string[] | null = layout.predicted === null ? null : [];
  const selected = ['d.id', ...numbers.map((_, index) => `p.s${index}`), ...(texts === null ? [] : ['p.predicted'])];
  const result = await workspace.stream(
    `select ${selected.join(', ')} from dataset d join predictions p on p.id = d.id order by d.row`,
  );
  let row = 0;
  for await (const chunk of result) {
    const vectors = selected.map((_, index) => chunk.getColumnVector(index));
    for (let at = 0; at < chunk.rowCount; at += 1, row += 1) {
      const id = (): string => vectors[0]?.getItem(at) as string;
      for (let index = 0; index < width; index += 1) {
        const value = vectors[index + 1]?.getItem(at) as number | null;
        if (value === null || !Number.isFinite(value)) {
          throw new DataError({
            found: `the ${numbers[index]} of id ${id()} is ${value === null ? 'missing' : value}`,
            expected: 'a finite number for every row',
            where,
            remedy: 'Predict every row; such rows are never dropped silently',
          });
        }
        values[row * width + index] = value;
      }
      if (texts === null) continue;
      const text = vectors[width + 1]?.getItem(at) as string | null;
      if (text === null) {
        throw new DataError({
          found: `the ${layout.predicted} of id ${id()} is missing`,
          expected: 'a predicted label for every row',
          where,
        });
      }
      texts.push(text);
    }
  }
  return { layout, values, texts };
}

type IdsAre = 'numbers' | 'texts';

/** Copy id, scores and labels of every shard into the table `predictions`. */
async function gather(
  workspace: DuckDBConnection,
  paths: readonly string[],
  { reference, columns, task }: { reference: PredictionReference; columns: Columns; task: Task },
): Promise<{ layout: Layout; idsAre: Set<IdsAre> }> {
  let layout: Layout | null = null;
  const idsAre = new Set<IdsAre>();
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
      const ids = readingOfIds(shard, reference.id ?? columns.id);
      idsAre.add(ids.numeric ? 'numbers' : 'texts');
      const id = requireColumns(shard, [reference.id ?? columns.id]);
      const numbers = requireColumns(shard, [...layout.scores, ...layout.decisions]);
      const texts = [...(layout.predicted === null ? [] : [layout.predicted]), ...layout.truth];
      const { from, expressions } = readingOf(shard, [
        ...id.map((column) => ({ column, use: 'text' as const })),
        ...numbers.map((column) => ({ column, use: 'number' as const })),
        ...requireColumns(shard, texts).map((column) => ({ column, use: 'text' as const })),
      ]);
      await reading(shard, async () => {
        await requireNumbers(shard, numbers, {
          expected: 'numbers',
          remedy: 'Name the column of the scores: {predictions, score}',
        });
        await copyRows(
          shard,
          [ids.of(expressions[0] as string), ...expressions.slice(1)],
          workspace,
          'predictions',
          from,
        );
      });
    } finally {
      shard.close();
    }
  }
  return { layout: layout as Layout, idsAre };
}

/** Copy id and labels of every row of the data into the table `dataset`. */
async function gatherDataset(
  workspace: DuckDBConnection,
  dataset: Dataset,
  columns: Columns,
  layout: Layout,
): Promise<IdsAre> {
  const labels = namedAsLabel(layout, columns).map(({ label }) => label);
  requireColumns(dataset, [...layout.truth, ...labels]);
  const ids = readingOfIds(dataset, columns.id);
  const fields = [...layout.truth.map((_, index) => `truth${index}`), ...labels.map((_, index) => `label${index}`)];
  await workspace.run(
    `create table dataset (id varchar, ${fields.map((name) => `${name} varchar, `).join('')}row bigint)`,
  );
  const own = isRowNumber(dataset, columns.id) ? [] : [columns.id];
  const { from, expressions } = readingOfColumns(
    dataset,
    requireColumns(dataset, [...own, ...layout.truth, ...labels]),
    'text',
  );
  const id = own.length === 0 ? ids.text : ids.of(expressions[0] as string);
  const selected = [id, ...expressions.slice(own.length), 'row_number() over ()'];
  await reading(dataset, () => copyRows(dataset, selected, workspace, 'dataset', from));
  return ids.numeric ? 'numbers' : 'texts';
}

async function refuseBadRows(workspace: DuckDBConnection, where: string, dataset: Dataset): Promise<void> {
  const nulls = await first(workspace, 'select null from predictions where id is null');
  if (nulls.count > 0) {
    throw new DataError({ found: `${nulls.count} predictions have no id`, expected: 'an id in every row', where });
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
      found: `${repeated.count} ids occur more than once in ${what}: ${repeated.shown}`,
      expected: 'each id once',
      where: file,
      remedy: 'Remove the duplicates: Contender cannot know which one is right',
    });
  }
  const missing = await first(workspace, 'select id from dataset anti join predictions using (id) order by row');
  if (missing.count > 0) {
    const other = await first(
      workspace,
      `select distinct '"' || id || '"' from predictions anti join dataset using (id) order by 1`,
    );
    const alike = other.count === 0 ? 0 : await alikeIds(workspace);
    const unlike =
      other.count === 0
        ? ''
        : `; the predictions have ids such as ${other.shown}, which are not in the data${alike === 0 ? '' : `: ${alike} differ only in spaces, case or Unicode form`}`;
    throw new DataError({
      found: `${count(missing.count)} of ${counted(dataset.rows, 'rows')} of ${dataset.uri} have no prediction: id ${missing.shown}${unlike}`,
      expected: 'a prediction for every row',
      where,
      remedy: 'Predict every row, and name the id column as in the data ({predictions, id})',
    });
  }
}

/** How many ids without a prediction look like one that has one. */
async function alikeIds(workspace: DuckDBConnection): Promise<number> {
  const seen = 'nfc_normalize(lower(trim(id)))';
  const read = await workspace.runAndReadAll(
    `select count(*)::double from dataset anti join predictions using (id) where ${seen} in (select ${seen} from predictions anti join dataset using (id))`,
  );
  return Number(read.getRows()[0]?.[0] ?? 0);
}

async function refuseOtherLabels(
  workspace: DuckDBConnection,
  where: string,
  dataset: Dataset,
  layout: Layout,
): Promise<void> {
  for (const [index, name] of layout.truth.entries()) {
    const [own, given] = [`d.truth${index}`, `p.truth${index}`];
    const same = sameLabel(own, given);
    const other = await first(
      workspace,
      `select d.id || ' (' || coalesce(${given}, 'none') || ' here, ' || coalesce(${own}, 'none') || ' in the data)' from dataset d join predictions p on p.id = d.id where not coalesce(${same}, false) order by d.row`,
    );
    if (other.count === 0) continue;
    throw new DataError({
      found: `${other.count} labels differ from ${dataset.uri}: id ${other.shown}`,
      expected: `the same ${name} for the same id`,
      where,
      remedy: `If the predictions were made on other data, predict again. If column ${JSON.stringify(name)} holds the predicted values, rename it to prediction`,
    });
  }
}

/** Columns of predictions that are named as a label of the data, and that label. */
function namedAsLabel(layout: Layout, columns: Columns): { name: string; column: string; label: string }[] {
  const plain = (text: string): string => text.trim().toLowerCase();
  return [
    ...[...layout.scores, ...layout.decisions].map((name, index) => ({ name, column: `cast(p.s${index} as varchar)` })),
    ...(layout.predicted === null ? [] : [{ name: layout.predicted, column: 'p.predicted' }]),
  ].flatMap((each) => {
    const label = labelColumns(columns).find((own) => plain(own) === plain(each.name));
    return label === undefined ? [] : [{ ...each, label }];
  });
}

/** Predictions in a column that is named as the label, and is the label in every row, are what was to be predicted. */
async function refuseLabelItself(
  workspace: DuckDBConnection,
  where: string,
  columns: Columns,
  layout: Layout,
): Promise<void> {
  for (const [index, { name, column }] of namedAsLabel(layout, columns).entries()) {
    const other = await first(
      workspace,
      `select d.id from dataset d join predictions p on p.id = d.id where not coalesce(${sameLabel(`d.label${index}`, column)}, false)`,
    );
    if (other.count > 0) continue;
    throw new DataError({
      found: `the predictions in column ${JSON.stringify(name)} equal the label in every row`,
      expected: 'the values that the model predicts, not the true labels',
      where,
      remedy: 'Name the column of the predictions: {predictions, label} or {predictions, score}',
    });
  }
}

/** SQL: are two texts one label? 1 and 1.0 are, and so are true and True; other text is compared as text. */
function sameLabel(own: string, given: string): string {
  const booleans = `lower(${own}) in ('true', 'false') and lower(${own}) = lower(${given})`;
  return `(${own} is not distinct from ${given} or try_cast(${own} as double) = try_cast(${given} as double) or (${booleans}))`;
}

/** How many rows a query has, and the first of them as text. */
async function first(connection: DuckDBConnection, query: string): Promise<{ count: number; shown: string }> {
  const reader = await connection.runAndReadAll(
    `with found as (${query}) select (select count(*)::double from found), (select string_agg(v, ', ') from (select * from found limit 5) t(v))`,
  );
  const [count, shown] = reader.getRows()[0] as [number, string | null];
  return { count, shown: `${(shown ?? '').slice(0, 500)}${count > 5 ? ', …' : ''}` };
}
