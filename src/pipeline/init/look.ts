import { rowNumber } from '../../config/columns.ts';
import { classText } from '../../data/class-text.ts';
import { quoteIdentifier, rowsFrom, type Dataset, type DatasetColumn } from '../../data/dataset.ts';
import { isNested, isNumeric, isWhole } from '../../data/types.ts';
import { nearest } from '../../config/suggest.ts';
import { UsageError } from '../../errors.ts';
import type { ModelInspection } from '../../model/inspect.ts';
import type { InitTask } from './tasks.ts';
import { firstOf } from '../../wording.ts';

/** A value of the configuration, and why it is that one. */
export interface Guess<T> {
  value: T;
  because: string;
}

type Cell = string | number | boolean;

/** What is known of a model before its label is. */
export interface ModelFacts {
  /** Columns that feed it, as far as it names them. */
  inputs: readonly string[];
  /** Names that its outputs or its metadata have for what it predicts. */
  targets: readonly string[];
  /** Whether it gives one number a row and no classes; null: nothing is known. */
  single: boolean | null;
  /** How many classes it tells apart; null: it does not say. */
  classes: number | null;
  /** What it calls them; none: it does not say. */
  names: readonly string[];
}

export const noModel: ModelFacts = { inputs: [], targets: [], single: null, classes: null, names: [] };

/** What a model says of columns: those that feed it can never be its label. */
export function factsOf(inspection: ModelInspection, columns: readonly DatasetColumn[]): ModelFacts {
  const { inputs, outputs, metadata, featureNames, origins } = inspection;
  const names = columns.map(({ name }) => name);
  const own = featureNames ?? inputs.map(({ name }) => name);
  // Exporters write `petal length (cm)` as `petal_length__cm_`.
  const fed = names.filter((name) => own.includes(name) || own.includes(name.replace(/[^A-Za-z0-9]/gu, '_')));
  const stated = ['target', 'target_name', 'label', 'label_name'].flatMap((key) => metadata[key] ?? []);
  const widths = outputs.map(({ shape }) => (shape === null || shape.length < 2 ? 1 : shape.at(-1)));
  const lists = outputs.flatMap(({ name }) => [origins[name]?.classes ?? []].filter((each) => each.length > 0));
  const told = lists.map(({ length }) => length);
  const columnsOf = widths.filter((size): size is number => typeof size === 'number' && size > 2);
  const counts = told.length > 0 ? told : columnsOf;
  return {
    inputs: fed,
    targets: [...stated, ...outputs.map(({ name }) => name)],
    single: told.length === 0 && outputs.length === 1 && widths[0] === 1 && outputs[0]?.type !== 'string',
    classes: counts.length === 0 ? null : Math.max(...counts),
    names: (lists[0] ?? []).map(classText),
  };
}

/** Names that people give to what is predicted, the surest first. */
const labelNames = /^(?:label|labels|target|class|outcome|answer|ground_?truth|y|y_?true)$/iu;
const idNames = /^(?:id|.*_id|uuid|key|row|row_?number|index|.*[a-z]Id)$/u;

/** What init needs a person, or a better-named column, for. */
export interface Choosing {
  /** Which of several, asked where somebody can answer. */
  choose(what: string, options: readonly string[], proposal: string | undefined): Promise<string>;
}

/**
 * The column that tells rows apart: by its name, and by having another value in every row. Where there is none, the number of the row,
 * unless predictions are `joined` by it.
 * @throws UsageError
 */
export async function idColumn(
  dataset: Dataset,
  given: string | undefined,
  model: ModelFacts,
  joined: boolean,
): Promise<Guess<string>> {
  if (given !== undefined) return named(dataset, given, 'id');
  const free = dataset.columns.filter(
    ({ name, type }) => !model.inputs.includes(name) && !isNested(type) && (isWhole(type) || !isNumeric(type)),
  );
  const byName = free.filter(({ name }) => idNames.test(name.toLowerCase()) || idNames.test(name));
  const others = free.filter((column) => !byName.includes(column)).slice(0, 20);
  for (const column of [...byName, ...others]) {
    if (!(await isUnique(dataset, column.name))) continue;
    const why = byName.includes(column) ? 'by its name, and' : 'the first column that';
    return { value: column.name, because: `${why} has a different value in every row` };
  }
  if (!joined) return { value: rowNumber, because: 'no column has a different value in every row' };
  throw new UsageError({
    found: `no column of ${dataset.uri} has a different value in every row: ${listed(dataset.columns)}`,
    expected: 'a column that identifies each row, by which files of predictions are joined',
    remedy: 'Add one, such as a row number, or name an existing column with --id',
  });
}

/**
 * The column that is predicted. What feeds the model is never taken; what the model's metadata or outputs are named after is taken first,
 * then a usual name, then the only column of the model's classes, then the last column that nothing else is. Two usual names are a question.
 * @throws UsageError where it cannot be told and nobody is there to be asked
 */
export async function labelColumn(
  dataset: Dataset,
  given: string | undefined,
  { id, model, asking }: { id: string; model: ModelFacts; asking: Choosing | null },
): Promise<Guess<string>> {
  if (given !== undefined) {
    if (model.inputs.includes(given)) {
      throw new UsageError({
        found: `${JSON.stringify(given)} is an input of the model`,
        expected: 'a label that is not an input of the model',
        where: '--label',
        remedy: 'Name another column, or train the model without it',
      });
    }
    return named(dataset, given, 'label');
  }
  const free = dataset.columns.filter(
    ({ name, type }) => name !== id && !model.inputs.includes(name) && !isNested(type) && !/^(?:DATE|TIME)/u.test(type),
  );
  const ofModel = free.find(({ name }) => model.targets.includes(name));
  const usual = free.filter(({ name }) => labelNames.test(name));
  if (ofModel !== undefined && (usual.length === 0 || usual.includes(ofModel))) {
    return { value: ofModel.name, because: 'the model names it as what it predicts' };
  }
  const ofClasses = usual.length === 1 ? [] : await columnsOf(dataset, usual.length > 0 ? usual : free, model.names);
  if (ofClasses.length === 1) {
    return { value: ofClasses[0] ?? '', because: 'its values are the classes of the model' };
  }
  const [first, ...more] = usual;
  if (first !== undefined && more.length === 0) return { value: first.name, because: 'by its name' };
  const last = free.at(-1);
  const options = (first === undefined ? free : usual).map(({ name }) => name);
  if (asking !== null && options.length > 0) {
    const value = await asking.choose('Which column is the label?', options, first?.name ?? last?.name);
    return { value, because: 'as you said' };
  }
  if (first !== undefined) {
    throw new UsageError({
      found: `several columns of ${dataset.uri} could be the label: ${options.join(', ')}`,
      expected: 'one',
      remedy: 'Name it with --label',
    });
  }
  if (last === undefined || (!isNumeric(last.type) && (await isUnique(dataset, last.name)))) {
    throw new UsageError({
      found: `no column of ${dataset.uri} looks like the label: ${listed(dataset.columns)}`,
      expected: 'a column with the true values, such as label',
      remedy: 'Name it with --label',
    });
  }
  const [is, among] = free.length === 1 ? ['the only column that is', ''] : ['only', ', the last column that is'];
  return {
    value: last.name,
    because: `${is}${among === '' ? '' : ' by its place'}${among} ${model.inputs.length === 0 ? 'not the id: check it first' : 'neither id nor input of the model'}`,
  };
}

/** Columns that have classes of the model for values, and nothing else. */
async function columnsOf(
  dataset: Dataset,
  columns: readonly DatasetColumn[],
  names: readonly string[],
): Promise<string[]> {
  const found: string[] = [];
  for (const { name } of names.length === 0 ? [] : columns) {
    const values = (await labelValues(dataset, name)).map((each) => classText(String(each)));
    if (values.length > 1 && values.every((each) => names.includes(each))) found.push(name);
  }
  return found;
}

/** Values of the label, sorted, as far as it takes to tell classes from numbers. */
export async function labelValues(dataset: Dataset, name: string): Promise<Cell[]> {
  const quoted = quoteIdentifier(name);
  const rows = await rowsFrom(
    dataset,
    `select distinct ${quoted} from ${dataset.relation} where ${quoted} is not null order by 1 limit 1001`,
  );
  return rows.map(([value]) => {
    if (typeof value === 'bigint') return Number(value);
    return typeof value === 'number' || typeof value === 'boolean' ? value : String(value);
  });
}

/**
 * The class that a binary classifier looks for: one of two opposite words, then as a person says, then the rarer of the two where it is
 * much rarer, then the last, as most libraries have it. A model with one score says nothing of the rarer: its score is that of the last.
 * @returns undefined where it is 1, the default
 */
export async function positiveClass(
  dataset: Dataset,
  label: string,
  values: readonly Cell[],
  { model, asking }: { model: ModelFacts; asking: Choosing | null },
): Promise<Guess<Cell> | undefined> {
  const [first, second] = values;
  if (first === undefined || second === undefined || values.includes(1)) return undefined;
  const ofWords = [first, second].filter((value) => isPositive(value, value === first ? second : first));
  if (ofWords.length === 1) return { value: ofWords[0] as Cell, because: 'by its name' };
  const rarer = model.single === true ? undefined : await rarerClass(dataset, label, [first, second]);
  const proposal = rarer ?? { value: second, because: 'the last of the two values' };
  if (asking === null) return proposal;
  const options = [first, second].map(String);
  const said = await asking.choose(
    'Which class is the positive one, which the model looks for?',
    options,
    String(proposal.value),
  );
  return { value: said === String(first) ? first : second, because: 'as you said' };
}

const positiveWords =
  /^(?:y|yes|t|true|1|pos|positive|fraud|fraudulent|spam|churn|churned|default|defaulted|attack|malicious|malignant|malware|phishing|anomaly|anomalous|abnormal|outlier|defect|defective|disease|diseased|infected|toxic|click|clicked|converted)$/u;
const negativeWords =
  /^(?:n|no|f|false|0|neg|negative|legit|legitimate|genuine|benign|ham|normal|regular|healthy|retained|clean|harmless|none)$/u;

/** One word of two says it: its own meaning, or that the other is its opposite, as `legit` is of `fraud` and `not_spam` of `spam`. */
function isPositive(value: Cell, other: Cell): boolean {
  const [word, opposite] = [value, other].map((each) => String(each).trim().toLowerCase()) as [string, string];
  const denied = (text: string, by: string): boolean =>
    /^(?:not?|non)[ _-]?(?<rest>.*)$/u.exec(by)?.groups?.['rest'] === text;
  if (negativeWords.test(word) || denied(opposite, word)) return false;
  return positiveWords.test(word) || negativeWords.test(opposite) || denied(word, opposite);
}

/** The class of at most a third of the rows. */
async function rarerClass(dataset: Dataset, label: string, values: [Cell, Cell]): Promise<Guess<Cell> | undefined> {
  const quoted = quoteIdentifier(label);
  const counted = `select count(*) from ${dataset.relation} where ${quoted} is not null group by ${quoted} order by ${quoted}`;
  const [first = 0, second = 0] = (await rowsFrom(dataset, counted)).map(([rows]) => Number(rows));
  const [least, most] = [Math.min(first, second), Math.max(first, second)];
  if (least * 2 > most) return undefined;
  return {
    value: values[first === least ? 0 : 1],
    because: `the rarer of the two values: ${least} of ${least + most} rows`,
  };
}

/** What kind of thing is predicted: by the values of the label, and where whole numbers may be either, by what the model gives. */
export function taskOf(values: readonly Cell[], model: ModelFacts): Guess<InitTask> {
  const count = `the label has ${values.length} values`;
  const classes = model.classes ?? 0;
  // The rows at hand may lack a class that the model knows.
  if (classes > 2) return { value: 'multiclass-classification', because: `the model tells ${classes} classes apart` };
  if (values.length === 2) return { value: 'binary-classification', because: count };
  if (values.some((each) => typeof each !== 'number')) return { value: 'multiclass-classification', because: count };
  const whole = values.every((each) => Number.isInteger(each));
  if (!whole || values.length > 100) return { value: 'regression', because: 'the label holds numbers' };
  if (model.single === true)
    return { value: 'regression', because: 'the label holds numbers, and the model gives one number a row' };
  return values.length <= 20 || model.single === false
    ? { value: 'multiclass-classification', because: count }
    : { value: 'regression', because: `${count}, all numbers` };
}

/** Columns by whose values rows make good slices: few values, enough rows of each, and not another word for the label. */
export async function sliceColumns(
  dataset: Dataset,
  taken: readonly string[],
  { label, classes }: { label: string; classes: number },
): Promise<string[]> {
  const found: string[] = [];
  const texts = dataset.columns.filter(
    ({ name, type }) => !taken.includes(name) && (type === 'VARCHAR' || type === 'BOOLEAN'),
  );
  for (const { name } of texts.slice(0, 50)) {
    const [column, truth] = [quoteIdentifier(name), quoteIdentifier(label)];
    const [row = []] = await rowsFrom(
      dataset,
      `select count(*), min(n), max(labels) from (select count(*) as n, count(distinct ${truth}) as labels from ${dataset.relation} group by ${column})`,
    );
    const [groups, least, labels] = row.map(Number);
    if (groups === undefined || least === undefined || labels === undefined) continue;
    // Of several kinds of one class each group has one label: that is where a candidate may lose one of them whole.
    const isLabel = labels === 1 && groups <= classes;
    if (groups >= 2 && groups <= 10 && least >= leastSliceRows && !isLabel) found.push(name);
    if (found.length === mostSlices) break;
  }
  return found;
}

const leastSliceRows = 30;
const mostSlices = 3;

/** A column whose values repeat and are those of a person or a thing: its rows are not independent. */
export async function clusterColumn(dataset: Dataset, taken: readonly string[]): Promise<string | undefined> {
  const things =
    /^(?:person|user|patient|customer|client|account|device|subject|session|household|member)(?:_?id)?$|_id$/iu;
  for (const { name } of dataset.columns.filter((each) => things.test(each.name) && !taken.includes(each.name))) {
    const quoted = quoteIdentifier(name);
    const counts = `select count(distinct ${quoted}), count(${quoted}) from ${dataset.relation}`;
    const [[distinct, rows] = []] = await rowsFrom(dataset, counts);
    if (Number(rows) === dataset.rows && Number(distinct) >= 30 && Number(distinct) < dataset.rows) return name;
  }
  return undefined;
}

async function isUnique(dataset: Dataset, name: string): Promise<boolean> {
  const counted = `select count(distinct ${quoteIdentifier(name)}) from ${dataset.relation}`;
  const [[distinct] = []] = await rowsFrom(dataset, counted);
  return dataset.rows > 0 && Number(distinct) === dataset.rows;
}

function named({ columns, uri }: Dataset, name: string, option: string): Guess<string> {
  if (columns.some((column) => column.name === name)) return { value: name, because: `--${option}` };
  const near = nearest(
    name,
    columns.map((column) => column.name),
  );
  throw new UsageError({
    found: `there is no column ${JSON.stringify(name)} in ${uri}`,
    expected: `one of: ${listed(columns)}`,
    where: `--${option}`,
    remedy: near === undefined ? 'Name one of them' : `Did you mean ${JSON.stringify(near)}?`,
  });
}

function listed(columns: readonly DatasetColumn[]): string {
  return firstOf(
    columns.map(({ name }) => name),
    10,
  );
}
