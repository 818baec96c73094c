import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ServerResponse } from 'node:http';
import type { Evidence } from '../../../src/evidence/index.ts';
import { find, honest, runLoadTest, verdicts, type Behaviour } from './stand-in.ts';

/** A server that works on one request at a time, so long on each: its capacity is 1000 / serviceMs a second. */
function oneAtATime(serviceMs: number): Behaviour {
  let freeAt = 0;
  return (rows, response) => {
    const now = performance.now();
    freeAt = Math.max(now, freeAt) + serviceMs;
    setTimeout(() => honest(rows, response), freeAt - now);
  };
}

interface Timings {
  profiles: {
    name: string;
    kind: string;
    slices: { seconds: number; offered: number; p95Ms: number | null; errors: number; judged: number; right: number }[];
    capacity?: { met: number | null; missed: number | null; brokeFirst: string | null };
    tried?: { rate: number; verdict: string }[];
    recovery?: { ms: number | null };
    sizing?: { replicas: number | null; perReplica: number; costPerMillion: number | null; rules: { text: string }[] };
    curve?: { users: number; rate: number }[];
  }[];
}

function profilesIn(evidence: Evidence): Timings['profiles'] {
  return (evidence.details['timings'] as Timings).profiles;
}

describe('a ramp', () => {
  test('finds the rate at which a server of known capacity breaks, and stops there', async () => {
    const started = performance.now();
    const evidence = await runLoadTest({
      answer: oneAtATime(5),
      profiles: { kind: 'ramp', from: 50, to: 1000, duration: '12s', warmup: '200ms', timeout: '2s' },
      slo: { p95_ms: 100, capacity: 400, error_rate: 0.5 },
    });
    const capacity = find(evidence, 'load/capacity');
    assert.equal(capacity.verdict, 'fail', capacity.message);
    assert.match(capacity.message, /met up to [\d.]+\/s .* missed from [\d.]+.*p95 is/u);
    const observed = Number(capacity.observed);
    assert.ok(observed > 120 && observed < 300, `broke at ${observed}/s, where 200/s is the truth`);
    assert.ok(performance.now() - started < 11_000, 'it did not go on to the end');
    const [{ slices }] = profilesIn(evidence) as [Timings['profiles'][0]];
    assert.ok((slices[0]?.offered ?? 0) < (slices.at(-1)?.offered ?? 0));
  });

  test('that a server bears to its end says that it may do more', async () => {
    const evidence = await runLoadTest({
      profiles: { kind: 'ramp', to: 150, duration: '2s', warmup: '100ms' },
      slo: { p95_ms: 900, capacity: 100 },
    });
    const capacity = find(evidence, 'load/capacity');
    assert.equal(capacity.verdict, 'pass', capacity.message);
    assert.match(capacity.message, /may do more: the profile ends at 150\/s/u);
  });
});

test('steps end at the first that is missed twice', async () => {
  const evidence = await runLoadTest({
    answer: oneAtATime(5),
    profiles: { kind: 'steps', from: 60, to: 1000, factor: 2, each: '1s', warmup: '100ms' },
    slo: { p95_ms: 150, capacity: 100, error_rate: 0.5 },
    load: { sizing: { target_rps: 1000, price_per_hour: 0.12 } },
  });
  const [{ capacity, tried, sizing }] = profilesIn(evidence) as [Timings['profiles'][0]];
  assert.deepEqual([capacity?.met, capacity?.missed], [120, 240], JSON.stringify(tried));
  assert.equal(find(evidence, 'load/capacity').verdict, 'pass');
  assert.equal(sizing?.replicas, 12); // of 0.7 x 120/s each
  assert.equal(Number(sizing?.costPerMillion?.toFixed(3)), 0.397);
  assert.match(find(evidence, 'load/replicas').message, /1,000\/s need 12 replicas of 84\/s each/u);
  assert.ok(sizing?.rules.some(({ text }) => text.includes('averageValue: "84"')));
});

describe('a spike', () => {
  test('is followed until the server has recovered, which a queue of known length takes a known time for', async () => {
    // 100/s for 1 s at a capacity of 50/s leave 0.8 s of work over 0.4 s at 20/s: 50 requests wait, and drain at 30/s.
    const evidence = await runLoadTest({
      answer: oneAtATime(20),
      profiles: {
        kind: 'spike',
        base: 20,
        factor: 5,
        before: '3500ms',
        length: '1s',
        after: '5s',
        warmup: '100ms',
        timeout: '4s',
      },
      slo: { p95_ms: 150, recovery: '4500ms' },
    });
    const recovery = find(evidence, 'load/recovery');
    assert.equal(recovery.verdict, 'pass', recovery.message);
    // Until the queue is shorter than 150 ms: (1 s - 0.15 s) x 50/s / 30/s.
    const truth = (1 - 0.15) * (50 / 30);
    // On a busy machine it takes longer; analysis.test.ts holds the reckoning to the truth.
    assert.ok(Number(recovery.observed) > 0.7 * truth, `${recovery.observed} s, where ${truth} s is the truth`);
    assert.equal(verdicts(evidence)['load/p95'], 'pass', 'before the spike it is quick');
  });

  test('from which a server does not recover fails', async () => {
    let seen = 0;
    const evidence = await runLoadTest({
      answer(rows, response) {
        seen += 1;
        setTimeout(() => honest(rows, response), seen > 150 ? 300 : 0);
      },
      profiles: { kind: 'spike', base: 40, factor: 5, before: '2s', length: '1s', after: '2s', warmup: '100ms' },
      slo: { p95_ms: 150, recovery: '1s' },
    });
    assert.equal(verdicts(evidence)['load/recovery'], 'fail');
    assert.match(find(evidence, 'load/recovery').message, /did not recover within 2 s/u);
    assert.equal(evidence.verdict, 'fail');
  });
});

test('a soak sees latency grow, and does not where it stays', async () => {
  const soak = { kind: 'soak', rate: 60, duration: '3s', warmup: '100ms' };
  let seen = 0;
  const growing = await runLoadTest({
    answer(rows, response) {
      seen += 1;
      setTimeout(() => honest(rows, response), 10 + seen / 2);
    },
    profiles: soak as never,
    slo: { p95_ms: 500, latency_growth: 0.5 },
  });
  assert.equal(verdicts(growing)['load/latency-growth'], 'fail', find(growing, 'load/latency-growth').message);
  const steady = await runLoadTest({
    answer: (rows, response) => setTimeout(() => honest(rows, response), 20),
    profiles: soak as never,
    slo: { p95_ms: 500, latency_growth: 0.5, memory_growth: '1MiB' },
  });
  assert.equal(verdicts(steady)['load/latency-growth'], 'pass', find(steady, 'load/latency-growth').message);
  // Nobody lets its memory be seen, so that nothing is shown.
  assert.equal(verdicts(steady)['load/memory-growth'], 'inconclusive');
});

test('users of a closed loop wait for their answers', async () => {
  let [now, most] = [0, 0];
  const evidence = await runLoadTest({
    answer(rows, response) {
      now += 1;
      most = Math.max(most, now);
      setTimeout(() => {
        now -= 1;
        honest(rows, response);
      }, 20);
    },
    profiles: { kind: 'closed', users: 4, duration: '1s', warmup: '0s' },
    slo: { p95_ms: 500 },
  });
  assert.equal(evidence.verdict, 'pass', JSON.stringify(evidence.checks));
  assert.ok(most <= 4, `${most} at once`);
  const requests = Number(evidence.details['requests']);
  assert.ok(requests > 80 && requests <= 204, `${requests} requests of 4 users who wait 20 ms each`);
});

test('several profiles run one after the other, each with checks of its own', async () => {
  const evidence = await runLoadTest({
    profiles: [
      { kind: 'smoke', rate: 80, duration: '800ms' },
      {
        name: 'morning',
        kind: 'stages',
        stages: [
          { rate: 20, duration: '500ms' },
          { rate: 120, duration: '500ms' },
          { rate: 60, duration: '500ms', jump: true },
        ],
      },
    ],
    slo: { p95_ms: 500, max_ms: 4000 },
  });
  assert.equal(evidence.verdict, 'pass', JSON.stringify(evidence.checks));
  for (const id of [
    'load/alive',
    'load/parity',
    'load/p95@smoke',
    'load/max@smoke',
    'load/p95@morning',
    'load/error-rate@morning',
  ]) {
    assert.equal(verdicts(evidence)[id], 'pass', id);
  }
  const [smoke, morning] = profilesIn(evidence);
  assert.deepEqual([smoke?.kind, morning?.name], ['smoke', 'morning']);
  const sent = morning?.slices.reduce((sum, { judged }) => sum + judged, 0) ?? 0;
  assert.ok(Math.abs(sent - 75) <= 3, `${sent} rows in 20 to 20, 20 to 120 and 60 a second`);
  assert.ok(morning?.slices.every(({ judged, right }) => right === judged));
});

test('a search finds the capacity of a server that works on one request at a time', async () => {
  const evidence = await runLoadTest({
    answer: oneAtATime(10),
    profiles: { kind: 'capacity', window: '1s', budget: '15s', warmup: '100ms', timeout: '2s' },
    slo: { p95_ms: 200, capacity: 50 },
  });
  const capacity = find(evidence, 'load/capacity');
  assert.equal(capacity.verdict, 'pass', capacity.message);
  const observed = Number(capacity.observed);
  assert.ok(
    observed > 60 && observed < 110,
    `${observed}/s, where it can do 100/s: ${JSON.stringify(profilesIn(evidence)[0]?.tried)}`,
  );
  assert.ok((profilesIn(evidence)[0]?.curve?.length ?? 0) >= 6);
});

/** Each kind of objective, and a server that violates only that one. */
const violations: { check: string; answer: Behaviour; slo: object; profile?: object }[] = [
  {
    check: 'load/p50',
    slo: { p50_ms: 50, p99_ms: 2000 },
    answer: (rows, response) => setTimeout(() => honest(rows, response), 120),
    profile: { rate: 300 },
  },
  { check: 'load/p90', slo: { p50_ms: 100, p90_ms: 120 }, answer: slowOneIn(5, 250) },
  { check: 'load/p95', slo: { p50_ms: 100, p95_ms: 200 }, answer: slowOneIn(8, 400) },
  {
    // One in ten hangs, which is no more errors than are allowed.
    check: 'load/throughput',
    slo: { p50_ms: 500, error_rate: 0.5, throughput: 0.95 },
    answer: hangOneIn(10),
    profile: { timeout: '1s' },
  },
  { check: 'load/p99', slo: { p90_ms: 150, p99_ms: 250 }, answer: slowOneIn(25, 400), profile: { rate: 300 } },
  {
    check: 'load/p99.9',
    slo: { p95_ms: 600, p99_9_ms: 1000 },
    answer: slowOneIn(100, 1500),
    profile: { rate: 200, duration: '7s' },
  },
  {
    check: 'load/max',
    slo: { p50_ms: 300, max_ms: 1500 },
    answer: slowOneIn(60, 2000),
  },
  { check: 'load/error-rate', slo: { p50_ms: 500, error_rate: 0.02 }, answer: failOneIn(10) },
  { check: 'load/accuracy', slo: { p50_ms: 500, accuracy: 0.9 }, answer: wrongOneIn(4) },
  { check: 'load/parity', slo: { p50_ms: 500, accuracy: 'parity' }, answer: wrongOneIn(40) },
];
describe('each kind of objective is missed by a server that violates only it', () => {
  for (const { check, slo, answer, profile = {} } of violations) {
    test(check, async () => {
      const evidence = await runLoadTest({ answer, slo, profile });
      const failed = Object.entries(verdicts(evidence)).filter(
        ([, verdict]) => verdict !== 'pass' && verdict !== 'skipped',
      );
      assert.deepEqual(failed, [[check, 'fail']], JSON.stringify(evidence.checks, null, 1));
    });
  }
});

function slowOneIn(every: number, ms: number): Behaviour {
  let seen = 0;
  return (rows, response) => {
    seen += 1;
    if (seen % every === 0) setTimeout(() => honest(rows, response), ms);
    else honest(rows, response);
  };
}

function hangOneIn(every: number): Behaviour {
  let seen = 0;
  return (rows, response) => {
    seen += 1;
    if (seen % every !== 0) honest(rows, response);
  };
}

function failOneIn(every: number): Behaviour {
  let seen = 0;
  return (rows, response) => {
    seen += 1;
    if (seen % every === 0) response.writeHead(503).end();
    else honest(rows, response);
  };
}

function wrongOneIn(every: number): Behaviour {
  let seen = 0;
  return (rows, response: ServerResponse) => {
    seen += 1;
    if (seen % every !== 0) return honest(rows, response);
    const outputs = [
      {
        name: 'probabilities',
        datatype: 'FP32',
        shape: [rows.length, 2],
        data: rows.flatMap((row) =>
          row % 100 === 0 ? [0.5, 0.5] : [Number((row * 37) % 100 >= 50), Number((row * 37) % 100 < 50)],
        ),
      },
    ];
    response.end(JSON.stringify({ model_name: 'm', outputs }));
  };
}
