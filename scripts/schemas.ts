/*
 * Write the published JSON Schemas, the table of keys in docs/configuration.md, that of the stages in docs/concepts.md and those of the
 * errors in docs/troubleshooting.md from their one source in src. `--check` fails when a committed one is out of date.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Configuration } from '../src/pipeline/configuration.ts';
import { publishedSchemas } from '../src/schemas.ts';
import { configurationTable } from './configuration-table.ts';
import { stagesTable } from './stages-table.ts';
import { troubleshootingTables } from './troubleshooting.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
mkdirSync(join(root, 'schemas'), { recursive: true });
const outdated: string[] = [];
for (const [name, schema] of Object.entries(publishedSchemas())) {
  keep(join(root, 'schemas', `${name}.schema.json`), `${JSON.stringify(schema, null, 2)}\n`);
}
keepTable('configuration.md', 'keys', configurationTable(Configuration));
keepTable('concepts.md', 'stages', stagesTable());
keepTable('troubleshooting.md', 'errors', troubleshootingTables(root));
if (outdated.length > 0) {
  console.error(`out of date: ${outdated.join(', ')}\nRun: npm run schemas`);
  process.exitCode = 1;
}

/** Put a table between the markers of a page in `docs`. */
function keepTable(name: string, marker: string, table: string): void {
  const page = join(root, 'docs', name);
  const between = new RegExp(`(<!-- ${marker}:[^>]*-->\\n).*(<!-- /${marker} -->)`, 'su');
  keep(
    page,
    (read(page) ?? '').replace(between, (_all, open: string, close: string) => `${open}${table}\n${close}`),
  );
}

function keep(path: string, text: string): void {
  if (!process.argv.includes('--check')) writeFileSync(path, text);
  else if (read(path) !== text) outdated.push(path);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
