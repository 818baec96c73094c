import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { openDataset, type Dataset } from '../../src/data/dataset.ts';
import { openSqlSession, type SqlLimits, type SqlSession } from '../../src/sql/session.ts';
import { isAlive } from '../model/processes.ts';
import { inTemporaryFolder, projectRoot, withTemporaryIn } from '../support/project.ts';

const withSession = (
  limits: SqlLimits,
  work: (session: SqlSession, dataset: Dataset) => Promise<void>,
): Promise<void> =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'a.csv');
    await writeFile(path, `id,age\n${Array.from({ length: 50 }, (_, row) => `${row},${row}\n`).join('')}`);
    const dataset = await openDataset({ name: 'evaluation', path, uri: 'a.csv' });
    const session = await openSqlSession(dataset, limits);
    try {
      await work(session, dataset);
    } finally {
      session.close();
      dataset.close();
    }
  });

/** Each took many minutes or many gigabytes when the engine ran in the process of the gate. */
const slow = "levenshtein(repeat('a', 1000000), repeat('b', 1000000))";
const large = ["len(repeat('x', 2500000000))", 'len(range(200000000))'];

describe('SQL of users, in a process of its own', () => {
  it('is ended at its limit of time', () =>
    withSession({ timeMs: 700 }, async (session) => {
      const [pid] = await sqlProcesses();
      const began = Date.now();
      await assert.rejects(session.numbers(`select ${slow}`), {
        name: 'SqlFault',
        message: 'took longer than 0.7 s and was stopped',
      });
      assert.ok(Date.now() - began < 5_000, `${Date.now() - began} ms`);
      await gone(pid);
      await assert.rejects(session.numbers('select 1'), /took longer/u);
    }));

  for (const sql of large) {
    it(`is ended at its limit of resident memory: ${sql}`, () =>
      withSession({ memoryBytes: 400 * 2 ** 20 }, async (session) => {
        await assert.rejects(session.numbers(`select ${sql}`), {
          name: 'SqlFault',
          message: /took more than 400 MiB of memory and was stopped|cannot be computed: Out of Memory/u,
        });
      }));
  }

  it('is ended at once when the run is stopped', async () => {
    const abort = new AbortController();
    await withSession({ signal: abort.signal }, async (session) => {
      const [pid] = await sqlProcesses();
      setTimeout(() => abort.abort(new Error('SIGTERM')), 200);
      const began = Date.now();
      await assert.rejects(session.numbers(`select ${slow}`), /SIGTERM/u);
      assert.ok(Date.now() - began < 3_000, `${Date.now() - began} ms`);
      await gone(pid);
    });
  });

  it('ends when whoever asked is killed', () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, 'a.csv');
      await writeFile(path, 'id\n1\n');
      const module = (name: string): string => pathToFileURL(join(projectRoot, 'build/src', name)).href;
      const program = `
        import { openDataset } from '${module('data/dataset.js')}';
        import { openSqlSession } from '${module('sql/session.js')}';
        const dataset = await openDataset({ name: 'evaluation', path: ${JSON.stringify(path)}, uri: 'a.csv' });
        const session = await openSqlSession(dataset);
        const running = session.numbers(${JSON.stringify(`select ${slow}`)});
        console.log('running');
        await running;`;
      const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, TMPDIR: folder },
      });
      await new Promise((said) => parent.stdout.once('data', said));
      const [pid] = await sqlProcesses(parent.pid);
      assert.ok(pid !== undefined);
      parent.kill('SIGKILL');
      await gone(pid);
    }));

  it('leaves no temporary files, also when it is ended', () =>
    withTemporaryIn(async (folder) => {
      await withSession({ timeMs: 300 }, async (session) => {
        await assert.rejects(session.numbers(`select ${slow}`), /took longer/u);
      });
      for (const until = Date.now() + 3_000; (await readdir(folder)).length > 0;) {
        assert.ok(Date.now() < until, `left: ${(await readdir(folder)).join(', ')}`);
        await new Promise((later) => setTimeout(later, 20));
      }
    }));

  it('reads no file but the dataset', () =>
    withSession({}, async (session) => {
      await assert.rejects(session.numbers("select count(*) from read_text('/etc/passwd')"), {
        name: 'SqlFault',
        message: /Permission Error/u,
      });
      await assert.rejects(session.run("copy (select 1) to '/tmp/x.csv'"), /Permission Error/u);
      await assert.rejects(session.run('set enable_external_access = true'), /cannot be computed/u);
      await assert.rejects(session.run("attach '/tmp/x.db'"), /cannot be computed/u);
    }));

  it('says so where the file is no longer what it was', () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, 'a.csv');
      await writeFile(path, 'id\n1\n');
      const dataset = await openDataset({ name: 'evaluation', path, uri: 'a.csv' });
      await writeFile(path, 'id\n2\n');
      await assert.rejects(openSqlSession(dataset), { name: 'DataError', message: /a\.csv: the file changed/u });
      dataset.close();
    }));
});

async function sqlProcesses(parent: number = process.pid): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/u.test(name)) continue;
    const status = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '');
    const command = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    if (status.includes(`PPid:\t${parent}\n`) && command.includes('sql-process')) found.push(Number(name));
  }
  return found;
}

async function gone(pid: number | undefined): Promise<void> {
  assert.ok(pid !== undefined);
  const until = Date.now() + 3_000;
  while (await isAlive(pid)) {
    assert.ok(Date.now() < until, `process ${pid} lives`);
    await new Promise((later) => setTimeout(later, 20));
  }
}
