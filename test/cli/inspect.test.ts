import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { commandLine, contender } from '../support/gate-repository.ts';
import { fixture } from '../support/project.ts';

describe('contender inspect', () => {
  test('shows inputs, outputs, opset, size and parameters', async () => {
    const { code, stdout } = await contender(fixture('spam'), ['inspect', 'models/champion.onnx']);
    assert.equal(code, 0);
    assert.match(stdout, /inputs\s+features: float \[N, 60\]/u);
    assert.match(stdout, /outputs\s+label: int64 \[N\]\n\s+probabilities: float \[N, 2\]/u);
    assert.match(stdout, /opset .*ai\.onnx\.ml/u);
    assert.match(stdout, /2615 bytes, \d+ parameters/u);
  });

  test('with a configuration shows which columns would feed the inputs', async () => {
    const args = ['inspect', 'models/champion.onnx', '--config', 'contender.yml', '--json'];
    const { code, stdout, stderr } = await contender(fixture('spam'), args);
    assert.equal(code, 0, stderr);
    const { feeds } = JSON.parse(stdout) as { feeds: { input: { name: string }; columns: string[] }[] };
    assert.equal(feeds[0]?.input.name, 'features');
    assert.equal(feeds[0]?.columns.length, 60);
    assert.equal(feeds[0]?.columns[0], 'word_free');
  });

  test('says both sides when the columns do not fit', async () => {
    const args = ['inspect', '../onnx-zoo/broken/wrong-feature-count.onnx', '--config', 'contender.yml'];
    const { code, stderr } = await contender(fixture('spam'), args);
    assert.equal(code, 2);
    assert.match(stderr, /expects 59 features.*there are 64/su);
  });

  test('refuses what is no model with the reason', async () => {
    for (const [file, says] of [
      ['broken/git-lfs-pointer.onnx', /git lfs pull/u],
      ['broken/html-error-page.onnx', /HTML page/u],
      ['broken/external-data-escape.onnx', /outside its own folder/u],
      ['nowhere.onnx', /no such file/u],
    ] as const) {
      const { code, stderr } = await contender(fixture('onnx-zoo'), ['inspect', file]);
      assert.equal(code, 2, file);
      assert.match(stderr, says);
      assert.doesNotMatch(stderr, /^ {4}at /mu);
    }
  });
});

test('a reader that closes the pipe early, such as head, is no error', async () => {
  const child = spawn(process.execPath, [commandLine, 'inspect', '--json', fixture('spam/models/champion.onnx')]);
  child.stdout.destroy();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number];
  assert.equal(stderr, '');
  assert.equal(code, 0);
});
