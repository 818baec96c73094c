import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DataSettings } from '../../../src/stages/data/schema.ts';
import { cellTypes } from '../../../src/stages/data/cell-types.ts';
import { readContract } from '../../../src/stages/data/contract.ts';
import { compileContract, type Violation } from '../../../src/stages/data/judge.ts';
import { rowRules, rulesOfContract } from '../../../src/stages/data/sieve/row-rules.ts';
import { countSuspects, suspectsOf, type Suspects } from '../../../src/stages/data/sieve/suspects.ts';
import { rowBatches } from '../../../src/stages/data/rows.ts';
import { validateData } from '../../../src/stages/data/validate.ts';
import type { LineRules } from '../../../src/data/line-rules.ts';
import { openDataset } from '../../../src/data/dataset.ts';
import type { Check } from '../../../src/evidence/check.ts';
import type { StageResult } from '../../../src/stages/stage.ts';
import type { ConfiguredModel } from '../../support/configured-model.ts';
import { silentLog } from '../../../src/log.ts';

/** Evidence on one file, under a contract and rules. */
export async function validate(
  path: string,
  schema?: unknown,
  rules: NonNullable<DataSettings['rules']> = [],
  idColumn = 'id',
  /** Whether the file is gone when the dataset is open: all that is said was seen before. */
  gone = false,
): Promise<StageResult> {
  const contractPath = join(dirname(path), 'contract.schema.json');
  if (schema !== undefined) {
    const asIs = typeof schema === 'string' || schema instanceof Uint8Array;
    await writeFile(contractPath, asIs ? schema : JSON.stringify(schema));
  }
  const config: ConfiguredModel = {
    task: 'binary-classification',
    candidate: 'm.onnx',
    columns: { id: idColumn, label: 'label' },
    data: {
      evaluation: 'data/rows',
      rules,
      privacy: gone ? false : {},
      ...(schema === undefined ? {} : { contract: 'contract.schema.json' }),
    },
    policy: { primary: { metric: 'recall' } },
  };
  const asked = (): Promise<LineRules | null> => rulesOfContract({ config, pathOf: async () => contractPath });
  const dataset = await openDataset({ name: 'evaluation', path, uri: 'data/rows' }, { rules: asked });
  try {
    if (gone) await rm(path);
    return await validateData({
      config,
      datasets: { evaluation: dataset },
      pathOf: async () => contractPath,
      log: silentLog,
    });
  } finally {
    dataset.close();
  }
}

/**
 * The numbers of the rows that break the contract.
 * @param sieved whether ajv gets only the rows that SQL cannot clear
 */
export async function invalidRows(path: string, schema: unknown, sieved = true): Promise<number[]> {
  return (await violationsOf(path, schema, sieved)).map(({ row }) => row);
}

/** The same, with what each of them breaks. */
export async function violationsOf(path: string, schema: unknown, sieved = true): Promise<Violation[]> {
  return opened(path, schema, (violations) => violations(sieved));
}

/** The same by what clears rows and ajv, and by ajv alone. */
export async function violationsBothWays(path: string, schema: unknown): Promise<[Violation[], Violation[]]> {
  return opened(path, schema, async (violations) => [await violations(true), await violations(false)]);
}

async function opened<T>(
  path: string,
  schema: unknown,
  use: (violations: (sieved: boolean) => Promise<Violation[]>) => Promise<T>,
): Promise<T> {
  const contractPath = join(dirname(path), 'contract.schema.json');
  await writeFile(contractPath, JSON.stringify(schema));
  const contract = await readContract(contractPath, 'contract.schema.json');
  const judge = compileContract(contract, silentLog);
  const source = { name: 'evaluation', path, uri: 'data/rows' };
  const dataset = await openDataset(source, { rules: async () => rowRules(contract, 'id') });
  try {
    const names = dataset.columns.map((column) => column.name);
    const types = cellTypes(contract.schema, names);
    const judged = async (suspects: Suspects | null): Promise<Violation[]> => {
      const invalid: Violation[] = [];
      for await (const batch of rowBatches(dataset, types, suspects, contract.numbers))
        invalid.push(...judge.judge(batch));
      return invalid;
    };
    return await use(async (sieved) => {
      const suspects = sieved ? suspectsOf(dataset, contract.schema, types, contract.numbers) : null;
      const invalid = await judged(suspects);
      // What was told while the lines were read says the same.
      if (suspects !== null && dataset.judged !== undefined) {
        const { unclear } = dataset.judged;
        if (dataset.format === 'jsonl') assert.deepEqual(await judged({ ...suspects, rows: unclear }), invalid);
        const cleared = invalid.filter(({ row }) => !unclear.includes(row));
        assert.deepEqual(cleared, [], 'what breaks the contract was cleared');
      }
      // Where the first look finds no row, ajv gets none.
      if (suspects !== null) assert.ok((await countSuspects(dataset, suspects)) >= invalid.length, 'not all are seen');
      return invalid;
    });
  } finally {
    dataset.close();
  }
}

export function check(evidence: StageResult, id: string): Check {
  const found = evidence.checks.find((each) => each.id === `data/evaluation/${id}`);
  if (found === undefined) throw new Error(`no check ${id} among ${evidence.checks.map((each) => each.id).join(' ')}`);
  return found;
}
