import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Staging, Task } from '../../../src/config/index.ts';
import { openDataset } from '../../../src/data/dataset.ts';
import type { Check, Evidence } from '../../../src/evidence/index.ts';
import type { Predictions } from '../../../src/model/predictions.ts';
import { loadTest } from '../../../src/stages/load/load-test.ts';
import type { Load } from '../../../src/stages/load/schema.ts';
import type { Contestant, ContestantsContext } from '../../../src/stages/stage.ts';
import type { ConfiguredModel } from '../../support/configured-model.ts';
import { inTemporaryFolder } from '../../support/project.ts';
import { evidenceFrom, stageContext } from '../../support/stage-context.ts';
import { httpServer, type RunningServer } from './servers.ts';

/* A load test of a stand-in for a served model, which behaves as a test has it. */

export const rowCount = 120;
export const scores = Float64Array.from({ length: rowCount }, (_, row) =>
  Math.fround(0.05 + (0.9 * ((row * 37) % 100)) / 100),
);
export const labels = Int32Array.from(scores, (score) => (score >= 0.5 ? 1 : 0));

/** How the stand-in server answers rows, given by their number in the feature `x`. */
export type Behaviour = (rows: number[], response: ServerResponse, server: RunningServer) => void;

export function honest(rows: number[], response: ServerResponse): void {
  reply(response, rows, (row) => scores[row] as number);
}

export function reply(response: ServerResponse, rows: number[], score: (row: number) => number): void {
  const data = rows.flatMap((row) => [1 - score(row), score(row)]);
  const outputs = [{ name: 'probabilities', datatype: 'FP32', shape: [rows.length, 2], data }];
  response.end(JSON.stringify({ model_name: 'm', outputs }));
}

export interface LoadTestOptions {
  answer?: Behaviour;
  /** Takes every request, whatever its path, in place of a server of the Open Inference Protocol. */
  serve?: (body: string, response: ServerResponse, request: IncomingMessage, server: RunningServer) => void;
  profile?: object;
  /** In place of the profile and what it has by default. */
  profiles?: Load['profile'];
  slo?: Load['slo'];
  load?: Partial<Load>;
  task?: Task;
  healthy?: boolean;
  inputs?: object[];
  outputs?: object[];
  /** In place of the server's own. */
  url?: string;
  staging?: (server: RunningServer) => Staging;
  context?: Partial<ContestantsContext>;
  signal?: AbortSignal;
}

/**
 * Load test a stand-in for a served model through the url target: 100 requests a second, 1.4 s. Where this machine was the limit, as the
 * evidence says, nothing was learnt of the product: up to three times. This repeats a measurement, and the runner a file that failed.
 */
export async function runLoadTest(options: LoadTestOptions, attempts = 3): Promise<Evidence> {
  const evidence = await runOnce(options);
  const wasLimit = evidence.checks.some(({ id, verdict }) => id === 'load/generator' && verdict === 'inconclusive');
  return wasLimit && attempts > 1 ? await runLoadTest(options, attempts - 1) : evidence;
}

async function runOnce(options: LoadTestOptions): Promise<Evidence> {
  const server: RunningServer = await httpServer((body, response, request) => {
    const { url } = request;
    if (options.serve !== undefined) options.serve(body, response, request, server);
    else if (url === '/v2/health/ready') response.writeHead(options.healthy === false ? 503 : 200).end();
    else if (url === '/v2/models/m') {
      const inputs = options.inputs ?? [{ name: 'features', datatype: 'FP32', shape: [-1, 2] }];
      const outputs = options.outputs ?? [{ name: 'probabilities', datatype: 'FP32', shape: [-1, 2] }];
      response.end(JSON.stringify({ name: 'm', platform: 'test', inputs, outputs }));
    } else if (url === '/v2/models/m/infer') {
      const { inputs } = JSON.parse(body) as { inputs: [{ data: number[] }] };
      const rows = inputs[0].data.filter((_value, index) => index % 2 === 0);
      (options.answer ?? honest)(rows, response, server);
    } else response.writeHead(404).end();
  });
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    const lines = Array.from(
      scores,
      (_score, row) => `r${row},${row},0.5,${row % 2 === 0},"n ""${row}""",${labels[row]}`,
    );
    await writeFile(path, ['id,x,y,even,note,label', ...lines].join('\n'));
    const dataset = await openDataset({ name: 'evaluation', path, uri: 'rows.csv' });
    try {
      const plain = { rate: 100, duration: '1400ms', warmup: '300ms', ...options.profile };
      const config: ConfiguredModel = {
        task: options.task ?? 'binary-classification',
        candidate: 'm.onnx',
        data: { evaluation: 'rows.csv' },
        policy: { primary: { metric: 'recall' } },
        columns: { id: 'id', label: 'label', features: ['x', 'y'] },
        staging: options.staging?.(server) ?? { url: options.url ?? server.url, start_timeout: '1s' },
        load: {
          profile: options.profiles ?? plain,
          slo: options.slo ?? { p50_ms: 500, p95_ms: 1000 },
          ...options.load,
        },
      };
      const { signal } = options;
      const context = stageContext(config, dataset, {
        candidate: served(),
        root: folder,
        folder,
        signal,
        ...options.context,
      });
      return evidenceFrom('load', await loadTest(context));
    } finally {
      dataset.close();
      await server.stop();
    }
  });
}

/** There are only its predictions, and a server. */
export function served(): Contestant {
  return {
    artifact: { role: 'model', uri: 'm.onnx', sha256: '0'.repeat(64), size: 1 },
    model: null,
    result: { ok: true, predictions: offline() },
  };
}

function offline(): Predictions {
  return { rows: rowCount, classes: [0, 1], kind: 'probability', scores, labels, threshold: 0.5 };
}

export function verdicts(evidence: Evidence): Record<string, string> {
  const gating = evidence.checks.filter((check) => check.severity !== 'info');
  return Object.fromEntries(gating.map((check) => [check.id, check.verdict]));
}

export function find(evidence: Evidence, id: string): Check {
  const check = evidence.checks.find((each) => each.id === id);
  assert.ok(check, `no ${id} among ${evidence.checks.map((each) => each.id).join(', ')}`);
  return check;
}
