import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openDataset, type Dataset } from '../../../src/data/dataset.ts';
import type { Check } from '../../../src/evidence/index.ts';
import { silentLog } from '../../../src/log.ts';
import type { Shadow } from '../../../src/stages/shadow/schema.ts';
import { compareInShadow } from '../../../src/stages/shadow/shadow.ts';
import { shadow } from '../../../src/stages/shadow/stage.ts';
import type { StageResult } from '../../../src/stages/stage.ts';
import type { ConfiguredModel } from '../../support/configured-model.ts';
import { inTemporaryFolder } from '../../support/project.ts';

type Found = StageResult & { check(name: string): Check; rows: { of: string; pairs: number; disagreements: number }[] };

/** What the stage says of files by the part they play, as lines of CSV or JSON. */
function compared(
  settings: Shadow,
  files: Readonly<Record<string, readonly string[]>>,
  positive?: string,
): Promise<Found> {
  const config = {
    task: 'binary-classification',
    candidate: 'm.onnx',
    columns: { id: 'id', label: 'label', ...(positive === undefined ? {} : { positive }) },
    data: { evaluation: 'e.csv' },
    policy: { primary: { metric: 'recall', margin: 0.01 } },
    shadow: settings,
  } as ConfiguredModel;
  return inTemporaryFolder(async (folder) => {
    const datasets: Record<string, Dataset> = {};
    for (const [name, lines] of Object.entries(files)) {
      const path = join(folder, `${name}.${lines[0]?.startsWith('{') === true ? 'jsonl' : 'csv'}`);
      await writeFile(path, `${lines.join('\n')}\n`);
      datasets[name] = await openDataset({ name, uri: name, path });
    }
    try {
      const result = await compareInShadow({
        model: 'm',
        task: config.task,
        columns: config.columns,
        config,
        datasets,
        profiles: {},
        root: folder,
        folder,
        pathOf: (file) => Promise.resolve(file),
        log: silentLog,
        candidate: { role: 'model', uri: 'file:b', sha256: 'b'.repeat(64), size: 1 },
        champion: { role: 'model', uri: 'file:a', sha256: 'a'.repeat(64), size: 1 },
      });
      const check = (name: string): Check => {
        const found = result.checks.find(({ id }) => id === `shadow/${name}`);
        assert.ok(found !== undefined, name);
        return found;
      };
      return { ...result, check, rows: result.details['comparisons'] as Found['rows'] };
    } finally {
      for (const dataset of Object.values(datasets)) dataset.close();
    }
  });
}

/** 400 requests of which every `every`th is decided otherwise; the champion is asked twice. */
function mirrored(every: number): string[] {
  const lines = ['id,arm,score,ms,status,country'];
  for (let request = 0; request < 400; request += 1) {
    const [before, country] = [request % 2 === 0 ? 0.2 : 0.8, request % 4 === 0 ? 'FR' : 'DE'];
    const after = request % every === 0 ? 1 - before : before;
    lines.push(`r${request},champion,${before},${10 + (request % 3)},200,${country}`);
    lines.push(`r${request},candidate,${after},${12 + (request % 5)},200,${country}`);
    lines.push(`r${request},champion,${before},${10 + (request % 4)},200,${country}`);
  }
  return lines;
}

describe('a log of mirrored answers', () => {
  it('has a request failed that one of its lines says failed, in whichever order they are', async () => {
    const failed = (line: string): string => line.replace(/,candidate,[^,]+,([^,]+),200/u, ',candidate,,$1,502');
    for (const twice of [(line: string) => [line, failed(line)], (line: string) => [failed(line), line]]) {
      const lines = mirrored(10).flatMap((line) => (/^r\d*0,candidate/u.test(line) ? twice(line) : [line]));
      const { check } = await compared({ log: 'l', max_error_rate: '1pp' }, { mirrored: lines });
      assert.equal(check('error-rate').verdict, 'fail');
      assert.equal(check('error-rate').observed, 0.1);
    }
  });

  it('tells how often the candidate decides otherwise, beside the champion against itself, and by slice', async () => {
    const { rows, check } = await compared(
      { log: 'l', max_disagreement: '20pp', slices: ['country'] },
      { mirrored: mirrored(10) },
    );
    assert.deepEqual(
      rows.map(({ of, pairs, disagreements }) => [of, pairs, disagreements]),
      [
        ['candidate against champion', 400, 40],
        ['champion against itself', 400, 0],
        ['country=DE', 300, 20],
        ['country=FR', 100, 20],
      ],
    );
    assert.equal(check('disagreement').verdict, 'pass');
    assert.match(
      check('disagreement').message,
      /10% \(bounds 7\.\d+% to 12\.\d+%\); 0% for the champion against itself\. A difference is not harm/u,
    );
  });

  it('takes 1, 1.0, true and a score above the threshold for one answer, and shows each as it was logged', async () => {
    const lines = ['id,arm,label,score'];
    for (let request = 0; request < 200; request += 1) {
      const yes = request % 2;
      const other = [`${yes}.0,`, `${yes === 1 ? 'True' : 'false'},`, `,${yes === 1 ? 0.9 : 0.1}`][
        request % 3
      ] as string;
      lines.push(`r${request},champion,${yes},`, `r${request},candidate,${request === 7 ? '0.0,' : other}`);
    }
    const { rows, files } = await compared({ log: 'l' }, { mirrored: lines });
    assert.deepEqual([rows[0]?.pairs, rows[0]?.disagreements], [200, 1]);
    assert.match(String(files?.[0]?.content), /^r7,1,0\.0,/mu);
  });

  it('passes, fails and leaves open by the bounds and not by the estimate', async () => {
    const verdict = async (limit: string): Promise<string> =>
      (await compared({ log: 'l', max_disagreement: limit }, { mirrored: mirrored(10) })).check('disagreement').verdict;
    assert.deepEqual(
      [await verdict('13pp'), await verdict('10pp'), await verdict('5pp')],
      ['pass', 'inconclusive', 'fail'],
    );
  });

  it('compares times by their ratio, and counts the failures of both', async () => {
    const lines = [...mirrored(10), 'x,candidate,,5,500,DE', 'x,champion,0.5,5,200,DE'];
    const settings: Shadow = { log: 'l', max_latency_ratio: 1.5, max_error_rate: 0.02, max_score_shift: 0.1 };
    const { check, rows } = await compared(settings, { mirrored: lines });
    assert.equal(rows[0]?.pairs, 400);
    assert.equal(check('latency-ratio').verdict, 'pass');
    assert.match(check('latency-ratio').message, /1\.2\d+ .*for the champion against itself/u);
    assert.equal(check('error-rate').observed, 1 / 401);
    assert.match(check('error-rate').message, /0 of 401 of the champion/u);
    assert.match(check('requests').message, /1 request has the answer of only one version/u);
    assert.equal(check('score-shift').verdict, 'pass');
  });

  it('takes a time of 0 for none', async () => {
    const [head = '', ...lines] = mirrored(8);
    const timeless = lines.map((line, at) => (at % 7 === 0 ? line.replace(/,1\d,200/u, ',0,200') : line));
    const { check } = await compared({ log: 'log.csv', max_latency_ratio: 2 }, { mirrored: [head, ...timeless] });
    assert.equal(check('latency-ratio').verdict, 'pass');
    const none = lines.map((line) => line.replace(/,1\d,200/u, ',0,200'));
    const clockless = await compared({ log: 'log.csv', max_latency_ratio: 2 }, { mirrored: [head, ...none] });
    assert.equal(clockless.check('latency-ratio').verdict, 'inconclusive');
  });

  it('refuses numbers that have no spread', async () => {
    const lines = mirrored(8).map((line) => line.replace('r4,candidate,0.2', 'r4,candidate,1e200'));
    await assert.rejects(compared({ log: 'log.csv', max_score_shift: 0.1 }, { mirrored: lines }), {
      name: 'DataError',
      message: /numbers so large that their mean or variance is not finite/u,
    });
  });

  it('warns where the candidate left no answer to a part of the requests, which would pass for no failure', async () => {
    const lines = mirrored(8).filter((line) => !/^r\d*5,candidate/u.test(line));
    const { check } = await compared({ log: 'log.csv', max_error_rate: 0.02 }, { mirrored: lines });
    assert.deepEqual([check('silence').severity, check('silence').verdict], ['warn', 'fail']);
    assert.match(check('silence').message, /40 of 400 requests of the champion have no line of the candidate \(10%\)/u);
    const whole = await compared({ log: 'log.csv', max_error_rate: 0.02 }, { mirrored: mirrored(8) });
    assert.ok(!whole.checks.some(({ id }) => id === 'shadow/silence'));
  });

  it('says which version nothing is logged of', async () => {
    const lines = mirrored(8).filter((line) => !line.includes(',candidate,'));
    const { check } = await compared({ log: 'log.csv', max_error_rate: 0.02 }, { mirrored: lines });
    assert.match(check('requests').message, /answer of only one version: the log has no answers of the candidate/u);
  });

  it('writes disagreements to be labelled, and joins the labels that come later', async () => {
    const first = await compared({ log: 'l', sample: 10 }, { mirrored: mirrored(10) });
    const [file] = first.files ?? [];
    const lines = String(file?.content ?? '')
      .trimEnd()
      .split('\n');
    assert.equal(lines.length, 11);
    assert.equal(lines[0], 'id,champion,candidate,champion_score,candidate_score,label');
    const ids = lines.slice(1).map((line) => line.split(',')[0] as string);
    // Of request 0, 10, 20, ... the champion says false: the candidate is right where the label is 1.
    const labels = ['id,label', ...ids.map((id, index) => `${id},${index < 7 ? 1 : 0}`)];
    const { check } = await compared({ log: 'l', labels: { file: 'x' } }, { mirrored: mirrored(10), labels });
    assert.match(
      check('labels').message,
      /Of 10 labelled disagreements the candidate was right in 7, the champion in 3/u,
    );
    // Labels that are words, of answers that are scores.
    const words = labels.map((line) => line.replace(/,1$/u, ',yes').replace(/,0$/u, ',no'));
    const said = await compared({ log: 'l', labels: { file: 'x' } }, { mirrored: mirrored(10), labels: words }, 'yes');
    assert.equal(said.check('labels').message, check('labels').message);
    const unnamed = await compared({ log: 'l', labels: { file: 'x' } }, { mirrored: mirrored(10), labels: words });
    assert.match(unnamed.check('labels').message, /the candidate was right in 0, the champion in 0/u);
    const clash = await compared(
      { log: 'l', labels: { file: 'x' } },
      { mirrored: mirrored(10), labels: [...labels, `${ids[0]},0`] },
    );
    assert.match(clash.check('labels').message, /1 ids have several labels/u);
  });

  it('is inconclusive where too few were answered by both', async () => {
    const { check } = await compared(
      { log: 'l', max_disagreement: 0.5, min_requests: 500 },
      { mirrored: mirrored(10) },
    );
    assert.equal(check('requests').verdict, 'inconclusive');
    assert.equal(check('disagreement').verdict, 'inconclusive');
  });

  it('refuses an arm that nobody named, and a log without answers', async () => {
    await assert.rejects(
      compared({ log: 'l' }, { mirrored: ['id,arm,score', '1,blue,0.5'] }),
      /1 answers belong to the arm "blue".*shadow\.arms/su,
    );
    await assert.rejects(
      compared({ log: 'l' }, { mirrored: ['id,arm', '1,champion'] }),
      /neither "score" nor "label"/u,
    );
  });

  it('says which section names a column that the log does not have', async () => {
    await assert.rejects(
      compared({ log: 'l' }, { mirrored: ['request,arm,score', '1,champion,0.5'] }),
      /no column "id".*contender\.yml, in shadow\.columns/su,
    );
  });
});

describe('a replay of logged requests', () => {
  it('asks both versions, and the champion twice, and compares what they say', async () => {
    const seen = { champion: 0, candidate: 0 };
    const server = createServer((request, response) => {
      if (request.url === '/mute/infer') return void request.resume().on('end', () => response.end('{"outputs":[]}'));
      const arm = request.url === '/champion/infer' ? 'champion' : 'candidate';
      seen[arm] += 1;
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        const { value } = JSON.parse(text) as { value: number };
        const score = arm === 'candidate' && value % 5 === 0 ? 0.9 : 0.1;
        if (arm === 'candidate' && value === 7) response.statusCode = 500;
        response.end(
          JSON.stringify({ outputs: [{ name: 'p', datatype: 'FP32', shape: [1, 2], data: [1 - score, score] }] }),
        );
      });
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const requests = Array.from({ length: 50 }, (_, value) =>
        JSON.stringify({ id: `r${value}`, body: JSON.stringify({ value }) }),
      );
      const replay = { requests: 'r', champion: `${url}/champion/infer`, candidate: `${url}/candidate/infer` };
      const { rows, check } = await compared({ replay, min_requests: 10, max_error_rate: 0.5 }, { requests });
      assert.deepEqual(seen, { champion: 100, candidate: 50 });
      assert.deepEqual(
        rows.slice(0, 2).map(({ pairs, disagreements }) => [pairs, disagreements]),
        [
          [49, 10],
          [50, 0],
        ],
      );
      assert.equal(check('error-rate').observed, 1 / 50);
      const dead = { ...replay, candidate: 'http://127.0.0.1:1/infer' };
      const died = await compared({ replay: dead, min_requests: 10, max_error_rate: 0.5 }, { requests });
      assert.equal(died.check('error-rate').verdict, 'fail', 'a candidate that answers nothing fails');
      assert.match(died.check('requests').message, /the candidate failed on every request/u);
      const mute = { ...replay, candidate: `${url}/mute/infer` };
      const silent = await compared(
        { replay: mute, min_requests: 10, max_error_rate: 0.5, max_disagreement: 0.5 },
        { requests },
      );
      assert.equal(silent.check('error-rate').observed, 1, 'an answer without score and label is none');
      assert.equal(silent.check('disagreement').verdict, 'inconclusive');
      const nowhere = { ...replay, champion: 'http://127.0.0.1:1/infer', candidate: 'http://127.0.0.1:1/infer' };
      await assert.rejects(compared({ replay: nowhere }, { requests }), /neither version answered any request/u);
      await assert.rejects(
        compared({ replay }, { requests: ['{"id":"1","body":"no"}'] }),
        /row 1 has a body that is not JSON/u,
      );
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});

describe('the configuration of a shadow', () => {
  it('names a log or a replay, and is required where something is limited', () => {
    const of = (settings: Shadow): ConfiguredModel => ({ shadow: settings }) as unknown as ConfiguredModel;
    assert.match(shadow.problems?.(of({}))[0]?.message ?? '', /neither a log nor a replay/u);
    assert.deepEqual(shadow.problems?.(of({ log: 'l' })), []);
    assert.equal(shadow.required(of({ log: 'l' })), false);
    assert.equal(shadow.required(of({ log: 'l', max_disagreement: 0.1 })), true);
    assert.equal(shadow.required(of({ log: 'l', max_disagreement: 0.1, severity: 'warn' })), false);
  });
});
