import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { pulledWith } from '../../config/elsewhere.ts';
import { keyTwice } from '../../data/jsonl-fault.ts';
import { DataError, openingFault } from '../../errors.ts';
import { sha256 } from '../../evidence/canonical.ts';
import { contractNumbers, type ContractNumbers } from './exact-numbers.ts';
import { fileInfo } from '../../data/read-file.ts';

/** A data contract: the JSON Schema (2020-12) of one row. */
export interface Contract {
  uri: string;
  sha256: string;
  schema: Record<string, unknown> | boolean;
  /** As it is written. */
  numbers?: ContractNumbers;
}

const largest = 1024 * 1024;
const deepest = 100;

/**
 * Read a contract and refuse what cannot be one: another dialect, references that leave the file, absurd size or depth.
 * @throws DataError
 */
export async function readContract(path: string, uri: string): Promise<Contract> {
  const refuse = (found: string, expected: string, remedy: string, cause?: unknown): never => {
    throw new DataError({ found, expected, where: uri, remedy, cause });
  };
  const unread = (found: string, cause?: Error): DataError => {
    const remedy = pulledWith(path, uri) ?? 'Check data.contract in contender.yml';
    return new DataError({ found, expected: 'the data contract', where: uri, remedy, cause });
  };
  const { size } = await fileInfo(path, unread);
  if (size > largest)
    refuse(`the contract has ${size} bytes`, 'at most 1 MiB', 'Move lists of values out of the schema');
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw unread(openingFault(cause), cause);
  });
  if (!isUtf8(bytes)) {
    refuse(
      'this is not text in UTF-8',
      'a JSON file in UTF-8',
      'Save it again as UTF-8 (in Windows PowerShell: Out-File -Encoding utf8)',
    );
  }
  const text = bytes.toString();
  let schema: unknown;
  try {
    schema = JSON.parse(text.replace(/^\uFEFF/u, ''));
  } catch (cause) {
    refuse(`not JSON: ${(cause as Error).message.replace(/\s+/gu, ' ')}`, 'a JSON Schema', 'Fix the JSON', cause);
  }
  const twice = keyTwice(text);
  if (twice !== undefined) {
    const found = `an object has the key ${JSON.stringify(twice.slice(0, 200))} twice, of which only the last would count`;
    refuse(found, 'each key once', 'Merge both into one key');
  }
  if (typeof schema !== 'boolean' && (typeof schema !== 'object' || schema === null || Array.isArray(schema))) {
    refuse(
      'not a JSON Schema',
      'an object such as {"type": "object", "properties": {...}}',
      'Write the schema of one row',
    );
  }
  const { type } = schema as { type?: unknown };
  if (type !== undefined && ![type].flat().includes('object') && JSON.stringify(type).length < 200) {
    refuse(
      `"type": ${JSON.stringify(type)} at the top`,
      '"object": a row is an object',
      'Write the schema of one row, such as the schema in "items"',
    );
  }
  refuseUnsafe(schema, refuse);
  return { uri, sha256: sha256(text), schema: schema as Contract['schema'], numbers: contractNumbers(text) };
}

type Refuse = (found: string, expected: string, remedy: string) => never;

function refuseUnsafe(schema: unknown, refuse: Refuse): void {
  const dialect = (schema as { $schema?: unknown }).$schema;
  if (
    dialect !== undefined &&
    !/^https:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/u.test(JSON.stringify(dialect).slice(1, -1))
  ) {
    refuse(
      `$schema is ${JSON.stringify(dialect).slice(0, 200)}`,
      'https://json-schema.org/draft/2020-12/schema',
      'Move the schema to draft 2020-12',
    );
  }
  const pending: { value: unknown; depth: number }[] = [{ value: schema, depth: 0 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, depth } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (depth > deepest) refuse(`nested deeper than ${deepest} levels`, 'a schema of one row', 'Reduce the nesting');
    // An asynchronous schema would answer with a promise, which is always truthy.
    if (Object.hasOwn(value, '$async')) refuse('$async is not part of JSON Schema', 'a plain schema', 'Remove $async');
    for (const child of Object.values(value)) pending.push({ value: child, depth: depth + 1 });
  }
}
