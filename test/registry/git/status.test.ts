import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { uncommittedEdits } from '../../../src/registry/git/status.ts';
import { inRepository } from '../temporary-repository.ts';

test('an edit is told also of a file that git was told to take for unchanged', () =>
  inRepository(async (repository) => {
    for (const name of ['assumed', 'skipped', 'sparse', 'same']) await repository.write(name, 'as committed\n');
    await repository.commit('Files');
    await repository.git('update-index', '--assume-unchanged', 'assumed', 'same');
    await repository.git('update-index', '--skip-worktree', 'skipped', 'sparse');
    await writeFile(join(repository.folder, 'assumed'), 'edited\n');
    await writeFile(join(repository.folder, 'skipped'), 'edited\n');
    await rm(join(repository.folder, 'sparse'));
    assert.equal(await repository.status(), '');
    assert.deepEqual(await uncommittedEdits(repository.folder, ['assumed', 'skipped', 'sparse', 'same']), [
      { path: 'assumed', what: 'modified' },
      { path: 'skipped', what: 'modified' },
    ]);
    assert.deepEqual(await uncommittedEdits(repository.folder, ['README.md', 'same']), []);
  }));
