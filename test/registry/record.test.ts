import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { digest, evidenceDigest } from '../../src/evidence/index.ts';
import { artifact, evidence, judged } from './sample-decision.ts';
import { inRepository } from './temporary-repository.ts';

const model = 'spam-filter';

describe('recording a decision', () => {
  test('adds one commit with decision, manifest and evidence, and leaves the work tree clean', () =>
    inRepository(async (repository) => {
      const registry = await repository.registry();
      const proof = evidence('a');
      const result = await registry.record({
        model,
        decide: judged(model, 'a', 'promote', [proof]),
        evidence: [proof],
      });
      assert.equal(result.status, 'recorded');
      assert.equal(await repository.git('rev-parse', 'HEAD'), result.commit);
      assert.equal(await repository.git('log', '-1', '--format=%s'), 'contender: promote spam-filter v1.0.0');
      assert.deepEqual((await repository.git('show', '--name-only', '--format=', 'HEAD')).split('\n'), [
        'registry/.gitattributes',
        'registry/models/spam-filter/decisions/000/000001.json',
        `registry/models/spam-filter/evidence/${evidenceDigest(proof)}.json.gz`,
        'registry/models/spam-filter/manifest.json',
      ]);
      assert.equal(await repository.status(), '');
      assert.deepEqual(await registry.verify(), []);
      assert.deepEqual(await registry.models(), [model]);
      const view = await registry.view(model);
      assert.deepEqual(view, {
        champion: { version: '1.0.0', artifacts: [artifact('a')] },
        championSeq: 1,
        versions: ['1.0.0'],
        decisionsByDataset: { [digest('eval')]: 1 },
      });
    }));
});
