import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openBlobStream } from '../../../src/registry/git/blob-stream.ts';
import { writeBlobs } from '../../../src/registry/git/objects.ts';
import { openRepository } from '../../../src/registry/git/repository.ts';
import { splitmix32 } from '../../../src/statistics/splitmix.ts';
import { inRepository } from '../temporary-repository.ts';

const entryOf = (oid: string, size = 1) => ({ mode: '100644', type: 'blob', oid, size, path: oid });

describe('blobs through one git process', () => {
  test('come back byte for byte, empty ones and ones larger than a pipe among them, however often they are asked for', () =>
    inRepository(async ({ folder }) => {
      const repository = await openRepository(folder);
      const random = splitmix32(7);
      const sizes = [0, 1, 65_535, 65_536, 400_000, ...Array.from({ length: 200 }, () => random() % 3000)];
      // Line ends and zeros are what an answer of git is made of.
      const contents = sizes.map((size) =>
        Buffer.from(Uint8Array.from({ length: size }, () => [0, 10, 32, 255][random() % 4] as number)),
      );
      const names = await writeBlobs(repository, contents);
      const blobs = openBlobStream(repository);
      try {
        const wanted = [names, names.slice(0, 3), [], names.toReversed()];
        // All at once: they are answered one after another.
        const answers = await Promise.all(wanted.map((each) => blobs.read(each.map((name) => entryOf(name)))));
        for (const [index, found] of answers.entries()) {
          assert.deepEqual(new Set(found.keys()), new Set(wanted[index]));
          for (const [name, bytes] of found) assert.ok(contents[names.indexOf(name)]?.equals(bytes));
        }
      } finally {
        blobs.close();
      }
    }));

  test('that are absent or far too large are an error, also with others unread behind them', () =>
    inRepository(async ({ folder }) => {
      const repository = await openRepository(folder);
      const [large = ''] = await writeBlobs(repository, [Buffer.alloc(5_000_000)]);
      const blobs = openBlobStream(repository);
      try {
        await assert.rejects(async () => blobs.read([entryOf(large, 1e9)]), /a file of 1000000000 bytes/u);
        await assert.rejects(blobs.read([entryOf('0'.repeat(40)), entryOf(large)]), /cannot be read \(missing\)/u);
      } finally {
        blobs.close();
      }
    }));

  test('are an error where git cannot read the repository, also for who asks afterwards', () =>
    inRepository(async ({ folder }) => {
      const blobs = openBlobStream({ ...(await openRepository(folder)), folder: '/' });
      for (let time = 0; time < 2; time++) {
        await assert.rejects(blobs.read([entryOf('0'.repeat(40))]), /git cat-file ended before it had answered/u);
      }
      blobs.close();
    }));
});
