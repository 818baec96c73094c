import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

/** The repository that the compiled tree lies in. */
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Folders of `actions/`, and the gate, whose action.yml is at the top. */
export async function actionNames(): Promise<string[]> {
  const entries = await readdir(join(root, 'actions'), { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return ['gate', ...names.sort()];
}

/** Every action: the folder of its action.yml, and the page that documents it. */
export const documentedActions: readonly { folder: string; page: string }[] = (await actionNames()).map((name) =>
  name === 'gate'
    ? { folder: '.', page: 'docs/actions.md' }
    : { folder: `actions/${name}`, page: `actions/${name}/README.md` },
);

export interface ActionMetadata {
  name: string;
  description: string;
  inputs: Record<string, { description: string; required?: boolean; default?: string }>;
  outputs: Record<string, { description: string }>;
  runs: { using: string; main: string };
}

export async function readAction(root: string, folder: string): Promise<ActionMetadata> {
  return parse(await readFile(join(root, folder, 'action.yml'), 'utf8')) as ActionMetadata;
}

/** The page with the tables between its markers made anew from action.yml. */
export function withTables(page: string, { inputs, outputs }: ActionMetadata): string {
  return between(between(page, 'inputs', table('Input', inputs)), 'outputs', table('Output', outputs));
}

function table(title: string, fields: Record<string, { description: string }>): string {
  const rows = Object.entries(fields).map(([name, { description }]) => `| \`${name}\` | ${description} |`);
  return [`| ${title} | Meaning |`, '| --- | --- |', ...rows].join('\n');
}

function between(page: string, name: string, text: string): string {
  const [start, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const [from, to] = [page.indexOf(start), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`no ${start} ... ${end}`);
  return `${page.slice(0, from + start.length)}\n\n${text}\n\n${page.slice(to)}`;
}
