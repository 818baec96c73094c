import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { committedFiles, lookUpFiles } from '../../../src/pipeline/auditing/verify-artifacts.ts';
import type { RecordedDecision } from '../../../src/evidence/index.ts';
import { openRepository } from '../../../src/registry/git/repository.ts';
import { inRepository } from '../../registry/temporary-repository.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A decision as far as its candidate is looked up. */
function naming(uri: string, bytes: string): { path: string; decision: RecordedDecision } {
  const artifact = { role: 'model', uri, sha256: sha256(bytes), size: bytes.length };
  return {
    path: `${uri}.json`,
    decision: { candidate: { version: '1.0.0', artifacts: [artifact] } } as RecordedDecision,
  };
}

test('looks up what decisions say that a commit holds: the file, and where asked its bytes', () =>
  inRepository(async (at) => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256('large')}\nsize 5\n`;
    await at.write('models/a model.onnx', 'weights');
    await at.write('models/large.onnx', pointer);
    await at.commit('Add models');
    const commit = await at.git('rev-parse', 'HEAD');
    const [other, elsewhere] = ['2'.repeat(40), 'https://models.example.com/m.onnx'];
    const files = committedFiles([
      naming(`git:${commit}:models/a model.onnx`, 'weights'),
      naming(`git:${commit}:models/a model.onnx`, 'weights of another'),
      naming(`git:${commit}:models/gone.onnx`, 'weights'),
      naming(`git:${commit}:models`, 'weights'),
      naming(`git:${commit}:models/large.onnx`, 'large'),
      naming(`git:${other}:m.onnx`, 'weights'),
      naming(`git:${commit}:../../etc/passwd`, 'weights'),
      naming(elsewhere, 'weights'),
    ]);
    const repository = await openRepository(at.folder);
    const found = async (withBytes: boolean): Promise<[string[], string[]]> => {
      const { findings, notes } = await lookUpFiles(repository, files, withBytes);
      return [findings.map((each) => each.found.replaceAll(commit, 'COMMIT')), notes];
    };
    const absent = [
      'git:COMMIT:models/gone.onnx, of which that commit has no file',
      'git:COMMIT:models, of which that commit has no file',
    ];
    const unknown = 'Models in 1 commit that this clone does not have were not looked up: 222222222222.';
    assert.deepEqual(await found(false), [absent, [unknown]]);

    const [findings, notes] = await found(true);
    assert.deepEqual(findings, [
      ...absent,
      `git:COMMIT:models/a model.onnx, the bytes have sha256 ${sha256('weights')}`,
    ]);
    assert.equal(notes[0], unknown);
    assert.match(notes[1] ?? '', /large\.onnx was not read: .*LFS/u);
    assert.equal(notes.length, 2);
  }));
