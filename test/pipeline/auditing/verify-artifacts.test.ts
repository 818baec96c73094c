import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { committedFiles, lookUpFiles } from '../../../src/pipeline/auditing/verify-artifacts.ts';
import type { RecordedDecision } from '../../../src/evidence/index.ts';
import { openRepository } from '../../../src/registry/git/repository.ts';
import { inRepository } from '../../registry/temporary-repository.ts';
import { inTemporaryFolder } from '../../support/project.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A decision as far as its candidate is looked up. */
function naming(uri: string, bytes: string): { path: string; decision: RecordedDecision } {
  const artifact = { role: 'model', uri, sha256: sha256(bytes), size: bytes.length };
  return {
    path: `${uri}.json`,
    decision: { candidate: { version: '1.0.0', artifacts: [artifact] } } as RecordedDecision,
  };
}

test('a file that two decisions name is looked up for the one that makes it champion', () => {
  const uri = `git:${'2'.repeat(40)}:m.onnx`;
  const [hold, promote] = ['hold', 'promote'].map((outcome) => {
    const { decision } = naming(uri, 'weights');
    return { path: outcome, decision: { ...decision, outcome } as RecordedDecision };
  });
  for (const made of [
    [hold, promote],
    [promote, hold],
  ]) {
    const [file, ...others] = committedFiles(made.filter((each) => each !== undefined));
    assert.deepEqual([file?.promotes, file?.path, others.length], [true, 'promote', 0]);
  }
});

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
    const found = async (added: boolean): Promise<[string[], string[]]> => {
      const { findings, notes } = await lookUpFiles(repository, files, { added });
      return [findings.map((each) => each.found.replaceAll(commit, 'COMMIT')), notes];
    };
    const absent = [
      'git:COMMIT:models/gone.onnx, but that commit has no such file',
      'git:COMMIT:models, but that commit has no such file',
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

test('takes a champion in a commit that no remote has for a finding, where the decision is new', () =>
  inRepository((remote) =>
    inTemporaryFolder(async (folder) => {
      await remote.write('m.onnx', 'weights');
      const commit = await remote.commit('Add a model');
      const clone = join(folder, 'clone');
      await remote.git('clone', '--quiet', '--bare', `file://${remote.folder}`, clone);
      await remote.write('n.onnx', 'weights');
      const later = await remote.commit('Add another');
      const made = (uri: string, outcome: 'promote' | 'reject'): ReturnType<typeof naming> => {
        const { path, decision } = naming(uri, 'weights');
        return { path, decision: { ...decision, outcome } };
      };
      const files = committedFiles([
        made(`git:${commit}:m.onnx`, 'promote'),
        made(`git:${later}:n.onnx`, 'promote'),
        made(`git:${'2'.repeat(40)}:m.onnx`, 'promote'),
        made(`git:${'3'.repeat(40)}:m.onnx`, 'reject'),
      ]);
      const repository = await openRepository(clone);
      const { findings, notes } = await lookUpFiles(repository, files, { added: true, fetch: true });
      assert.deepEqual(
        findings.map((each) => each.found),
        [`git:${'2'.repeat(40)}:m.onnx, and neither this clone nor its remote has that commit`],
      );
      assert.match(notes.join(), /^Models in 1 commit that this clone does not have .*: 333333333333\.$/u);
      // A remote that cannot be asked says nothing.
      await remote.git('-C', clone, 'remote', 'set-url', 'origin', join(folder, 'gone'));
      assert.deepEqual((await lookUpFiles(repository, files, { added: true, fetch: true })).findings, []);
    }),
  ));
