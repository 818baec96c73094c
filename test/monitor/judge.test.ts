import assert from 'node:assert/strict';
import { test } from 'node:test';
import { observe, type JudgeSettings } from '../../src/monitor/judge.ts';
import type { ChampionBaseline, WindowRecord } from '../../src/monitor/record.ts';

const day = 86_400_000;

/** A regression whose error is a tenth of the scale on the evaluation set: of `max_loss: 0.1` the margin is a hundredth. */
const champion: ChampionBaseline = {
  sha256: 'a',
  dataset: 'b',
  rows: 1000,
  loss: 0.1,
  upper: 0.11,
  scale: 1,
  confidence: null,
  calibration: null,
  scores: [],
  classes: {},
  decides: null,
  table: { edges: [], rows: [1000], means: [0.1], variances: [0.01] },
};

const settings: JudgeSettings = {
  length: day,
  alarmsPerYear: 12,
  learning: 56,
  minRows: 100,
  inconclusiveAfter: 3,
  maxLoss: 0.1,
  regression: true,
  labels: { maturity: 0, minCoverage: 0 },
  drift: { maxPsi: 0.2, maxMissing: 0.05, maxNewCategories: 0.01 },
  kpis: {},
  cost: null,
  reference: false,
  estimates: true,
};

function windows(loss: number): WindowRecord[] {
  return Array.from({ length: 10 }, (_, index) => ({
    start: new Date(index * day).toISOString(),
    end: new Date((index + 1) * day).toISOString(),
    champion: { version: '1.0.0', sha256: 'a' },
    rows: 100_000,
    others: {},
    changed: false,
    values: {},
    rates: {},
    faults: {},
    drift: [],
    alone: { reference: [], production: [] },
    estimate: { value: 0.1, se: 0.001, unknown: 0 },
    performance: { rows: 100_000, loss, coverage: {}, contradictions: 0 },
  }));
}

test('an estimate of a regression has no vote where it missed by more than half of the margin, which is a share of the error', () => {
  const last = (loss: number): string | undefined =>
    observe(windows(loss), [champion], settings)
      .at(-1)
      ?.find(({ signal }) => signal === 'estimated/loss')?.state;
  assert.equal(last(0.104), 'ok');
  assert.equal(last(0.108), 'inconclusive');
});

test('a window without rows of the champion says how many another model answered', () => {
  const digest = 'f'.repeat(64);
  const records = windows(0.1).map((each) => ({ ...each, rows: 0, others: { [digest]: 600 }, estimate: null }));
  const message = observe(records, [champion], settings)
    .at(-1)
    ?.find(({ signal }) => signal === 'data/missing')?.message;
  assert.match(
    message ?? '',
    /^0 rows of the champion \(600 are of ffffffffffff\), fewer than 100: this window cannot be evaluated/u,
  );
});
