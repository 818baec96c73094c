import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writing } from '../writing.ts';

export interface WorkflowInput {
  /** Absolute path of the top of the repository. */
  top: string;
  /** Absolute path of the folder of contender.yml. */
  folder: string;
  models: readonly string[];
  /** Files whose changes the gate is about, from the folder. */
  watched: readonly string[];
  /** Branch that decisions are recorded for. */
  branch: string;
}

const templates = { 'model-gate.yml': 'pull-request.yml', 'promote-model.yml': 'promote.yml' } as const;

/**
 * Write the workflow that judges a pull request and the one that records what was merged, from those that this package ships and tests.
 * Where a workflow of the repository uses Contender already, or has the name, nothing is written.
 * @returns what was written, as paths from the top of the repository
 */
export async function writeWorkflows(input: WorkflowInput): Promise<string[]> {
  const folder = join(input.top, '.github', 'workflows');
  const written: string[] = [];
  const used = await textsIn(folder);
  const packaged = packagedFolder();
  if (packaged === null) return written;
  for (const [name, template] of Object.entries(templates)) {
    const path = join(folder, name);
    const isUsed = used.some((other) => other.includes(`# From ${template} of Contender.`));
    if (isUsed || (await stat(path).catch(() => null)) !== null) continue;
    const text = filled(await readFile(join(packaged, template), 'utf8'), template, input);
    await writing(path, async () => {
      await mkdir(folder, { recursive: true });
      await writeFile(path, text, { flag: 'wx' });
    });
    written.push(relative(input.top, path).split(sep).join('/'));
  }
  return written;
}

function filled(text: string, template: string, { top, folder, models, watched, branch }: WorkflowInput): string {
  const below = relative(top, folder).split(sep).join('/');
  const within = (path: string): string => (below === '' ? path : `${below}/${path}`);
  const paths = ['contender.yml', ...watched].map((path) => `'${within(path).replaceAll("'", "''")}'`);
  const lines = models.map((model, index) => `          - ${model}${index === 0 ? ' # a line for each model' : ''}`);
  const config = below === '' ? '' : `\n          config: ${JSON.stringify(within('contender.yml'))}`;
  return `# From ${template} of Contender.\n${text}`
    .replace(/^ {4}paths: \[.*\]$/mu, () => `    paths: [${paths.join(', ')}]`)
    .replace(/^ {10}- spam-filter.*$/mu, () => lines.join('\n'))
    .replace(/^ {4}branches: \[main\]$/mu, () => `    branches: [${JSON.stringify(branch)}]`)
    .replace(/^( {10}model: \$\{\{ matrix\.model \}\})$/mu, (line) => `${line}${config}`);
}

/** The texts of the workflows in a folder, which may not be there. */
async function textsIn(folder: string): Promise<string[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => /\.ya?ml$/u.test(name));
  return Promise.all(names.map((name) => readFile(join(folder, name), 'utf8').catch(() => '')));
}

/** The folder of the workflows that are shipped with the package or a release; null where the code was copied without them. */
function packagedFolder(): string | null {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    const folder = join(at, 'workflows');
    if (existsSync(join(folder, 'pull-request.yml'))) return folder;
    if (dirname(at) === at) return null;
  }
}
