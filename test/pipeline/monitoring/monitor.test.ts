import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { silentLog } from '../../../src/log.ts';
import { runMonitor, type MonitorResult } from '../../../src/pipeline/monitoring/monitor.ts';
import { openWorkspace } from '../../../src/pipeline/workspace.ts';
import { openFindings } from '../../../src/monitor/findings.ts';
import { simulateProduction, type SimulatedProduction } from '../../support/production.ts';
import { inTemporaryFolder } from '../../support/project.ts';

const labels = `      labels: { files: logs/labels.csv, maturity: 3d }
`;
const kpis = `      kpis:
        conversion: { value: sum(converted), per: count(*), max_change: 0.05 }
        latency: { value: "quantile_cont(latency, 0.95)", max: 100, rank: latency, unit: ms }
      cost: { per_hour: 2, max: 1, unit: EUR }
`;

async function monitored(production: SimulatedProduction, now: Date, record = true): Promise<MonitorResult> {
  const { folder } = production;
  const workspace = await openWorkspace({ root: folder, config: 'contender.yml', out: 'out', log: silentLog });
  return runMonitor(workspace, { now, record });
}

async function inRepository(work: (folder: string) => Promise<void>): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const run = promisify(execFile);
    await run('git', ['init', '--quiet', '--template=', '--initial-branch=main', folder]);
    await work(folder);
  });
}

function signals({ findings }: MonitorResult): string[] {
  return openFindings(findings).map(({ signal, level }) => `${signal} ${level}`);
}

describe('monitoring', () => {
  test('of what nothing happens to says nothing, and looks at each window once', () =>
    inRepository(async (folder) => {
      const production = await simulateProduction(folder, { days: 80, monitor: labels + kpis });
      await production.until(70);
      const first = await monitored(production, production.at(70));
      assert.equal(first.fresh, 70);
      assert.deepEqual(signals(first), []);
      assert.equal(first.evidence.verdict, 'pass', JSON.stringify(first.evidence.checks, null, 1));
      const again = await monitored(production, production.at(70, 20));
      assert.equal(again.fresh, 0);
      assert.deepEqual(again.records, first.records);
      // Twelve hours late, and two days at once.
      await production.until(72);
      const later = await monitored(production, production.at(72, 13));
      assert.equal(later.fresh, 2);
      // As if every window had been looked at in its time.
      await production.until(80);
      const late = await monitored(production, production.at(80));
      assert.equal(late.records.length, 80);
      assert.deepEqual(signals(late), []);
      assert.equal(late.records.filter(({ performance }) => performance !== null).length, 77);
    }));

  test('of logs that were delivered twice counts each row once, and of empty labels says that there are none', () =>
    inRepository(async (folder) => {
      const production = await simulateProduction(folder, { days: 5, monitor: labels });
      await production.until(5);
      const [logs, told] = [join(folder, 'logs/production.csv'), join(folder, 'logs/labels.csv')];
      const text = await readFile(logs, 'utf8');
      await writeFile(logs, text + text.slice(text.indexOf('\n') + 1));
      await writeFile(told, 'id,label\n');
      const result = await monitored(production, production.at(5));
      assert.deepEqual(
        result.records.map(({ rows }) => rows),
        Array.from({ length: 5 }, () => 400),
      );
      assert.deepEqual(signals(result), ['data/repeated note']);
      const harm = result.evidence.checks.find(({ id }) => id === 'monitor/harm/loss');
      assert.match(harm?.message ?? '', /0% of the rows have a label and a prediction/u);
    }));

  test('takes labels in other words for no labels, and alarms where nothing has a score', () =>
    inRepository(async (folder) => {
      const production = await simulateProduction(folder, { days: 5, monitor: labels });
      await production.until(5);
      const [logs, told] = [join(folder, 'logs/production.csv'), join(folder, 'logs/labels.csv')];
      await writeFile(told, (await readFile(told, 'utf8')).replaceAll(/,1$/gmu, ',yes').replaceAll(/,0$/gmu, ',no'));
      await writeFile(logs, (await readFile(logs, 'utf8')).replaceAll(/(north|south),[^,]+,/gu, '$1,NaN,'));
      const result = await monitored(production, production.at(5));
      const found = openFindings(result.findings);
      assert.match(
        found.find(({ signal }) => signal === 'data/labels-join')?.message ?? '',
        /none of them is a class of the model/u,
      );
      assert.match(
        found.find(({ signal, level }) => signal === 'data/missing' && level === 'alarm')?.message ?? '',
        /none has a score/u,
      );
      assert.ok(!found.some(({ signal }) => signal === 'harm/loss'));
    }));

  test('tells harm that labels show, and takes the vote of an estimate that misses it', () =>
    inRepository(async (folder) => {
      // The scores mean less from day 40 on, and look as ever: concept drift.
      const production = await simulateProduction(folder, {
        days: 60,
        monitor: labels,
        change: (day) => (day >= 40 ? { meaning: (p) => 0.7 * p } : {}),
      });
      await production.until(60);
      const result = await monitored(production, production.at(60));
      assert.deepEqual(signals(result), ['harm/loss alarm']);
      const [harm] = openFindings(result.findings);
      const days = (Date.parse(harm?.opened ?? '') - production.at(40, 0).getTime()) / 86_400_000;
      assert.ok(days >= 0 && days <= 4, `${days} days`);
      const estimate = result.evidence.checks.find(({ id }) => id === 'monitor/estimated/loss');
      assert.equal(estimate?.verdict, 'inconclusive');
      assert.match(estimate?.message ?? '', /estimate is ignored, because labels showed/u);
      assert.equal(result.evidence.verdict, 'fail');
    }));

  test('says which column drifted, and only advises', () =>
    inRepository(async (folder) => {
      const production = await simulateProduction(folder, {
        days: 20,
        change: (day) => (day >= 15 ? { region: () => 'overseas' } : {}),
      });
      await production.until(20);
      const result = await monitored(production, production.at(20));
      assert.deepEqual(signals(result), ['drift/region advice']);
      assert.match(openFindings(result.findings)[0]?.message ?? '', /100% of the rows in new categories/u);
      assert.equal(result.evidence.verdict, 'pass');
    }));

  test('finds a KPI that falls at once, one that falls slowly, and a latency beyond its limit', () =>
    inRepository(async (folder) => {
      const production = await simulateProduction(folder, {
        days: 110,
        monitor: kpis,
        change: (day) => ({
          rows: 800,
          conversion: day >= 70 ? 0.1 * 0.99 ** (day - 69) : 0.1,
          latency: day === 109 ? 90 : 40,
        }),
      });
      await production.until(110);
      const result = await monitored(production, production.at(110));
      assert.deepEqual(signals(result), ['kpi/conversion alarm', 'kpi/latency alarm']);
      const [conversion, latency] = openFindings(result.findings);
      const days = (Date.parse(conversion?.opened ?? '') - production.at(70, 0).getTime()) / 86_400_000;
      assert.ok(days > 0 && days <= 21, `${days} days`);
      assert.match(latency?.message ?? '', /1\d\d(\.\d)? ms, at most 100/u);
    }));

  test('tells each oddity as what it is, and none as harm; of two runs at once each window is looked at once', () =>
    inRepository(async (folder) => {
      const production = await simulateProduction(folder, {
        days: 6,
        monitor: `${labels}      kpis: { orders: { prometheus: { url: 'http://127.0.0.1:9', query: sum(orders) } } }\n`,
      });
      await production.until(6);
      const [logs, told] = [join(folder, 'logs/production.csv'), join(folder, 'logs/labels.csv')];
      const future = `${production.at(9).toISOString()},later,0.1,north,0.5,0,40.0\n`;
      await writeFile(logs, (await readFile(logs, 'utf8')).replace(',region,', ',area,') + future);
      await writeFile(told, `${await readFile(told, 'utf8')}d0-0,0\nd0-0,1\nnobody,1\n`);
      const now = production.at(6);
      const [one, other] = await Promise.all([monitored(production, now), monitored(production, now)]);
      assert.deepEqual(one?.records, other?.records);
      const again = await monitored(production, now);
      assert.equal(again.fresh, 0);
      const found = Object.fromEntries(openFindings(again.findings).map(({ signal, message }) => [signal, message]));
      assert.match(found['data/schema'] ?? '', /production has no region/u);
      assert.match(found['data/future'] ?? '', /1 rows are dated in the future/u);
      assert.match(found['data/labels-join'] ?? '', /1 labels are of rows that are not in the logs/u);
      assert.ok(
        openFindings(again.findings).every(({ level }) => level !== 'alarm'),
        JSON.stringify(found),
      );
      assert.deepEqual(
        again.records.map(({ performance }) => performance?.contradictions),
        [1, 0, 0, undefined, undefined, undefined],
      );
      const orders = again.evidence.checks.find(({ id }) => id === 'monitor/kpi/orders');
      assert.equal(orders?.verdict, 'inconclusive');
      assert.match(orders.message, /cannot be reached|ECONNREFUSED|Prometheus/u);
    }));

  test('reads the memory of an earlier version, refuses what somebody wrote into it, and starts anew where the branch is gone', () =>
    inRepository(async (folder) => {
      const production = await simulateProduction(folder, { days: 4 });
      await production.until(3);
      await monitored(production, production.at(3));
      const git = async (...args: string[]): Promise<string> =>
        (
          await promisify(execFile)('git', [
            '-C',
            folder,
            '-c',
            'user.name=eve',
            '-c',
            'user.email=eve@example.invalid',
            ...args,
          ])
        ).stdout.trim();
      const put = async (text: string): Promise<void> => {
        await writeFile(join(folder, 'state.json'), text);
        const blob = await git('hash-object', '-w', 'state.json');
        const inner = (await git('ls-tree', 'model-monitoring:credit')).replace(
          /blob \S+\tstate.json/u,
          `blob ${blob}\tstate.json`,
        );
        const make = async (listing: string): Promise<string> => {
          const making = promisify(execFile)('git', ['-C', folder, 'mktree']);
          making.child.stdin?.end(`${listing}\n`);
          return (await making).stdout.trim();
        };
        const tree = await make(`040000 tree ${await make(inner)}\tcredit`);
        await git('update-ref', 'refs/heads/model-monitoring', await git('commit-tree', '-m', 'Improve', tree));
      };
      // What an earlier version wrote, which did not say how two classes are told apart.
      const state = (): Promise<string> => git('show', 'model-monitoring:credit/state.json');
      const decides = /"decides":\s*\{[^}]*\},/u;
      assert.match(await state(), decides);
      await put((await state()).replace(decides, ''));
      await production.until(4);
      assert.equal((await monitored(production, production.at(4))).fresh, 1);
      assert.match(await state(), decides);
      for (const text of ['{"schema"', '{"schema":"contender/monitoring/v1","champions":7}']) {
        await put(text);
        await assert.rejects(monitored(production, production.at(4)), /not written by monitoring/u);
      }
      await git('update-ref', '-d', 'refs/heads/model-monitoring');
      assert.equal((await monitored(production, production.at(4))).fresh, 4);
    }));

  test('days without rows are a finding of their own that closes when rows come back', () =>
    inRepository(async (folder) => {
      const production = await simulateProduction(folder, {
        days: 20,
        change: (day) => (day >= 10 && day < 14 ? { rows: 0 } : day === 16 ? { rows: 100 } : {}),
        monitor: '      cost: { per_hour: 2, max: 0.2, unit: EUR }\n',
      });
      await production.until(15);
      const gone = await monitored(production, production.at(15));
      assert.deepEqual(signals(gone), ['data/missing alarm']);
      await production.until(20);
      const back = await monitored(production, production.at(20));
      assert.deepEqual(signals(back), []);
      assert.equal(back.findings.filter(({ signal }) => signal === 'data/missing').length, 1);
      // 48 EUR a day; a day without rows has no price of a prediction, and no free ones.
      const costs = back.observations.map((all) => all.find(({ signal }) => signal === 'kpi/cost'));
      assert.deepEqual(
        [9, 10, 16].map((day) => [costs[day]?.value, costs[day]?.state]),
        [
          [0.12, 'ok'],
          [null, 'missing'],
          [0.48, 'alarm'],
        ],
      );
    }));
});
