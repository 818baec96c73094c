import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { withLock, type LockPlace, type Patience } from '../../../src/registry/git/lock.ts';
import { inTemporaryFolder } from '../../support/project.ts';

const patient: Patience = { holderMs: 2500, gitMs: 2500, queueMs: 60_000 };

describe('a writer that waits for the lock', () => {
  test('waits longer for a queue that moves on than for one holder, and never shares the lock', () =>
    inPlace(async (place) => {
      let inside = 0;
      const served: number[] = [];
      const writer = (each: number): Promise<void> =>
        withLock(
          place,
          async () => {
            inside += 1;
            assert.equal(inside, 1);
            await sleep(1000);
            inside -= 1;
            served.push(each);
          },
          patient,
        );
      await Promise.all([1, 2, 3, 4].map(writer));
      assert.deepEqual(
        served.toSorted((a, b) => a - b),
        [1, 2, 3, 4],
      );
    }));

  test('gives up on a holder that does not let go, and names it', () =>
    inPlace((place) =>
      withLock(place, () =>
        assert.rejects(
          withLock(place, () => Promise.resolve(), { ...patient, holderMs: 100 }),
          new RegExp(`process ${process.pid} on .* does not let go`, 'u'),
        ),
      ),
    ));

  test('gives up on a queue that is too long, and on a lock of git that stays', () =>
    inPlace(async (place) => {
      await withLock(place, () =>
        assert.rejects(
          withLock(place, () => Promise.resolve(), { ...patient, queueMs: 100 }),
          /does not let go/u,
        ),
      );
      await writeFile(place.path, 'DIRC');
      await assert.rejects(
        withLock(place, () => Promise.resolve(), { ...patient, gitMs: 100 }),
        /another git process/u,
      );
    }));
});

function inPlace<T>(work: (place: LockPlace) => Promise<T>): Promise<T> {
  return inTemporaryFolder((folder) => work({ path: join(folder, 'index.lock'), scratch: join(folder, 'scratch') }));
}
