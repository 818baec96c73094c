import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentLog } from '../../src/log.ts';
import { startSplitServer, type RunningSplitServer } from '../../src/serve/split-server.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';

const champion = fixture('spam/models/champion.onnx');

function start(folder: string, input: { candidate?: string; logFile?: string }): Promise<RunningSplitServer> {
  return startSplitServer({
    champion,
    candidate: fixture('spam/models/candidate.onnx'),
    modelName: 'spam',
    port: 0,
    host: '127.0.0.1',
    logFile: join(folder, 'requests.jsonl'),
    keyHeader: 'x-user-id',
    token: undefined,
    log: silentLog,
    ...input,
  });
}

describe('two versions behind one address', () => {
  it('are not served where requests cannot be logged: a rollout would see nothing', () =>
    inTemporaryFolder(async (folder) => {
      await assert.rejects(start(folder, { logFile: join(folder, 'none/requests.jsonl') }), {
        name: 'DataError',
        message: /the log cannot be written \(ENOENT\)/u,
      });
      await assert.rejects(start(folder, { logFile: folder }), /the log cannot be written \(EISDIR\)/u);
    }));

  it('are not served where the candidate takes other inputs: it would refuse every request', () =>
    inTemporaryFolder(async (folder) => {
      await assert.rejects(start(folder, { candidate: fixture('digits/models/champion.onnx') }), {
        name: 'ModelError',
        message: /the candidate takes .*Expected what .*champion\.onnx takes: features FP32 \[-1, 60\]/su,
      });
    }));
});
