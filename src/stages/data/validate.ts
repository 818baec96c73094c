import { refuseEmptyRange } from '../../config/range.ts';
import { linesOfRows, type LineOfFile } from '../../data/csv.ts';
import { quoteIdentifier, reading, type Dataset } from '../../data/dataset.ts';
import type { Check } from '../../evidence/check.ts';
import { summaryOfProfile } from '../../profile/merge.ts';
import { profileDataset } from '../../profile/profile-dataset.ts';
import type { Profile } from '../../profile/profile.ts';
import type { StageContext, StageResult } from '../stage.ts';
import { cellTypes, type CellTypes } from './cell-types.ts';
import { readContract, type Contract } from './contract.ts';
import { compileContract, type Judge, type Violation } from './judge.ts';
import { rowBatches } from './rows.ts';
import { checkId, located } from './check-id.ts';
import { leakageChecks } from './leakage.ts';
import { ruleOutcomes, withOwnIds } from './rules/judge-rules.ts';
import { repeatedRows } from './rules/rows.ts';
import { maskerOf, personalCheck, personalColumns, type Masker, type PersonalColumn } from './personal-data.ts';
import { mostBrokenRows, type BrokenRow, type RuleOutcome } from './rules/rule.ts';
import { dataSettings, leakageSettings, type TableRule } from './schema.ts';
import { keyOfRules } from './sieve/row-rules.ts';
import { suspectsOf, survey, type Survey, type Suspects } from './sieve/suspects.ts';
import { rowsOf, showColumn, showValue } from './show.ts';
import { suggestion, tableChecks } from './table-rules.ts';
import { withTimeLimit } from './time-limit.ts';
import { unknownColumns } from './unknown-columns.ts';
import { listedRows, listedValue, violationFilesOf } from './violation-files.ts';
import { count } from '../../wording.ts';

/** What the evidence tells of one dataset. */
interface DatasetDetails {
  rows: number;
  format: string;
  columns: { name: string; type: string; nulls: number; invalid: number }[];
  /** Rows that break the contract; null without a contract. */
  invalid: number | null;
  /** How often each rule was the first that a row broke, most frequent first. */
  violations: {
    column: string | null;
    rule: string;
    message: string;
    rows: number;
    /** The first rows. Values are shortened. */
    examples: { row: number; line?: number; file?: string; value: string }[];
  }[];
  /** The first offending rows. Values are shortened. */
  examples: (Violation & { value: string })[];
}

export type ValidateInput = Pick<StageContext, 'config' | 'datasets' | 'pathOf' | 'log' | 'signal'> &
  Partial<Pick<StageContext, 'profiles'>>;

const examples = 20;
const examplesEach = 3;
/** Kinds of violations that have a check of their own. */
const kindsShown = 20;
const kindsOfViolation = 1000;

/**
 * Judge every row of every dataset by the contract, and every table by its rules: the checks
 * `data/<dataset>/row-count`, `/unique(<columns>)`, `/null-fraction(<column>)` and, where there is a contract, `/contract`. Then
 * what several datasets say together: drift and leakage.
 * @throws DataError when the contract cannot be used
 */
export async function validateData(input: ValidateInput): Promise<StageResult> {
  const { contract: named, rules = [] } = dataSettings(input.config);
  for (const [place, rule] of rules.entries())
    for (const [key, asked] of Object.entries(rule))
      refuseEmptyRange(Object(asked) as object, `data.rules[${place}].${key}`);
  const contract =
    named === undefined ? undefined : await readContract(await input.pathOf(named, 'data.contract'), named);
  const judge = contract === undefined ? undefined : compileContract(contract, input.log);
  const known = new Set(Object.values(input.datasets).flatMap((dataset) => dataset.columns.map(({ name }) => name)));
  if (contract !== undefined) for (const each of unknownColumns(contract, known)) input.log.warning(each);
  const all: Check[] = [];
  const details: Record<string, DatasetDetails> = {};
  const listed: Awaited<ReturnType<typeof listedRows>> = [];
  const { columns } = input.config;
  const { privacy = {} } = dataSettings(input.config);
  const personal = new Map<string, PersonalColumn[]>();
  if (privacy !== false) {
    for (const [name, dataset] of Object.entries(input.datasets))
      personal.set(name, await personalColumns(dataset, privacy));
  }
  const mask = maskerOf([...personal.values()].flat(), privacy === false ? { mask: false } : privacy);
  for (const [name, dataset] of Object.entries(input.datasets)) {
    input.signal?.throwIfAborted();
    const checks: Check[] = [];
    const broken: BrokenRow[] = [];
    const own = rules.filter((rule) => rule.datasets?.includes(name as 'evaluation') !== false);
    details[name] = await reading(dataset, async () => {
      const asked = contract === undefined ? null : askedOf(dataset, contract, columns.id);
      const surveyed = await surveyOf(dataset, asked?.suspects ?? null, columns.id);
      const found = await describeDataset(dataset, surveyed?.present);
      checks.push(...(await tableChecks(dataset, own, columns.id, surveyed?.id)));
      if (contract !== undefined && judge !== undefined && asked !== null) {
        if (surveyed?.suspects === 0) found.invalid = 0;
        else broken.push(...(await judgeRows(dataset, contract, judge, asked, found, input, mask)));
        checks.push(contractCheck(dataset, contract, found), ...withOwnIds(violationChecks(dataset, found)));
      }
      return found;
    });
    broken.push(...(await repeated(dataset, checks, own, columns.id)));
    const context = { datasets: input.datasets, columns, now: new Date(), signal: input.signal };
    for (const outcome of await ruleOutcomes(dataset, rules, context)) {
      checks.push(maskedExample(outcome, mask));
      broken.push(...outcome.broken);
    }
    if (privacy !== false) checks.push(...personalCheck(dataset, personal.get(name) ?? [], columns, privacy));
    all.push(...located(checks, dataset));
    listed.push(...(await listedRows(dataset, columns.id, broken.map(mask.row), (id) => mask.value(columns.id, id))));
  }
  const { drift, ...settings } = dataSettings(input.config);
  // Its statistics take as long to load as all the rest.
  const drifted = drift === undefined ? undefined : await (await import('./drift.ts')).driftChecks(input, drift);
  const asked = leakageSettings(settings);
  const leaked = asked === null ? undefined : await leakageChecks(input, asked);
  all.push(...(drifted?.checks ?? []), ...(leaked?.checks ?? []));
  return {
    checks: mask.all(all),
    details: mask.all({
      contract: contract === undefined ? null : { uri: contract.uri, sha256: contract.sha256 },
      datasets: details,
      ...(drifted === undefined ? {} : { drift: drifted.details }),
      ...(leaked === undefined ? {} : { leakage: leaked.details }),
      ...(await profilesToKeep(input, mask)),
    }),
    files: await violationFilesOf(listed),
  };
}

/** The example that the message of a rule gives, as its column is masked. */
function maskedExample({ check, broken }: RuleOutcome, mask: Masker): Check {
  const [{ column, value } = { column: null, value: null }] = broken;
  if (value === null) return check;
  const shown = showValue(value);
  return { ...check, message: check.message.replace(shown, () => mask.value(column, shown)) };
}

/** Rows whose key stands more than once, where that is found. */
async function repeated(
  dataset: Dataset,
  checks: readonly Check[],
  rules: readonly TableRule[],
  id: string,
): Promise<BrokenRow[]> {
  const keys = [[id], ...rules.flatMap((rule) => ('unique' in rule ? [rule.unique] : []))];
  const found: BrokenRow[] = [];
  for (const columns of new Map(keys.map((each) => [JSON.stringify(each), each])).values()) {
    const check = checks.find((each) => each.id === checkId(`data/${dataset.name}/unique(${columns.join(',')})`));
    if (check?.verdict !== 'fail') continue;
    const column = columns.length === 1 ? (columns[0] ?? null) : null;
    const message = `${columns.join(', ')} occurs more than once`;
    for (const row of await repeatedRows(dataset, columns)) found.push({ ...row, column, rule: 'unique', message });
  }
  return found;
}

/**
 * What the candidate is judged on, for later comparisons of data with it: a summary of the reference data, or of the evaluation data
 * where there are none and the configuration says so.
 */
async function profilesToKeep(
  { config, datasets, profiles = {}, log, signal }: ValidateInput,
  mask: Masker,
): Promise<{ profiles?: Record<string, Profile> }> {
  const { profile: wanted, reference } = dataSettings(config);
  if (wanted === false || (wanted === undefined && reference === undefined)) return {};
  const name = reference === undefined ? 'evaluation' : 'reference';
  const kept = (profile: Profile): { profiles: Record<string, Profile> } => ({
    profiles: { [name]: mask.profile(profile.form === 'full' ? summaryOfProfile(profile) : profile) },
  });
  const known = profiles[name]?.profile;
  if (known !== undefined) return kept(known);
  const dataset = datasets[name];
  if (dataset === undefined) return {};
  const progress = (done: number, of: number): void => log.progress(`Columns of the ${name} data profiled`, done, of);
  return kept(await profileDataset(dataset, { progress, signal }));
}

async function describeDataset(
  dataset: Dataset,
  known: ReadonlyMap<string, number> = new Map(),
): Promise<DatasetDetails> {
  const present = new Map(dataset.columns.map(({ name, present: counted }) => [name, counted ?? known.get(name)]));
  const uncounted = dataset.columns.map(({ name }) => name).filter((name) => present.get(name) === undefined);
  if (uncounted.length > 0) {
    const counts = uncounted.map((name) => `count(${quoteIdentifier(name)})::double`);
    const read = await dataset.connection.runAndReadAll(`select ${counts.join(', ')} from ${dataset.relation}`);
    for (const [index, name] of uncounted.entries()) present.set(name, Number(read.getRows()[0]?.[index]));
  }
  return {
    rows: dataset.rows,
    format: dataset.format,
    columns: dataset.columns.map(({ name, type }) => ({
      name,
      type,
      nulls: dataset.rows - (present.get(name) ?? 0),
      invalid: 0,
    })),
    invalid: null,
    violations: [],
    examples: [],
  };
}

/** What the contract asks of the columns of a dataset, and of which rows only ajv can tell whether they keep to it. */
interface Asked {
  types: CellTypes[];
  suspects: Suspects | null;
}

function askedOf(dataset: Dataset, contract: Contract, id: string): Asked {
  const names = dataset.columns.map(({ name }) => name);
  const types = withTimeLimit(10_000, () => cellTypes(contract.schema, names));
  const suspects = suspectsOf(dataset, contract.schema, types, contract.numbers, id);
  return { types, suspects: suspects === null ? null : { ...suspects, ...rowsJudged(dataset, contract, id) } };
}

/**
 * The rows that are not certainly valid, where those who read them were asked by this contract. Of CSV the engine reads all rows again
 * where they were not kept.
 */
function rowsJudged({ judged, format }: Dataset, contract: Contract, id: string): Pick<Suspects, 'rows'> {
  if (judged === undefined || judged.by !== keyOfRules(contract, id)) return {};
  return format === 'csv' && judged.texts === undefined ? {} : { rows: judged.unclear };
}

/** How many rows there are for ajv, or more, and what a look at all rows tells of ids. */
async function surveyOf(dataset: Dataset, suspects: Suspects | null, id: string): Promise<Survey | undefined> {
  if (suspects === null) return undefined;
  if (suspects.rows === undefined) return survey(dataset, suspects);
  const present = dataset.columns.find(({ name }) => name === id)?.present;
  if (present !== undefined && dataset.judged?.idsGrow === true)
    return { suspects: suspects.rows.length, id: { surplus: 0, missing: dataset.rows - present }, present: new Map() };
  if (!suspects.key) return { suspects: suspects.rows.length, present: new Map() };
  return { ...(await survey(dataset, { ...suspects, condition: 'false' })), suspects: suspects.rows.length };
}

/** Fill in what the contract says of the rows: SQL clears what it can, ajv judges the rest. */
async function judgeRows(
  dataset: Dataset,
  contract: Contract,
  judge: Judge,
  { types, suspects }: Asked,
  found: DatasetDetails,
  { config, log, signal }: ValidateInput,
  mask: Masker,
): Promise<BrokenRow[]> {
  const names = dataset.columns.map((column) => column.name);
  const columns = new Map(found.columns.map((column) => [column.name, column]));
  const kinds = new Map<string, DatasetDetails['violations'][number]>();
  const first: Violation[] = [];
  const broken: BrokenRow[] = [];
  let invalid = 0;
  for await (const batch of rowBatches(dataset, types, suspects, contract.numbers, config.columns.id)) {
    signal?.throwIfAborted();
    for (const violation of judge.judge(batch)) {
      invalid += 1;
      if (first.length < examples) first.push(violation);
      if (broken.length < mostBrokenRows) broken.push(brokenRow(violation));
      const column = columns.get(violation.column ?? '');
      if (column !== undefined) column.invalid += 1;
      countViolation(kinds, violation, mask);
    }
    log.progress(`Rows of the ${dataset.name} data`, batch.at(-1)?.number ?? 0, dataset.rows);
  }
  found.violations = [...kinds.values()].sort((a, b) => b.rows - a.rows).slice(0, 100);
  const shown = [...first, ...found.violations.flatMap((kind) => kind.examples)];
  const numbers = [...new Set(shown.flatMap(({ row, line }) => (line === undefined ? [row] : [])))].sort(
    (a, b) => a - b,
  );
  const lines = await linesOfRows(dataset, numbers);
  const placeOf = (row: number, line?: number, file?: string): Partial<LineOfFile> =>
    line === undefined ? (lines.get(row) ?? {}) : { line, ...(file === undefined ? {} : { file }) };
  for (const kind of found.violations) {
    if (kind.column !== null && !names.includes(kind.column)) kind.message += suggestion(kind.column, names);
    for (const example of kind.examples) Object.assign(example, placeOf(example.row, example.line, example.file));
  }
  found.invalid = invalid;
  found.examples = first.map(({ row, line, file, column, rule, message, value }) => ({
    row,
    ...placeOf(row, line, file),
    column: column === null ? null : column.slice(0, 200),
    rule,
    message: column === null || names.includes(column) ? message : `${message}${suggestion(column, names)}`,
    value: mask.value(column, showValue(value)),
  }));
  return broken;
}

function brokenRow({ column, value, ...rest }: Violation): BrokenRow {
  return { ...rest, column: column === null ? null : column.slice(0, 200), value: listedValue(value) };
}

function countViolation(
  kinds: Map<string, DatasetDetails['violations'][number]>,
  violation: Violation,
  mask: Masker,
): void {
  const { rule, message, row, line, file } = violation;
  const column = violation.column === null ? null : violation.column.slice(0, 200);
  const key = JSON.stringify([column, rule, message]);
  const kind = kinds.get(key);
  const example = (): (typeof first)[number] => ({
    row,
    ...(line === undefined ? {} : { line }),
    ...(file === undefined ? {} : { file }),
    value: mask.value(column, showValue(violation.value)),
  });
  const first = kind?.examples ?? [];
  if (kind !== undefined) {
    kind.rows += 1;
    if (first.length < examplesEach) first.push(example());
  }
  // Hostile JSON can name a new column in every row.
  else if (kinds.size < kindsOfViolation) kinds.set(key, { column, rule, message, rows: 1, examples: [example()] });
}

function contractCheck(dataset: Dataset, contract: Contract, found: DatasetDetails): Check {
  const invalid = found.invalid ?? 0;
  const [first] = found.examples;
  const check = {
    id: `data/${dataset.name}/contract`,
    title: `Rows of the ${dataset.name} data that break the contract`,
    severity: 'block' as const,
    observed: invalid,
    required: 0,
    limit: 'at most' as const,
    unit: 'rows',
  };
  if (dataset.rows === 0) {
    return { ...check, verdict: 'fail', message: 'there are no rows to check' };
  }
  if (first === undefined) {
    return { ...check, verdict: 'pass', message: `all ${rowsOf(dataset.rows)} satisfy ${contract.uri}` };
  }
  const of = first.file === undefined ? '' : ` of ${first.file}`;
  const place = `row ${count(first.row)}${first.line === undefined ? '' : ` (line ${count(first.line)}${of})`}`;
  const subject = first.column === null ? '' : ` ${showColumn(first.column)} is ${first.value}:`;
  return {
    ...check,
    verdict: 'fail',
    message: `${count(invalid)} of ${rowsOf(dataset.rows)} break${invalid === 1 ? 's' : ''} the contract; first ${place}:${subject} ${first.message}`,
    location: { file: first.file ?? dataset.uri, ...(first.line === undefined ? {} : { line: first.line }) },
  };
}

/** What is broken and how often, a check each, where it is more than one thing: the check of the contract tells the first. */
function violationChecks(dataset: Dataset, { violations, rows }: DatasetDetails): Check[] {
  if (violations.length < 2) return [];
  return violations.slice(0, kindsShown).map(({ column, rule, message, rows: broken, examples: first }) => {
    const places = first.map(({ row, line, value }) => {
      const place = `row ${count(row)}${line === undefined ? '' : `, line ${count(line)}`}`;
      return column === null || value === 'nothing' ? place : `${value} (${place})`;
    });
    const { line, file = dataset.uri } = first[0] ?? {};
    const subject = column === null ? 'the row' : showColumn(column);
    return {
      id: checkId(`data/${dataset.name}/contract(${column ?? ''}:${rule})`),
      title: `${subject} ${message}, in the ${dataset.name} data`,
      verdict: 'fail',
      severity: 'block',
      message: `${subject} ${message}: ${count(broken)} of ${rowsOf(rows)} break${broken === 1 ? 's' : ''} it before any other rule; ${places.join(', ')}`,
      observed: broken,
      required: 0,
      limit: 'at most',
      unit: 'rows',
      location: { file, ...(line === undefined ? {} : { line }) },
    };
  });
}
