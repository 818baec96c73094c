import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { outcomes, type Outcome, type WindowResult } from '../../../src/stages/load/driver.ts';
import { windowChecks, type MeasuredWindow } from '../../../src/stages/load/constant.ts';
import { judgeWindow } from '../../../src/stages/load/judge.ts';
import { partOf } from '../../../src/stages/load/window.ts';
import { othersDuring, type UsageSample } from '../../../src/stages/load/session.ts';
import fc from '../../support/properties.ts';
import { windowOf } from './windows.ts';

const slo = { p95_ms: 50 };

describe('the judgement of a window', () => {
  test('passes what meets the objective even when the generator was in trouble: lag only adds to latency', () => {
    const busy = busyWindow({ latency: () => 20, lag: () => 10, eventLoop: 0.95, steal: 0.3 });
    const findings = judgeWindow(busy, slo);
    assert.equal(findings.verdict, 'pass');
    assert.deepEqual([findings.generator.overloaded, findings.generator.late], [true, true]);
  });

  test('blames the generator for a miss that its own lag explains', () => {
    const findings = judgeWindow(busyWindow({ latency: () => 60, lag: () => 30 }), slo);
    assert.equal(findings.latency[0]?.verdict, 'inconclusive');
    assert.equal(findings.latency[0]?.because, 'generator');
    assert.match(findings.latency[0]?.message ?? '', /load generator was the limit: it sent 30 ms late/u);
  });

  test('blames the server for a miss that remains without the lag', () => {
    const findings = judgeWindow(busyWindow({ latency: () => 90, lag: () => 30 }), slo);
    assert.equal(findings.latency[0]?.verdict, 'fail');
  });

  test('blames nobody when the generator was too busy to read answers in time', () => {
    for (const host of [{ eventLoop: 0.9 }, { steal: 0.1 }, { others: 0.3 }, { throttled: 0.1 }]) {
      const findings = judgeWindow(busyWindow({ latency: () => 90, ...host }), slo);
      assert.equal(findings.latency[0]?.because, 'generator');
    }
  });

  test('knows what others took of a machine that has nothing left, and of no other', () => {
    // Two CPUs for 4 s: 800 ticks. The target takes half a core, the generator a quarter, and this process a tenth.
    const others = (idle: number, steal = 0, interrupts = 0): number | null => {
      const share = (at: number): UsageSample => ({
        at,
        memoryBytes: null,
        cpuPercent: at === 0 ? null : 50,
        throttled: null,
        ticks: {
          total: at / 5,
          idle: (idle * at) / 4000,
          steal: (steal * at) / 4000,
          interrupts: (interrupts * at) / 4000,
        },
        own: at / 10_000,
      });
      const host = { eventLoop: 0.2, cpu: 0.25, steal: 0 };
      const samples = [0, 1000, 2000, 3000, 4000].map(share);
      return othersDuring({ exit: null, samples }, { startedAt: 0, elapsedMs: 4000, host });
    };
    assert.equal(others(20)?.toFixed(3), (1 - 20 / 800 - 0.85 / 2).toFixed(3));
    assert.equal(others(20, 400)?.toFixed(3), (1 - 420 / 800 - 0.85 / 2).toFixed(3));
    assert.equal(others(20, 0, 200)?.toFixed(3), (1 - 220 / 800 - 0.85 / 2).toFixed(3));
    assert.equal(others(200), 0);
    assert.equal(othersDuring({ exit: null, samples: [] }, busyWindow({ latency: () => 20 })), null);
  });

  test('never passes for more lag, nor fails for less latency', () => {
    const window = fc.record({
      latency: fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 60, maxLength: 400 }),
      lag: fc.double({ min: 0, max: 50, noNaN: true }),
      cut: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    const rank = { fail: 0, inconclusive: 1, pass: 2 };
    const verdict = (latency: number[], lag: number): number => {
      const result = busyWindow({
        count: latency.length,
        latency: (index) => latency[index] as number,
        lag: () => lag,
      });
      return rank[judgeWindow(result, slo).latency[0]?.verdict ?? 'fail'];
    };
    fc.assert(
      fc.property(window, ({ latency, lag, cut }) => {
        const before = verdict(latency, lag);
        assert.equal(before === rank.pass, verdict(latency, 0) === rank.pass);
        const faster = latency.map((value) => value * cut);
        assert.ok(verdict(faster, lag) >= before);
      }),
    );
  });

  test('counts requests without a usable answer as errors and as slow ones', () => {
    const outcome = (index: number): Outcome => (index % 5 === 0 ? 'lost' : 'accepted');
    const findings = judgeWindow(busyWindow({ latency: (index) => (outcome(index) === 'lost' ? 5000 : 1), outcome }), {
      ...slo,
      error_rate: 0.1,
    });
    assert.equal(findings.errors.verdict, 'fail');
    assert.equal(findings.errors.observed, 0.2);
    assert.equal(findings.latency[0]?.verdict, 'fail');
    assert.equal(findings.throughput.verdict, 'fail');
  });

  test('blames no server for requests that this machine could not send', () => {
    const without = (outcome: Outcome): WindowResult =>
      busyWindow({ latency: () => 20, outcome: (index) => (index < 20 ? outcome : 'accepted') });
    const findings = judgeWindow(without('unsent'), slo);
    assert.deepEqual([findings.errors.verdict, findings.verdict], ['inconclusive', 'inconclusive']);
    assert.match(findings.errors.message, /ran out of file descriptors or ports for 20 requests/u);
    assert.equal(judgeWindow(without('lost'), slo).errors.verdict, 'fail');
    // Of the half of a window after them nothing is to be said.
    const half = judgeWindow(partOf(without('unsent'), 1500, 3000), slo);
    assert.deepEqual([half.verdict, half.generator.overloaded, half.counts.unsent], ['pass', false, 0]);
    const windows = [without('unsent'), busyWindow({ latency: () => 20 })].map(measured);
    const errors = windowChecks(windows, slo).find(({ id }) => id === 'load/error-rate');
    assert.match(errors?.message ?? '', /20 not sent, but the load generator was the limit: .* ports for 20 requests/u);
  });

  test('holds a miss against the server that the few requests which were not sent do not explain', () => {
    const few = (latency: (index: number) => number): string =>
      judgeWindow(busyWindow({ count: 4000, latency, outcome: (index) => (index < 4 ? 'unsent' : 'accepted') }), slo)
        .verdict;
    assert.equal(
      few(() => 500),
      'fail',
    );
    // Without them, one in twenty is over it.
    assert.equal(
      few((index) => (index < 4 ? 5000 : index % 20 === 0 ? 60 : 20)),
      'inconclusive',
    );
  });

  test('finds a server that cannot keep the rate by its throughput', () => {
    // Served at 80 a second, offered at 100: the last answers come ever later.
    const behind = busyWindow({ count: 2000, latency: (index) => index * 2.5 });
    assert.equal(judgeWindow(behind, {}).throughput.verdict, 'fail');
    assert.equal(judgeWindow(busyWindow({ count: 2000, latency: () => 400 }), {}).throughput.verdict, 'pass');
  });
});

describe('the checks over several windows', () => {
  const quick = measured(busyWindow({ latency: () => 10 }));
  const slow = measured(busyWindow({ latency: () => 90 }));
  const spoilt = measured(busyWindow({ latency: () => 90, eventLoop: 0.9 }));
  const p95 = (...windows: MeasuredWindow[]): string => {
    return windowChecks(windows, slo).find(({ id }) => id === 'load/p95')?.verdict ?? 'absent';
  };

  test('follow the majority of passes and misses, and leave a tie open', () => {
    assert.equal(p95(quick), 'pass');
    assert.equal(p95(slow, slow), 'fail');
    assert.equal(p95(slow, quick, quick), 'pass');
    assert.equal(p95(slow, quick, slow), 'fail');
    assert.equal(p95(spoilt, quick), 'pass');
    assert.equal(p95(slow, quick, spoilt), 'inconclusive');
    assert.equal(p95(spoilt, spoilt, spoilt), 'inconclusive');
    assert.equal(p95(slow, spoilt, spoilt), 'inconclusive');
  });
});

function measured(result: WindowResult): MeasuredWindow {
  return { result, findings: judgeWindow(result, slo) };
}

/** A window of requests 10 ms apart. */
function busyWindow(input: {
  count?: number;
  latency: (index: number) => number;
  lag?: (index: number) => number;
  outcome?: (index: number) => Outcome;
  eventLoop?: number;
  steal?: number;
  others?: number;
  throttled?: number;
}): WindowResult {
  const { count = 300, latency, lag = () => 0, outcome = () => 'accepted' } = input;
  const fill = (value: (index: number) => number): Float64Array =>
    Float64Array.from({ length: count }, (_, index) => value(index));
  return windowOf({
    offsets: fill((index) => index * 10),
    latency: fill(latency),
    lag: fill(lag),
    outcome: Uint8Array.from({ length: count }, (_, index) => outcomes.indexOf(outcome(index))),
    elapsedMs: count * 10,
    host: {
      eventLoop: input.eventLoop ?? 0.1,
      cpu: 0.1,
      steal: input.steal ?? 0,
      others: input.others ?? null,
      throttled: input.throttled ?? null,
    },
  });
}
