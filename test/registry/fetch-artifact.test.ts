import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileDigest } from '../../src/file-digest.ts';
import { silentLog } from '../../src/log.ts';
import { fetchArtifact } from '../../src/registry/fetch-artifact.ts';
import { gateRepository } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

test('a committed model that is wanted twice, as champion and as anchor, is one file that stays as it is', () =>
  inTemporaryFolder(async (folder) => {
    const { git } = await gateRepository(join(folder, 'repository'));
    const model = join(folder, 'repository', 'models', 'champion.onnx');
    const artifact = {
      role: 'model' as const,
      uri: `git:${await git('rev-parse', 'HEAD')}:models/champion.onnx`,
      sha256: await fileDigest(model),
      size: (await stat(model)).size,
    };
    const fetch = (): Promise<string> =>
      fetchArtifact(join(folder, 'repository'), artifact, join(folder, 'downloads'), { log: silentLog });
    const before = await stat(await fetch());
    const after = await stat(await fetch());
    assert.deepEqual([after.ino, after.ctimeMs], [before.ino, before.ctimeMs]);
  }));
