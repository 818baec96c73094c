import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { dataAddress } from '../../src/pipeline/configured-data.ts';
import { holdInputs } from '../../src/pipeline/held-inputs.ts';
import { inTemporaryFolder } from '../support/project.ts';

test('data at an address need their digest, and a message shows no query of it', () => {
  const sha256 = '0a'.repeat(32);
  const found = dataAddress(`https://host/rows.csv?sig=secret#sha256=${sha256}`, 'data.evaluation');
  assert.deepEqual([found?.url.href, found?.sha256], ['https://host/rows.csv?sig=secret', sha256]);
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
