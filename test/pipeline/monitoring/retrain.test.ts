import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { silentLog } from '../../../src/log.ts';
import type { Finding } from '../../../src/monitor/findings.ts';
import type { Retraining, WindowRecord } from '../../../src/monitor/record.ts';
import { decideRetraining } from '../../../src/monitor/retrain.ts';
import { runMonitor } from '../../../src/pipeline/monitoring/monitor.ts';
import { retrain, rolloutIn, type RetrainResult } from '../../../src/pipeline/monitoring/retrain.ts';
import { openWorkspace } from '../../../src/pipeline/workspace.ts';
import { viewOf } from '../../../src/registry/manifest.ts';
import { clientOf, repositoryName, withGitHub } from '../../github/with-github.ts';
import { simulateProduction } from '../../support/production.ts';
import { inTemporaryFolder } from '../../support/project.ts';

const day = 86_400_000;
const now = Date.UTC(2026, 4, 1);

function finding(change: Partial<Finding> = {}): Finding {
  return {
    signal: 'harm/loss',
    rank: 'harm',
    level: 'alarm',
    title: 'Share of wrong predictions',
    message: '12% wrong',
    value: 0.12,
    limit: 0.1,
    opened: '2026-04-20T00:00:00.000Z',
    last: '2026-04-22T00:00:00.000Z',
    windows: 3,
    inRow: 3,
    healthy: 0,
    closed: null,
    ...change,
  };
}

function labelled(rows: number, at = now - 5 * day): WindowRecord {
  return {
    start: new Date(at - day).toISOString(),
    end: new Date(at).toISOString(),
    champion: null,
    rows,
    others: {},
    changed: false,
    values: {},
    rates: {},
    faults: {},
    drift: [],
    alone: { reference: [], production: [] },
    estimate: null,
    performance: { rows, loss: 0.12, coverage: {}, contradictions: 0 },
  };
}

const base = {
  settings: { dispatch: { event: 'retrain' } },
  findings: [finding()],
  records: [labelled(2000)],
  retrainings: [],
  promotedAt: now - 30 * day,
  rollout: null,
  now,
};

describe('a training is due', () => {
  test('for harm that lasted, with labels to learn from', () => {
    const { due, reason } = decideRetraining(base);
    assert.ok(due);
    assert.equal(reason, 'Share of wrong predictions: 12% wrong');
  });
  const started: Retraining = {
    at: new Date(now - 3 * day).toISOString(),
    findings: [],
    reason: '',
    window: { start: '', end: '' },
    evidence: '',
  };
  const cases: [string, Partial<Parameters<typeof decideRetraining>[0]>, RegExp][] = [
    ['a single window', { findings: [finding({ inRow: 1 })] }, /seen in 1 window in a row, 2 needed/u],
    ['drift alone', { findings: [finding({ rank: 'drift', level: 'advice' })] }, /no open finding of harm or kpi/u],
    ['an estimate, unless it is asked for', { findings: [finding({ rank: 'estimated' })] }, /no open finding/u],
    ['a finding that is over', { findings: [finding({ closed: '2026-04-25T00:00:00.000Z' })] }, /no open finding/u],
    ['too few new labels', { records: [labelled(200)] }, /200 mature labels since then, 1,000 needed/u],
    [
      'labels from before the promotion',
      { promotedAt: now - 8 * day, records: [labelled(5000, now - 9 * day)] },
      /^0 mature labels/u,
    ],
    ['a training three days ago', { retrainings: [started] }, /retraining was started .*: cool-down of 7d/u],
    ['a promotion two days ago', { promotedAt: now - 2 * day }, /promotion was .*: cool-down of 7d/u],
    ['a rollout that runs', { rollout: 'another version is in canary' }, /in canary: a rollout runs/u],
  ];
  for (const [what, change, why] of cases) {
    test(`not for ${what}`, () => {
      const { due, reason } = decideRetraining({ ...base, ...change });
      assert.equal(due, false);
      assert.match(reason, why);
    });
  }
});

test('a training is started once, with its reason, and its start is taken back where GitHub refused it', () =>
  withGitHub((server) =>
    inTemporaryFolder(async (folder) => {
      await promisify(execFile)('git', ['init', '--quiet', '--template=', '--initial-branch=main', folder]);
      const production = await simulateProduction(folder, {
        days: 16,
        monitor: '      labels: { files: logs/labels.csv, maturity: 3d }\n',
        more: '    retrain: { dispatch: { workflow: train.yml } }\n',
        change: (index) => (index >= 8 ? { meaning: (p) => 0.6 * p } : {}),
      });
      await production.until(16);
      const at = production.at(16);
      const open = () => openWorkspace({ root: folder, config: 'contender.yml', out: 'out', log: silentLog });
      await runMonitor(await open(), { now: at, record: true });
      const start = async (): Promise<RetrainResult> =>
        retrain(await open(), viewOf(null, []), { github: clientOf(server), now: at });
      await assert.rejects(
        start(),
        /a workflow train\.yml on main with on: workflow_dispatch and the inputs model, reason/u,
      );
      const { workflows, dispatches } = server.repository(repositoryName);
      workflows.set('train.yml', ['model', 'reason', 'findings', 'window_start', 'window_end', 'evidence']);
      const both = await Promise.allSettled([start(), start()]);
      assert.equal(dispatches.length, 1, JSON.stringify(both));
      const inputs = dispatches[0]?.inputs ?? {};
      assert.equal(inputs['model'], 'credit');
      assert.match(String(inputs['reason']), /wrong on .* labelled rows/u);
      assert.match(String(inputs['evidence']), /^[0-9a-f]{64}$/u);
      const { stdout } = await promisify(execFile)('git', ['-C', folder, 'show', 'model-monitoring:credit/state.json']);
      const { retrainings } = JSON.parse(stdout) as { retrainings: Retraining[] };
      assert.deepEqual(
        retrainings.map(({ run, findings }) => [run, findings]),
        [['9001', ['harm/loss']]],
      );
      const again = await start();
      assert.deepEqual([again.due, again.started], [false, null]);
      assert.match(again.reason, /cool-down/u);
    }),
  ));

test('a rollout runs from its first step on until it is taken back, whoever runs it', () => {
  const after = (outcome: string, check: string): string | null =>
    rolloutIn({
      ...viewOf(null, []),
      decisions: [{ seq: 7, outcome, reasons: [{ code: 'inconclusive', check, message: '' }] }],
    } as unknown as Parameters<typeof rolloutIn>[0]);
  assert.match(after('hold', 'rollout/step@10%') ?? '', /decision 7 gave a candidate traffic/u);
  assert.match(after('hold', 'switch/step@100%') ?? '', /decision 7/u);
  for (const check of ['rollout/step@10%-back', 'rollout/step@10%-put-back', 'evaluation/recall'])
    assert.equal(after('hold', check), null);
  assert.equal(after('reject', 'rollout/step@10%'), null);
});
