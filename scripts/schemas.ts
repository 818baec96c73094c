/*
 * Write the published JSON Schemas from their one source in src. `--check` fails when a committed schema is out of date.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publishedSchemas } from '../src/schemas.ts';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'schemas');
mkdirSync(folder, { recursive: true });
const outdated: string[] = [];
for (const [name, schema] of Object.entries(publishedSchemas())) {
  const path = join(folder, `${name}.schema.json`);
  const text = `${JSON.stringify(schema, null, 2)}\n`;
  if (!process.argv.includes('--check')) writeFileSync(path, text);
  else if (read(path) !== text) outdated.push(path);
}
if (outdated.length > 0) {
  console.error(`out of date: ${outdated.join(', ')}\nRun: npm run schemas`);
  process.exitCode = 1;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
