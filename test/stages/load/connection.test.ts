import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import autocannon from 'autocannon';
import { takeOver, type Connection } from '../../../src/stages/load/connection.ts';
import { projectRoot } from '../../support/project.ts';
import { rawServer } from './servers.ts';

describe('the private parts of autocannon that pacing relies on', () => {
  test('are those of exactly version 9.0.0', () => {
    const manifest = (path: string): Record<string, Record<string, string> & string> =>
      JSON.parse(readFileSync(join(projectRoot, path), 'utf8'));
    assert.equal(manifest('package.json')['dependencies']?.['autocannon'], '9.0.0');
    assert.equal(manifest('node_modules/autocannon/package.json')['version'], '9.0.0');
  });

  test('a client that lacks one is refused with its name', () => {
    const events = { ready() {}, answered() {}, dropped() {} };
    const client = Object.assign(new EventEmitter(), {
      parser: { execute() {}, reinitialize() {}, finish() {} },
      pipelinedRequests: {},
      _connect() {},
      _destroyConnection() {},
      getRequestBuffer() {},
    });
    assert.throws(() => takeOver(client, events), /no _doRequest;/u);
    assert.throws(() => takeOver(new EventEmitter(), events), /parser\.execute, parser\.reinitialize/u);
  });

  test('a client sends nothing by itself, and each time exactly what it is given', async () => {
    const received: string[] = [];
    const server = await rawServer((socket) => {
      socket.on('data', (chunk) => {
        received.push(chunk.toString('utf8'));
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhé!!');
      });
    });
    const answers: { status: number; body: string }[] = [];
    const ready: Connection[] = [];
    let wake = (): void => {};
    const isReady = (): Promise<void> => new Promise((resolve) => (wake = resolve));
    const tracker = autocannon(
      {
        url: server.url,
        connections: 1,
        duration: 60,
        sampleInt: 100,
        setupClient: (client) => {
          takeOver(client, {
            ready(connection) {
              ready.push(connection);
              wake();
            },
            answered: (_connection, { status, body }) => answers.push({ status, body: body.toString('utf8') }),
            dropped() {},
          });
        },
      },
      () => {},
    );
    try {
      assert.equal(ready.length, 1, 'ready once, on construction');
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.deepEqual(received, []);
      for (const message of ['GET /first HTTP/1.1\r\n\r\n', 'GET /second HTTP/1.1\r\n\r\n']) {
        const again = isReady();
        ready.at(-1)?.send(Buffer.from(message));
        await again;
      }
      assert.deepEqual(received, ['GET /first HTTP/1.1\r\n\r\n', 'GET /second HTTP/1.1\r\n\r\n']);
      assert.deepEqual(answers, [
        { status: 200, body: 'hé!!' },
        { status: 200, body: 'hé!!' },
      ]);
      assert.equal(ready.length, 3);
    } finally {
      await new Promise((resolve) => {
        tracker.on('done', resolve);
        (tracker as unknown as { stop(): void }).stop();
      });
      await server.stop();
    }
  });
});
