import { existsSync, rmSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const own = new Map<string, Promise<string>>();

/**
 * Fill `folder` with what `make` once made: a copy costs a fraction of the git commands behind it.
 *
 * The first that asks makes it, for all test files of one run (scripts/test.ts names a folder for it), else for this process.
 * Nothing in it may depend on where it lies.
 *
 * @param name names what is made; who gives the same name gets the same files
 */
export async function copyPrepared(
  name: string,
  folder: string,
  make: (folder: string) => Promise<void>,
): Promise<void> {
  let prepared = own.get(name);
  if (prepared === undefined) {
    prepared = prepare(name, make);
    own.set(name, prepared);
  }
  // Times as they were, so that git finds its index to be up to date.
  await cp(await prepared, folder, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
}

async function prepare(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const shared = process.env['CONTENDER_TEST_PREPARED'];
  const parent = shared ?? (await mkdtemp(join(tmpdir(), 'contender-prepared-')));
  if (shared === undefined) process.on('exit', () => rmSync(parent, { recursive: true, force: true }));
  const final = join(parent, name);
  if (existsSync(final)) return final;
  const draft = `${final}.${process.pid}`;
  await mkdir(dirname(draft), { recursive: true });
  await make(draft);
  await rename(draft, final).catch(async (error: unknown) => {
    // Another process was faster: what it made is as good.
    if (!existsSync(final)) throw error;
    await rm(draft, { recursive: true, force: true });
  });
  return final;
}
