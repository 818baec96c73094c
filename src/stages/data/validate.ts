import { csvLines } from '../../data/csv.ts';
import { quoteIdentifier, reading, type Dataset } from '../../data/dataset.ts';
import type { Check } from '../../evidence/check.ts';
import { summaryOfProfile } from '../../profile/merge.ts';
import { profileDataset } from '../../profile/profile-dataset.ts';
import type { Profile } from '../../profile/profile.ts';
import type { StageContext, StageResult } from '../stage.ts';
import { cellTypes } from './cell-types.ts';
import { readContract, type Contract } from './contract.ts';
import { compileContract, type Judge, type Violation } from './judge.ts';
import { rowBatches } from './rows.ts';
import { driftChecks } from './drift.ts';
import { leakageChecks } from './leakage.ts';
import { dataSettings, leakageSettings } from './schema.ts';
import { countSuspects, suspectsOf } from './sieve/suspects.ts';
import { count, rowsOf, showColumn, showValue } from './show.ts';
import { suggestion, tableChecks } from './table-rules.ts';
import { withTimeLimit } from './time-limit.ts';

/** What the evidence tells of one dataset. */
interface DatasetDetails {
  rows: number;
  format: string;
  columns: { name: string; type: string; nulls: number; invalid: number }[];
  /** Rows that break the contract; null without a contract. */
  invalid: number | null;
  /** How often each rule was the first that a row broke, most frequent first. */
  violations: { column: string | null; rule: string; message: string; rows: number }[];
  /** The first offending rows. Values are shortened. */
  examples: { row: number; line?: number; column: string | null; rule: string; message: string; value: string }[];
}

/** What of the context it reads. */
export type ValidateInput = Pick<StageContext, 'config' | 'datasets' | 'pathOf' | 'log' | 'signal'> &
  Partial<Pick<StageContext, 'profiles'>>;

const examples = 20;
const kindsOfViolation = 1000;

/**
 * Judge every row of every dataset by the contract, and every table by its rules: the checks
 * `data/<dataset>/row-count`, `/unique(<columns>)`, `/null-fraction(<column>)` and, where there is a contract, `/contract`. Then
 * what several datasets say together: drift and leakage.
 * @throws DataError when the contract cannot be used
 */
export async function validateData(input: ValidateInput): Promise<StageResult> {
  const { contract: named, rules = [] } = dataSettings(input.config);
  const contract =
    named === undefined ? undefined : await readContract(await input.pathOf(named, 'data.contract'), named);
  const judge = contract === undefined ? undefined : compileContract(contract, input.log);
  const checks: Check[] = [];
  const details: Record<string, DatasetDetails> = {};
  for (const [name, dataset] of Object.entries(input.datasets)) {
    input.signal?.throwIfAborted();
    details[name] = await reading(dataset, async () => {
      const found = await describeDataset(dataset);
      checks.push(...(await tableChecks(dataset, rules, input.config.columns.id)));
      if (contract !== undefined && judge !== undefined) {
        await judgeRows(dataset, contract, judge, found, input);
        checks.push(contractCheck(dataset, contract, found));
      }
      return found;
    });
  }
  const { drift, ...settings } = dataSettings(input.config);
  const drifted = drift === undefined ? undefined : await driftChecks(input, drift);
  const asked = leakageSettings(settings);
  const leaked = asked === null ? undefined : await leakageChecks(input, asked);
  checks.push(...(drifted?.checks ?? []), ...(leaked?.checks ?? []));
  return {
    checks,
    details: {
      contract: contract === undefined ? null : { uri: contract.uri, sha256: contract.sha256 },
      datasets: details,
      ...(drifted === undefined ? {} : { drift: drifted.details }),
      ...(leaked === undefined ? {} : { leakage: leaked.details }),
      ...(await profilesToKeep(input)),
    },
  };
}

/**
 * What the candidate is judged on, for later comparisons of data with it: a summary of the reference data, or of the evaluation data
 * where there are none and the configuration says so.
 */
async function profilesToKeep({
  config,
  datasets,
  profiles = {},
  log,
  signal,
}: ValidateInput): Promise<{ profiles?: Record<string, Profile> }> {
  const { profile: wanted, reference } = dataSettings(config);
  if (wanted === false || (wanted === undefined && reference === undefined)) return {};
  const name = reference === undefined ? 'evaluation' : 'reference';
  const known = profiles[name]?.profile;
  if (known !== undefined) return { profiles: { [name]: known.form === 'full' ? summaryOfProfile(known) : known } };
  const dataset = datasets[name];
  if (dataset === undefined) return {};
  const progress = (done: number, of: number): void => log.progress(`Columns of the ${name} data profiled`, done, of);
  return { profiles: { [name]: summaryOfProfile(await profileDataset(dataset, { progress, signal })) } };
}

async function describeDataset(dataset: Dataset): Promise<DatasetDetails> {
  const counts = dataset.columns.map(({ name }) => `count(${quoteIdentifier(name)})::double`);
  const read = await dataset.connection.runAndReadAll(`select ${counts.join(', ')} from ${dataset.relation}`);
  const present = read.getRows()[0] ?? [];
  return {
    rows: dataset.rows,
    format: dataset.format,
    columns: dataset.columns.map(({ name, type }, index) => ({
      name,
      type,
      nulls: dataset.rows - Number(present[index]),
      invalid: 0,
    })),
    invalid: null,
    violations: [],
    examples: [],
  };
}

/** Fill in what the contract says of the rows: SQL clears what it can, ajv judges the rest. */
async function judgeRows(
  dataset: Dataset,
  contract: Contract,
  judge: Judge,
  found: DatasetDetails,
  { log, signal }: ValidateInput,
): Promise<void> {
  const names = dataset.columns.map((column) => column.name);
  const types = withTimeLimit(10_000, () => cellTypes(contract.schema, names));
  const columns = new Map(found.columns.map((column) => [column.name, column]));
  const kinds = new Map<string, DatasetDetails['violations'][number]>();
  const first: Violation[] = [];
  let invalid = 0;
  const suspects = suspectsOf(dataset, contract.schema, types);
  if (suspects !== null && (await countSuspects(dataset, suspects)) === 0) {
    found.invalid = 0;
    return;
  }
  for await (const batch of rowBatches(dataset, types, suspects)) {
    signal?.throwIfAborted();
    for (const violation of judge.judge(batch)) {
      invalid += 1;
      if (first.length < examples) first.push(violation);
      const column = columns.get(violation.column ?? '');
      if (column !== undefined) column.invalid += 1;
      countViolation(kinds, violation);
    }
    log.progress(`Rows of the ${dataset.name} data`, batch.at(-1)?.number ?? 0, dataset.rows);
  }
  const lines =
    dataset.format === 'csv' && first.length > 0
      ? await csvLines(
          dataset.path,
          first.map(({ row }) => row),
        )
      : new Map<number, number>();
  found.invalid = invalid;
  found.violations = [...kinds.values()].sort((a, b) => b.rows - a.rows).slice(0, 100);
  found.examples = first.map(({ row, line = lines.get(row), column, rule, message, value }) => ({
    row,
    ...(line === undefined ? {} : { line }),
    column: column === null ? null : column.slice(0, 200),
    rule,
    message: column === null || names.includes(column) ? message : `${message}${suggestion(column, names)}`,
    value: showValue(value),
  }));
}

function countViolation(kinds: Map<string, DatasetDetails['violations'][number]>, violation: Violation): void {
  const { rule, message } = violation;
  const column = violation.column === null ? null : violation.column.slice(0, 200);
  const key = JSON.stringify([column, rule, message]);
  const kind = kinds.get(key);
  if (kind !== undefined) kind.rows += 1;
  // Hostile JSON can name a new column in every row.
  else if (kinds.size < kindsOfViolation) kinds.set(key, { column, rule, message, rows: 1 });
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
    return { ...check, verdict: 'fail', message: 'there are no rows to judge', location: { file: dataset.uri } };
  }
  if (first === undefined) {
    return { ...check, verdict: 'pass', message: `all ${rowsOf(dataset.rows)} keep to ${contract.uri}` };
  }
  const place = `row ${count(first.row)}${first.line === undefined ? '' : ` (line ${count(first.line)})`}`;
  const subject = first.column === null ? '' : ` ${showColumn(first.column)} is ${first.value}:`;
  return {
    ...check,
    verdict: 'fail',
    message: `${count(invalid)} of ${rowsOf(dataset.rows)} break${invalid === 1 ? 's' : ''} the contract; first ${place}:${subject} ${first.message}`,
    location: { file: dataset.uri, ...(first.line === undefined ? {} : { line: first.line }) },
  };
}
