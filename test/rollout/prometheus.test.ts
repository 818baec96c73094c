import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { askPrometheus } from '../../src/pipeline/monitoring/prometheus.ts';
import { observePrometheus } from '../../src/pipeline/rollout/observe-prometheus.ts';
import type { Observer, Seen } from '../../src/pipeline/rollout/observer.ts';
import type { Traffic } from '../../src/stages/traffic.ts';
import { inTemporaryFolder } from '../support/project.ts';

/* The readers of metrics against the real Prometheus, which scrapes counters that this test serves. */
const binary = join(process.env['PROMETHEUS_BIN'] ?? '/usr/bin', 'prometheus');
const skip = existsSync(binary) ? false : `${binary} is not installed`;

interface Scraped {
  url: string;
  /** What is served, until Prometheus has it: `requests_total` by labels. */
  serve(counters: Readonly<Record<string, number>>): Promise<void>;
}

async function scraped(work: (here: Scraped) => Promise<void>): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    let text = '';
    const metrics = createServer((_request, response) => {
      response.setHeader('content-type', 'text/plain; version=0.0.4');
      response.end(text);
    });
    await once(metrics.listen(0, '127.0.0.1'), 'listening');
    const probe = createServer();
    await once(probe.listen(0, '127.0.0.1'), 'listening');
    const { port } = probe.address() as AddressInfo;
    probe.close();
    await writeFile(
      join(folder, 'prometheus.yml'),
      `global: { scrape_interval: 200ms, scrape_timeout: 200ms }
scrape_configs:
  - job_name: model
    static_configs: [{ targets: ['127.0.0.1:${(metrics.address() as AddressInfo).port}'] }]
`,
    );
    const child = spawn(
      binary,
      [
        `--config.file=${folder}/prometheus.yml`,
        `--storage.tsdb.path=${folder}/data`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: 'ignore' },
    );
    const url = `http://127.0.0.1:${port}`;
    let generation = 0;
    try {
      await work({
        url,
        async serve(counters) {
          generation += 1;
          const lines = Object.entries(counters).map(([labels, value]) => `requests_total{${labels}} ${value}`);
          text = `# TYPE requests_total counter\n${lines.join('\n')}\n# TYPE generation gauge\ngeneration ${generation}\n`;
          for (let attempt = 0; attempt < 200; attempt += 1) {
            const answer = await askPrometheus({ url, query: 'generation' }, new Date());
            if ('value' in answer && answer.value === generation) return;
            await sleep(50);
          }
          throw new Error('Prometheus did not scrape within 10 s');
        },
      });
    } finally {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
      metrics.close();
      metrics.closeAllConnections();
    }
  });
}

function observing(prometheus: string, errors: string): Observer {
  const settings = {
    observe: {
      prometheus,
      arms: { champion: 'v1', candidate: 'v2' },
      requests: 'sum(requests_total{version="$arm"})',
      failures: { errors },
    },
    guardrails: [{ name: 'errors', failure: 'error' }],
  } as unknown as Traffic;
  const artifact = { role: 'model', uri: 'f', sha256: 'a'.repeat(64), size: 1 } as const;
  return observePrometheus({
    settings,
    pathOf: (file) => Promise.resolve(file),
    env: {},
    artifacts: { champion: artifact, candidate: artifact },
  });
}

describe('the real Prometheus', { skip }, () => {
  it('gives whole counts of a step, before the first failure too, and no growth of what is left when a pod ends', () =>
    scraped(async ({ url, serve }) => {
      const observer = observing(url, 'sum(requests_total{version="$arm",code="500"})');
      const misspelt = observing(url, 'sum(request_total{version="$arm",code="500"})');
      const look = (which = observer): Promise<Seen> => which.look([{ weight: 10, from: 0, to: null }], Date.now());
      const pods = (a: number, b: number, candidate: number): Record<string, number> => ({
        'version="v1",pod="a",code="200"': a,
        'version="v1",pod="b",code="200"': b,
        'version="v2",pod="c",code="200"': candidate,
      });
      await serve(pods(1000, 500, 10));
      assert.equal((await look()).fault, null);
      assert.match((await look(misspelt)).fault ?? '', /knows no metric request_total/u);
      await serve({ ...pods(1500, 900, 110), 'version="v2",pod="c",code="500"': 3 });
      const { steps, fault } = await look();
      assert.equal(fault, null);
      assert.deepEqual(steps[0]?.requests, { champion: 900, candidate: 103 });
      assert.deepEqual(steps[0]?.failures['errors'], { champion: 0, candidate: 3 });
      await serve({
        'version="v1",pod="a",code="200"': 1600,
        'version="v2",pod="c",code="200"': 150,
        'version="v2",pod="c",code="500"': 3,
      });
      assert.match((await look()).fault ?? '', /requests of the champion fell from 2400 to 1600/u);
      await serve({
        'version="v1",pod="a",code="200"': 1700,
        'version="v2",pod="c",code="200"': 160,
        'version="v2",pod="c",code="500"': 4,
      });
      const after = await look();
      assert.deepEqual(after.steps[0]?.requests, { champion: 1000, candidate: 114 });
      assert.deepEqual(after.steps[0]?.failures['errors'], { champion: 0, candidate: 4 });
    }));

  it('gives a KPI one number, and says why it has none', () =>
    scraped(async ({ url, serve }) => {
      await serve({ 'version="v1"': 7, 'version="v2"': 5 });
      const ask = (query: string) => askPrometheus({ url, query }, new Date());
      assert.deepEqual(await ask('sum(requests_total)'), { value: 12 });
      const faults = ['requests_total', 'nothing_total', 'sum(requests_total) / 0 - sum(requests_total) / 0', 'sum('];
      const told = [/2 series/u, /no data/u, /NaN/u, /parse error/u];
      for (const [index, query] of faults.entries()) {
        const answer = await ask(query);
        assert.match('fault' in answer ? answer.fault : 'none', told[index] as RegExp);
      }
    }));
});
