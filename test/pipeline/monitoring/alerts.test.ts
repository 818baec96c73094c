import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { silentLog } from '../../../src/log.ts';
import { alert, onDuty } from '../../../src/pipeline/monitoring/alerts.ts';
import { writeDashboard } from '../../../src/pipeline/monitoring/dashboard.ts';
import { runMonitor, type MonitorResult } from '../../../src/pipeline/monitoring/monitor.ts';
import { openWorkspace } from '../../../src/pipeline/workspace.ts';
import { grafanaDashboard } from '../../../src/report/monitoring/grafana-dashboard.ts';
import { metricsText } from '../../../src/report/monitoring/metrics-text.ts';
import { prometheusRules } from '../../../src/report/monitoring/prometheus-rules.ts';
import { clientOf, repositoryName, withGitHub } from '../../github/with-github.ts';
import { simulateProduction } from '../../support/production.ts';
import { inTemporaryFolder } from '../../support/project.ts';

const run = promisify(execFile);

interface Received {
  method: string;
  path: string;
  type: string;
  body: string;
}

/** Something that takes messages, and refuses them while `refuse` says so. */
async function withReceiver(
  work: (url: string, received: Received[], answer: { status: number }) => Promise<void>,
): Promise<void> {
  const received: Received[] = [];
  const answer = { status: 200 };
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => (body += part.toString()));
    request.on('end', () => {
      const { method = '', url: path = '' } = request;
      if (answer.status < 300) received.push({ method, path, type: request.headers['content-type'] ?? '', body });
      response.writeHead(answer.status).end();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, received, answer);
  } finally {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
}

describe('findings are told', () => {
  test('once each in an issue and a message, again in none, and once more on recovery, whatever fails in between', () =>
    withReceiver((url, received, answer) =>
      withGitHub((server) =>
        inTemporaryFolder(async (folder) => {
          await run('git', ['init', '--quiet', '--template=', '--initial-branch=main', folder]);
          const production = await simulateProduction(folder, {
            days: 28,
            change: (day) => ((day >= 10 && day < 14) || day >= 24 ? { rows: 0 } : {}),
            monitor: `      alerts: { webhook: HOOK, pushgateway: '${url}/gateway', rota: { people: [ada] } }\n`,
          });
          const look = async (
            day: number,
            env: NodeJS.ProcessEnv = { HOOK: `${url}/hook` },
          ): Promise<MonitorResult> => {
            await production.until(day);
            const now = production.at(day);
            const workspace = await openWorkspace({
              root: folder,
              config: 'contender.yml',
              out: 'out',
              log: silentLog,
            });
            const result = await runMonitor(workspace, { now, record: true });
            await alert(workspace, result, { github: clientOf(server), now, env });
            await writeDashboard(workspace, result);
            return result;
          };
          const messages = (): string[] =>
            received
              .filter(({ path }) => path === '/hook')
              .map(({ body }) => (JSON.parse(body) as { text: string }).text);
          const issues = (): { title: string; state?: string; assignees?: string[] }[] =>
            [...server.repository(repositoryName).issues.values()].filter(({ title }) => title.includes('rows'));

          answer.status = 503;
          await look(14);
          assert.equal(issues().length, 1, 'a webhook that is down keeps no issue from being made');
          assert.deepEqual(messages(), []);
          answer.status = 200;
          await look(14);
          await look(14);
          assert.equal(messages().length, 1, 'what could not be told is told by the next run, once');
          assert.match(messages()[0] ?? '', /^\*?<http.*\|\[credit\] Windows without enough rows: data>/u);
          assert.deepEqual(
            issues().map(({ state }) => state),
            ['open'],
          );
          await look(20);
          await look(20);
          assert.deepEqual(
            issues().map(({ state }) => state),
            ['closed'],
          );
          assert.equal(messages().length, 2);
          assert.match(messages()[1] ?? '', /recovered/u);
          await look(28);
          await look(28);
          assert.deepEqual(
            issues().map(({ state }) => state),
            ['closed', 'open'],
            'what comes back is told again',
          );
          assert.equal(messages().length, 3);
          assert.ok(issues().every(({ assignees }) => assignees?.join() === 'ada'));

          const pushed = received.filter(({ path }) => path.startsWith('/gateway'));
          assert.ok(
            pushed.every(
              ({ method, path }) => method === 'PUT' && path === '/gateway/metrics/job/contender/model/credit',
            ),
          );
          const state = pushed.map(({ body }) => /finding_open\{.*signal="data\/missing".*\} (\d)\n/u.exec(body)?.[1]);
          assert.deepEqual(new Set(state), new Set(['1', '0']));
          assert.equal(state.at(-1), '1');
          const html = await readFile(join(folder, 'out/credit/monitoring.html'), 'utf8');
          assert.match(html, /<svg/u);
          assert.doesNotMatch(html, /<script|https?:\/\/(?!www\.w3\.org)/u);
          await assert.rejects(look(28, {}), /HOOK is not set/u);
        }),
      ),
    ));

  test('to whom is on duty, by turns from Monday', () => {
    const rota = { people: ['ada', 'grace'], turn: '7d' };
    const on = (date: string): string[] => onDuty(rota, new Date(date));
    assert.deepEqual(on('2026-11-23T00:00:00Z'), on('2026-11-29T23:59:59Z'));
    assert.notDeepEqual(on('2026-11-29T23:59:59Z'), on('2026-11-30T00:00:00Z'));
    assert.deepEqual(onDuty(undefined, new Date()), []);
  });
});

const text = metricsText({
  model: 'credit',
  now: new Date('2026-11-29T00:00:00Z'),
  lastEnd: '2026-11-29T00:00:00.000Z',
  rows: 400,
  observations: [
    {
      signal: 'drift/a"b\\c',
      rank: 'drift',
      level: 'advice',
      state: 'ok',
      title: '',
      message: '',
      value: 0.1,
      limit: 0.2,
    },
    {
      signal: 'kpi/x',
      rank: 'kpi',
      level: 'alarm',
      state: 'missing',
      title: '',
      message: '',
      value: null,
      limit: null,
    },
  ],
  findings: [],
});
const rules = prometheusRules(
  'credit',
  [
    {
      name: 'availability',
      objective: 0.999,
      bad: 'sum(rate(http_requests_total{code=~"5.."}[$window]))',
      all: 'sum(rate(http_requests_total[$window]))',
    },
  ],
  86_400,
);

describe('for Prometheus', () => {
  test('the metrics escape labels, leave out what has no value, and end as both formats end', () => {
    assert.match(text, /contender_monitor_signal_value\{model="credit",signal="drift\/a\\"b\\\\c"\} 0\.1\n/u);
    assert.doesNotMatch(text, /kpi\/x/u);
    assert.ok(text.endsWith('\n# EOF\n'));
    const names = [...text.matchAll(/^# TYPE (\S+) gauge$/gmu)].map(([, name]) => name);
    assert.equal(new Set(names).size, names.length);
  });

  test('the rules page at the burn rates of the workbook, over a long and a short window', () => {
    for (const [rate, long, short] of [
      [14.4, '1h', '5m'],
      [6, '6h', '30m'],
      [1, '3d', '6h'],
    ] as const) {
      const ratio = (window: string): string =>
        `contender:availability:ratio_rate${window}{model="credit"} > (${rate} * 0.001)`;
      assert.ok(rules.includes(`${ratio(long)} and ${ratio(short)}`), long);
    }
    assert.match(rules, /expr: \(sum\(rate\(http_requests_total\{code=~"5\.\."\}\[5m\]\)\)\) \/ /u);
  });

  // Debian's packages prometheus and prometheus-pushgateway, where they are installed or PROMETHEUS_BIN names their folder.
  const bin = process.env['PROMETHEUS_BIN'] ?? '/usr/bin';
  const missing = existsSync(join(bin, 'promtool')) ? false : 'no promtool here';
  test('promtool accepts rules and metrics', { skip: missing }, () =>
    inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'rules.yml'), rules);
      await run(join(bin, 'promtool'), ['check', 'rules', join(folder, 'rules.yml')]);
      const check = run(join(bin, 'promtool'), ['check', 'metrics']);
      check.child.stdin?.end(text);
      assert.equal((await check).stderr, '');
    }),
  );

  test('promtool lets each rule fire where it should', { skip: missing }, () =>
    inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'rules.yml'), rules);
      const series = (name: string, values: string): string => `      - { series: '${name}', values: '${values}' }\n`;
      await writeFile(
        join(folder, 'test.yml'),
        `rule_files: [rules.yml]
evaluation_interval: 5m
tests:
  - interval: 1m
    input_series:
${series('contender_monitor_last_success_timestamp_seconds{model="credit"}', '0x200')}${series('contender_monitor_finding_open{model="credit",signal="kpi/x",level="alarm"}', '0x10 1x100')}${series('http_requests_total{code="200"}', '0+980x200')}${series('http_requests_total{code="500"}', '0+20x200')}    promql_expr_test:
      - { expr: 'count(ALERTS{alertstate="firing",alertname="ContenderFinding"}) or vector(0)', eval_time: 5m, exp_samples: [{ labels: '{}', value: 0 }] }
      - { expr: 'count(ALERTS{alertstate="firing",alertname="ContenderFinding"}) or vector(0)', eval_time: 20m, exp_samples: [{ labels: '{}', value: 1 }] }
      - { expr: 'count(ALERTS{alertstate="firing",alertname="ContenderMonitoringStopped"}) or vector(0)', eval_time: 2h, exp_samples: [{ labels: '{}', value: 0 }] }
      - { expr: 'count(ALERTS{alertstate="firing",severity="page",window="1h"}) or vector(0)', eval_time: 2h, exp_samples: [{ labels: '{}', value: 1 }] }
  - interval: 5m
    input_series:
${series('contender_monitor_last_success_timestamp_seconds{model="credit"}', '0x1100')}    promql_expr_test:
      - { expr: 'count(ALERTS{alertstate="firing",alertname="ContenderMonitoringStopped"}) or vector(0)', eval_time: 80h, exp_samples: [{ labels: '{}', value: 1 }] }
`,
      );
      await run(join(bin, 'promtool'), ['test', 'rules', join(folder, 'test.yml')]);
    }),
  );

  const programs = ['prometheus', 'prometheus-pushgateway'].map((name) => join(bin, name));
  test(
    'a real Pushgateway takes the metrics of two models, and a real Prometheus reads them and the rules',
    { skip: programs.every((program) => existsSync(program)) ? false : 'no Prometheus and Pushgateway here' },
    () =>
      inTemporaryFolder(async (folder) => {
        const [gateway, prometheus] = [await freePort(), await freePort()].map((port) => `127.0.0.1:${port}`);
        await writeFile(join(folder, 'rules.yml'), rules);
        await writeFile(
          join(folder, 'prometheus.yml'),
          `global: { scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }
rule_files: [rules.yml]
scrape_configs: [{ job_name: gateway, honor_labels: true, static_configs: [{ targets: ['${gateway}'] }] }]
`,
        );
        const started = [
          // Debian's keeps what was pushed, for whoever comes next.
          spawn(join(bin, 'prometheus-pushgateway'), [`--web.listen-address=${gateway}`, '--persistence.file='], {
            stdio: 'ignore',
          }),
          spawn(
            join(bin, 'prometheus'),
            [
              `--config.file=${folder}/prometheus.yml`,
              `--storage.tsdb.path=${folder}/data`,
              `--web.listen-address=${prometheus}`,
            ],
            { stdio: 'ignore' },
          ),
        ];
        const ask = async <T>(path: string, until: (answer: T) => boolean): Promise<T> => {
          for (let attempt = 0; attempt < 400; attempt++) {
            const answer = await fetch(`http://${prometheus}/api/v1/${path}`)
              .then(async (response) => (await response.json()) as T)
              .catch(() => null);
            if (answer !== null && until(answer)) return answer;
            await sleep(50);
          }
          throw new Error(`Prometheus says nothing of ${path}`);
        };
        try {
          const base = `http://${gateway}`;
          const ready = (): Promise<boolean> =>
            fetch(`${base}/-/ready`).then(
              ({ ok }) => ok,
              () => false,
            );
          for (let attempt = 0; attempt < 100 && !(await ready()); attempt++) await sleep(50);
          for (const model of ['credit', 'fraud']) {
            const put = await fetch(`${base}/metrics/job/contender/model/${model}`, {
              method: 'PUT',
              body: text.replaceAll('model="credit"', `model="${model}"`),
              headers: { 'content-type': 'text/plain; version=0.0.4' },
            });
            assert.equal(put.status, 200, await put.text());
          }
          const shown = await (await fetch(`${base}/metrics`)).text();
          assert.match(shown, /contender_monitor_window_rows\{instance="",job="contender",model="credit"\} 400/u);
          interface Vector {
            data: { result: { metric: { model: string }; value: [number, string] }[] };
          }
          const found = await ask<Vector>(
            'query?query=contender_monitor_window_rows',
            ({ data }) => data.result.length === 2,
          );
          const rows = found.data.result.map(({ metric, value }) => [metric.model, value[1]]);
          assert.deepEqual(Object.fromEntries(rows), { credit: '400', fraud: '400' });
          interface Rules {
            data: { groups: { rules: { name: string; health: string }[] }[] };
          }
          const rulesOf = ({ data }: Rules): string[] =>
            data.groups.flatMap((group) => group.rules.map(({ health }) => health));
          const evaluated = await ask<Rules>('rules', (answer) => !rulesOf(answer).includes('unknown'));
          assert.deepEqual(new Set(rulesOf(evaluated)), new Set(['ok']));
        } finally {
          for (const child of started) {
            child.kill('SIGTERM');
            if (child.exitCode === null) await once(child, 'exit');
          }
        }
      }),
  );
});

async function freePort(): Promise<number> {
  const probe = createServer();
  await once(probe.listen(0, '127.0.0.1'), 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}

test('the dashboard for Grafana provisions: its source is a variable, nothing is asked for by hand', () => {
  // That it has the form of Grafana's published schema, the compiler checks.
  const { id, uid, templating, panels = [], ...rest } = grafanaDashboard();
  assert.equal(id, null);
  assert.match(uid ?? '', /^[\w-]{1,40}$/u);
  assert.equal(templating?.list?.[0]?.type, 'datasource');
  assert.doesNotMatch(JSON.stringify({ templating, panels, rest }), /__inputs|DS_PROMETHEUS/u);
  assert.ok(panels.length > 0 && panels.every(({ datasource }) => datasource?.uid === '${datasource}'));
  assert.equal(new Set(panels.map((panel) => panel.id)).size, panels.length);
});
