import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { evidenceDigest } from '../../../src/evidence/index.ts';
import { find, honest, reply, rowCount, runLoadTest, scores, verdicts, type Behaviour } from './stand-in.ts';

describe('a load test', () => {
  test('passes a server that is quick and answers as the model does offline', async () => {
    const evidence = await runLoadTest({ answer: honest });
    assert.equal(evidence.verdict, 'pass', JSON.stringify(evidence.checks, null, 1));
    assert.deepEqual(verdicts(evidence), {
      'load/staging': 'pass',
      'load/alive': 'pass',
      'load/p50': 'pass',
      'load/p95': 'pass',
      'load/throughput': 'pass',
      'load/error-rate': 'pass',
      'load/parity': 'pass',
    });
    assert.equal(evidence.details['rowsCovered'], rowCount);
    assert.ok(evidenceDigest(evidence).length === 64, 'the evidence can be digested');
  });

  test('sends several rows a request and compares each of them', async () => {
    const sizes = new Set<number>();
    const evidence = await runLoadTest({
      answer(rows, response) {
        sizes.add(rows.length);
        honest(rows, response);
      },
      profile: { rows_per_request: 7 },
    });
    assert.deepEqual([...sizes], [7]);
    assert.equal(evidence.verdict, 'pass');
    assert.equal((evidence.details['answers'] as { compared: number }).compared % (140 * 7), 0);
  });

  test('fails a server that is too slow, after measuring it again', async () => {
    const evidence = await runLoadTest({
      answer: (rows, response) => setTimeout(() => honest(rows, response), 300),
      slo: { p95_ms: 100 },
    });
    assert.equal(verdicts(evidence)['load/p95'], 'fail', find(evidence, 'load/p95').message);
    assert.match(find(evidence, 'load/p95').message, /p95 is \d+(\.\d+)? ms against 100 ms.*measured \d times/u);
    assert.ok(Number(find(evidence, 'load/p95').observed) >= 290);
  });

  test('does not judge a percentile on too few requests', async () => {
    const evidence = await runLoadTest({ answer: honest, slo: { p95_ms: 500, p99_ms: 1000 } });
    assert.equal(verdicts(evidence)['load/p95'], 'pass');
    assert.equal(verdicts(evidence)['load/p99'], 'inconclusive');
    assert.match(find(evidence, 'load/p99').message, /cannot be tested with 140 requests: at least 299 are needed/u);
    assert.equal(evidence.verdict, 'inconclusive');
  });

  test('fails answers that are not those of the candidate, and shows one', async () => {
    const evidence = await runLoadTest({
      answer: (rows, response) => reply(response, rows, (row) => (row === 17 ? 0.123 : (scores[row] as number))),
    });
    const parity = find(evidence, 'load/parity');
    assert.equal(parity.verdict, 'fail');
    assert.match(parity.message, /\d of \d+ .*row 18: offline score .*served score 0\.123/u);
    assert.equal(evidence.verdict, 'fail');
  });

  test('does not mind differences in the last bits of a float32', async () => {
    const evidence = await runLoadTest({
      answer: (rows, response) => reply(response, rows, (row) => (scores[row] as number) + 5e-7),
    });
    assert.equal(verdicts(evidence)['load/parity'], 'pass');
  });

  test('measures accuracy under load against the labels', async () => {
    const half = await runLoadTest({
      answer: (rows, response) => reply(response, rows, (row) => (row % 2 === 0 ? 1 : 0)),
      slo: { accuracy: 0.9 },
    });
    assert.equal(verdicts(half)['load/accuracy'], 'fail');
    const right = await runLoadTest({ answer: honest, slo: { accuracy: 0.99 } });
    assert.equal(verdicts(right)['load/accuracy'], 'pass');
    assert.equal(find(right, 'load/accuracy').observed, 1);
  });

  test('counts every kind of unusable answer and shows the first', async () => {
    let asked = 0;
    const bad: Behaviour[] = [
      (_rows, response) => response.writeHead(500).end('out of luck'),
      (_rows, response) => response.end('<html>not JSON</html>'),
      (_rows, response) => response.end('{"model_name":"m","outputs":[]}'),
      (rows, response) => reply(response, [...rows, 3], (row) => scores[row] as number),
      honest,
    ];
    const evidence = await runLoadTest({
      answer(rows, response, server) {
        (bad[asked % bad.length] as Behaviour)(rows, response, server);
        asked += 1;
      },
    });
    const { faults, faultExamples } = evidence.details['answers'] as {
      faults: Record<string, number>;
      faultExamples: { kind: string; body: string }[];
    };
    assert.deepEqual(Object.keys(faults).toSorted(), ['status 500', 'unreadable']);
    assert.ok(faultExamples.some(({ kind, body }) => kind === 'status 500' && body === 'out of luck'));
    assert.ok(faultExamples.length <= 5);
    assert.equal(verdicts(evidence)['load/error-rate'], 'fail');
    assert.ok(Number(find(evidence, 'load/error-rate').observed) > 0.7);
  });

  test('reports a server that dies midway, without waiting for the end of the test', async () => {
    let asked = 0;
    const started = performance.now();
    const evidence = await runLoadTest({
      answer(rows, response, server) {
        asked += 1;
        honest(rows, response);
        if (asked === 60) void server.stop();
      },
      profile: { duration: '120s' },
    });
    assert.equal(verdicts(evidence)['load/alive'], 'fail');
    assert.match(find(evidence, 'load/alive').message, /stopped during the test: .*ECONNREFUSED/u);
    assert.equal(verdicts(evidence)['load/p95'], 'skipped');
    assert.equal(evidence.verdict, 'fail');
    assert.ok(performance.now() - started < 60_000);
  });

  test(
    'a command that closes its port, and ends a little later, is told as ended',
    { skip: process.platform !== 'linux' },
    async () => {
      const program = `
      let count = 0;
      const server = require('node:http').createServer((request, response) => {
        request.resume().on('end', () => {
          response.end('{"score": 0.5}');
          if (request.method === 'GET' || (count += 1) < 5) return;
          server.close();
          server.closeAllConnections();
          setTimeout(() => process.exit(0), 700);
        });
      }).listen(Number(process.env.PORT), '127.0.0.1');`;
      const evidence = await runLoadTest({
        staging: () => ({
          command: [process.execPath, '-e', program],
          path: '/',
          request: { x: '{{x}}' },
          answer: { scores: '/score' },
        }),
      });
      assert.equal(find(evidence, 'load/alive').message, 'The target stopped during the test: exit code 0');
    },
  );

  test('fails a server that stops answering, within its time-outs', async () => {
    let asked = 0;
    const evidence = await runLoadTest({
      answer(rows, response) {
        asked += 1;
        if (asked < 60) honest(rows, response);
      },
      profile: { timeout: '1s' },
      slo: { p95_ms: 500 },
    });
    assert.equal(verdicts(evidence)['load/error-rate'], 'fail');
    assert.match(find(evidence, 'load/error-rate').message, /timed out/u);
    assert.equal(verdicts(evidence)['load/p95'], 'fail');
  });

  test('turns a target that never becomes healthy into one failing check', async () => {
    const evidence = await runLoadTest({ answer: honest, healthy: false });
    assert.deepEqual(verdicts(evidence), { 'load/staging': 'fail' });
    assert.match(find(evidence, 'load/staging').message, /not healthy.*503/su);
  });

  test('learns nothing about the candidate from a target that cannot be reached', async () => {
    const evidence = await runLoadTest({ answer: honest, url: 'http://127.0.0.1:9' });
    assert.deepEqual(verdicts(evidence), { 'load/staging': 'inconclusive' });
    assert.match(find(evidence, 'load/staging').message, /ECONNREFUSED.*Check staging\.url/su);
    assert.equal(evidence.verdict, 'inconclusive');
  });

  test('turns a target that serves another model into one failing check', async () => {
    const evidence = await runLoadTest({
      answer: honest,
      inputs: [{ name: 'features', datatype: 'FP32', shape: [-1, 9] }],
    });
    assert.deepEqual(verdicts(evidence), { 'load/staging': 'fail' });
    assert.match(find(evidence, 'load/staging').message, /9 features/u);
  });

  test('refuses objectives that no run can settle, before anything starts', async () => {
    await assert.rejects(runLoadTest({ answer: honest, task: 'regression', slo: { accuracy: 0.9 } }), /parity/u);
    await assert.rejects(
      runLoadTest({ answer: honest, slo: { p99_ms: 6000 } }),
      /p99_ms is 6000.*time out after 5000 ms.*Raise load\.profile\.timeout/su,
    );
  });

  test('ends when it is aborted', async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('the job was cancelled')), 700);
    await assert.rejects(
      runLoadTest({ answer: honest, profile: { duration: '120s' }, signal: stop.signal }),
      /the job was cancelled/u,
    );
  });
});
