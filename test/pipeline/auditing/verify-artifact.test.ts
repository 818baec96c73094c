import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { digest, sha256, type Artifact, type Decision, type RegistryView } from '../../../src/evidence/index.ts';
import { silentLog } from '../../../src/log.ts';
import { openRegistry } from '../../../src/pipeline/open-registry.ts';
import { verifyArtifact, type Verification } from '../../../src/pipeline/auditing/verify-artifact.ts';
import { openWorkspace } from '../../../src/pipeline/workspace.ts';
import { judged } from '../../registry/sample-decision.ts';
import { gateRepository } from '../../support/gate-repository.ts';
import { inTemporaryFolder } from '../../support/project.ts';

const model = 'spam-filter';

test('bytes that are two versions are the one that a tag claims, else the champion, and neither once one is deprecated', () =>
  inTemporaryFolder(async (folder) => {
    await gateRepository(folder);
    const workspace = await openWorkspace({ root: folder, config: 'contender.yml', out: '.contender', log: silentLog });
    const registry = await openRegistry(workspace);
    const bytes = await readFile(join(folder, 'models/champion.onnx'));
    const artifact: Artifact = { role: 'model', uri: 'git:x:m.onnx', sha256: sha256(bytes), size: bytes.length };
    const promoted = (version: string, made: Artifact) => (view: RegistryView) => {
      const to = { version, artifacts: [made] };
      return { ...judged(model, version, 'promote')(view), to, candidate: to };
    };
    for (const [version, made] of [
      ['1.0.0', artifact],
      ['1.0.1', { ...artifact, sha256: digest('another') }],
      ['1.0.2', { ...artifact, reading: { threshold: 0.4 } }],
    ] as const) {
      await registry.record({ model, decide: promoted(version, made), evidence: [] });
    }
    const verify = (tag?: string): Promise<Verification> =>
      verifyArtifact(workspace, { file: 'models/champion.onnx', champion: false, tag });
    for (const [tag, version, verified] of [
      [undefined, '1.0.2', true],
      ['v1.0.0', '1.0.0', true],
      ['v1.0.2', '1.0.2', true],
      ['v1.0.1', '1.0.2', false],
    ] as const) {
      const found = await verify(tag);
      assert.deepEqual([found.version, found.verified], [version, verified], found.message);
    }

    const deprecated = (view: RegistryView): Decision => ({
      ...judged(model, 'any', 'no-change')(view),
      action: 'deprecate',
      candidate: { version: '1.0.0', artifacts: [artifact] },
      idempotencyKey: digest('deprecate'),
    });
    await registry.record({ model, decide: deprecated, evidence: [] });
    for (const tag of [undefined, 'v1.0.0', 'v1.0.2']) assert.equal((await verify(tag)).verified, false, tag);
    assert.match((await verify('v1.0.2')).message, /is spam-filter 1\.0\.2, deprecated as 1\.0\.0$/u);
  }));
