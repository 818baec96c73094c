import type Docker from 'dockerode';
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Evidence } from '../../../src/evidence/index.ts';
import type { Contestant } from '../../../src/stages/stage.ts';
import { openDataset } from '../../../src/data/dataset.ts';
import { loadTest } from '../../../src/stages/load/load-test.ts';
import { dockerOrSkip, importBaseImage } from '../../support/docker.ts';
import { fixture, inTemporaryFolder } from '../../support/project.ts';
import type { ConfiguredModel } from '../../support/configured-model.ts';
import { evidenceFrom, stageContext } from '../../support/stage-context.ts';

/*
 * The image target under real load in real containers: small servers that speak the protocol and then go wrong.
 * The Dockerfile's own image, serving a real model, is tested in test/serve/image.test.ts.
 */

const rows = 60;

/** A server that gives every row the score 0.25; `wrong` runs on each request with its number. */
function server(wrong = '', score = 0.25): string[] {
  const program = `
    const metadata = { name: 'm', platform: 'test', inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
      outputs: [{ name: 'p', datatype: 'FP32', shape: [-1, 1] }] };
    const hoard = [];
    let number = 0;
    require('node:http').createServer((request, response) => {
      if (request.method === 'GET') return response.end(JSON.stringify(metadata));
      let body = '';
      request.on('data', (part) => (body += part));
      request.on('end', () => {
        number++;
        ${wrong};
        const count = JSON.parse(body).inputs[0].shape[0];
        response.end(JSON.stringify({ model_name: 'm', outputs: [
          { name: 'p', datatype: 'FP32', shape: [count, 1], data: Array(count).fill(${score}) }] }));
      });
    }).listen(8080);`;
  return ['node', '-e', program];
}

test('a container that serves the right answers passes its load test', async (t) => {
  await withEvidence(t, { command: server() }, (evidence) => {
    assert.equal(evidence.verdict, 'pass', told(evidence));
    assert.equal(verdictOf(evidence, 'load/parity'), 'pass');
  });
});

test('a container that serves another model than the candidate is found out by its answers', async (t) => {
  await withEvidence(t, { command: server('', 0.75) }, (evidence) => {
    assert.equal(evidence.verdict, 'fail');
    const failed = evidence.checks.filter(({ verdict }) => verdict !== 'pass').map(({ id }) => id);
    assert.deepEqual(failed, ['load/parity'], told(evidence));
    assert.match(message(evidence, 'load/parity'), /offline score 0\.25.*served score 0\.75/u);
  });
});

test('a run that is cancelled leaves no container, whether it starts or is under load', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  for (const ms of [100, 700, 2500]) {
    const signal = AbortSignal.timeout(ms);
    const nobody = (evidence: Evidence): void => assert.fail(told(evidence));
    await assert.rejects(
      withEvidence(t, { command: server() }, nobody, { signal, duration: '60s' }),
      (error: Error) => {
        assert.match(error.message, /timeout|abort/iu);
        return true;
      },
    );
    assert.deepEqual(await left(engine), [], `cancelled after ${ms} ms`);
  }
});

test('a container that never becomes healthy is a failing check that says so', async (t) => {
  const unhealthy = `console.log('waiting for a licence');
    require('node:http').createServer((request, response) => { response.statusCode = 503; response.end(); }).listen(8080)`;
  await withEvidence(t, { command: ['node', '-e', unhealthy], start_timeout: '1s' }, (evidence) => {
    assert.equal(evidence.verdict, 'fail');
    assert.match(message(evidence, 'load/staging'), /not healthy after 1 s.*waiting for a licence/su);
  });
});

test('a container that dies under load is a failing check with its exit code', async (t) => {
  await withEvidence(t, { command: server('if (number > 80) process.exit(9)') }, (evidence) => {
    assert.equal(evidence.verdict, 'fail');
    assert.match(message(evidence, 'load/alive'), /exit code 9/u);
  });
});

test('a container that runs out of memory under load is a failing check that names the limit', async (t) => {
  const greedy = server('if (number > 80) for (;;) hoard.push(Buffer.alloc(1e6, 1))');
  await withEvidence(t, { command: greedy, memory: '96MiB' }, (evidence) => {
    assert.equal(evidence.verdict, 'fail');
    assert.match(message(evidence, 'load/alive'), /out of memory.*96MiB/su);
  });
});

/** Load test a container and look at the evidence; no container may be left. */
async function withEvidence(
  t: TestContext,
  staging: { command: string[]; [name: string]: unknown },
  look: (evidence: Evidence) => void,
  { signal, duration = '2s' }: { signal?: AbortSignal; duration?: string } = {},
): Promise<void> {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  const image = await importBaseImage(engine);
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    const lines = Array.from({ length: rows }, (_, row) => `r${row},${row % 2},${row / 4},1`);
    await writeFile(path, `id,label,x,y\n${lines.join('\n')}\n`);
    const dataset = await openDataset({ name: 'evaluation', path, uri: 'rows.csv' });
    const artifact = { role: 'model' as const, uri: 'file:m.onnx', sha256: '0'.repeat(64), size: 1 };
    try {
      const config: ConfiguredModel = {
        task: 'binary-classification',
        candidate: 'm.onnx',
        columns: { id: 'id', label: 'label' },
        data: { evaluation: 'rows.csv' },
        policy: { primary: { metric: 'recall' } },
        staging: { image, start_timeout: '30s', ...staging },
        load: {
          profile: { rate: 60, duration, warmup: '500ms' },
          slo: { p95_ms: 2000, error_rate: 0.01, accuracy: 'parity' },
        },
      };
      const path = fixture('onnx-zoo/broken/label-only.onnx');
      const candidate: Contestant = {
        artifact,
        model: { artifact: { ...artifact, path, files: [], signature: null }, reading: {} },
        result: {
          ok: true,
          predictions: {
            rows,
            classes: [0, 1],
            kind: 'probability',
            scores: new Float64Array(rows).fill(0.25),
            labels: null,
            threshold: 0.5,
          },
        },
      };
      look(evidenceFrom('load', await loadTest(stageContext(config, dataset, { candidate, root: folder, signal }))));
    } finally {
      dataset.close();
    }
  });
  assert.deepEqual(await left(engine), [], 'no container is left behind');
}

async function left(engine: Docker): Promise<string[]> {
  const label = 'dev.contender.staging';
  const all = await engine.listContainers({ all: true, filters: { label: [label] } });
  return all.filter((each) => each.Labels[label]?.includes(`"pid":${process.pid},`)).map((each) => each.Id);
}

function verdictOf(evidence: Evidence, id: string): string | undefined {
  return evidence.checks.find((check) => check.id === id)?.verdict;
}

function message(evidence: Evidence, id: string): string {
  return evidence.checks.find((check) => check.id === id && check.verdict === 'fail')?.message ?? told(evidence);
}

function told(evidence: Evidence): string {
  return evidence.checks.map((check) => `${check.id} ${check.verdict}: ${check.message}`).join('\n');
}
