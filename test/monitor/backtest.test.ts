import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { silentLog } from '../../src/log.ts';
import { backtest, type PastModel } from '../../src/monitor/backtest.ts';
import { runBacktest } from '../../src/pipeline/monitoring/backtest.ts';
import { openWorkspace, type Workspace } from '../../src/pipeline/workspace.ts';
import { renderSections } from '../../src/report/index.ts';
import { backtestSections } from '../../src/report/monitoring/backtest-sections.ts';
import { randomFrom } from '../../src/statistics/random.ts';
import { inTemporaryFolder } from '../support/project.ts';

const day = 86_400_000;
const week = 7 * day;
const weeks = 20;
const rows = 400 * weeks;
const times = Float64Array.from({ length: rows }, (_, row) => (row * weeks * week) / rows);
const random = randomFrom(3);

/** Wrong on 10% of the rows after its training, and on two points more with every week. */
function ageingModel(name: string, trainedUntil: number, perWeek = 0.02): PastModel {
  const losses = Float64Array.from(times, (time) => {
    const age = Math.max(0, (time - trainedUntil) / week);
    return Number(random.uniform() < 0.1 + perWeek * age);
  });
  return { name, trainedUntil, losses };
}

const base = { times, known: times, weights: null, window: week, maxLoss: 0.05, alpha: 0.05 };

describe('a backtest', () => {
  test('says how fast models age, and judges none on rows of its training', () => {
    const found = backtest({ ...base, models: [ageingModel('a', 0), ageingModel('b', 5 * week - 1)] });
    // Five points are lost after two and a half weeks, and shown some weeks later.
    assert.ok(found.tooOld !== null && found.tooOld >= 3 && found.tooOld <= 6, String(found.tooOld));
    assert.ok(found.windows.every(({ start, losses }) => !('b' in losses) || start >= 5 * week));
    const fresh = backtest({ ...base, models: [ageingModel('a', 0, 0), ageingModel('b', 5 * week - 1, 0)] });
    assert.equal(fresh.tooOld, null);
  });

  test('calls no model too old by the chance of many ages, nor of a few rows', () => {
    const seeded = randomFrom(11);
    for (const each of [50, 3]) {
      const all = Float64Array.from({ length: 13 * each }, (_, row) => Math.floor(row / each) * day);
      const found = Array.from({ length: 200 }, () => {
        const losses = all.map(() => Number(seeded.uniform() < 0.1));
        const models = [{ name: 'a', trainedUntil: 0, losses }];
        return backtest({ times: all, known: all, weights: null, models, window: day, maxLoss: 0.02, alpha: 0.05 })
          .tooOld;
      }).filter((age) => age !== null);
      assert.ok(found.length <= 10, `${found.length} of 200 with ${each} rows a window`);
    }
  });

  test('decides each past promotion with the labels of its time alone', () => {
    const models = [ageingModel('old', 0), ageingModel('new', 10 * week - 1)];
    const [decision] = backtest({ ...base, models }).decisions;
    assert.equal(decision?.verdict, 'superior');
    assert.equal(decision?.at, 11 * week);
    assert.ok((decision?.hindsight.gain ?? 0) > 0.15);
    // Labels that come months late: there was nothing to decide on when the first nine tenths were known.
    const late = backtest({ ...base, models, known: times.map((time) => time + 60 * day) }).decisions[0];
    assert.ok((late?.at ?? 0) >= 11 * week + 55 * day);
    const same = backtest({ ...base, models: [models[1] as PastModel, { ...(models[1] as PastModel), name: 'twin' }] });
    assert.equal(same.decisions[0]?.verdict, 'non-inferior');
  });

  test('weighs rows', () => {
    // The same as each row as often as its weight says.
    const losses = Float64Array.from(times, (_, row) => Number(row % 5 === 0));
    const weights = Float64Array.from(times, (_, row) => (row % 5 === 0 ? 3 : 1));
    const models = [
      { name: 'old', trainedUntil: 0, losses },
      { name: 'new', trainedUntil: 10 * week - 1, losses: losses.map(() => 0) },
    ];
    const { windows, decisions } = backtest({ ...base, weights, models });
    for (const { losses: found } of windows) assert.ok(Math.abs((found['old']?.mean ?? 0) - 3 / 7) < 1e-12);
    assert.ok(Math.abs((decisions[0]?.gain ?? 0) - 3 / 7) < 1e-12);
    const [equal, none] = [weights.map(() => 7), null].map((each) => backtest({ ...base, weights: each, models }));
    assert.ok(Math.abs((equal?.decisions[0]?.lower ?? 0) - (none?.decisions[0]?.lower ?? 1)) < 1e-12);
  });

  test('takes the last row of the training for one of it, and a day to its end', () =>
    inTemporaryFolder(async (folder) => {
      const start = Date.UTC(2026, 0, 1);
      const rows = Array.from({ length: 480 }, (_, row) => row);
      const at = (row: number): string => new Date(start + (row * day) / 24).toISOString();
      // The label of the last day is still to come, and so is the time at which it is known.
      const known = (row: number): string => (row < 456 ? `${row % 2},${at(row)}` : ',');
      await writeFile(
        join(folder, 'history.csv'),
        ['id,at,label,known', ...rows.map((row) => `${row},${at(row)},${known(row)}`)].join('\n'),
      );
      await writeFile(join(folder, 'p.csv'), ['id,prediction', ...rows.map((row) => `${row},${row % 2}`)].join('\n'));
      const model = (until: string): string => `{ trained_until: ${until}, predictions: p.csv }`;
      const workspace = await withHistory(
        folder,
        'p.csv',
        `      known: known
      window: 1d
      models: { day: ${model('2026-01-05')}, time: ${model("'2026-01-05T00:00:00'")}, before: ${model("'2026-01-04T23:59:59Z'")} }
`,
      );
      const zone = process.env['TZ'];
      try {
        for (const each of ['UTC', 'Asia/Tokyo', 'America/New_York']) {
          process.env['TZ'] = each;
          const { windows } = await runBacktest(workspace);
          const first = (name: string): string | undefined =>
            windows.filter(({ losses }) => name in losses).map((window) => new Date(window.start).toISOString())[0];
          assert.deepEqual(
            ['day', 'time', 'before'].map(first),
            ['2026-01-06T00:00:00.000Z', '2026-01-06T00:00:00.000Z', '2026-01-05T00:00:00.000Z'],
            each,
          );
        }
      } finally {
        if (zone === undefined) delete process.env['TZ'];
        else process.env['TZ'] = zone;
      }
    }));

  test('reads history and predictions by id, and shows it as tables', () =>
    inTemporaryFolder(async (folder) => {
      await mkdir(join(folder, 'past'));
      const start = Date.UTC(2026, 0, 1);
      const ids = Array.from({ length: 300 }, (_, row) => row);
      const line = (cells: readonly unknown[]): string => cells.join(',');
      const at = (row: number): string => new Date(start + row * day * 0.1).toISOString();
      await writeFile(
        join(folder, 'history.csv'),
        ['id,label,at', ...ids.map((row) => line([`r${row}`, row % 2, at(row)]))].join('\n'),
      );
      await writeFile(
        join(folder, 'past/a.csv'),
        ['id,prediction', ...ids.map((row) => line([`r${row}`, row % 4 === 0 ? 1 : row % 2]))].join('\n'),
      );
      await writeFile(
        join(folder, 'past/b.csv'),
        ['id,score', ...ids.toReversed().map((row) => line([`r${row}`, row % 2 === 1 ? 0.9 : 0.2]))].join('\n'),
      );
      const workspace = await withHistory(
        folder,
        'past/a.csv',
        `      window: 7d
      models:
        a: { trained_until: 2026-01-01, predictions: past/a.csv }
        b: { trained_until: 2026-01-08, predictions: past/b.csv }
`,
      );
      const result = await runBacktest(workspace);
      const [decision] = result.decisions;
      assert.deepEqual([decision?.verdict, decision?.model, decision?.against], ['superior', 'b', 'a']);
      assert.ok(Math.abs((decision?.gain ?? 0) - 0.25) < 0.02);
      const text = renderSections(backtestSections(result), { colour: false, width: 120 });
      assert.match(text, /Outcome of each decision in hindsight/u);
      assert.match(text, /b +a +\d{4}-\d\d-\d\d +superior/u);
      // Classes that are words: of a score the other one is what the labels say.
      const words = (await readFile(join(folder, 'history.csv'), 'utf8')).replaceAll(/,([01]),/gu, (_, is: string) =>
        is === '1' ? ',yes,' : ',no,',
      );
      await writeFile(join(folder, 'words.csv'), words);
      const config = await readFile(join(folder, 'contender.yml'), 'utf8');
      const scores = config
        .replace('label: label', 'label: label, positive: yes')
        .replaceAll('history.csv', 'words.csv')
        .replace('2026-01-01, predictions: past/a.csv', '2026-01-01, predictions: past/b.csv');
      await writeFile(join(folder, 'words.yml'), scores);
      const inWords = await openWorkspace({ root: folder, config: 'words.yml', out: 'out', log: silentLog });
      const { windows } = await runBacktest(inWords);
      const wrong = windows.flatMap(({ losses }) => Object.values(losses).map(({ mean }) => mean));
      assert.ok(wrong.length > 0 && wrong.every((each) => each === 0), wrong.join());
      // In other words nothing would be right.
      await writeFile(
        join(folder, 'past/a.csv'),
        ['id,prediction', ...ids.map((row) => line([`r${row}`, row % 2 === 0 ? 'no' : 'yes']))].join('\n'),
      );
      const reopened = await openWorkspace({ root: folder, config: 'contender.yml', out: 'out', log: silentLog });
      await assert.rejects(runBacktest(reopened), /labels are "0", "1", and the model predicts "no", "yes"/u);
      // Two classes that would be one number.
      const versions = (await readFile(join(folder, 'history.csv'), 'utf8')).replaceAll(/,([01]),/gu, (_, is: string) =>
        is === '1' ? ',1.1,' : ',1.10,',
      );
      await writeFile(join(folder, 'versions.csv'), versions);
      await writeFile(join(folder, 'versions.yml'), config.replaceAll('history.csv', 'versions.csv'));
      const inVersions = await openWorkspace({ root: folder, config: 'versions.yml', out: 'out', log: silentLog });
      await assert.rejects(runBacktest(inVersions), /column "label" has the labels "1\.10" and "1\.1", of row 2/u);
      // A score says nothing where the positive class is none of the labels, or it is no probability.
      await writeFile(join(folder, 'unnamed.yml'), scores.replace(', positive: yes', ''));
      const unnamed = await openWorkspace({ root: folder, config: 'unnamed.yml', out: 'out', log: silentLog });
      await assert.rejects(runBacktest(unnamed), /labels are "no", "yes", besides the positive class "1"/u);
      await writeFile(join(folder, 'past/b.csv'), 'id,score\nr1,2.5\n');
      await assert.rejects(runBacktest(inWords), /column score has the value 2\.5/u);
      await writeFile(join(folder, 'past/b.csv'), 'id,score\nr1,0.5\nr2,0.5\nr1,0.6\n');
      await assert.rejects(runBacktest(inWords), /id "r1" stands in two rows/u);
      await writeFile(join(folder, 'past/a.csv'), 'id,prediction\n');
      const empty = await openWorkspace({ root: folder, config: 'contender.yml', out: 'out', log: silentLog });
      await assert.rejects(runBacktest(empty), /no prediction belongs to a labelled row/u);
    }));
});

/** A binary task whose history is in history.csv. @param settings of `backtest` beside its data and their times, as YAML */
async function withHistory(folder: string, predictions: string, settings: string): Promise<Workspace> {
  await writeFile(
    join(folder, 'contender.yml'),
    `version: 1
models:
  credit:
    task: binary-classification
    candidate: { predictions: ${predictions} }
    columns: { id: id, label: label }
    data: { evaluation: history.csv }
    policy: { primary: { metric: accuracy, margin: 0.01, require: non-inferior } }
    backtest:
      data: history.csv
      time: at
${settings}`,
  );
  return openWorkspace({ root: folder, config: 'contender.yml', out: 'out', log: silentLog });
}
