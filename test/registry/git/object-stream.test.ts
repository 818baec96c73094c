import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openObjectStream } from '../../../src/registry/git/object-stream.ts';
import { blobOid, readBlobs, writeObjects } from '../../../src/registry/git/objects.ts';
import { commitAt, openRepository, type Repository } from '../../../src/registry/git/repository.ts';
import { splitmix32 } from '../../../src/statistics/splitmix.ts';
import { inRepository } from '../temporary-repository.ts';

const entryOf = (oid: string, size = 1) => ({ mode: '100644', type: 'blob', oid, size, path: oid });

async function store(repository: Repository, contents: readonly Uint8Array[]): Promise<string[]> {
  await writeObjects(
    repository,
    contents.map((bytes) => ({ type: 'blob', bytes })),
  );
  return contents.map((bytes) => blobOid(bytes));
}

/** The processes that this one started and that run. */
function children(): number[] {
  return readdirSync(`/proc/${process.pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${process.pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

describe('objects through one git process', () => {
  test('come back byte for byte, empty ones and ones larger than a pipe among them, however often they are asked for', () =>
    inRepository(async ({ folder }) => {
      const repository = await openRepository(folder);
      const random = splitmix32(7);
      const sizes = [0, 1, 15, 16, 65_535, 65_536, 400_000, ...Array.from({ length: 200 }, () => random() % 3000)];
      // Line ends and zeros are what an answer of git is made of.
      const contents = sizes.map((size) =>
        Buffer.from(Uint8Array.from({ length: size }, () => [0, 10, 32, 255][random() % 4] as number)),
      );
      const names = await store(repository, contents);
      const wanted = [names, names.slice(0, 3), [], names.toReversed()];
      // All at once: they are answered one after another.
      const answers = await Promise.all(
        wanted.map((each) =>
          readBlobs(
            repository,
            each.map((name) => entryOf(name)),
          ),
        ),
      );
      for (const [index, found] of answers.entries()) {
        assert.deepEqual(new Set(found.keys()), new Set(wanted[index]));
        for (const [name, bytes] of found) assert.ok(contents[names.indexOf(name)]?.equals(bytes));
      }
    }));

  test('that are absent or far too large are an error, also with others unread behind them', () =>
    inRepository(async ({ folder }) => {
      const repository = await openRepository(folder);
      const [large = '', small = ''] = await store(repository, [Buffer.alloc(5_000_000), Buffer.from('x')]);
      await assert.rejects(readBlobs(repository, [entryOf(large, 1e9)]), /a file of 1000000000 bytes/u);
      const absent = [entryOf('0'.repeat(40)), entryOf(large)];
      await assert.rejects(readBlobs(repository, absent), /cannot be read \(missing\)/u);
      const objects = openObjectStream(folder, { most: 1000 });
      await assert.rejects(objects.read([small, large, small]), /a file of 5000000 bytes/u);
      assert.equal((await objects.read([small]))[0]?.bytes.toString(), 'x');
    }));

  test('are read anew each time: what others store and move is seen at once', () =>
    inRepository(async ({ folder, git }) => {
      const repository = await openRepository(folder);
      const before = await commitAt(repository, 'HEAD');
      await git('commit', '--quiet', '--allow-empty', '-m', 'Another');
      await git('gc', '--quiet', '--prune=now');
      const after = await commitAt(repository, 'refs/heads/main');
      assert.notEqual(after, before);
      assert.equal(after, await git('rev-parse', 'HEAD'));
      const deep = await git('commit-tree', 'HEAD^{tree}', '-m', 'x');
      assert.equal(await commitAt(repository, deep), deep);
      assert.equal(await commitAt(repository, '0'.repeat(40)), null);
    }));

  test('are asked of another process where one was ended, and none is left once nobody asks', () =>
    inRepository(async ({ folder }) => {
      const before = children();
      const started = (): number[] => children().filter((each) => !before.includes(each));
      const objects = openObjectStream(folder, { idle: 200 });
      const [head] = await objects.read(['HEAD']);
      const [first] = started();
      assert.ok(first !== undefined);
      process.kill(first, 'SIGINT');
      assert.deepEqual(await objects.read(['HEAD']), [head]);
      assert.ok(!started().includes(first));
      for (let waited = 0; started().length > 0 && waited < 300; waited++) await sleep(100);
      assert.deepEqual(started(), []);
      assert.deepEqual(await objects.read(['HEAD']), [head]);
    }));

  test('are an error where git cannot read the repository, also for who asks afterwards', async () => {
    const objects = openObjectStream('/');
    for (let time = 0; time < 2; time++) {
      await assert.rejects(objects.read(['HEAD']), /git cat-file ended before it had answered: fatal: not a git/u);
    }
  });
});
