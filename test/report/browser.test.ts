import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import type { Check, Evidence } from '../../src/evidence/index.ts';
import { silentLog } from '../../src/log.ts';
import { writeDashboard } from '../../src/pipeline/monitoring/dashboard.ts';
import { runMonitor } from '../../src/pipeline/monitoring/monitor.ts';
import { openWorkspace } from '../../src/pipeline/workspace.ts';
import type { Result } from '../../src/report/index.ts';
import { simulateProduction } from '../support/production.ts';
import { renderHtml } from '../support/report.ts';
import { check, decision, evidence, failedSlice, hardHam, openRecall, recall, recorded } from './samples.ts';

const installed = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);

const curve = Array.from({ length: 30 }, (_, index) => ({
  threshold: 1 - index / 29,
  falsePositiveRate: (index / 29) ** 3,
  recall: Math.min(1, index / 12),
  precision: 1 - index / 60,
}));
const bins = Array.from({ length: 10 }, (_, index) => ({ weight: 9, meanScore: index / 9, meanOutcome: index / 9 }));
const histogram = { positive: [1, 2, 3, 4, 90], negative: [80, 9, 3, 2, 1] };
const both = <T>(one: T): Record<'champion' | 'candidate', T> => ({ champion: one, candidate: one });
const churned = { rows: 100, changed: 9, fixed: 4, broken: 5 };
const details: Evidence['details'] = {
  classes: [{ name: 'ham' }, { name: 'spam' }],
  metrics: [{ metric: 'recall', title: 'recall', champion: 0.93, candidate: 0.92, method: 'tango-score' }],
  curves: both(curve),
  calibration: both(bins),
  scoreHistogram: both(histogram),
  confusion: both([
    [1745, 32],
    [38, 535],
  ]),
  churn: { ...churned, slices: ['source=spam', 'source=hard_ham'].map((slice) => ({ slice, ...churned })) },
};
const violation = { column: 'age', rule: 'minimum', message: 'must be at least 0', rows: 12 };
const data: Evidence = {
  ...evidence([check({ id: 'data/rows', title: 'Rows' })], { kind: 'data' }),
  details: {
    datasets: {
      evaluation: { violations: [violation], examples: [{ ...violation, row: 7, line: 8, value: '-1' }] },
    },
  },
};
const passedSlices: Check[] = ['accuracy', 'recall'].flatMap((metric) =>
  ['source=spam', 'length_bucket=very_long_and_longer'].map((slice) => ({
    ...failedSlice,
    id: `evaluation/${metric}@${slice}`,
    verdict: 'pass' as const,
    comparison: { ...hardHam, metric, slice, delta: -0.01, lower: -0.03, upper: 0.01, state: 'inconclusive' as const },
  })),
);
const judged = (...checks: Check[]): Evidence => ({ ...evidence([...checks, ...passedSlices]), details });
const because = (code: string, { id, message }: Check): { code: string; message: string; check: string } => ({
  code,
  message,
  check: id,
});
const better = { ...recall, delta: 0.02, lower: 0.01, upper: 0.03, candidate: 0.9536, state: 'superior' as const };
const passed = check({ message: 'Recall is better.', comparison: better });
const broken = check({
  id: 'evaluation/predictions',
  title: 'Predictions of the candidate',
  verdict: 'fail',
  message: 'The candidate could not predict: input word_free is missing.',
  observed: null,
  required: 'a prediction for every row',
});

/** What each page must say to whoever sees it first. */
const decisions: Record<string, { result: Result; says: RegExp }> = {
  promotion: {
    result: {
      decision: recorded({
        outcome: 'promote',
        reasons: [{ ...because('all-passed', passed), message: 'The one blocking check passed. Recall is better.' }],
      }),
      evidence: [judged(passed), data],
    },
    says: /Promoted: the one blocking check passed; recall is 0\.9536, 2\.0 points above.*What to do: Nothing now/su,
  },
  hold: {
    result: { decision: decision(), evidence: [judged(openRecall), data] },
    says: /Held: recall is 0\.9197, 1\.4 points below.*1 point is allowed; the loss may be noise.*What to do:/su,
  },
  rejection: {
    result: {
      decision: decision({ outcome: 'reject', reasons: [because('check-failed', failedSlice)] }),
      evidence: [judged(failedSlice, openRecall), data],
    },
    says: /Rejected: accuracy on source=hard_ham is 0\.7041, 16\.8 points below.*2 points are allowed; the loss is more than noise.*What to do: Improve the candidate on source=hard_ham; changed-rows\.csv/su,
  },
  'first model': {
    result: {
      decision: decision({
        reasons: [{ code: 'first-model', message: 'There is no champion yet. Set policy.allow_first: true.' }],
      }),
      evidence: [{ ...evidence([check()]), details: { metrics: details['metrics'] } }],
    },
    says: /Held: there is no champion yet.*What to do: Set policy\.allow_first/su,
  },
  'candidate that cannot predict': {
    result: {
      decision: decision({ outcome: 'reject', reasons: [because('check-failed', broken)] }),
      evidence: [evidence([broken])],
    },
    says: /Rejected: the candidate could not predict: input word_free is missing.*What to do: Correct the reported problem\. Check again: contender evaluate/su,
  },
};

/** The page of a model that was watched until its conversion fell. @param folder to be made */
async function dashboard(folder: string): Promise<string> {
  await promisify(execFile)('git', ['init', '--quiet', '--template=', '--initial-branch=main', folder]);
  const production = await simulateProduction(folder, {
    days: 64,
    change: (index) => ({ rows: 200, ...(index >= 60 ? { conversion: 0.02, shift: 1.5 } : { conversion: 0.3 }) }),
    monitor: `      labels: { files: logs/labels.csv, maturity: 3d }
      kpis: { conversion: { value: sum(converted), per: count(*), max_change: 0.05 } }\n`,
  });
  await production.until(64);
  const workspace = await openWorkspace({ root: folder, config: 'contender.yml', out: 'out', log: silentLog });
  const result = await runMonitor(workspace, { now: production.at(64), record: true });
  return readFile(await writeDashboard(workspace, result), 'utf8');
}

describe('the HTML page in a browser', { skip: installed === undefined ? 'no Chromium is installed' : false }, () => {
  let folder = '';
  let browser: Browser;
  let axe = '';
  let monitoring = '';

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'contender-browser-'));
    browser = await chromium.launch({ executablePath: installed ?? '' });
    axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    monitoring = await dashboard(join(folder, 'production'));
  });
  after(async () => {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** The page of a result in a window of its own, with whatever it asked for or complained of. */
  async function opened(
    name: string,
    options: BrowserContextOptions,
    look: (page: Page) => Promise<void>,
  ): Promise<void> {
    const path = join(folder, `${name.replaceAll(' ', '-')}.html`);
    const shown = decisions[name];
    const html = shown === undefined ? monitoring : renderHtml(shown.result);
    assert.ok(Buffer.byteLength(html) < 500_000, `${Buffer.byteLength(html)} bytes`);
    await writeFile(path, html);
    const context = await browser.newContext(options);
    try {
      const page = await context.newPage();
      const noise: string[] = [];
      const address = pathToFileURL(path).href;
      page.on('request', (request) => request.url() === address || noise.push(request.url()));
      page.on('console', (message) => noise.push(message.text()));
      page.on('pageerror', (error) => noise.push(error.message));
      await page.goto(address);
      await look(page);
      assert.deepEqual(noise, []);
    } finally {
      await context.close();
    }
  }

  const alarmed = {
    'model in production': { says: /Failed: conversion -.*against the week.*Findings, newest first/su },
  };
  for (const [name, { says }] of Object.entries({ ...decisions, ...alarmed })) {
    for (const width of [1280, 400]) {
      for (const colorScheme of ['light', 'dark'] as const) {
        it(`of a ${name}, ${width} pixels wide and ${colorScheme}, is accessible, asks for nothing and says what decided`, () =>
          opened(name, { viewport: { width, height: 900 }, colorScheme }, async (page) => {
            assert.match(await page.innerText('main'), says);
            const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
            assert.ok(Number(overflow) <= 0, `${String(overflow)} pixels are cut off`);
            await page.evaluate('document.querySelectorAll("details").forEach((each) => { each.open = true; })');
            await page.evaluate(axe);
            const violations = await page.evaluate(
              'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).slice(0, 3).join(" ")}`))',
            );
            assert.deepEqual(violations, []);
          }));
      }
    }
  }

  it('is readable without JavaScript, and prints what is closed', () =>
    opened('rejection', { javaScriptEnabled: false, viewport: { width: 1280, height: 900 } }, async (page) => {
      const churn = page.getByText('have a different decision');
      assert.equal(await churn.isVisible(), false);
      await page.getByText('Decisions that change').click();
      assert.equal(await churn.isVisible(), true);
      await page.getByText('Decisions that change').click();
      await page.emulateMedia({ media: 'print' });
      const box = await churn.boundingBox();
      assert.ok(box !== null && box.height > 0, 'the closed part has no place on paper');
    }));

  it('fits a narrow screen with everything open: a digest is broken into lines', () =>
    opened('rejection', { viewport: { width: 390, height: 900 } }, async (page) => {
      await page.evaluate('document.querySelectorAll("details").forEach((each) => { each.open = true; })');
      const cut = await page.evaluate(
        '[...document.querySelectorAll(".wide")].filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.innerText.slice(0, 200))',
      );
      assert.deepEqual(cut, []);
    }));
});
