import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ServerResponse } from 'node:http';
import { ConfigError } from '../../../src/errors.ts';
import { comparisonChecks } from '../../../src/stages/load/compare.ts';
import { uniformPairs } from '../../../src/stages/load/pairs.ts';
import { find, reply, runLoadTest, scores, served, verdicts, type Behaviour } from './stand-in.ts';
import { httpServer } from './servers.ts';

/** After so long, without working on it: what one answers does not slow the other. */
function after(ms: () => number): Behaviour {
  return (rows, response) => setTimeout(() => reply(response, rows, (row) => scores[row] as number), ms());
}

const tensor = (name: string): object => ({ name, datatype: 'FP32', shape: [-1, 2] });

async function compared(candidate: () => number, champion: () => number, compare: object = {}, seen: string[] = []) {
  const other = await httpServer((body, response: ServerResponse, { url }) => {
    if (url === '/v2/health/ready') response.end();
    else if (url === '/v2/models/m')
      response.end(
        JSON.stringify({ name: 'm', platform: '', inputs: [tensor('features')], outputs: [tensor('probabilities')] }),
      );
    else {
      seen.push(body);
      const { inputs } = JSON.parse(body) as { inputs: [{ data: number[] }] };
      const rows = inputs[0].data.filter((_value, index) => index % 2 === 0);
      after(champion)(rows, response, other);
    }
  });
  try {
    return await runLoadTest({
      answer: after(candidate),
      profile: { rate: 60, duration: '1100ms', warmup: '200ms' },
      slo: { p50_ms: 2000 },
      load: {
        compare: {
          max_ratio: 1.25,
          rate: 100,
          duration: '3s',
          percentiles: ['p50'],
          champion: { url: other.url },
          ...compare,
        },
      },
      context: { champion: served() },
    });
  } finally {
    await other.stop();
  }
}

test('a longer comparison is asked for only where it would tell', () => {
  const said = (max_ratio: number): string | undefined => {
    const seen = { name: 'p50', ratio: 1, lower: 0.95, upper: 1.05, slices: 15, gates: true };
    const found = {
      rate: 50,
      seconds: 60,
      design: 'live' as const,
      percentiles: [seen],
      errors: { candidate: 0, champion: 0, of: 6000 },
      generator: { overloaded: false, message: '' },
    };
    return comparisonChecks(found, { max_ratio })[0]?.message;
  };
  assert.match(said(1.02) ?? '', /a longer compare\.duration may settle it$/u);
  assert.match(
    said(1.01) ?? '',
    /a longer compare\.duration cannot settle it, .* differ by up to 1\.183%\. Set a larger/u,
  );
});

describe('candidate against champion, both live', () => {
  test('passes where both are as quick', async () => {
    const seen: string[] = [];
    const evidence = await compared(
      () => 40,
      () => 40,
      {},
      seen,
    );
    const ratio = find(evidence, 'load/p50-ratio');
    assert.equal(ratio.verdict, 'pass', ratio.message);
    assert.ok(Math.abs(Number(ratio.observed) - 1) < 0.2, ratio.message);
    assert.match(ratio.message, /both live, 100\/s each/u);
    const [, lower, upper] = /between ([\d.]+) and ([\d.]+),/u.exec(ratio.message) ?? [];
    assert.ok(Number(upper) / Number(lower) > 1.02, `no narrower than two processes differ: ${ratio.message}`);
    assert.ok(seen.length >= 280, `${seen.length} requests of the champion`);
  });

  test('fails a candidate that takes half as long again, in turns too', async () => {
    for (const compare of [{}, { design: 'blocks', duration: '4s' }]) {
      const evidence = await compared(
        () => 90,
        () => 60,
        compare,
      );
      const ratio = find(evidence, 'load/p50-ratio');
      assert.ok(Math.abs(Number(ratio.observed) - 1.5) < 0.25, ratio.message);
      // A host that takes the processor away is no machine to judge on, and the check says so.
      const verdict = /other machines took/u.test(ratio.message) ? 'inconclusive' : 'fail';
      assert.equal(ratio.verdict, verdict, ratio.message);
      assert.equal(evidence.verdict, verdict);
    }
  });

  test('is inconclusive about a percentile that it has too few requests for', async () => {
    const evidence = await compared(
      () => 20,
      () => 20,
      { rate: 20, duration: '1500ms', percentiles: ['p99'] },
    );
    assert.equal(verdicts(evidence)['load/p99-ratio'], 'inconclusive');
    assert.match(find(evidence, 'load/p99-ratio').message, /needs 299 requests/u);
  });

  test('needs to know how the champion is served', async () => {
    await assert.rejects(
      runLoadTest({ load: { compare: { max_ratio: 1.2 } }, context: { champion: served() } }),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, /staging\.url serves one model.*champion: \{url\}/su);
        return true;
      },
    );
  });

  test('is left out while there is no champion', async () => {
    const evidence = await runLoadTest({
      profile: { duration: '700ms' },
      slo: { p50_ms: 2000 },
      load: { compare: { max_ratio: 1.2, champion: { url: 'http://127.0.0.1:9' } } },
    });
    assert.equal(evidence.verdict, 'pass');
    assert.ok(!evidence.checks.some(({ id }) => id.includes('ratio')));
  });
});

test('moments are shared out by chance, as many to each at all times', () => {
  const moments = Float64Array.from({ length: 1001 }, (_, index) => index);
  const { first, second } = uniformPairs(moments, 7);
  assert.deepEqual([first.length, second.length], [500, 500]);
  const early = first.filter((moment, index) => moment < (second[index] as number)).length;
  assert.ok(early > 200 && early < 300, `${early} of 500 pairs begin with the first`);
  for (const [index, moment] of first.entries()) assert.equal(Math.abs(moment - (second[index] as number)), 1);
});
