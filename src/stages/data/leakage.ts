import { isSavedIndex, labelColumns, roleOf, type Columns } from '../../config/index.ts';
import { readingOf, readingOfColumn, type CellRequest } from '../../data/cells.ts';
import { predictorsOf, type Predictor } from './predictors.ts';
import { reading, rowsFrom, type Dataset, type DatasetColumn } from '../../data/dataset.ts';
import { idsOfRows } from '../../data/row-ids.ts';
import { readingOfTimes, timeText } from '../../data/times.ts';
import { copyRows, inWorkspace } from '../../data/workspace.ts';
import { reported, type Check } from '../../evidence/check.ts';
import type { StageContext } from '../stage.ts';
import type { Leakage } from './schema.ts';
import { alike, likenessOf, mayBeEqual, requestOf } from './same-cells.ts';
import { rowsOf, showColumn, showValue } from './show.ts';
import { count, percent, firstOf, counted } from '../../wording.ts';
import { located } from './check-id.ts';

/** What the evidence tells of rows that stand twice. */
export interface LeakageDetails {
  /** Null without reference data, or where the datasets share no features. */
  overlap: Overlap | null;
  datasets: Record<string, Duplicates>;
  /** How well single columns of the evaluation data tell the label, and what says nothing of a row: its id and its place. Best first. */
  predictors?: { features: Predictor[]; ids: Predictor[] };
}

interface Overlap {
  /** Columns that the rows are compared by. */
  columns: number;
  /** Evaluation rows that are also in the reference data too, but for the id. */
  rows: number;
  /** Those of them that have the same id there. */
  sameId: number | null;
  /** Rows whose features stand there, whatever the label. */
  sameFeatures: number;
  /** Rows whose features stand there but for case, punctuation and the fourth digit of numbers. */
  near: number;
}

/** A column whose cells are never equal, whatever they are: its types differ. */
interface UnequalColumn {
  name: string;
  types: [evaluation: string, reference: string];
}

interface Duplicates {
  rows: number;
  /** Rows that repeat an earlier one, but for the id. */
  repeated: number;
  /** Rows that differ from another in the label and the id alone; null where there are no labels. */
  conflicting: number | null;
}

type LeakageInput = Pick<StageContext, 'config' | 'datasets' | 'signal'>;

/**
 * Rows that stand in two datasets, or twice in one. Rows are compared by digests of 64 bits, which files exchange rather than that a
 * connection may read both: numbers and times by value, whatever type holds them, and everything else as the text in the file. Two different
 * rows pass for one with a probability of about 1 in 10^19 a pair.
 */
export async function leakageChecks(
  { config, datasets, signal }: LeakageInput,
  settings: Leakage,
): Promise<{ checks: Check[]; details: LeakageDetails }> {
  const details: LeakageDetails = { overlap: null, datasets: {} };
  const checks: Check[] = [];
  for (const [name, dataset] of Object.entries(datasets)) {
    signal?.throwIfAborted();
    const found = await duplicatesOf(dataset, config.columns);
    if (found === null) continue;
    details.datasets[name] = found;
    checks.push(...located(duplicateChecks(dataset, found, settings), dataset));
  }
  const { evaluation, reference } = datasets;
  if (evaluation !== undefined && reference !== undefined) {
    signal?.throwIfAborted();
    const found = await overlapOf(evaluation, reference, config.columns);
    if (found !== null) {
      details.overlap = found.overlap;
      checks.unshift(
        overlapCheck(evaluation, found, details.datasets['reference'], settings),
        nearCheck(evaluation, found.overlap, settings),
      );
    }
  }
  if (evaluation !== undefined) {
    const { columns, task } = config;
    const predictors = await predictorsOf(evaluation, { columns, task }, signal);
    details.predictors = { features: predictors.features.slice(0, 10), ids: predictors.ids };
    checks.push(...predictorChecks(predictors, settings));
  }
  if (evaluation !== undefined && reference !== undefined && settings.time !== undefined) {
    checks.push(await timeCheck(evaluation, reference, settings.time, settings));
  }
  return { checks: evaluation === undefined ? checks : located(checks, evaluation), details };
}

/** A column that says all of the label is a copy of it, or was filled in after it was known; so does an id, or a file in its order. */
function predictorChecks(
  { features, ids }: { features: Predictor[]; ids: Predictor[] },
  { max_skill: most = 0.98, severity = 'warn' }: Leakage,
): Check[] {
  return [
    { id: 'label-in-one-column', title: 'A single column predicts the label', found: features, severity },
    {
      id: 'label-in-id',
      title: 'Ids or row order predict the label',
      found: ids,
      severity: 'info' as const,
    },
  ].flatMap(({ id, title, found, severity: how }) => {
    const [best] = found;
    if (best === undefined) return [];
    const telling = found.filter(({ skill }) => skill > most);
    const shown = (telling.length > 0 ? telling : [best]).map(
      ({ column, skill }) => `${showColumn(column)} (${percent(skill, 3)})`,
    );
    return [
      {
        id: `data/leakage/${id}`,
        title,
        verdict: telling.length > 0 ? ('fail' as const) : ('pass' as const),
        severity: how,
        message: `${telling.length > 0 ? 'the label is predicted by' : 'the best single predictor of the label is'} ${firstOf(shown, 3, 'columns')}, learned on one half of the rows and tested on the other; at most ${percent(most, 3)} allowed`,
        observed: best.skill,
        required: most,
        limit: 'at most' as const,
        unit: 'share',
      },
    ];
  });
}

/** @throws DataError where a value is no date or time */
async function timeCheck(
  evaluation: Dataset,
  reference: Dataset,
  column: string,
  { severity = 'warn' }: Leakage,
): Promise<Check> {
  const rowOf = async (dataset: Dataset, select: string): Promise<readonly unknown[]> => {
    const times = await readingOfTimes(dataset, column);
    const { from, expression } = readingOfColumn(dataset, column, times.use);
    const query = `select ${select} from (select ${times.of(expression)} as time from ${from})`;
    return (await rowsFrom(dataset, query))[0] ?? [];
  };
  const [newest] = await rowOf(reference, 'max(time)');
  const limit = typeof newest === 'number' ? `${newest}::double` : 'null';
  const [early, all, first] = await rowOf(
    evaluation,
    `count(*) filter (time <= ${limit})::double, count(time)::double, min(time)`,
  );
  const title = 'Rows of the evaluation data that are not later than the reference data';
  const check = { id: 'data/leakage/time', title, severity };
  if (typeof newest !== 'number' || Number(all) === 0)
    return atMostRows(check, null, 0, `column ${showColumn(column)} has no times in one of the datasets`);
  const message = `${count(Number(early))} of ${rowsOf(Number(all))} are not later than ${timeText(newest)}, the newest of the reference data; the first is of ${timeText(Number(first))}`;
  return atMostRows(check, Number(early), 0, message);
}

/** @param observed null: it cannot be told */
function atMostRows(
  of: Pick<Check, 'id' | 'title' | 'severity'>,
  observed: number | null,
  most: number,
  message: string,
): Check {
  const verdict = observed === null ? 'inconclusive' : observed > most ? 'fail' : 'pass';
  return { ...of, verdict, message, observed, required: most, limit: 'at most', unit: 'rows' };
}

/** @param most undefined: any number of rows is allowed */
function limitedRows(
  of: Pick<Check, 'id' | 'title' | 'severity'>,
  observed: number,
  most: number | undefined,
  said: string,
): Check {
  if (most === undefined) return reported(of.id, of.title, said, observed);
  return atMostRows(of, observed, most, `${said}; at most ${count(most)} allowed`);
}

/** Rows without what tells them apart by construction. */
function featuresOf(dataset: Dataset, columns: Columns): DatasetColumn[] {
  const labels = new Set(labelColumns(columns));
  return dataset.columns.filter(
    ({ name }) => !labels.has(name) && roleOf(name, columns) !== 'id' && !isSavedIndex(name),
  );
}

async function duplicatesOf(dataset: Dataset, columns: Columns): Promise<Duplicates | null> {
  const features = featuresOf(dataset, columns);
  if (features.length === 0) return null;
  const names = labelColumns(columns);
  const labels = dataset.columns.filter(({ name }) => names.includes(name));
  const cells = [...features, ...labels];
  const { from, expressions: read } = readingOf(
    dataset,
    cells.map((column) => requestOf(column, likenessOf(column, column))),
  );
  const expressions = cells.map((column, index) =>
    alike(read[index] as string, likenessOf(column, column), [column, column], dataset),
  );
  const label = expressions.slice(features.length);
  const digests = `select hash(${expressions.slice(0, features.length).join(', ')}) as features,
    ${label.length === 0 ? 'null' : `if(${label.map((each) => `${each} is null`).join(' and ')}, null, hash(${label.join(', ')}))`} as label
    from ${from}`;
  const query = `with alike as (select features, label, count(*) as n from (${digests}) group by all),
    groups as (select sum(n) as n, count(*) as different, count(label) as labels from alike group by features)
    select coalesce(sum(n - different), 0)::double, coalesce(sum(n) filter (labels > 1), 0)::double from groups`;
  const [[repeated, conflicting] = []] = await rowsFrom(dataset, query);
  return {
    rows: dataset.rows,
    repeated: Number(repeated),
    conflicting: label.length === 0 ? null : Number(conflicting),
  };
}

async function overlapOf(
  evaluation: Dataset,
  reference: Dataset,
  columns: Columns,
): Promise<{ overlap: Overlap; ids: string[]; unequal: UnequalColumn[] } | null> {
  const there = new Map(reference.columns.map((column) => [column.name, column]));
  const shared = evaluation.columns.flatMap((column) => {
    const other = there.get(column.name);
    return other === undefined ? [] : [{ column, other }];
  });
  const features = new Set(featuresOf(evaluation, columns).map(({ name }) => name));
  if (!shared.some(({ column }) => features.has(column.name))) return null;
  const compared = shared.filter(({ column: { name } }) => name !== columns.id && !isSavedIndex(name));
  const id = shared.find(({ column }) => column.name === columns.id);
  const pairs = [...compared, ...(id === undefined ? [] : [id])];
  const requests = (side: 'column' | 'other'): CellRequest[] =>
    pairs.map((pair) => requestOf(pair[side], likenessOf(pair.column, pair.other)));
  const unequal: UnequalColumn[] = [];
  for (const { column, other } of compared) {
    const may =
      (await reading(evaluation, () => mayBeEqual(evaluation, column, other))) &&
      (await reading(reference, () => mayBeEqual(reference, other, column)));
    if (!may) unequal.push({ name: column.name, types: [column.type, other.type] });
  }
  return inWorkspace(async (workspace) => {
    for (const [table, dataset, side] of [
      ['evaluation', evaluation, 'column'],
      ['reference', reference, 'other'],
    ] as const) {
      await workspace.run(
        `create table ${table} (place bigint, cells ubigint, id ubigint, features ubigint, near ubigint)`,
      );
      const { from, expressions: read } = readingOf(dataset, requests(side));
      const expressions = pairs.map(({ column, other }, index) =>
        alike(read[index] as string, likenessOf(column, other), [column, other], dataset),
      );
      const cells = `hash(${expressions.slice(0, compared.length).join(', ')})`;
      const key = id === undefined ? 'null::ubigint' : `hash(${expressions.at(-1) ?? ''})`;
      const feature = compared.flatMap(({ column, other }, index) =>
        features.has(column.name) ? [{ cell: expressions[index] as string, use: roughUse(column, other) }] : [],
      );
      const sameFeatures = `hash(${feature.map(({ cell }) => cell).join(', ')})`;
      const near = `hash(${feature.map(({ cell, use }) => roughly(cell, use)).join(', ')})`;
      const selected = ['row_number() over () - 1', cells, key, sameFeatures, near];
      await reading(dataset, () => copyRows(dataset, selected, workspace, table, from));
    }
    const count = async (join: string): Promise<number> =>
      Number(
        (
          await workspace.runAndReadAll(`select count(*)::double from evaluation semi join reference using (${join})`)
        ).getRows()[0]?.[0],
      );
    const rows = await count('cells');
    const first = await workspace.runAndReadAll(
      'select place::double from evaluation semi join reference using (cells) order by place limit 3',
    );
    const places = first.getRows().map(([place]) => Number(place));
    const hasId = evaluation.columns.some(({ name }) => name === columns.id);
    return {
      unequal,
      overlap: {
        columns: compared.length,
        rows,
        sameId: id === undefined ? null : await count('cells, id'),
        sameFeatures: await count('features'),
        near: await count('near'),
      },
      ids: places.length === 0 || !hasId ? [] : [...(await idsOfRows(evaluation, columns.id, places)).values()],
    };
  });
}

/** A whole number is a number, a code or a class: near it is none. */
function roughUse(one: DatasetColumn, other: DatasetColumn): 'number' | 'text' | 'whole' {
  const likeness = likenessOf(one, other);
  if (likeness === 'whole') return 'whole';
  return likeness === 'number' || likeness === 'single' ? 'number' : 'text';
}

/** What is left of a value where case, marks and spaces of texts, and digits of numbers from the fourth on, do not count. */
function roughly(cell: string, use: 'number' | 'text' | 'whole'): string {
  if (use === 'whole') return cell;
  if (use === 'number') {
    // Three digits, whatever the size: 1234 and 1232 are 1230.
    return `case when ${cell} = 0 or not isfinite(${cell}) then ${cell} else round(${cell} / pow(10, floor(log10(abs(${cell}))) - 2)) * pow(10, floor(log10(abs(${cell}))) - 2) end`;
  }
  return `trim(regexp_replace(lower(strip_accents(cast(${cell} as varchar))), '[^\\p{L}\\p{N}]+', ' ', 'g'))`;
}

/** Equal rows are near ones too; whether more are is what is asked. */
function nearCheck(
  evaluation: Dataset,
  { near, sameFeatures }: Overlap,
  { max_near_duplicate_rows: most, severity = 'warn' }: Leakage,
): Check {
  const title = 'Evaluation rows that are nearly equal to a row of the reference data';
  const said = `${count(near)} of ${rowsOf(evaluation.rows)} have the features of a row of the reference data except for case, punctuation and the fourth digit of numbers, ${count(sameFeatures)} of them exactly`;
  return limitedRows({ id: 'data/leakage/near-duplicates', title, severity }, near, most, said);
}

function overlapCheck(
  evaluation: Dataset,
  { overlap: { rows, sameId, columns }, ids, unequal }: { overlap: Overlap; ids: string[]; unequal: UnequalColumn[] },
  reference: Duplicates | undefined,
  { max_overlap_rows: most = 0, severity = 'warn' }: Leakage,
): Check {
  const all = `${count(rows)} of ${rowsOf(evaluation.rows)} of the evaluation data ${rows === 1 ? 'is' : 'are'} also in the reference data`;
  const withId = sameId === null || sameId === 0 ? '' : `, ${sameId === rows ? 'all' : count(sameId)} with the same id`;
  const such = ids.length === 0 ? '' : `, such as ${ids.map(showValue).join(', ')}`;
  // Where few columns say little, equal rows are no copies.
  const natural =
    reference === undefined || reference.repeated === 0
      ? ''
      : `; within the reference data ${count(reference.repeated)} of ${rowsOf(reference.rows)} repeat another`;
  const title = 'Evaluation rows that are also in the reference data';
  const check = { id: 'data/leakage/overlap', title, severity };
  const [column] = unequal;
  if (column !== undefined && rows === 0) {
    const more = unequal.length > 1 ? ` (and ${count(unequal.length - 1)} more)` : '';
    const [here, there] = column.types.map((type) => type.slice(0, 80));
    const message = `no row can be equal, because ${showColumn(column.name)} is ${here} in the evaluation data and ${there} in the reference data${more}: write the column in the same way in both files, or remove it from one`;
    return atMostRows(check, null, most, message);
  }
  const message =
    rows === 0
      ? `none of ${rowsOf(evaluation.rows)} is also in the reference data, compared by ${counted(columns, 'columns')}`
      : `${all}${withId}${such}; at most ${count(most)} allowed${natural}`;
  return atMostRows(check, rows, most, message);
}

function duplicateChecks(dataset: Dataset, found: Duplicates, settings: Leakage): Check[] {
  const { rows, repeated, conflicting } = found;
  const { severity = 'warn' } = settings;
  const limited = (name: string, title: string, observed: number, most: number | undefined, said: string): Check =>
    limitedRows({ id: `data/${dataset.name}/${name}`, title, severity }, observed, most, said);
  const of = (number: number): string => `${count(number)} of ${rowsOf(rows)}`;
  return [
    limited(
      'duplicates',
      `Rows of the ${dataset.name} data that repeat an earlier one`,
      repeated,
      settings.max_duplicate_rows,
      `${of(repeated)} repeat${repeated === 1 ? 's' : ''} an earlier one, ignoring the id`,
    ),
    ...(conflicting === null
      ? []
      : [
          limited(
            'conflicting-labels',
            `Rows of the ${dataset.name} data that differ only in the label`,
            conflicting,
            settings.max_conflicting_rows,
            `${of(conflicting)} differ${conflicting === 1 ? 's' : ''} from another row only in the label and the id`,
          ),
        ]),
  ];
}
