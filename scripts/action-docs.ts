/* Writes the tables of inputs and outputs into the pages of the actions. */
import { readFile, writeFile } from 'node:fs/promises';
import { documentedActions, readAction, withTables } from './action-tables.ts';

for (const { folder, page } of documentedActions) {
  await writeFile(page, withTables(await readFile(page, 'utf8'), await readAction('.', folder)));
}
