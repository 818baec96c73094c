import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormatsModule from 'ajv-formats';
import { quoteIdentifier, reading, rowsFrom, type Dataset, type DatasetColumn } from '../../data/dataset.ts';
import { readingOfColumns } from '../../data/cells.ts';
import { personalIn } from '../../data/personal.ts';
import { isNested, isWhole } from '../../data/types.ts';
import { DataError } from '../../errors.ts';
import { digest } from '../../evidence/canonical.ts';
import type { Log } from '../../log.ts';
import { profileDataset } from '../../profile/profile-dataset.ts';
import type { ColumnProfile } from '../../profile/profile.ts';
import { cellTypes } from './cell-types.ts';
import type { Contract } from './contract.ts';
import { compileContract, type Violation } from './judge.ts';
import { rowBatches } from './rows.ts';
import type { TableRule } from './schema.ts';
import { countSuspects, suspectsOf } from './sieve/suspects.ts';
import { tableChecks } from './table-rules.ts';

// The package is CommonJS whose types claim a default export.
const addFormats = addFormatsModule as unknown as typeof addFormatsModule.default;

/** What data say of themselves: a start for a person, which the data satisfy. */
export interface Inferred {
  /** JSON Schema 2020-12 of one row. */
  contract: RowSchema;
  rules: TableRule[];
}

interface RowSchema {
  $schema: string;
  type: 'object';
  required: string[];
  properties: Record<string, ColumnSchema>;
}

/** The order of the keys is the order they are written in. */
type ColumnSchema = Record<string, unknown>;

/** The part that columns play, where it is known. */
export interface InferOptions {
  id?: string | undefined;
  labels?: readonly string[] | undefined;
  log: Log;
  signal?: AbortSignal | undefined;
}

/** A column of no more texts than this is one of categories, if each has some rows. */
const mostCategories = 20;
const mostClasses = 100;
const rowsEach = 10;
const sampled = 1000;
/** Rows that break what was inferred, which are looked at before it is loosened. */
const mostBroken = 1000;

/**
 * A contract and rules that hold of the data. Only what is likely to hold of later data too is stated: types, which columns are always
 * there, categories, formats, signs and shares; not the least and the greatest of what was seen.
 * @throws DataError for data without rows
 */
export async function infer(dataset: Dataset, { id, labels = [], log, signal }: InferOptions): Promise<Inferred> {
  if (dataset.rows === 0) {
    throw new DataError({ found: 'there are no rows', expected: 'rows to infer a contract from', where: dataset.uri });
  }
  const { columns } = await profileDataset(dataset, { signal });
  const properties: RowSchema['properties'] = {};
  const required: string[] = [];
  for (const [index, column] of columns.entries()) {
    const { name, missing } = column;
    const known = dataset.columns[index] as DatasetColumn;
    const schema = await columnSchema(dataset, known, column, { isId: name === id, isLabel: labels.includes(name) });
    Object.defineProperty(properties, name, { value: schema, enumerable: true, configurable: true, writable: true });
    if (missing === 0) required.push(name);
  }
  const contract: RowSchema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    required,
    properties,
  };
  await loosen(contract, dataset, log, signal);
  return { contract, rules: await rulesOf(dataset, columns, id) };
}

async function columnSchema(
  dataset: Dataset,
  known: DatasetColumn,
  column: ColumnProfile,
  { isId, isLabel }: { isId: boolean; isLabel: boolean },
): Promise<ColumnSchema> {
  const { missing } = column;
  const or = (type: string): string | string[] => (missing > 0 ? [type, 'null'] : type);
  if (known.cells?.empty === true || missing === dataset.rows) return { description: 'no value in any row' };
  if (isNested(known.type)) return { description: known.type.slice(0, 80) };
  if (known.type === 'BOOLEAN') return { type: or('boolean') };
  if (column.kind === 'number') return numberSchema(known, column, or, isLabel);
  if (column.kind === 'time') {
    const format = known.type === 'DATE' ? 'date' : known.type.startsWith('TIMESTAMP') ? 'date-time' : 'time';
    return { type: or('string'), format, ...described(`${column.min ?? ''} to ${column.max ?? ''}`) };
  }
  if (column.kind !== 'category') return {};
  const { categories, length } = column;
  const present = dataset.rows - missing;
  const most = isLabel ? mostClasses : mostCategories;
  if (!isId && categories !== null && categories.length <= most && present >= rowsEach * categories.length) {
    const texts = categories.map(([text]) => text).sort();
    // A contract is committed: it names no people.
    if (!texts.some((text) => personalIn(text).length > 0)) return { enum: missing > 0 ? [...texts, null] : texts };
  }
  const texts = categories?.map(([text]) => text) ?? (await someTexts(dataset, known));
  const format = formatOf(texts);
  return {
    type: or('string'),
    ...(length !== null && length[0] > 0 && format === undefined ? { minLength: 1 } : {}),
    ...(format === undefined ? patternOf(texts) : { format }),
  };
}

function numberSchema(
  { type }: DatasetColumn,
  column: Extract<ColumnProfile, { kind: 'number' }>,
  or: (type: string) => string | string[],
  isLabel: boolean,
): ColumnSchema {
  const { min, max, infinite, shift, values, n, missing } = column;
  if (infinite[0] + infinite[1] > 0) return { description: 'numbers, and infinity, which JSON has none of' };
  if (min === null || max === null) return {};
  const few = shift === 0 && values.length <= (isLabel ? mostCategories : 2) && n >= rowsEach * values.length;
  if (few && values.every((value) => Number.isSafeInteger(value) && (isLabel || value === 0 || value === 1))) {
    return { enum: missing > 0 ? [...values, null] : values };
  }
  const whole = isWhole(type);
  return {
    type: or(whole ? 'integer' : 'number'),
    ...(min >= 0 ? { minimum: 0 } : {}),
    ...(min >= 0 && max <= 1 && !whole ? { maximum: 1 } : {}),
    ...described(`${short(min)} to ${short(max)}`),
  };
}

function described(range: string): { description: string } {
  return { description: `seen: ${range}` };
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}

async function someTexts(dataset: Dataset, column: DatasetColumn): Promise<string[]> {
  const { from, expressions } = readingOfColumns(dataset, [column], 'text');
  const rows = await rowsFrom(
    dataset,
    `select value from (select cast(${expressions[0]} as varchar) as value from ${from}) as ${quoteIdentifier('cells')} where value is not null limit ${sampled}`,
  );
  return rows.map(([value]) => (typeof value === 'string' ? value : ''));
}

/** Formats that say something of a text, the narrowest first. Of `uri` all of `http:` are meant. */
const formats = ['uuid', 'date-time', 'date', 'ipv4', 'ipv6', 'email', 'uri'] as const;
let checks: Map<string, (text: string) => boolean> | undefined;

function formatOf(texts: readonly string[]): string | undefined {
  if (checks === undefined) {
    const ajv = new Ajv2020({ strict: false });
    addFormats(ajv);
    checks = new Map(
      formats.map((format) => {
        const valid = ajv.compile({ format });
        return [format, (text: string) => valid(text)];
      }),
    );
  }
  if (texts.length === 0) return undefined;
  for (const [format, holds] of checks) {
    if (texts.every((text) => holds(text) && (format !== 'uri' || /^https?:/u.test(text)))) return format;
  }
  return undefined;
}

const classes = ['[0-9]', '[A-Z]', '[a-z]', '[A-Z0-9]', '[a-z0-9]', '[A-Za-z0-9]'];

/** Of codes that all have one length and one alphabet. */
function patternOf(texts: readonly string[]): { pattern?: string } {
  const size = texts[0]?.length ?? 0;
  if (texts.length < 20 || size === 0 || size > 64 || texts.some((text) => text.length !== size)) return {};
  const alphabet = classes.find((each) => texts.every((text) => new RegExp(`^${each}+$`, 'u').test(text)));
  return alphabet === undefined ? {} : { pattern: `^${alphabet}{${size}}$` };
}

/** Take out what some row breaks: a sample may have suggested it, or a format may hold values that no type of JSON has. */
async function loosen(contract: RowSchema, dataset: Dataset, log: Log, signal: AbortSignal | undefined): Promise<void> {
  for (;;) {
    const broken = await brokenBy(contract, dataset, log, signal);
    if (broken.length === 0) return;
    for (const { column, rule, line, message } of broken) {
      if (rule === 'json') {
        throw new DataError({
          found: message,
          expected: 'one JSON object per line',
          where: `${dataset.uri}${line === undefined ? '' : `:${line}`}`,
          remedy: 'Fix this line',
        });
      }
      const schema = Object.hasOwn(contract.properties, column ?? '') ? contract.properties[column ?? ''] : undefined;
      if (rule === 'required') contract.required = contract.required.filter((name) => name !== column);
      // One rule after the other, until the row breaks none.
      else if (schema !== undefined && Object.hasOwn(schema, rule)) delete schema[rule];
      else if (schema !== undefined) for (const key of Object.keys(schema)) delete schema[key];
      else throw new TypeError(`${rule} of ${column ?? 'the row'} cannot be taken out`);
    }
  }
}

async function brokenBy(
  schema: RowSchema,
  dataset: Dataset,
  log: Log,
  signal: AbortSignal | undefined,
): Promise<Violation[]> {
  const contract: Contract = { uri: 'the inferred contract', sha256: digest(schema), schema: { ...schema } };
  const judge = compileContract(contract, log);
  const types = cellTypes(
    schema,
    dataset.columns.map(({ name }) => name),
  );
  return reading(dataset, async () => {
    const suspects = suspectsOf(dataset, schema, types);
    if (suspects !== null && (await countSuspects(dataset, suspects)) === 0) return [];
    const found = new Map<string, Violation>();
    let count = 0;
    for await (const batch of rowBatches(dataset, types, suspects)) {
      signal?.throwIfAborted();
      for (const violation of judge.judge(batch)) {
        found.set(JSON.stringify([violation.column, violation.rule]), violation);
        count += 1;
      }
      if (count >= mostBroken) break;
    }
    return [...found.values()];
  });
}

async function rulesOf(
  dataset: Dataset,
  columns: readonly ColumnProfile[],
  id: string | undefined,
): Promise<TableRule[]> {
  const rules: TableRule[] = [{ row_count: { min: lower(dataset.rows) } }];
  for (const { name, kind, missing } of columns) {
    const named = /(?:^|_)(?:id|uuid|key|number|no)$|Id$/u.test(name) && name !== id;
    if (named && missing === 0 && kind !== 'nested' && (await isUnique(dataset, name))) rules.push({ unique: [name] });
  }
  for (const { name, missing } of columns) {
    if (missing === 0 || missing === dataset.rows) continue;
    const share = missing / dataset.rows;
    // Room for half as much again, and for a share that few rows make coarse.
    rules.push({ null_fraction: { column: name, max: Math.min(1, Math.ceil(100 * share * 1.5 + 1) / 100) } });
  }
  return rules;
}

/** Half of the rows, in one digit. */
function lower(rows: number): number {
  const half = Math.max(1, Math.floor(rows / 2));
  const scale = 10 ** Math.floor(Math.log10(half));
  return Math.max(1, Math.floor(half / scale) * scale);
}

async function isUnique(dataset: Dataset, name: string): Promise<boolean> {
  const checks = await reading(dataset, () => tableChecks(dataset, [{ unique: [name] }], name));
  return checks.every(({ verdict }) => verdict === 'pass');
}
