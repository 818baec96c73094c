import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { ConfigError, DataError, UsageError } from '../../../src/errors.ts';
import type { Evidence } from '../../../src/evidence/index.ts';
import { openDataset } from '../../../src/data/dataset.ts';
import { loadPart, loadTest } from '../../../src/stages/load/load-test.ts';
import type { LoadPart } from '../../../src/stages/load/parts.ts';
import type { Load } from '../../../src/stages/load/schema.ts';
import type { ContestantsContext } from '../../../src/stages/stage.ts';
import type { ConfiguredModel } from '../../support/configured-model.ts';
import { inTemporaryFolder } from '../../support/project.ts';
import { evidenceFrom, stageContext } from '../../support/stage-context.ts';
import { httpServer } from './servers.ts';
import { find, honest, labels, scores, served, verdicts, type Behaviour } from './stand-in.ts';

interface Site {
  folder: string;
  context(load?: Partial<Load>, staging?: ConfiguredModel['staging']): ContestantsContext;
  /** Bodies of the requests that came, by their digest. */
  asked: string[];
}

const files = ['1.json.gz', '2.json.gz'];
const profile = { rate: 100, duration: '2s', warmup: '200ms', timeout: '2s' };

async function site(answer: Behaviour, work: (site: Site) => Promise<void>): Promise<void> {
  const asked: string[] = [];
  const server = await httpServer((body, response, { url }) => {
    if (url === '/v2/models/m/infer') {
      asked.push(createHash('sha256').update(body).digest('hex'));
      const { inputs } = JSON.parse(body) as { inputs: [{ data: number[] }] };
      answer(
        inputs[0].data.filter((_value, index) => index % 2 === 0),
        response,
        server,
      );
    } else if (url === '/v2/models/m') {
      const inputs = [{ name: 'features', datatype: 'FP32', shape: [-1, 2] }];
      const outputs = [{ name: 'probabilities', datatype: 'FP32', shape: [-1, 2] }];
      response.end(JSON.stringify({ name: 'm', platform: 'test', inputs, outputs }));
    } else response.end();
  });
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    await writeFile(
      path,
      ['id,x,y,label', ...Array.from(scores, (_score, row) => `r${row},${row},0.5,${labels[row]}`)].join('\n'),
    );
    const dataset = await openDataset({ name: 'evaluation', path, uri: 'rows.csv' });
    const context: Site['context'] = (load = {}, staging = { url: server.url, start_timeout: '1s' }) =>
      stageContext(
        {
          task: 'binary-classification',
          candidate: 'm.onnx',
          data: { evaluation: 'rows.csv' },
          policy: { primary: { metric: 'recall' } },
          columns: { id: 'id', label: 'label', features: ['x', 'y'] },
          staging,
          load: { profile, slo: { p50_ms: 500, p95_ms: 1000 }, ...load },
        },
        dataset,
        { candidate: served(), root: folder, folder, pathOf: (file) => Promise.resolve(join(folder, file)) },
      );
    try {
      await work({ folder, context, asked });
    } finally {
      dataset.close();
      await server.stop();
    }
  });
}

async function send({ folder, context }: Site, load: Partial<Load> = {}): Promise<void> {
  const start = new Date(Date.now() + 3000);
  await Promise.all(
    files.map(async (file, index) => {
      const shard = { index: index + 1, count: files.length };
      const part = await loadPart(context(load), { shard, start });
      await writeFile(join(folder, file), part);
    }),
  );
}

async function judged(
  { context }: Site,
  load: Partial<Load> = {},
  other: Partial<ConfiguredModel> = {},
): Promise<Evidence> {
  const given = context({ parts: files, ...load });
  return evidenceFrom('load', await loadTest({ ...given, config: { ...given.config, ...other } }));
}

/** Packed samples, the first of which is another. */
function withOne(text: string, value: number): string {
  const bytes = Buffer.from(text, 'base64');
  bytes.writeDoubleLE(value, 0);
  return bytes.toString('base64');
}

/** The machine of the tests may be slower than parts of a load may be. */
async function setLate({ folder }: Site, lateMs: readonly number[]): Promise<void> {
  for (const [index, file] of files.entries()) {
    const part = await partIn(folder, file);
    for (const window of part.windows) {
      assert.ok(window.lateMs > -50, `${window.lateMs} ms: no part begins before the instant`);
      window.lateMs = lateMs[index] as number;
    }
    await writeFile(join(folder, file), gzipSync(JSON.stringify(part)));
  }
}

async function partIn(folder: string, file: string): Promise<LoadPart> {
  return JSON.parse(gunzipSync(await readFile(join(folder, file))).toString()) as LoadPart;
}

describe('a load sent in two parts', () => {
  test('is the whole load: every request once, judged on the samples of both', async () => {
    await site(honest, async (place) => {
      await send(place);
      await setLate(place, [0, 40]);
      const evidence = await judged(place);
      assert.equal(evidence.verdict, 'pass', JSON.stringify(evidence.checks, null, 1));
      assert.equal(verdicts(evidence)['load/parts'], 'pass', find(evidence, 'load/parts').message);
      assert.equal(evidence.details['requests'], 200);
      assert.equal((evidence.details['answers'] as { compared: number }).compared, 200);
      assert.equal(evidence.details['rowsCovered'], 120, 'the rows of the one are not those of the other');
      const before = place.asked.length;
      const whole = evidenceFrom('load', await loadTest(place.context()));
      const alone = place.asked.slice(before);
      const distinct = (list: string[]): string[] => [...new Set(list)].toSorted();
      assert.deepEqual(distinct(place.asked.slice(0, before)), distinct(alone), 'the requests are the same');
      assert.equal(whole.details['requests'], 200);
    });
  });

  test('has the latency and the errors of both', async () => {
    let count = 0;
    const answer: Behaviour = (rows, response) => {
      count += 1;
      if (count % 4 === 0) response.writeHead(503).end();
      else setTimeout(() => honest(rows, response), 100);
    };
    await site(answer, async (place) => {
      const slo = { p50_ms: 50 };
      await send(place, { slo });
      const evidence = await judged(place, { slo });
      // Where the machine of the tests is busy the generator is blamed.
      assert.notEqual(verdicts(evidence)['load/p50'], 'pass', find(evidence, 'load/p50').message);
      assert.ok(Number(find(evidence, 'load/p50').observed) >= 100);
      const { message } = find(evidence, 'load/error-rate');
      const [failed = 0] = (/^(\d+) of 200 requests failed/u.exec(message) ?? []).slice(1).map(Number);
      assert.ok(failed > 0, message);
      const parts = await Promise.all(files.map((file) => partIn(place.folder, file)));
      const status = parts.reduce((sum, { summary }) => sum + (summary.faults['status 503'] ?? 0), 0);
      assert.equal(failed, status);
    });
  });

  test('counts faults of any name', async () => {
    await site(honest, async (place) => {
      await send(place);
      await setLate(place, [0, 0]);
      for (const file of files) {
        const part = await partIn(place.folder, file);
        const faults = JSON.parse('{ "constructor": 2, "__proto__": 1 }') as Record<string, number>;
        part.summary.faults = faults;
        (part.windows[0] as LoadPart['windows'][0]).lost = faults;
        await writeFile(join(place.folder, file), gzipSync(JSON.stringify(part)));
      }
      const { details } = await judged(place);
      const { faults } = details['answers'] as { faults: object };
      assert.deepEqual(Object.entries(faults), [
        ['constructor', 4],
        ['__proto__', 2],
      ]);
    });
  });

  test('is inconclusive where the parts did not begin together', async () => {
    await site(honest, async (place) => {
      await send(place);
      await setLate(place, [20, 5020]);
      const evidence = await judged(place);
      assert.equal(verdicts(evidence)['load/parts'], 'inconclusive');
      assert.match(find(evidence, 'load/parts').message, /began within 5000 ms/u);
    });
  });

  test('refuses files that are not its parts, each once', async () => {
    await site(honest, async (place) => {
      await send(place);
      const { folder } = place;
      const good = await partIn(folder, '2.json.gz');
      const [window] = good.windows as [LoadPart['windows'][0]];
      const cases: [unknown, RegExp][] = [
        [await partIn(folder, '1.json.gz'), /part 1\/2 is given twice/u],
        [{ ...good, shard: { index: 2, count: 3 } }, /this is part 2\/3.*2 parts/su],
        [{ ...good, candidate: 'f'.repeat(64) }, /another model or dataset/u],
        [{ ...good, profiles: [{ ...good.profiles[0], rate: 90 }] }, /another load profile/u],
        [{ ...good, start: '2020-01-01T00:00:00.000Z' }, /another part did not/u],
        [{ ...good, windows: [] }, /other requests than the load profile/u],
        [{ ...good, windows: [{ ...window, latency: 'AAAA' }] }, /other requests than the load profile/u],
        [{ ...good, windows: [{ ...window, outcome: window.latency }] }, /other requests than the load profile/u],
        [{ ...good, target: 'f'.repeat(64) }, /2\.json\.gz: this part was sent to another address.*staging\.url/su],
        [{ ...good, judging: 'f'.repeat(64) }, /evaluated with other settings.*parity/su],
        [{ ...good, windows: [{ ...window, latency: withOne(window.latency, Number.NaN) }] }, /latency holds NaN/u],
        [{ ...good, windows: [{ ...window, lag: withOne(window.lag, -5) }] }, /lag holds -5/u],
        [{ ...good, windows: [{ ...window, lag: withOne(window.lag, Infinity) }] }, /lag holds Infinity/u],
        [
          { ...good, windows: [{ ...window, outcome: withOne(window.outcome, 2) }] },
          /99 requests were accepted, and at/u,
        ],
        [{ ...good, windows: [{ ...window, answers: { ...window.answers, right: '' } }] }, /right has 0 answers/u],
        [{ ...good, summary: { ...good.summary, compared: 99 } }, /100 rows compared, and its summary says 99/u],
        [{ ...good, summary: { ...good.summary, mismatched: 1 } }, /0 rows differing, and its summary says 1/u],
        [{ ...good, windows: [{ ...window, queued: -1 }] }, /not a part of a load test: \/windows\/0\/queued/u],
        [{ schema: 'other' }, /not a part of a load test/u],
      ];
      for (const [part, told] of cases) {
        await writeFile(join(folder, '2.json.gz'), gzipSync(JSON.stringify(part)));
        await assert.rejects(judged(place), (error: Error) => error instanceof DataError && told.test(error.message));
      }
      await writeFile(join(folder, '2.json.gz'), gzipSync(JSON.stringify(good)));
      await assert.rejects(judged(place, {}, { parity: { absolute: 0.5 } }), /evaluated with other settings/u);
      await assert.rejects(judged(place, {}, { staging: { url: 'http://127.0.0.1:9' } }), /sent to another address/u);
      await writeFile(join(folder, '2.json.gz'), 'no gzip');
      await assert.rejects(judged(place), { name: 'DataError', message: /not gzip-compressed JSON/u });
    });
  });
});

describe('a part is not sent', () => {
  const order = { shard: { index: 1, count: 2 }, start: new Date(Date.now() + 60_000) };

  test('to a target that each part would start for itself', async () => {
    await site(honest, async ({ context }) => {
      await assert.rejects(loadPart(context({}, { target: 'builtin' }), order), ConfigError);
    });
  });

  test('of a load that follows from what the server does', async () => {
    await site(honest, async ({ context, asked }) => {
      const capacity = { profile: { kind: 'capacity' as const } };
      await assert.rejects(loadPart(context(capacity), order), /in parts cannot use a profile of kind capacity/u);
      assert.equal(asked.length, 0);
    });
  });

  test('once its instant has passed', async () => {
    await site(honest, async ({ context, asked }) => {
      const past = { ...order, start: new Date(Date.now() - 10_000) };
      await assert.rejects(
        loadPart(context(), past),
        (error: Error) => error instanceof UsageError && /is 1\d s in the past/u.test(error.message),
      );
      assert.equal(asked.length, 0);
    });
  });
});
