import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { normals } from '../../../scripts/simulated-model.ts';
import { silentLog } from '../../../src/log.ts';
import { openFindings } from '../../../src/monitor/findings.ts';
import { runMonitor, type MonitorResult } from '../../../src/pipeline/monitoring/monitor.ts';
import { openWorkspace } from '../../../src/pipeline/workspace.ts';
import { randomFrom } from '../../../src/statistics/random.ts';
import { inTemporaryFolder } from '../../support/project.ts';

/* Data on which users of other monitors reported a crash, a wrong alarm or a wrong number. */
const first = Date.UTC(2026, 0, 5);
const hour = 3_600_000;

type Cell = string | number;
interface Given {
  /** Keys of the model beside version, columns and data. */
  task: string;
  columns: string;
  monitor: string;
  /** Keys of the champion beside the file. */
  champion?: string;
  evaluation: Record<string, Cell>[];
  predictions: Record<string, Cell>[];
  production: Record<string, Cell>[];
  labels?: Record<string, Cell>[];
}

function table(rows: readonly Record<string, Cell>[]): string {
  const names = Object.keys(rows[0] ?? {});
  return `${[names.join(','), ...rows.map((row) => names.map((name) => row[name]).join(','))].join('\n')}\n`;
}

/** What monitoring says of these data, looked at so many hours after the first row. */
function monitored(given: Given, hours: number, look: (result: MonitorResult) => void): Promise<void> {
  return inTemporaryFolder(async (folder) => {
    await promisify(execFile)('git', ['init', '--quiet', '--template=', '--initial-branch=main', folder]);
    await mkdir(join(folder, 'logs'));
    await writeFile(join(folder, 'eval.csv'), table(given.evaluation));
    await writeFile(join(folder, 'champion.csv'), table(given.predictions));
    await writeFile(join(folder, 'logs/production.csv'), table(given.production));
    if (given.labels !== undefined) await writeFile(join(folder, 'logs/labels.csv'), table(given.labels));
    await writeFile(
      join(folder, 'contender.yml'),
      `version: 1
models:
  model:
    task: ${given.task}
    candidate: { predictions: champion.csv${given.champion ?? ''} }
    champion: { predictions: champion.csv${given.champion ?? ''} }
    columns: ${given.columns}
    data: { evaluation: eval.csv, reference: eval.csv }
    policy: { primary: { metric: accuracy, margin: 0.01, require: non-inferior } }
    monitor: ${given.monitor}
`,
    );
    const workspace = await openWorkspace({ root: folder, config: 'contender.yml', out: 'out', log: silentLog });
    look(await runMonitor(workspace, { now: new Date(first + hours * hour), record: true }));
  });
}

const at = (each: number, of: number, hours: number): string =>
  new Date(first + Math.floor((each * hours * hour) / of)).toISOString();
const alarmed = ({ findings }: MonitorResult): string[] =>
  openFindings(findings)
    .map(({ signal }) => signal)
    .sort();

describe('monitoring of odd data', () => {
  const random = randomFrom(21);
  const row = (each: number, now: boolean): Record<string, Cell> => {
    const [x = 0] = normals(random, 1);
    const cities = now ? ['berlin', 'oslo', 'rome'] : ['berlin', 'paris', 'rome'];
    return {
      id: `${now ? 'p' : 'e'}${each}`,
      x: x.toFixed(4),
      emptied: now ? '' : x.toFixed(3),
      filled: now ? x.toFixed(3) : '',
      flag: '0',
      prediction_timestamp_utc: at(each, 2000, 24),
      city: cities[random.integer(3)] as string,
      same: normals(random, 1)[0]?.toFixed(4) ?? '',
      sparse: random.uniform() < 0.3 ? '' : (cities[0] as string),
    };
  };
  const evaluation = Array.from({ length: 2000 }, (_, each) => {
    const { id, ...rest } = row(each, false);
    return { id: id as string, ...rest, gone: 1, label: Number(random.uniform() < 0.5) };
  });
  const predictions = evaluation.map(({ id }) => ({ id, score: random.uniform().toFixed(3) }));
  const production = Array.from({ length: 5000 }, (_, each) => ({
    at: at(each, 5000, 24),
    ...row(each, true),
    added: 1,
    score: random.uniform().toFixed(3),
  }));

  test('tells columns that are emptied, filled, constant, new or gone from those that are the same', () =>
    monitored(
      {
        task: 'binary-classification',
        columns: '{ id: id, label: label }',
        monitor: '{ production: { files: logs/production.csv, time: at, score: score } }',
        evaluation,
        predictions,
        production,
      },
      25,
      (result) => {
        const found = alarmed(result);
        assert.ok(
          found.includes('drift/emptied') && found.includes('drift/city') && found.includes('data/schema'),
          found.join(),
        );
        for (const same of ['x', 'flag', 'same', 'sparse', 'score', 'prediction_timestamp_utc'])
          assert.ok(!found.includes(`drift/${same}`), `${same} of ${found.join()}`);
        const tests = result.records.flatMap(({ drift }) => drift.flatMap((each) => each.tests));
        assert.ok(tests.length > 0 && tests.every(({ effect, p }) => Number.isFinite(effect) && p >= 0 && p <= 1));
        const checks = new Map(result.evidence.checks.map(({ id, message }) => [id, message]));
        assert.match(checks.get('monitor/drift/emptied') ?? '', /missing values changed by 100%/u);
        assert.match(checks.get('monitor/drift/city') ?? '', /33(?:\.\d+)?% of the rows in new categories|PSI/u);
        assert.match(checks.get('monitor/data/schema') ?? '', /production has no gone/u);
      },
    ));

  test('counts wrong predictions of classes that are words and numbers, and of a model that says one class only', () => {
    const classes = ['foo', 'bar', '101', '102'];
    const drawn = Array.from({ length: 2000 }, (_, each) => ({
      id: `e${each}`,
      x: 1,
      label: classes[each % 4] as string,
    }));
    const said = (label: string): Record<string, Cell> =>
      Object.fromEntries(classes.map((name) => [`p_${name}`, name === label ? 0.91 : 0.03]));
    const served = drawn.map((each, index) => ({ ...each, id: `p${index}` }));
    return monitored(
      {
        task: 'multiclass-classification',
        columns: `{ id: id, label: label, classes: [foo, bar, '101', '102'], features: [x] }`,
        monitor: `{ production: { files: logs/production.csv, time: at, score: [p_foo, p_bar, p_101, p_102] }, labels: { files: logs/labels.csv, maturity: 1h } }`,
        champion: ', score: [p_foo, p_bar, p_101, p_102]',
        evaluation: drawn,
        predictions: drawn.map(({ id, label }) => ({ id, ...said(label) })),
        production: served.map(({ id, x }, each) => ({ at: at(each, 2000, 24), id, x, ...said('101') })),
        labels: served.map(({ id, label }) => ({ id, label })),
      },
      26,
      (result) => {
        assert.deepEqual(
          result.records.map(({ performance }) => [performance?.rows, performance?.loss]),
          [[2000, 0.75]],
        );
        assert.ok(alarmed(result).includes('harm/loss'), alarmed(result).join());
      },
    );
  });

  test('tells two classes apart by the score as the champion does, whatever they are called and wherever its threshold is', async () => {
    // Of the evaluation set one row in ten is wrong, of production too.
    const drawn = (prefix: string): Record<string, Cell>[] =>
      Array.from({ length: 2000 }, (_, each) => ({
        id: `${prefix}${each}`,
        x: 1,
        label: (each % 4 === 0) === each % 10 > 0 ? 'no' : 'yes',
        score: each % 4 === 0 ? 0.2 : 0.4,
      }));
    for (const [yes, no] of [
      ['yes', 'no'],
      ['1', '2'],
      ['true', 'false'],
    ] as const) {
      const rows = (prefix: string): Record<string, Cell>[] =>
        drawn(prefix).map((each) => ({ ...each, label: each['label'] === 'yes' ? yes : no }));
      const served = rows('p');
      await monitored(
        {
          task: 'binary-classification',
          columns: `{ id: id, label: label, positive: '${yes}', features: [x] }`,
          monitor:
            '{ production: { files: logs/production.csv, time: at, score: score }, labels: { files: logs/labels.csv, maturity: 1h } }',
          champion: ', threshold: 0.3',
          evaluation: rows('e').map(({ id, x, label }) => ({ id, x, label }) as Record<string, Cell>),
          predictions: rows('e').map(({ id, score }) => ({ id, score }) as Record<string, Cell>),
          production: served.map(
            ({ id, x, score }, each) => ({ at: at(each, 2000, 24), id, x, score }) as Record<string, Cell>,
          ),
          labels: served.map(({ id, label }) => ({ id, label }) as Record<string, Cell>),
        },
        26,
        (result) => {
          assert.deepEqual(
            result.records.map(({ performance }) => performance?.loss),
            [0.1],
            yes,
          );
          assert.deepEqual(alarmed(result), [], yes);
        },
      );
    }
  });

  test('takes true and false for 1 and 0 beside a column of such', () => {
    const flag = (each: number, words: boolean): Cell =>
      words ? (each % 3 === 0 ? 'True' : 'False') : Number(each % 3 === 0);
    return monitored(
      {
        task: 'binary-classification',
        columns: '{ id: id, label: label }',
        monitor: '{ production: { files: logs/production.csv, time: at, score: score } }',
        evaluation: evaluation.map(({ id, label }, each) => ({ id, flag: flag(each, true), label })),
        predictions,
        production: production.map(({ at, score }, each) => ({ at, id: `p${each}`, flag: flag(each, false), score })),
      },
      25,
      (result) => {
        const drift = result.records.flatMap(({ drift }) => drift.filter(({ column }) => column === 'flag'));
        const effects = drift.flatMap(({ tests }) => tests.map(({ effect }) => Math.abs(effect)));
        assert.ok(effects.length >= 2 && effects.every((effect) => effect < 0.01), effects.join());
      },
    );
  });

  test('counts a row without a score as no wrong prediction', () => {
    const drawn = (prefix: string): Record<string, Cell>[] =>
      Array.from({ length: 2000 }, (_, each) => ({
        id: `${prefix}${each}`,
        x: 1,
        label: each % 2,
        score: each % 4 < 3 ? each % 2 : 1,
      }));
    const served = drawn('p');
    return monitored(
      {
        task: 'binary-classification',
        columns: '{ id: id, label: label, features: [x] }',
        monitor:
          '{ production: { files: logs/production.csv, time: at, score: score }, labels: { files: logs/labels.csv, maturity: 1h } }',
        evaluation: drawn('e').map(({ id, x, label }) => ({ id, x, label }) as Record<string, Cell>),
        predictions: drawn('e').map(({ id, score }) => ({ id, score }) as Record<string, Cell>),
        production: served.map(
          ({ id, x, score }, each) =>
            ({ at: at(each, 2000, 24), id, x, score: each % 10 === 0 ? '' : score }) as Record<string, Cell>,
        ),
        labels: served.map(({ id, label }) => ({ id, label }) as Record<string, Cell>),
      },
      26,
      ({ records }) =>
        assert.deepEqual(
          records.map(({ performance }) => [performance?.rows, performance?.loss]),
          [[1800, 0]],
        ),
    );
  });

  test('refuses times of which nobody can say what is day and what is month, and names one', async () => {
    await assert.rejects(
      monitored(
        {
          task: 'binary-classification',
          columns: '{ id: id, label: label, features: [x] }',
          monitor: '{ production: { files: logs/production.csv, time: at, score: score } }',
          evaluation,
          predictions,
          production: production.map((each) => ({ ...each, at: '01-09-2018 00:15' })),
        },
        25,
        () => undefined,
      ),
      /01-09-2018 00:15/u,
    );
  });

  test('looks at windows of a part of a day, each row in one of them', () =>
    monitored(
      {
        task: 'binary-classification',
        columns: '{ id: id, label: label, features: [x] }',
        monitor: '{ production: { files: logs/production.csv, time: at, score: score }, window: 8h }',
        evaluation,
        predictions,
        production,
      },
      30,
      ({ records }) => {
        assert.equal(
          records.reduce((sum, { rows }) => sum + rows, 0),
          5000,
        );
        assert.equal(records.length, 3);
      },
    ));
});
