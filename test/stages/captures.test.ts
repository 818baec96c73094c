import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { CaptureFormat } from '../../src/config/forms.ts';
import { readingOf } from '../../src/data/cells.ts';
import { openCapture } from '../../src/stages/captures.ts';
import { inTemporaryFolder } from '../support/project.ts';

type Row = Record<string, string | null>;

/** The rows of a capture as texts, in the order of the log. */
function rowsOf(format: CaptureFormat, lines: readonly unknown[], features: readonly string[] = []): Promise<Row[]> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, 'capture.jsonl');
    await writeFile(
      path,
      `${lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n')}\n`,
    );
    const dataset = await openCapture({ name: 'log', uri: 'capture.jsonl', path }, format, features);
    try {
      const { from, expressions } = readingOf(
        dataset,
        dataset.columns.map((column) => ({ column, use: 'text' as const })),
      );
      const found = await dataset.connection.runAndReadAll(`select ${expressions.join(', ')} from ${from}`);
      return found
        .getRows()
        .map((cells) =>
          Object.fromEntries(dataset.columns.map(({ name }, index) => [name, cells[index] as string | null])),
        );
    } finally {
      dataset.close();
    }
  });
}

/** As the payload logger of KServe sends it: see its documentation of the inference logger. */
const event = (of: 'request' | 'response', id: string, time: string, data: unknown, more: object = {}): object => ({
  specversion: '1.0',
  type: `org.kubeflow.serving.inference.${of}`,
  source: 'http://localhost:9081/',
  id,
  time,
  datacontenttype: 'application/json',
  component: 'predictor',
  endpoint: '',
  inferenceservicename: 'sklearn-iris',
  namespace: 'default',
  data,
  ...more,
});

describe('captures of KServe', () => {
  it('join request and response, with a row for each instance and the names of the features', async () => {
    const rows = await rowsOf(
      'kserve',
      [
        event('request', 'a1', '2026-01-30T10:45:00.000Z', {
          instances: [
            [6.8, 2.8],
            [6, 3.4],
          ],
        }),
        event('response', 'a1', '2026-01-30T10:45:00.025Z', { predictions: [1, 0] }),
      ],
      ['petal', 'sepal'],
    );
    assert.deepEqual(
      rows.map(({ id, arm, status, ms, petal, sepal, label, score }) => [
        id,
        arm,
        status,
        ms,
        petal,
        sepal,
        label,
        score,
      ]),
      [
        ['a1#0', 'sklearn-iris', '200', '25', '6.8', '2.8', '1', null],
        ['a1#1', 'sklearn-iris', '200', '25', '6', '3.4', '0', null],
      ],
    );
    assert.equal(rows[0]?.['time'], '2026-01-30T10:45:00.000Z');
  });

  it('of protocol v2 have scores and labels, and a request without a response has failed', async () => {
    const tensor = (name: string, datatype: string, shape: number[], data: unknown[]): object => ({
      name,
      datatype,
      shape,
      data,
    });
    const rows = await rowsOf('kserve', [
      // Responses may be logged first, and twice.
      event('response', 'b', '2026-01-30T10:45:00Z', {
        model_name: 'm',
        outputs: [tensor('label', 'INT64', [1], [1]), tensor('probabilities', 'FP32', [1, 2], [0.25, 0.75])],
      }),
      event('response', 'b', '2026-01-30T10:45:09Z', { outputs: [tensor('label', 'INT64', [1], [0])] }),
      event('request', 'b', '2026-01-30T10:45:00Z', {
        inputs: [tensor('age', 'FP64', [1, 1], [31]), tensor('city', 'BYTES', [1], ['Bonn'])],
      }),
      event('request', 'c', '2026-01-30T10:46:00Z', { inputs: [tensor('age', 'FP64', [1, 1], [40])] }),
    ]);
    assert.deepEqual(
      rows.map(({ id, status, age, city, label, score }) => [id, status, age, city, label, score]),
      [
        ['b', '200', '31', 'Bonn', '1', '0.75'],
        ['c', '0', '40', null, null, null],
      ],
    );
  });

  it('may have a payload in base64, and the status of an answer that failed', async () => {
    const [row] = await rowsOf('kserve', [
      event('response', 'd', '2026-01-30T10:45:00Z', undefined, {
        data_base64: Buffer.from('{"error": "no such column"}').toString('base64'),
        statuscode: 400,
      }),
    ]);
    assert.deepEqual([row?.['status'], row?.['score']], ['400', null]);
  });
});

describe('captures of Seldon', () => {
  it('are documents of the request logger, with names of their own', async () => {
    const rows = await rowsOf('seldon', [
      {
        _id: 'a8ea',
        _source: {
          '@timestamp': '2026-02-01T00:00:00Z',
          'Ce-Inferenceservicename': 'income',
          request: { payload: { data: { names: ['age', 'hours'], ndarray: [[53, 40]] } } },
          response: { payload: { meta: {}, data: { names: ['proba'], ndarray: [[0.195]] } } },
        },
      },
    ]);
    assert.deepEqual(
      rows.map(({ id, arm, age, hours, score }) => [id, arm, age, hours, score]),
      [['a8ea', 'income', '53', '40', '0.195']],
    );
  });

  it('are CloudEvents of a type of their own, with tensors, joined by the id of the request', async () => {
    const seldon = (of: string, data: object): object => ({
      'ce-type': `io.seldon.serving.inference.${of}`,
      'ce-id': `${of}-1`,
      'ce-requestid': 'r7',
      'ce-time': '2026-02-01T00:00:00Z',
      'ce-modelid': 'classifier',
      data,
    });
    const rows = await rowsOf('seldon', [
      seldon('request', { data: { names: ['a', 'b'], tensor: { shape: [2, 2], values: [1, 2, 3, 4] } } }),
      seldon('response', { data: { names: ['t0', 't1'], tensor: { shape: [2, 2], values: [0.9, 0.1, 0.2, 0.8] } } }),
    ]);
    assert.deepEqual(
      rows.map(({ id, arm, a, b, score, score_0: first }) => [id, arm, a, b, score, first]),
      [
        ['r7#0', 'classifier', '1', '2', '0.1', '0.9'],
        ['r7#1', 'classifier', '3', '4', '0.8', '0.2'],
      ],
    );
  });
});

describe('captures of MLServer', () => {
  it('are inference requests and responses, which keep the attributes of events in their parameters', async () => {
    const parameters = (of: string): object => ({
      headers: {
        'Ce-Type': `io.seldon.serving.inference.${of}`,
        'Ce-Requestid': 'q',
        'Ce-Time': '2026-03-01T00:00:00Z',
      },
    });
    const rows = await rowsOf(
      'mlserver',
      [
        {
          id: 'q',
          parameters: parameters('request'),
          inputs: [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [[1, 2, 3]] }],
        },
        {
          id: 'q',
          model_name: 'm',
          parameters: parameters('response'),
          outputs: [{ name: 'predict', shape: [1, 1], datatype: 'FP64', data: [0.5] }],
        },
      ],
      ['a', 'b', 'c'],
    );
    assert.deepEqual(
      rows.map(({ id, arm, a, c, score }) => [id, arm, a, c, score]),
      [['q', 'm', '1', '3', '0.5']],
    );
  });
});

describe('the log of contender serve', () => {
  it('is read without what somebody says of an answer', async () => {
    const rows = await rowsOf('contender', [
      { time: '2026-03-01T00:00:00Z', id: 'a', arm: 'champion', version: 'v', status: 200, ms: 2, score: 0.5 },
      { time: '2026-03-01T00:00:01Z', id: 'a', feedback: 'false-positive' },
    ]);
    assert.deepEqual(
      rows.map(({ id, score }) => [id, score]),
      [['a', '0.5']],
    );
  });
});

describe('a capture', () => {
  it('of something else says what was expected', async () => {
    await assert.rejects(
      rowsOf('kserve', [{ a: 1 }]),
      /no line contains a request or a response.*captures of kserve/su,
    );
    await assert.rejects(rowsOf('kserve', ['half a']), {
      name: 'DataError',
      message: /capture\.jsonl:1: the line is not a JSON object/u,
    });
  });
});
