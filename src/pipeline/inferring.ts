import { stat } from 'node:fs/promises';
import { stringify } from 'yaml';
import { withDataset } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { infer, type InferOptions, type Inferred } from '../stages/data/infer.ts';
import type { ProfileInput } from './profiling.ts';
import { writeWhole } from './writing.ts';

export interface InferringOptions extends InferOptions {
  /** Absolute path of the contract to write. */
  contract?: string | undefined;
}

/** A contract and rules that hold of a file of rows. @throws UsageError where the contract is there already; DataError */
export async function runInfer(input: ProfileInput, options: InferringOptions): Promise<Inferred> {
  const { contract } = options;
  if (contract !== undefined && (await stat(contract).catch(() => null)) !== null) {
    throw new UsageError({
      found: 'this file already exists',
      expected: 'a name that is not in use: existing files are never overwritten',
      where: contract,
      remedy: 'Choose another name, or move it away first',
    });
  }
  const source = { ...input, name: 'data' };
  const inferred = await withDataset(source, { log: options.log }, (dataset) => infer(dataset, options));
  if (contract !== undefined) await writeWhole(contract, contractText(inferred));
  return inferred;
}

export function contractText({ contract }: Inferred): string {
  return `${JSON.stringify(contract, null, 2)}\n`;
}

/** The rules as a list of YAML, a line each. */
export function rulesText({ rules }: Inferred, indent = ''): string {
  const lines = rules.map((rule) =>
    stringify(rule, { flowCollectionPadding: true, collectionStyle: 'flow', lineWidth: 0 }),
  );
  return lines.map((line) => `${indent}- ${line.trim()}\n`).join('');
}
