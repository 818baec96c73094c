import assert from 'node:assert/strict';
import { appendFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { observeLog } from '../../../src/pipeline/rollout/observe-log.ts';
import type { Seen } from '../../../src/pipeline/rollout/observer.ts';
import type { Rollout } from '../../../src/stages/rollout/schema.ts';
import type { Guardrail } from '../../../src/stages/traffic.ts';
import { inTemporaryFolder } from '../../support/project.ts';

const start = Date.parse('2026-01-01T00:00:00Z');
const now = start + 120_000;
const errors: Guardrail = { name: 'errors', failure: 'error' };
const slow: Guardrail = { name: 'slow', failure: 'slow', over_ms: 100 };
const reports: Guardrail = { name: 'reports', failure: 'feedback', feedback: 'wrong' };

type Row = Record<string, unknown>;

/** 100 requests within a minute, every tenth of the candidate. */
function requests(change: (arm: string, index: number) => Row = () => ({})): Row[] {
  return Array.from({ length: 100 }, (_, index) => {
    const arm = index % 10 === 0 ? 'candidate' : 'champion';
    const time = new Date(start + index * 500).toISOString();
    return { time, id: `r${index}`, arm, status: 200, ms: 10, ...change(arm, index) };
  });
}

function text(rows: readonly Row[]): string {
  return `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`;
}

const without = (...names: string[]): Row[] =>
  requests().map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => !names.includes(name))));

function observing<T>(
  guardrails: Guardrail[],
  work: (look: () => Promise<Seen>, log: string) => Promise<T>,
  unit?: 'ms' | 's',
): Promise<T> {
  return inTemporaryFolder(async (folder) => {
    const log = join(folder, 'log.jsonl');
    const observe = { log, ...(unit && { unit }) };
    const settings = { guardrails, observe, weights: { url: 'http://localhost' } } as unknown as Rollout;
    const artifact = (letter: string) => ({ role: 'model', uri: 'f', sha256: letter.repeat(64), size: 1 }) as const;
    const observer = await observeLog({
      settings,
      pathOf: (file) => Promise.resolve(file),
      env: {},
      artifacts: { champion: artifact('a'), candidate: artifact('b') },
    });
    try {
      return await work(() => observer.look([{ weight: 10, from: start, to: null }], now), log);
    } finally {
      await observer.close();
    }
  });
}

function seen(guardrails: Guardrail[], rows: readonly Row[], unit?: 'ms' | 's'): Promise<Seen> {
  return observing(
    guardrails,
    async (look, log) => {
      await writeFile(log, text(rows));
      return look();
    },
    unit,
  );
}

describe('a log of requests', () => {
  const faults: [string, Guardrail, Row[], RegExp][] = [
    ['has no status', errors, without('status'), /no column "status".*guardrail errors/u],
    ['has no time of the answers', slow, without('ms'), /no column "ms".*guardrail slow/u],
    ['has no ids for feedback', reports, without('id'), /no column "id".*guardrail reports/u],
    [
      'has no status of the candidate',
      errors,
      requests((arm) => (arm === 'candidate' ? { status: null } : {})),
      /"candidate" has a value in "status"/u,
    ],
    [
      'has a status in words',
      errors,
      requests((arm) => (arm === 'candidate' ? { status: 'timeout' } : {})),
      /"status", row 1 is "timeout"/u,
    ],
    [
      'has feedback on other requests',
      reports,
      [...requests(), ...requests((_, index) => ({ id: `x${index}`, feedback: 'wrong' }))],
      /100 of 100 feedbacks "wrong" name no request/u,
    ],
    [
      'has the feedback on the candidate under other ids',
      reports,
      [
        ...Array.from({ length: 3 }, (_, part) =>
          requests((_arm, index) => ({ id: `${part}-${index}`, arm: index % 2 === 0 ? 'candidate' : 'champion' })),
        ).flat(),
        ...requests((_, index) => ({ id: `${index % 2 === 0 ? 'x' : '1-'}${index}`, feedback: 'wrong' })),
      ],
      /50 of 100 feedbacks "wrong" name no request of the log, and none names one of "candidate"/u,
    ],
    [
      'has a clock that is an hour ahead',
      errors,
      requests((_, index) => ({ time: new Date(start + 3_600_000 + index).toISOString() })),
      /ahead of the clock here.*2026-01-01T01:00:00Z/u,
    ],
    [
      'has a clock that is an hour behind',
      errors,
      requests((_, index) => ({ time: new Date(start - 3_600_000 + index).toISOString() })),
      /newest request of the log is of 2025-12-31T23:00:00Z/u,
    ],
  ];
  for (const [what, guardrail, rows, pattern] of faults) {
    it(`that ${what} is no data: it would let every candidate pass`, async () => {
      assert.match((await seen([guardrail], rows)).fault ?? '', pattern);
    });
  }

  it('whose times are seconds tells slow answers where that is stated, and is no data where nobody says so', async () => {
    /** As nginx writes them: half of the answers of the candidate take longer than 100 ms. */
    const seconds = requests((arm, index) => ({ ms: arm === 'candidate' && index % 20 === 0 ? 0.412 : 0.034 }));
    const { fault } = await seen([slow], seconds);
    assert.match(fault ?? '', /times in "ms" may be seconds, .* half are below 0\.034, .* observe\.unit: s or ms$/u);
    const stated = await seen([slow], seconds, 's');
    assert.deepEqual([stated.fault, stated.steps[0]?.failures], [null, { slow: { champion: 0, candidate: 5 } }]);
    assert.equal((await seen([slow], seconds, 'ms')).fault, null);
    assert.equal((await seen([errors], seconds)).fault, null);
    const minutes: Guardrail = { ...slow, over_ms: 5000 };
    const slower = requests((_, index) => ({ ms: 2 + index / 1000 }));
    assert.match((await seen([minutes], slower)).fault ?? '', /may be seconds/u);
    // A clock of whole milliseconds, one of nanoseconds, and times no proxy waits for.
    for (const ms of [0, 0.5, 80.125]) {
      const clocks = requests((_, index) => ({ ms: ms === 0.5 ? 0.5 + index * 1.23e-6 : index === 1 ? ms : 1 }));
      assert.equal((await seen([slow], clocks)).fault, null, String(ms));
    }
  });

  it('gives the mean of a value over users, and takes one that comes later', async () => {
    const latency: Guardrail = { name: 'latency', failure: 'mean' };
    const revenue: Guardrail = { name: 'revenue', failure: 'mean', value: 'paid', worse: 'lower' };
    const ofUser = (arm: string, index: number): Row => ({
      user: `${arm} ${index % 20}`,
      ms: index < 50 ? 10 : 30,
      paid: arm === 'candidate' ? null : 2,
    });
    const rows = requests(ofUser);
    const without = await seen([latency, revenue], rows);
    assert.match(
      without.fault ?? '',
      /no request of "candidate" has a value in "paid", so that the guardrail revenue/u,
    );
    const later = rows
      .filter(({ arm }) => arm === 'candidate')
      .map(({ time, id }, index) => ({ time, id, feedback: 'paid', paid: index }));
    const { steps, fault } = await seen([latency, revenue], [...rows, ...later]);
    assert.equal(fault, null);
    // Requests 0, 20, 40, 60, 80 are of one user of the candidate, 10, 30, ... of another: means of 18 and 22 ms, and of 4 and 5 paid.
    assert.deepEqual(steps[0]?.means?.['latency']?.candidate, { n: 2, mean: 20, variance: 8 });
    assert.deepEqual(steps[0]?.means?.['revenue']?.candidate, { n: 2, mean: 4.5, variance: 0.5 });
    assert.deepEqual(steps[0]?.means?.['revenue']?.champion, { n: 18, mean: 2, variance: 0 });
    assert.deepEqual(steps[0]?.failures, {});
  });

  it('counts what was never answered as failed and slow, and a request that one of its lines says failed', async () => {
    const latency: Guardrail = { name: 'latency', failure: 'mean', value: 'ms' };
    // The second as HAProxy writes it.
    for (const none of [null, -1]) {
      const unanswered = await seen(
        [errors, slow, latency],
        [...requests((_arm, index) => (index % 20 === 0 ? { status: none, ms: none } : {}))],
      );
      assert.equal(unanswered.fault, null);
      const { failures, means } = unanswered.steps[0] as (typeof unanswered.steps)[number];
      assert.deepEqual(failures, { errors: { champion: 0, candidate: 5 }, slow: { champion: 0, candidate: 5 } });
      assert.deepEqual(means?.['latency']?.candidate, { n: 5, mean: 10, variance: 0 });
    }
    const twice = await seen(
      [errors],
      [...requests(), ...requests((arm) => ({ status: arm === 'candidate' ? 500 : 200 }))],
    );
    assert.deepEqual(twice.steps[0]?.requests, { champion: 90, candidate: 10 });
    assert.deepEqual(twice.steps[0]?.failures['errors'], { champion: 0, candidate: 10 });
  });

  it('is void where both arms are one version, or other bytes in capital letters', async () => {
    const same = await seen(
      [errors],
      requests(() => ({ version: 'v7' })),
    );
    assert.match(same.void ?? '', /Both arms were answered by v7/u);
    const other = await seen(
      [errors],
      requests((arm) => ({ version: (arm === 'candidate' ? 'C' : 'A').repeat(64) })),
    );
    assert.match(other.void ?? '', /candidate was answered by cccccccccccc/u);
    const sound = await seen(
      [errors],
      requests((arm) => ({ version: arm === 'candidate' ? 'v8' : 'v7' })),
    );
    assert.equal(sound.void, null);
  });

  it('that has only what a proxy says of itself is empty', () =>
    observing([errors], async (look, log) => {
      await writeFile(log, '[NOTICE] (1) : New worker (2) forked\n[NOTICE] (1) : Loading success.\n');
      assert.equal((await look()).fault, 'the log is empty');
      await appendFile(log, text(requests()));
      assert.equal((await look()).fault, null);
    }));

  it('keeps what it showed before it was rotated', () =>
    observing([errors], async (look, log) => {
      await writeFile(log, text(requests((arm) => ({ status: arm === 'candidate' ? 500 : 200 }))));
      assert.deepEqual((await look()).steps[0]?.failures['errors'], { champion: 0, candidate: 10 });
      await rename(log, `${log}.1`);
      // Longer than the one before, which its size alone does not tell.
      await writeFile(log, text(requests((_, index) => ({ id: `later${index}`, note: 'x'.repeat(20) }))));
      await appendFile(log, '{"half": ');
      const after = await look();
      assert.deepEqual(after.steps[0]?.requests, { champion: 180, candidate: 20 });
      assert.deepEqual(after.steps[0]?.failures['errors'], { champion: 0, candidate: 10 });
    }));
});

describe('values that have no spread', () => {
  it('leave a look blind, and end no rollout as a bug', async () => {
    const mean: Guardrail = { name: 'latency', failure: 'mean', value: 'ms' };
    const { fault } = await seen(
      [mean],
      requests((_, index) => ({ ms: index === 7 ? 1e200 : 10 })),
    );
    assert.match(fault ?? '', /numbers so large that their mean or variance is not finite/u);
  });
});
