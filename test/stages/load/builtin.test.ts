import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import type { Columns } from '../../../src/config/index.ts';
import type { Load } from '../../../src/stages/load/schema.ts';
import { openDataset, type Dataset } from '../../../src/data/dataset.ts';
import type { Evidence } from '../../../src/evidence/index.ts';
import { loadTest } from '../../../src/stages/load/load-test.ts';
import { silentLog } from '../../../src/log.ts';
import { localModel } from '../../../src/model/artifact.ts';
import { predictModels } from '../../../src/model/predict.ts';
import type { Predictions } from '../../../src/model/predictions.ts';
import type { ConfiguredModel } from '../../support/configured-model.ts';
import { evidenceFrom, stageContext } from '../../support/stage-context.ts';
import { fixture, projectRoot } from '../../support/project.ts';

const columns: Columns = { id: 'id', label: 'label', positive: 1 };
const path = fixture('spam/data/eval.parquet');

describe('a load test of the built-in server with the spam models', () => {
  let dataset: Dataset;
  let offline: Predictions;
  before(async () => {
    dataset = await openDataset({ name: 'evaluation', path, uri: 'eval.parquet' });
    offline = await predictionsOf('candidate');
  });
  after(() => dataset.close());

  test('finds that every row is answered as it is predicted offline', async () => {
    const evidence = await run('candidate', { accuracy: 'parity' });
    const blocking = evidence.checks.filter(({ severity }) => severity === 'block');
    assert.deepEqual(
      blocking.map(({ id, verdict }) => [id, verdict]),
      ['staging', 'alive', 'p95', 'throughput', 'error-rate', 'parity'].map((name) => [`load/${name}`, 'pass']),
      JSON.stringify(blocking, null, 1),
    );
    assert.equal(evidence.details['rowsCovered'], 2350);
    const { peakMemoryBytes } = evidence.details['timings'] as { peakMemoryBytes: number | null };
    assert.ok(process.platform !== 'linux' || (peakMemoryBytes ?? 0) > 1e7);
  });

  test('measures the accuracy that the reference values state', async () => {
    const evidence = await run('candidate', { accuracy: 0.97 });
    const accuracy = evidence.checks.find(({ id }) => id === 'load/accuracy');
    assert.equal(accuracy?.verdict, 'pass');
    assert.ok(Math.abs(Number(accuracy.observed) - 0.9796) < 0.005, accuracy.message);
  });

  test('fails a server that serves another model than the candidate', async () => {
    const evidence = await run('champion', { accuracy: 'parity' });
    assert.equal(evidence.checks.find(({ id }) => id === 'load/parity')?.verdict, 'fail');
    assert.equal(evidence.verdict, 'fail');
  });

  test('says how the server ended when it is killed under load', { skip: process.platform !== 'linux' }, async () => {
    // It takes seconds to start on a busy machine.
    setTimeout(() => process.kill(serverProcess(), 'SIGKILL'), 8000);
    const evidence = await run('candidate', { accuracy: 'parity' }, '60s');
    const alive = evidence.checks.find(({ id }) => id === 'load/alive');
    assert.equal(alive?.verdict, 'fail');
    assert.match(alive.message, /stopped during the test: signal SIGKILL/u);
    assert.equal(evidence.checks.find(({ id }) => id === 'load/p95')?.verdict, 'skipped');
  });

  async function run(served: string, slo: Load['slo'], duration = '2400ms'): Promise<Evidence> {
    const config: ConfiguredModel = {
      task: 'binary-classification',
      candidate: 'm.onnx',
      columns,
      data: { evaluation: 'eval.parquet' },
      policy: { primary: { metric: 'recall' } },
      load: {
        profile: { rate: 100, duration, warmup: '300ms', rows_per_request: 10 },
        slo: { p95_ms: 1000, ...slo },
      },
    };
    const artifact = await localModel(fixture(`spam/models/${served}.onnx`), `${served}.onnx`);
    const candidate = {
      artifact,
      model: { artifact, reading: {} },
      result: { ok: true as const, predictions: offline },
    };
    return evidenceFrom('load', await loadTest(stageContext(config, dataset, { candidate, root: projectRoot })));
  }

  async function predictionsOf(name: string): Promise<Predictions> {
    const [result] = await predictModels({
      models: [{ role: 'candidate', artifact: await localModel(fixture(`spam/models/${name}.onnx`), `${name}.onnx`) }],
      dataset: { name: 'evaluation', path, uri: 'eval.parquet' },
      columns,
      task: 'binary-classification',
      limits: { memoryBytes: 4e9, timeMs: 60_000 },
      log: silentLog,
    });
    assert.ok(result?.ok, JSON.stringify(result));
    return result.predictions;
  }
});

describe('a load test of the built-in server', () => {
  const several: Columns = {
    id: 'id',
    label: ['billing', 'delivery', 'refund', 'account', 'bug'],
    features: Array.from({ length: 24 }, (_, word) => `w${String(word).padStart(2, '0')}`),
  };
  const ranked: Columns = {
    id: 'id',
    label: 'relevance',
    group: 'query',
    features: ['title_match', 'body_match', 'clicks', 'freshness', 'length', 'price'],
  };
  for (const [what, name, model, task, own] of [
    ['several labels a row', 'topics', 'candidate', 'multilabel-classification', several],
    ['a classifier a label', 'topics', 'candidate-stacked', 'multilabel-classification', several],
    ['a ranking', 'search', 'candidate', 'ranking', ranked],
  ] as const) {
    test(`compares the answers of ${what} with the offline predictions`, async () => {
      const dataset = await openDataset({
        name: 'evaluation',
        path: fixture(`${name}/data/eval.parquet`),
        uri: 'eval',
      });
      const candidate = await localModel(fixture(`${name}/models/${model}.onnx`), `${model}.onnx`);
      const common = { columns: own, task, log: silentLog };
      try {
        const [result] = await predictModels({
          ...common,
          models: [{ role: 'candidate', artifact: candidate }],
          dataset: { name: 'evaluation', path: dataset.path, uri: 'eval' },
          limits: { memoryBytes: 4e9, timeMs: 60_000 },
        });
        assert.ok(result?.ok, JSON.stringify(result));
        const config: ConfiguredModel = {
          task,
          candidate: 'm.onnx',
          columns: own,
          data: { evaluation: 'eval' },
          policy: { primary: { metric: 'recall' } },
          load: {
            profile: { rate: 50, duration: '1s', warmup: '200ms', rows_per_request: 20 },
            slo: { error_rate: 0, accuracy: 'parity' },
          },
        };
        const contestant = { artifact: candidate, model: { artifact: candidate, reading: {} }, result };
        const evidence = await loadTest(
          stageContext(config, dataset, { candidate: contestant, model: name, root: projectRoot }),
        );
        const parity = evidence.checks.find(({ id }) => id === 'load/parity');
        assert.deepEqual([parity?.verdict, parity?.observed], ['pass', 0], JSON.stringify(evidence.checks));
      } finally {
        dataset.close();
      }
    });
  }
});

/** The model server that this test process started. */
function serverProcess(): number {
  const listed = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' });
  const line = listed.split('\n').find((each) => each.includes('serve-process'));
  assert.ok(line, listed);
  return Number.parseInt(line, 10);
}
