import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Absolute path of the project: the nearest folder above this file with a package.json. */
export const projectRoot = findRoot(dirname(fileURLToPath(import.meta.url)));

/** Absolute path of a file in `fixtures/`, such as `spam/data/eval.parquet`. */
export function fixture(path: string): string {
  return join(projectRoot, 'fixtures', path);
}

/** Run `work` in a new temporary folder that is removed afterwards, whatever happens. */
export async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'contender-test-'));
  folders.add(folder);
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
    folders.delete(folder);
  }
}

/** Those of tests that are interrupted go with their process. */
const folders = new Set<string>();
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});
// A signal alone would end it without that.
if (process.env['NODE_TEST_CONTEXT'] !== undefined) {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
}

/** The same, with the temporary files of this process and of those it starts in it. */
export async function withTemporaryIn<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const before = process.env['TMPDIR'];
  return inTemporaryFolder(async (folder) => {
    process.env['TMPDIR'] = folder;
    try {
      return await work(folder);
    } finally {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
    }
  });
}

function findRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error('no package.json above the tests');
  return findRoot(parent);
}

/** Code that one process compiled is not compiled again by the next, where Node can (22 and later) and the test runner asks for it. */
const cache = process.env['NODE_COMPILE_CACHE'];
export const compiledBefore = cache === undefined ? {} : { NODE_COMPILE_CACHE: cache };
