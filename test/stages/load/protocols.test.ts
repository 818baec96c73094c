import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, test } from 'node:test';
import type { Staging } from '../../../src/config/index.ts';
import { ConfigError } from '../../../src/errors.ts';
import type { ServiceSettings } from '../../../src/config/staging.ts';
import { find, labels, reply, runLoadTest, scores, verdicts } from './stand-in.ts';

/** Servers hold the published contract of a protocol and refuse everything else. */
type Contract = (body: unknown, request: IncomingMessage) => object | null;

function serve(contract: Contract, health: string) {
  return (body: string, response: ServerResponse, request: IncomingMessage): void => {
    if (request.method === 'GET') {
      response.writeHead(request.url === health ? 200 : 404).end('{}');
      return;
    }
    const answer = contract(JSON.parse(body), request);
    response.writeHead(answer === null ? 400 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer ?? { error: 'not of this contract' }));
  };
}

const scoreOf = (row: number): number => scores[row] as number;
const settings =
  (given: ServiceSettings) =>
  (server: { url: string }): Staging => ({ url: server.url, start_timeout: '1s', ...given });
const passes = { p95_ms: 1000, error_rate: 0 };

/** `[[x, y], ...]` */
function isMatrix(value: unknown): value is [number, number][] {
  return Array.isArray(value) && value.every((row) => Array.isArray(row) && row.length === 2 && row[1] === 0.5);
}

describe('a load test speaks', () => {
  const contracts: { name: string; staging: ServiceSettings; health: string; contract: Contract; rows?: number }[] = [
    {
      name: 'the first protocol of KServe',
      staging: { protocol: 'kserve-v1', answer: { label: '/predictions/*' } },
      health: '/v1/models/m',
      rows: 3,
      contract(body, { url }) {
        const { instances } = body as { instances: unknown };
        if (url !== '/v1/models/m:predict' || !isMatrix(instances)) return null;
        return { predictions: instances.map(([row]) => labels[row]) };
      },
    },
    {
      name: 'TensorFlow Serving, whose predictions are lists of one',
      staging: { protocol: 'tensorflow-serving' },
      health: '/v1/models/m',
      rows: 2,
      contract(body, { url }) {
        const { instances, signature_name: signature } = body as { instances: unknown; signature_name: unknown };
        if (url !== '/v1/models/m:predict' || signature !== 'serving_default' || !isMatrix(instances)) return null;
        return { predictions: instances.map(([row]) => [scoreOf(row)]) };
      },
    },
    {
      name: 'MLflow with dataframe_split',
      staging: { protocol: 'mlflow' },
      health: '/health',
      rows: 4,
      contract(body, { url }) {
        const { dataframe_split: frame } = body as { dataframe_split: { columns: unknown; data: unknown } };
        if (url !== '/invocations' || String(frame.columns) !== 'x,y' || !isMatrix(frame.data)) return null;
        return { predictions: frame.data.map(([row]) => [1 - scoreOf(row), scoreOf(row)]) };
      },
    },
    {
      name: 'MLflow with dataframe_records, whose predictions are objects by class',
      staging: { protocol: 'mlflow', request: { dataframe_records: { $each: '{{$record}}' } } },
      health: '/health',
      rows: 2,
      contract(body, { url }) {
        const { dataframe_records: records } = body as { dataframe_records: { x: number; y: number }[] };
        if (url !== '/invocations' || records.some(({ y }) => y !== 0.5)) return null;
        return { predictions: records.map(({ x }) => ({ '1': scoreOf(x), '0': 1 - scoreOf(x) })) };
      },
    },
    {
      name: 'MLflow with inputs',
      staging: { protocol: 'mlflow', request: { inputs: { $each: '{{$features}}' } } },
      health: '/health',
      contract(body) {
        const { inputs } = body as { inputs: unknown };
        return isMatrix(inputs) ? { predictions: inputs.map(([row]) => scoreOf(row)) } : null;
      },
    },
    {
      name: 'TorchServe with its answers as a list',
      staging: { protocol: 'torchserve', answer: { scores: '/*' } },
      health: '/ping',
      contract(body, { url }) {
        const { instances } = body as { instances: unknown };
        return url === '/predictions/m' && isMatrix(instances) ? instances.map(([row]) => scoreOf(row)) : null;
      },
    },
    {
      name: 'any API over JSON, one row a request, with texts, truths and headers',
      staging: {
        path: '/score?detail=1',
        health: '/up',
        headers: { 'X-Tenant': 'spam' },
        request: {
          id: 'row {{id}}',
          model: '{{$model}}',
          features: { x: '{{x}}', even: '{{even}}', note: '{{note}}' },
          all: '{{$features}}',
        },
        answer: { scores: '/result/0/p', label: '/result/0/class' },
      },
      health: '/up',
      contract(body, { url, headers }) {
        const { id, model, features, all } = body as {
          id: string;
          model: string;
          features: { x: number; even: boolean; note: string };
          all: unknown;
        };
        const { x, even, note } = features;
        const asIs =
          id === `row r${x}` &&
          model === 'm' &&
          even === (x % 2 === 0) &&
          note === `n "${x}"` &&
          String(all) === `${x},0.5`;
        if (
          !asIs ||
          url !== '/score?detail=1' ||
          headers['x-tenant'] !== 'spam' ||
          headers.authorization !== 'Bearer s3cret'
        )
          return null;
        return { result: [{ p: scoreOf(x), class: labels[x] }] };
      },
    },
  ];
  for (const { name, staging, health, contract, rows = 1 } of contracts) {
    test(name, async () => {
      const evidence = await runLoadTest({
        serve: serve(contract, health),
        staging: settings(staging),
        profile: { rows_per_request: rows, duration: '700ms' },
        slo: passes,
        context: { targetToken: 's3cret' },
      });
      assert.equal(find(evidence, 'load/parity').verdict, 'pass', JSON.stringify(evidence.checks, null, 1));
      assert.equal(evidence.verdict, 'pass', JSON.stringify(evidence.checks, null, 1));
      assert.ok((evidence.details['answers'] as { compared: number }).compared >= 70 * rows);
      assert.ok(!JSON.stringify(evidence).includes('s3cret'));
    });
  }

  test('and finds out a server of another model by any of them', async () => {
    const evidence = await runLoadTest({
      serve: serve(
        (body) => ({
          predictions: (body as { instances: number[][] }).instances.map(([row]) => [scoreOf(row as number) + 0.01]),
        }),
        '/v1/models/m',
      ),
      staging: settings({ protocol: 'tensorflow-serving' }),
      slo: passes,
    });
    assert.equal(verdicts(evidence)['load/parity'], 'fail');
  });
});

describe('what a protocol leaves open', () => {
  const whole: Contract = (body) => ({
    predictions: (body as { instances: number[][] }).instances.map(([row]) => labels[row as number]),
  });

  test('is asked about: whole numbers may be labels or scores', async () => {
    await assert.rejects(
      runLoadTest({ serve: serve(whole, '/v1/models/m'), staging: settings({ protocol: 'kserve-v1' }), slo: passes }),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        assert.match(
          error.message,
          /predicts [01] for the first row.*a label, answer: \{label: \/predictions\/\*\}, or a score/su,
        );
        return true;
      },
    );
  });

  test('is not answered by a redirect, of which it is told where it leads', async () => {
    const evidence = await runLoadTest({
      serve: (_body, response, { method }) =>
        void (
          method === 'GET' ? response : response.writeHead(301, { location: '/v1/models/m:predict/?key=hidden' })
        ).end('{}'),
      staging: settings({ protocol: 'kserve-v1' }),
      slo: passes,
    });
    const { message } = find(evidence, 'load/staging');
    assert.match(message, /first request .* was answered 301 to \/v1\/models\/m:predict\/, which is not followed/u);
    assert.doesNotMatch(message, /hidden/u);
  });

  const mistakes: [string, ServiceSettings, RegExp, object?][] = [
    [
      'a column that the data does not have',
      { request: { x: '{{xx}}' }, path: '/p', answer: { scores: '/s' } },
      /contains \{\{xx\}\}.*id, x, y/su,
    ],
    [
      'the label',
      { request: { x: '{{label}}' }, path: '/p', answer: { scores: '/s' } },
      /staging\.request contains \{\{label\}\}, the label/u,
    ],
    [
      'a mark that is none',
      { request: { x: '{{$feature}}' }, path: '/p', answer: { scores: '/s' } },
      /\{\{\$feature\}\}.*\{\{\$features\}\}/su,
    ],
    [
      'several rows in a request of one',
      { request: { x: '{{x}}' }, path: '/p', answer: { scores: '/s' } },
      /rows_per_request is 2, but staging\.request is for one row/u,
      { rows_per_request: 2 },
    ],
    [
      'several rows in an answer of one',
      { request: { x: { $each: '{{x}}' } }, path: '/p', answer: { scores: '/s' } },
      /"\/s" is a single answer, but rows_per_request is 2.*\* for each row/su,
      { rows_per_request: 2 },
    ],
    [
      'a secret in the configuration',
      { headers: { Authorization: 'Bearer x' } },
      /headers sets Authorization.*CONTENDER_TARGET_TOKEN/su,
    ],
    ['a header that frames the request', { headers: { 'Content-Length': '3' } }, /headers sets Content-Length/u],
    [
      'a datatype that is none',
      {
        inputs: [{ name: 'x', datatype: 'FLOAT', shape: [-1, 2] }],
        outputs: [{ name: 'p', datatype: 'FP32', shape: [-1] }],
      },
      /datatype "FLOAT" of "x".*FP32/su,
    ],
  ];
  for (const [what, staging, message, profile = {}] of mistakes) {
    test(`${what} is for a person to mend`, async () => {
      const health = serve(whole, '/up');
      await assert.rejects(
        runLoadTest({ serve: health, staging: settings({ health: '/up', ...staging }), profile, slo: passes }),
        (error: unknown) => {
          assert.ok(error instanceof ConfigError, String(error));
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }
});

describe('a server of the Open Inference Protocol', () => {
  const features = { name: 'features', datatype: 'FP32', shape: [-1, 2] };
  const probabilities = { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] };

  test('may have outputs that nobody reads, of any type', async () => {
    const outputs = [probabilities, { name: 'hidden', datatype: 'BF16', shape: [-1, 8] }];
    const evidence = await runLoadTest({ outputs, profile: { duration: '700ms' } });
    assert.equal(evidence.verdict, 'pass', JSON.stringify(evidence.checks));
  });

  test('that does not tell its tensors is a failing check with the remedy, and passes where they are declared', async () => {
    const silent = await runLoadTest({ inputs: [], outputs: [] });
    assert.match(
      find(silent, 'load/staging').message,
      /has no inputs and no outputs.*Declare them: staging: \{ inputs: \[/su,
    );
    const declared = await runLoadTest({
      inputs: [],
      outputs: [],
      staging: settings({ inputs: [features], outputs: [probabilities] }),
      profile: { duration: '700ms' },
    });
    assert.equal(declared.verdict, 'pass', JSON.stringify(declared.checks));
  });

  test('that redirects, or answers what is no JSON, is told with status, type and first bytes', async () => {
    const evidence = await runLoadTest({
      answer(rows, response) {
        if (rows[0] === undefined || rows[0] % 2 === 0)
          response.writeHead(307, { location: '/v2/models/m/infer/', 'content-type': 'text/html' }).end('<a>moved</a>');
        else response.writeHead(200).end('<html>soon</html>');
      },
    });
    const errors = find(evidence, 'load/error-rate');
    assert.equal(errors.verdict, 'fail');
    assert.match(
      errors.message,
      /first unusable answer: (?:status 307 to \/v2\/models\/m\/infer\/, which is not followed \(text\/html; body "<a>moved<\/a>"\)|The answer is not JSON.*: status 200 \(no content type; body "<html>soon)/su,
    );
    const { faults } = evidence.details['answers'] as { faults: Record<string, number> };
    assert.deepEqual(Object.keys(faults).toSorted(), ['status 307', 'unreadable']);
  });

  test('that only ever says that nothing is there, or not for us, says nothing of the candidate', async () => {
    for (const [status, remedy] of [
      [404, / 404.*staging\.path/su],
      [401, / 401.*CONTENDER_TARGET_TOKEN/su],
    ] as const) {
      const tensors = await runLoadTest({ answer: (_rows, response) => response.writeHead(status).end() });
      const json = await runLoadTest({
        serve: (_body, response, { method }) => void response.writeHead(method === 'GET' ? 200 : status).end('{}'),
        staging: settings({ protocol: 'tensorflow-serving' }),
      });
      for (const evidence of [tensors, json]) {
        const staging = find(evidence, 'load/staging');
        assert.equal(staging.verdict, 'inconclusive');
        assert.match(staging.message, remedy);
        assert.equal(evidence.verdict, 'inconclusive', 'a mistake in contender.yml rejects nobody');
      }
    }
  });

  test('and any other may refuse predictions for a while after it said that it is ready, until its start must be over', async () => {
    const busy = (response: ServerResponse): void => void response.writeHead(503).end('loading');
    const notReady = (response: ServerResponse): void =>
      void response.writeHead(400).end('{"error":"Model m is not ready yet."}');
    for (const [protocol, refuse] of [
      ['open-inference', busy],
      ['tensorflow-serving', busy],
      ['tensorflow-serving', notReady],
    ] as const) {
      let until = 0;
      const evidence = await runLoadTest({
        serve(body, response, { method, url = '' }) {
          if (method === 'GET') {
            const tensors = { inputs: [features], outputs: [probabilities] };
            response.end(url === '/v2/models/m' ? JSON.stringify({ name: 'm', platform: '', ...tensors }) : '{}');
            return;
          }
          until ||= Date.now() + 1500;
          if (Date.now() < until) refuse(response);
          else if (protocol === 'open-inference') {
            const { inputs } = JSON.parse(body) as { inputs: [{ data: number[] }] };
            reply(response, [inputs[0].data[0] as number], scoreOf);
          } else {
            const { instances } = JSON.parse(body) as { instances: [[number]] };
            response.end(JSON.stringify({ predictions: [scoreOf(instances[0][0])] }));
          }
        },
        staging: settings({ protocol, start_timeout: '10s' }),
        profile: { duration: '700ms' },
        slo: passes,
      });
      assert.equal(evidence.verdict, 'pass', JSON.stringify(evidence.checks));
    }
    const never = await runLoadTest({
      serve: (_body, response, { method }) => void response.writeHead(method === 'GET' ? 200 : 503).end('{}'),
      staging: settings({ protocol: 'tensorflow-serving' }),
      slo: passes,
    });
    assert.match(find(never, 'load/staging').message, /first request .* was answered 503/u);
  });

  test('gets the token of the target with every request, from health on', async () => {
    const refused: string[] = [];
    const evidence = await runLoadTest({
      serve(body, response, { url, headers }) {
        if (headers.authorization !== 'Bearer s3cret') {
          refused.push(url ?? '');
          response.writeHead(401).end();
        } else if (url === '/v2/health/ready') response.end();
        else if (url === '/v2/models/m')
          response.end(JSON.stringify({ name: 'm', platform: '', inputs: [features], outputs: [probabilities] }));
        else {
          const { inputs } = JSON.parse(body) as { inputs: [{ data: number[] }] };
          reply(
            response,
            inputs[0].data.filter((_value, index) => index % 2 === 0),
            scoreOf,
          );
        }
      },
      profile: { duration: '700ms' },
      context: { targetToken: 's3cret' },
    });
    assert.equal(evidence.verdict, 'pass', JSON.stringify(evidence.checks));
    assert.deepEqual(refused, []);
  });

  test('that sends back the token, as a page for debugging does, brings it into no evidence, not even cut off', async () => {
    const token = 'a-token-of-some-thirty-letters-x';
    for (const before of ['', 'x'.repeat(70)]) {
      const evidence = await runLoadTest({
        serve(_body, response, { url, headers }) {
          if (url === '/v2/health/ready') response.end();
          else if (url === '/v2/models/m')
            response.end(JSON.stringify({ name: 'm', platform: '', inputs: [features], outputs: [probabilities] }));
          else response.writeHead(500).end(before + String(headers.authorization));
        },
        profile: { duration: '700ms' },
        context: { targetToken: token },
      });
      assert.match(find(evidence, 'load/error-rate').message, /status 500.*Bearer \*\*\*"/u);
      assert.ok(!JSON.stringify(evidence).includes(token.slice(0, 10)));
    }
    const ofAWord = await runLoadTest({ profile: { duration: '700ms' }, context: { targetToken: 'pass' } });
    assert.equal(find(ofAWord, 'load/error-rate').verdict, 'pass');
  });
});
