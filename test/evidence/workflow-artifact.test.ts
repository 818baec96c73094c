import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOfFile, workflowArtifact } from '../../src/evidence/index.ts';
import fc from '../support/properties.ts';

const uri = 'https://github.com/acme/models/actions/runs/12/artifacts/345';

test('the address of an artifact of a workflow run says where it is, and which file is meant', () => {
  const artifact = { site: 'https://github.com', repository: 'acme/models', run: 12, id: 345 };
  assert.deepEqual(workflowArtifact(uri), { ...artifact, file: undefined });
  assert.deepEqual(workflowArtifact(`${uri}#`), { ...artifact, file: undefined });
  assert.deepEqual(workflowArtifact(`${uri}#out/100%.onnx`), { ...artifact, file: 'out/100%.onnx' });
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (file) => {
      assert.equal(workflowArtifact(addressOfFile(`${uri}#other`, file))?.file, file);
    }),
  );
});

test('no other address is taken for one', () => {
  for (const other of [
    'https://github.com/acme/models/actions/runs/12',
    'https://github.com/acme/models/releases/download/v1/m.onnx',
    `${uri}/zip`,
    `${uri}?x`,
    'git:0000000000000000000000000000000000000000:actions/runs/12/artifacts/345',
    'models/candidate.onnx',
  ]) {
    assert.equal(workflowArtifact(other), null, other);
  }
});
