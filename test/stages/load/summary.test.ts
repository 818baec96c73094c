import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { DataError } from '../../../src/errors.ts';
import { problems } from '../../../src/stages/load/problems.ts';
import type { Slo } from '../../../src/stages/load/schema.ts';
import { summaryChecks, summaryOf } from '../../../src/stages/load/summary.ts';
import { inTemporaryFolder } from '../../support/project.ts';
import { runLoadTest, verdicts } from './stand-in.ts';

/** As `k6 run --summary-export` writes it: the passes of http_req_failed are the requests that failed. */
const exported = {
  metrics: {
    http_reqs: { count: 2000, rate: 100 },
    http_req_duration: { avg: 12, min: 3, med: 10, max: 140, 'p(90)': 20, 'p(95)': 30 },
    'http_req_duration{expected_response:true}': { med: 1, 'p(95)': 1 },
    http_req_failed: { passes: 30, fails: 1970, value: 0.015, thresholds: { 'rate<0.02': false } },
    dropped_iterations: { count: 10, rate: 0.5 },
  },
};
const metrics = Object.entries(exported.metrics).map(([name, values]) => [name, { type: 'any', values }]);
/** As handleSummary is given it. */
const handled = {
  root_group: {},
  state: { testRunDurationMs: 20_000 },
  metrics: Object.fromEntries(metrics) as object,
};

/** As k6 1.5 writes it with --new-machine-readable-summary, and k6 2 without. */
const versioned = {
  version: '1.0.0',
  metadata: { generatedAt: '2026-01-15T10:30:45.123Z', k6Version: '2.0.0' },
  results: {
    metrics: Object.entries(exported.metrics).map(([name, values]) => ({
      name,
      type: 'any',
      values: name === 'http_req_failed' ? { rate: 0.015, matches: 30, total: 2000 } : values,
    })),
  },
};

const locust = [
  {
    name: '/predict',
    method: 'POST',
    num_requests: 900,
    num_failures: 0,
    response_times: { '10': 800, '30': 90, '200': 10 },
  },
  { name: '/health', method: 'GET', num_requests: 100, num_failures: 2, response_times: { '5': 100 } },
];
const table = [
  'Type,Name,Request Count,Failure Count,Median Response Time,Requests/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%',
  'POST,"/predict, all",900,0,10,9,10,10,10,11,20,28,40,41,200,200,200',
  ',Aggregated,1000,5,10,10,10,10,10,11,21,29,41,42,210,210,210',
].join('\r\n');

const slo: Slo = { p50_ms: 12, p95_ms: 30, max_ms: 150, error_rate: 0.02 };
const judged = (file: object | string, objectives: Slo = slo): Record<string, [string, unknown]> =>
  Object.fromEntries(
    summaryChecks(summaryOf(typeof file === 'string' ? file : JSON.stringify(file), 'summary.json'), objectives).map(
      ({ id, verdict, observed }) => [id.replace('load/', ''), [verdict, observed]],
    ),
  );

describe('a summary of another tool', () => {
  test('of k6 is read in all of its forms', () => {
    for (const form of [exported, handled, versioned]) {
      assert.deepEqual(judged(form), {
        p50: ['pass', 10],
        p95: ['pass', 30],
        max: ['pass', 140],
        throughput: ['pass', 0.995025],
        'error-rate': ['pass', 0.015],
        parity: ['skipped', null],
      });
    }
    assert.deepEqual(judged(exported, { p95_ms: 29, error_rate: 0.01, throughput: 0.999 }), {
      p95: ['fail', 30],
      throughput: ['fail', 0.995025],
      'error-rate': ['fail', 0.015],
      parity: ['skipped', null],
    });
  });

  test('makes no server quick by requests that failed at once', () => {
    const failing = (value: number) => ({
      metrics: { ...exported.metrics, http_req_failed: { value, passes: 2000 * value, fails: 2000 * (1 - value) } },
    });
    const lax: Slo = { p95_ms: 100, error_rate: 0.5 };
    assert.deepEqual(judged(failing(0.01), lax)['p95'], ['pass', 30]);
    assert.deepEqual(judged(failing(0.05), lax)['p95'], ['inconclusive', 30]);
    assert.deepEqual(judged(failing(0.4), lax)['p95'], ['fail', 30]);
    assert.deepEqual(judged(failing(0.05), { ...lax, p95_ms: 20 })['p95'], ['fail', 30]);
  });

  test('of k6 warns of thresholds of its script that were crossed, which each form says in its own way', () => {
    const { http_req_duration: duration, http_reqs, http_req_failed } = exported.metrics;
    for (const [bad, good] of [
      [true, false],
      [{ ok: false }, { ok: true }],
    ]) {
      const form = (said: unknown): string =>
        JSON.stringify({
          metrics: {
            http_reqs,
            http_req_failed,
            http_req_duration: { ...duration, thresholds: { 'p(95)<20': said, 'max<9': good } },
          },
        });
      const found = summaryChecks(summaryOf(form(bad), 's'), slo).find(({ id }) => id === 'load/thresholds');
      assert.deepEqual([found?.verdict, found?.severity, found?.observed], ['fail', 'warn', 1]);
      assert.match(found?.message ?? '', /crossed: http_req_duration: p\(95\)<20\.$/u);
      assert.equal(judged(form(good))['thresholds'], undefined);
    }
  });

  test('of k6 warns of checks of its script that failed, which are no failed requests to it', () => {
    const failing = { passes: 1500, fails: 500, value: 0.75 };
    const forms = [
      { metrics: { ...exported.metrics, checks: failing } },
      { ...handled, metrics: { ...handled.metrics, checks: { type: 'rate', values: { ...failing, rate: 0.75 } } } },
      {
        results: {
          metrics: [
            ...versioned.results.metrics,
            { name: 'checks', values: { rate: 0.75, matches: 1500, total: 2000 } },
          ],
        },
      },
    ];
    for (const form of forms) {
      const found = summaryChecks(summaryOf(JSON.stringify(form), 's'), slo).find(({ id }) => id === 'load/checks');
      assert.deepEqual([found?.verdict, found?.severity, found?.observed], ['fail', 'warn', 0.25]);
      assert.match(found?.message ?? '', /^500 of 2000 checks/u);
    }
    const passing = { metrics: { ...exported.metrics, checks: { passes: 9, fails: 0, value: 1 } } };
    assert.deepEqual(judged(passing)['checks'], ['pass', 0]);
  });

  test('of Locust is read from its JSON, with every request counted, and from its table', () => {
    assert.deepEqual(judged(locust, { p50_ms: 12, p95_ms: 60, p99_ms: 100 }), {
      p50: ['pass', 10],
      p95: ['pass', 30],
      p99: ['inconclusive', 30], // 10 of 1000 over it: exactly one in a hundred
      throughput: ['pass', 1],
      'error-rate': ['pass', 0.002],
      parity: ['skipped', null],
    });
    assert.equal(judged(locust, { p95_ms: 20 })['p95']?.[0], 'fail');
    assert.deepEqual(judged(table, { p50_ms: 12, p95_ms: 28, p99_9_ms: 300, max_ms: 209 }), {
      p50: ['pass', 10],
      p95: ['fail', 29],
      'p99.9': ['inconclusive', 210], // it takes 2995 requests
      max: ['fail', 210],
      throughput: ['pass', 1],
      'error-rate': ['pass', 0.005],
      parity: ['skipped', null],
    });
  });

  test('of Locust counts no request twice where all together stand beside each, under any of their names', () => {
    const all = { ...locust[0], name: 'Aggregated', method: '', num_requests: 1000, num_failures: 2 };
    assert.deepEqual(judged([...locust, all])['error-rate'], ['pass', 0.002]);
    const old = [
      '"Type","Name","# requests","# failures","50%","95%","100%"',
      '"POST","/predict",50,50,"N/A","N/A","N/A"',
      '"None","Total",100,50,4,9,9',
    ];
    assert.deepEqual(judged(old.join('\n'))['error-rate'], ['fail', 0.5]);
    // As versions before 0.13 name the first column.
    assert.deepEqual(judged(old.join('\n').replace('Type', 'Method'))['error-rate'], ['fail', 0.5]);
  });

  test('of Locust is not taken to be more exact than it is: it rounds 596 ms, and 604 ms, to 600', () => {
    const entry = (response_times: object, more = {}): object[] => [
      { name: '/', method: 'POST', num_requests: 1000, num_failures: 0, response_times, ...more },
    ];
    const times = { '300': 900, '600': 100 };
    assert.deepEqual(judged(entry(times), { p95_ms: 600 })['p95'], ['inconclusive', 600]);
    assert.deepEqual(judged(entry(times), { p95_ms: 606 })['p95'], ['pass', 600]);
    assert.deepEqual(judged(entry(times), { p95_ms: 590 })['p95'], ['fail', 600]);
    assert.match(
      summaryChecks(summaryOf(JSON.stringify(entry(times)), 's'), { p95_ms: 600 })[0]?.message ?? '',
      /too close to call, and Locust rounds times of this size to 10 ms/u,
    );
    // The slowest is told as it was, and may be less than the rounded p99.
    assert.deepEqual(judged(entry(times, { max_response_time: 596.2 }), { p99_ms: 700, max_ms: 597 }), {
      p99: ['pass', 600],
      max: ['pass', 596.2],
      throughput: ['pass', 1],
      'error-rate': ['pass', 0],
      parity: ['skipped', null],
    });
    const rows = [
      'Type,Name,Request Count,Failure Count,Max Response Time,95%,99%,100%',
      ',Aggregated,1000,0,596,600,600,600',
    ];
    const of = (objectives: Slo): unknown => Object.values(judged(rows.join('\n'), objectives))[0];
    assert.deepEqual(of({ p95_ms: 598 }), ['inconclusive', 600]);
    assert.deepEqual(of({ p95_ms: 605 }), ['pass', 600]);
    assert.deepEqual(of({ max_ms: 597 }), ['pass', 596]);
  });

  test('without a percentile, or without a request, shows nothing', () => {
    const [p99] = summaryChecks(summaryOf(JSON.stringify(exported), 's'), { p99_ms: 100 });
    assert.equal(p99?.verdict, 'inconclusive');
    assert.match(p99?.message ?? '', /does not tell p99: export it with summaryTrendStats: \['p\(99\)'\]/u);
    const nothing = { metrics: { http_reqs: { count: 0 }, http_req_failed: { value: 0, passes: 0 } } };
    assert.deepEqual(
      Object.values(judged(nothing)).map(([verdict]) => verdict),
      [...new Array<string>(5).fill('inconclusive'), 'skipped'],
    );
    const unused = [{ name: '/predict', num_requests: 0, num_failures: 0, max_response_time: 0, response_times: {} }];
    assert.deepEqual(judged(unused)['max'], ['inconclusive', null]);
  });

  for (const [what, text] of [
    ['no JSON', 'k6 v1.0'],
    ['other JSON', '{"results": []}'],
    ['no requests in it', '{"metrics": {"checks": {"passes": 1}}}'],
    ['a list of something else', '[1, 2]'],
    ['counts that are none', '[{"num_requests": 1, "num_failures": 0, "response_times": {"x": "many"}}]'],
    ['more failures than requests', JSON.stringify([{ ...locust[0], num_failures: 901 }])],
    [
      'a share of failures above 1',
      JSON.stringify({ metrics: { ...exported.metrics, http_req_failed: { rate: 1.2 } } }),
    ],
    ['a table without its last row', table.split('\r\n').slice(0, 2).join('\n')],
    ['JSON nested deeper than any stack', '['.repeat(100_000)],
  ] as const) {
    test(`that is ${what} is refused, and says what would do`, () => {
      assert.throws(
        () => summaryOf(text, 'summary.json'),
        (error) => error instanceof DataError && /Expected a summary of k6/u.test(error.message),
      );
    });
  }

  test('stands in place of the load: no server is asked', () =>
    inTemporaryFolder(async (folder) => {
      const file = join(folder, 'k6.json');
      await writeFile(file, JSON.stringify(exported));
      const asked: string[] = [];
      const evidence = await runLoadTest({
        serve: (_body, _response, { url }) => void asked.push(url ?? ''),
        slo,
        load: { summary: 'k6.json' },
        context: { pathOf: () => Promise.resolve(file) },
      });
      assert.deepEqual(verdicts(evidence), {
        'load/p50': 'pass',
        'load/p95': 'pass',
        'load/max': 'pass',
        'load/throughput': 'pass',
        'load/error-rate': 'pass',
      });
      assert.equal(evidence.verdict, 'pass');
      assert.deepEqual(asked, []);
    }));

  test('cannot be asked for what it does not tell', () => {
    const model = {
      task: 'regression' as const,
      candidate: 'm.onnx',
      columns: { id: 'id', label: 'y' },
      data: { evaluation: 'rows.csv' },
      policy: {},
      load: {
        summary: 'k6.json',
        profile: { rate: 5, duration: '5s' },
        slo: { p95_ms: 5, accuracy: 'parity' as const, capacity: 5 },
      },
    };
    assert.deepEqual(
      problems(model).map(({ pointer, key }) => `${pointer}/${key}`),
      ['/load/profile', '/load/slo/accuracy', '/load/slo/capacity'],
    );
  });
});
