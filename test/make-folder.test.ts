import assert from 'node:assert/strict';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeFolder } from '../src/make-folder.ts';
import { inTemporaryFolder } from './support/project.ts';

test('a folder is made with those above it, kept where it is there, and refused where a file or the system is in the way', () =>
  inTemporaryFolder(async (folder) => {
    const deep = join(folder, 'a/b/c');
    await Promise.all([makeFolder(deep), makeFolder(deep), makeFolder(join(folder, 'a/d'))]);
    await makeFolder(deep);
    assert.ok((await stat(deep)).isDirectory());
    await mkdir(join(folder, 'e'));
    await writeFile(join(folder, 'e/file'), '');
    await assert.rejects(makeFolder(join(folder, 'e/file')), { code: 'EEXIST' });
    await assert.rejects(makeFolder(join(folder, 'e/file/f')), { code: 'ENOTDIR' });
    // Node's own, recursive, never ends here.
    if (process.platform === 'linux') await assert.rejects(makeFolder('/proc/none/such'), { code: 'ENOENT' });
  }));
