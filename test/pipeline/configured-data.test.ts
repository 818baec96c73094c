import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { dataAddress } from '../../src/pipeline/configured-data.ts';
import { silentLog } from '../../src/log.ts';
import { runProfile, shownProfile } from '../../src/pipeline/profiling.ts';
import type { Profile } from '../../src/profile/profile.ts';
import { holdInputs } from '../../src/pipeline/held-inputs.ts';
import { inTemporaryFolder } from '../support/project.ts';

test('data at an address need their digest, and a message shows no query of it', () => {
  const sha256 = '0a'.repeat(32);
  const found = dataAddress(`https://host/rows.csv?sig=secret#sha256=${sha256}`, 'data.evaluation');
  assert.deepEqual([found?.address, found?.sha256], ['https://host/rows.csv?sig=secret', sha256]);
  assert.equal(dataAddress('data/rows.csv', 'data.evaluation'), null);
  for (const uri of ['https://host/rows.csv?sig=secret', 'https://host/rows.csv?sig=secret#sha256=0A', 'https://']) {
    assert.throws(
      () => dataAddress(uri, 'data.evaluation'),
      ({ message }: Error) => message.includes('#sha256=') && !message.includes('secret'),
    );
  }
});

test('a file of a folder or wildcard that is changed, added or removed while a run reads it is noticed', () =>
  inTemporaryFolder(async (root) => {
    const folder = join(root, 'rows');
    await mkdir(join(folder, 'day=1'), { recursive: true });
    await writeFile(join(folder, 'day=1', 'a.csv'), 'id\n1\n');
    for (const named of [folder, join(folder, '*', '*.csv')]) {
      for (const change of ['a.csv', 'b.csv']) {
        const held = holdInputs(root);
        await held.hold(named);
        await held.verify();
        await writeFile(join(folder, 'day=1', change), `id\n${Math.random()}\n`);
        await assert.rejects(held.verify(), /this file was changed while it was being read/u);
      }
    }
  }));

test('what a log shows of a profile names no address, and the profile keeps it', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    await writeFile(path, 'agent,city\nann@example.org,Oslo\nann@example.org,Oslo\n');
    const profile = await runProfile([{ path, uri: 'rows.csv' }], { shard: { index: 1, count: 1 }, log: silentLog });
    const named = ({ columns }: Profile): unknown =>
      columns.map((column) => 'categories' in column && column.categories);
    assert.deepEqual(named(profile), [[['ann@example.org', 2]], [['Oslo', 2]]]);
    assert.deepEqual(named(shownProfile(profile)), [[['[e-mail address]', 2]], [['Oslo', 2]]]);
  }));
