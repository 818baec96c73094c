import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { sweepTemporaryFolders, temporaryFolder } from '../../src/data/temporary.ts';
import { withTemporaryIn } from '../support/project.ts';

async function deadProcess(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await new Promise((done) => child.on('close', done));
  return child.pid as number;
}

test('what a killed process left is swept, and nothing else', () =>
  withTemporaryIn(async (folder) => {
    const own = await temporaryFolder('duckdb');
    const ownerFile = join(own, 'contender-owner.json');
    const owner = JSON.parse(await readFile(ownerFile, 'utf8')) as Record<string, unknown>;
    const place = async (name: string, says: string | null): Promise<void> => {
      await mkdir(join(folder, name));
      if (says !== null) await writeFile(join(folder, name, 'contender-owner.json'), says);
    };
    const gone = JSON.stringify({ ...owner, pid: await deadProcess() });
    await place('contender-models-dead', gone);
    await place('contender-duckdb-elsewhere', JSON.stringify({ ...owner, pid: 1, host: 'another machine' }));
    await place('contender-duckdb-new', null);
    await place('contender-duckdb-odd', 'null');
    await place('someone-else', gone);
    await symlink(join(folder, 'someone-else'), join(folder, 'contender-models-link'));
    await sweepTemporaryFolders();
    const left = (await readdir(folder)).filter((name) => join(folder, name) !== own).toSorted();
    assert.deepEqual(left, [
      'contender-duckdb-elsewhere',
      'contender-duckdb-new',
      'contender-duckdb-odd',
      'contender-models-link',
      'someone-else',
    ]);
    assert.ok(existsSync(ownerFile));
  }));

test('what a process has when it ends in the middle goes with it', () =>
  withTemporaryIn(async (folder) => {
    const module = new URL('../../src/data/temporary.js', import.meta.url).href;
    const program = `const { temporaryFolder } = await import(${JSON.stringify(module)});
      await temporaryFolder('models');
      await temporaryFolder('duckdb');
      process.exit(3);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
    const code = await new Promise((done) => child.on('close', done));
    assert.deepEqual([code, await readdir(folder)], [3, []]);
  }));

test('no room for temporary files is told as such', () =>
  withTemporaryIn(async (folder) => {
    process.env['TMPDIR'] = join(folder, 'nowhere');
    await assert.rejects(temporaryFolder('duckdb'), /temporary files cannot be created: ENOENT.*TMPDIR/su);
    await sweepTemporaryFolders();
  }));
