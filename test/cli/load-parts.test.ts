import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Evidence } from '../../src/evidence/index.ts';
import { silentLog } from '../../src/log.ts';
import { startServer } from '../../src/serve/server.ts';
import { contender, gateRepository } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

describe('load-test --shard', () => {
  test('writes what load.parts judges', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      const server = await startServer({
        artifact: { path: join(folder, 'models/candidate.onnx') },
        modelName: 'spam-filter',
        port: 0,
        host: '127.0.0.1',
        log: silentLog,
      });
      try {
        await repository.shortLoad();
        await repository.configure('target: builtin', `url: '${server.url}'`);
        await repository.configure('      slo: {', '      parts: [load.json.gz]\n      slo: {');
        const sent = await contender(folder, ['load-test', '--shard', '1/1', '--file', 'load.json.gz']);
        assert.equal(sent.code, 0, sent.stderr);
        assert.match(sent.stdout, /^load\.json\.gz: part 1\/1\. Name the files/u);
        const { stdout } = await contender(folder, ['load-test', '--json']);
        const { checks, details } = JSON.parse(stdout) as Evidence;
        assert.equal(details['requests'], 100);
        const verdictOf = (id: string): string | undefined => checks.find((check) => check.id === id)?.verdict;
        assert.equal(verdictOf('load/error-rate'), 'pass', stdout);
        assert.equal(verdictOf('load/parity'), 'pass', stdout);
        assert.equal(verdictOf('load/parts'), 'pass', stdout);
      } finally {
        await server.close();
      }
    }));

  for (const [options, told] of [
    [['--shard', '1/2'], /there is no --file/u],
    [['--shard', '1/2', '--file', 'x.json.gz'], /there is no --start/u],
    [['--file', 'x.json.gz'], /there is no --shard/u],
    [['--start', '2026-03-01T12:00:00Z'], /there is no --shard/u],
    [['--shard', '3/2', '--file', 'x'], /Expected i\/N/u],
    [['--shard', '1/2', '--file', 'x', '--start', 'tomorrow'], /Expected a time in ISO 8601/u],
  ] as const) {
    test(`${options.join(' ')} is a mistake that is told`, () =>
      inTemporaryFolder(async (folder) => {
        await gateRepository(folder);
        const { code, stderr } = await contender(folder, ['load-test', ...options]);
        assert.equal(code, 2);
        assert.match(stderr, told);
      }));
  }
});
