import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
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
        message: /the candidate takes .*Expected the same inputs as .*champion\.onnx: features FP32 \[-1, 60\]/su,
      });
    }));

  it('tell whoever acts on a weight that is another one whether it expired, or was set', () =>
    inTemporaryFolder(async (folder) => {
      const server = await start(folder, {});
      const put = async (body: object): Promise<{ status: number; text: string }> => {
        const answer = await fetch(`${server.url}/contender/weight`, {
          method: 'PUT',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
        return { status: answer.status, text: await answer.text() };
      };
      try {
        const expires = new Date(Date.now() + 50).toISOString();
        assert.equal((await put({ weight: 5, expires })).status, 200);
        await sleep(80);
        const late = await put({ weight: 10, from: 5, expires: null });
        assert.equal(late.status, 409);
        assert.match(late.text, /The weight is 0, not 5: it expired at \S+ and was not renewed/u);
        assert.equal((await put({ weight: 20 })).status, 200);
        const other = await put({ weight: 10, from: 5, expires: null });
        assert.match(other.text, /The weight is 20, not 5: another client set it/u);
      } finally {
        await server.close();
      }
    }));
});
