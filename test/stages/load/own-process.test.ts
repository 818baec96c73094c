import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Evidence } from '../../../src/evidence/index.ts';
import type { Load } from '../../../src/stages/load/schema.ts';
import { inTemporaryFolder } from '../../support/project.ts';
import { runLoadTest, scores, verdicts } from './stand-in.ts';

/* Servers in processes of their own, started by the load test: what they use, and what is left of them. */

const skip = process.platform !== 'linux' && 'processes are seen in /proc';

/** `atStart` and `each` say what is wrong with it. */
function program(mark: string, atStart = '', each = ''): string {
  return `/* ${mark} */
    const scores = ${JSON.stringify(Array.from(scores))};
    const kept = [];
    const server = require('node:http').createServer((request, response) => {
      const parts = [];
      request.on('data', (part) => parts.push(part)).on('end', () => {
        if (request.method !== 'POST') return response.end('{}');
        ${each};
        const [{ data }] = JSON.parse(Buffer.concat(parts).toString()).inputs;
        const rows = data.filter((_value, index) => index % 2 === 0);
        const outputs = [{ name: 'probabilities', datatype: 'FP32', shape: [rows.length, 2], data: rows.flatMap((row) => [1 - scores[row], scores[row]]) }];
        response.end(JSON.stringify({ model_name: 'm', outputs }));
      });
    });
    const listen = () => server.listen(Number(process.env.PORT), '127.0.0.1');
    ${atStart === '' ? 'listen();' : atStart}`;
}

async function underLoad(
  text: string,
  slo: Load['slo'],
  more: { profiles?: object; signal?: AbortSignal } = {},
): Promise<Evidence> {
  return inTemporaryFolder(async (folder) => {
    const file = join(folder, 'service.cjs');
    await writeFile(file, text);
    const inputs = [{ name: 'features', datatype: 'FP32', shape: [-1, 2] }];
    const outputs = [{ name: 'probabilities', datatype: 'FP32', shape: [-1, 2] }];
    return runLoadTest({
      staging: () => ({ command: [process.execPath, file], health: '/', stop_timeout: '200ms', inputs, outputs }),
      profiles: (more.profiles ?? { rate: 30, duration: '2s', warmup: '200ms' }) as never,
      slo,
      ...(more.signal === undefined ? {} : { signal: more.signal }),
    });
  });
}

/** Processes whose program has the mark in it; it is in no argument. */
function left(): string[] {
  const listed = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).split('\n');
  return listed.filter(
    (line) => /service\.cjs|load-process|command-process/u.test(line) && line.includes(` ${process.pid} `),
  );
}

describe('an objective on what the target uses is missed by a process that violates only it', { skip }, () => {
  const violations: { check: string; slo: Load['slo']; text: string; profiles?: object }[] = [
    {
      check: 'load/memory',
      slo: { memory: '150MiB' },
      text: program('big', `kept.push(Buffer.alloc(250e6, 1)); listen();`),
    },
    {
      check: 'load/cpu',
      slo: { cpu: 0.02 },
      text: program('busy', '', 'const from = process.cpuUsage(); while (process.cpuUsage(from).user < 3000);'),
    },
    { check: 'load/cold-start', slo: { cold_start: '900ms' }, text: program('cold', 'setTimeout(listen, 1500);') },
    {
      check: 'load/memory-growth',
      slo: { memory_growth: '60MiB' },
      text: program('leak', '', 'kept.push(Buffer.alloc(1e6, 1))'),
      profiles: { kind: 'soak', rate: 15, duration: '14s', warmup: '0s' },
    },
  ];
  for (const { check, slo, text, profiles } of violations) {
    test(check, async () => {
      const evidence = await underLoad(text, { p50_ms: 3000, ...slo }, profiles === undefined ? {} : { profiles });
      const open = Object.entries(verdicts(evidence)).filter(
        ([, verdict]) => verdict !== 'pass' && verdict !== 'skipped',
      );
      assert.deepEqual(open, [[check, 'fail']], JSON.stringify(evidence.checks, null, 1));
    });
  }
});

test('a load test that is cancelled, at whatever moment, leaves no process running', { skip }, async () => {
  // While the command starts, while it is asked for its health, in the warm-up, and under load.
  for (const ms of [30, 250, 600, 1200, 2500]) {
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('the job was cancelled')), ms);
    const profiles = { rate: 50, duration: '60s', warmup: '1s' };
    const slow = program('cancelled', 'setTimeout(listen, 300);');
    await assert.rejects(
      underLoad(slow, { p50_ms: 3000 }, { profiles, signal: stop.signal }),
      /the job was cancelled|abort/iu,
    );
    for (let attempt = 0; attempt < 40 && left().length > 0; attempt += 1) await sleep(50);
    assert.deepEqual(left(), [], `cancelled after ${ms} ms`);
  }
});
