import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { observePrometheus } from '../../src/pipeline/rollout/observe-prometheus.ts';
import { openWeights } from '../../src/pipeline/rollout/weights.ts';
import { withWeight } from '../../src/pipeline/rollout/weights-yaml.ts';
import { armOf } from '../../src/serve/split-server.ts';
import type { Rollout } from '../../src/stages/rollout/schema.ts';
import { inTemporaryFolder } from '../support/project.ts';

const run = promisify(execFile);

const virtualService = `# Traffic of the spam filter. Owner: Ada
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: spam-filter } # flow style stays
spec:
  hosts: ["spam"]
  http:
    - route:
        - destination: { host: spam, subset: champion }
          weight: 100   # the rest
        - destination: { host: spam, subset: candidate }
          weight: 0     # contender writes this
---
kind: Other
`;
const paths = { yaml: 'vs.yaml', candidate: 'spec.http.0.route.1.weight', champion: 'spec.http.0.route.0.weight' };

describe('a weight in YAML that is delivered from git', () => {
  it('changes the pair of numbers, and not one other byte', () => {
    const changed = withWeight(virtualService, paths, 5);
    assert.equal(changed, virtualService.replace('weight: 100 ', 'weight: 95 ').replace('weight: 0 ', 'weight: 5 '));
    assert.equal(withWeight(changed, paths, 0), virtualService);
  });

  it('may be a quoted number under a key with dots, as in the annotations of an ingress', () => {
    const ingress = 'metadata:\n  annotations:\n    nginx.ingress.kubernetes.io/canary-weight: "0" # of 100\n';
    const path = { yaml: 'i.yaml', candidate: 'metadata.annotations."nginx.ingress.kubernetes.io/canary-weight"' };
    assert.equal(withWeight(ingress, path, 5), ingress.replace('"0"', '"5"'));
  });

  it('says which path leads nowhere', () => {
    const wrong = { ...paths, candidate: 'spec.http.0.route.2.weight' };
    assert.throws(() => withWeight(virtualService, wrong, 5), /no number at spec\.http\.0\.route\.2\.weight/u);
    assert.throws(() => withWeight(`${virtualService}---\n${virtualService}`, paths, 5), /2 documents have/u);
  });

  it('commits on the branch of the remote, leaves the work tree alone, and comes through when another push was first', () =>
    inTemporaryFolder(async (folder) => {
      const [remote, clone, other] = ['remote.git', 'clone', 'other'].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      const git = async (cwd: string, ...args: string[]): Promise<string> =>
        (
          await run('git', ['-C', cwd, '-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...args])
        ).stdout.trim();
      await mkdir(remote);
      await git(remote, 'init', '--quiet', '--bare', '--initial-branch=main');
      await run('git', ['clone', '--quiet', remote, clone]).catch(() => undefined);
      await git(clone, 'switch', '--quiet', '--create', 'main').catch(() => '');
      await writeFile(join(clone, 'vs.yaml'), virtualService);
      await git(clone, 'add', '.');
      await git(clone, 'commit', '--quiet', '--message', 'Start');
      await git(clone, 'push', '--quiet', 'origin', 'main');
      await run('git', ['clone', '--quiet', remote, other]);
      const weights = openWeights({ ...paths, repository: 'clone', branch: 'main' }, folder, {});
      assert.equal(await weights.read(), 0);
      await writeFile(join(other, 'unrelated.txt'), 'somebody else');
      await git(other, 'add', '.');
      await git(other, 'commit', '--quiet', '--message', 'Another change');
      await git(other, 'push', '--quiet', 'origin', 'main');
      await weights.write({ weight: 5, from: 0, expires: null });
      assert.equal(await weights.read(), 5);
      assert.equal(await git(remote, 'show', 'main:unrelated.txt'), 'somebody else');
      assert.match(await git(remote, 'show', 'main:vs.yaml'), /weight: 95 {3}# the rest/u);
      assert.equal(await readFile(join(clone, 'vs.yaml'), 'utf8'), virtualService);
      assert.equal(await git(clone, 'status', '--porcelain'), '');
      await assert.rejects(
        weights.write({ weight: 10, from: 1, expires: null }),
        /the weight is 5%.*another controller also sets this weight/su,
      );
      await git(other, 'pull', '--quiet', '--rebase');
    }));
});

describe('a weight elsewhere', () => {
  it('is written by a command without a shell, and read again', () =>
    inTemporaryFolder(async (folder) => {
      const write = [
        'node',
        '-e',
        'require("fs").writeFileSync("w", process.argv[1] + " " + process.argv[2])',
        '{weight}',
        '{rest}',
      ];
      const read = [
        'node',
        '-p',
        'require("fs").existsSync("w") ? require("fs").readFileSync("w", "utf8").split(" ")[0] : 0',
      ];
      const weights = openWeights({ read, write }, folder, {});
      assert.equal(await weights.read(), 0);
      await weights.write({ weight: 12.5, from: 0, expires: null });
      assert.equal(await readFile(join(folder, 'w'), 'utf8'), '12.5 87.5');
      const stubborn = openWeights({ read: ['node', '-p', '3'], write: ['node', '-p', '1'] }, folder, {});
      await assert.rejects(
        stubborn.write({ weight: 5, expires: null }),
        /the weight is 3%.*another controller also sets this weight/su,
      );
    }));

  it('is a file of nginx or HAProxy, which is told to read it again', () =>
    inTemporaryFolder(async (folder) => {
      const reload = ['node', '-e', 'require("fs").appendFileSync("reloads", "x")'];
      for (const [proxy, at5, at0] of [
        ['nginx', /^ {2}5% candidate;\n {2}\* champion;$/mu, /\{\n {2}\* champion;/u],
        ['haproxy', /^weight 500$/mu, /^weight 0$/mu],
      ] as const) {
        const weights = openWeights({ proxy, file: proxy, reload }, folder, {});
        assert.equal(await weights.read(), 0);
        await weights.write({ weight: 5, from: 0, expires: null });
        assert.match(await readFile(join(folder, proxy), 'utf8'), at5);
        assert.equal(await weights.read(), 5);
        await weights.write({ weight: 0, expires: null });
        assert.match(await readFile(join(folder, proxy), 'utf8'), at0);
        // After the promotion.
        await weights.write({ weight: 100, from: 0, expires: null });
        assert.equal(await weights.read(), 100);
        // A path that is absolute is that path.
        const same = openWeights({ proxy, file: join(folder, proxy), reload }, '/', {});
        assert.equal(await same.read(), 100);
        // What a proxy that could not reload has not taken must not come into force later.
        const stuck = openWeights({ proxy, file: proxy, reload: ['false'] }, folder, {});
        await weights.write({ weight: 0, expires: null });
        await assert.rejects(stuck.write({ weight: 25, from: 0, expires: null }), /false failed/u);
        assert.equal(await weights.read(), 0);
        const nowhere = openWeights({ proxy, file: 'none/there', reload }, folder, {});
        await assert.rejects(nowhere.write({ weight: 5, expires: null }), { name: 'TrafficError', message: /ENOENT/u });
      }
      assert.equal(await readFile(join(folder, 'reloads'), 'utf8'), 'x'.repeat(8));
    }));

  it('takes its token from the environment, and says which variable is missing', () => {
    assert.throws(
      () => openWeights({ server: 'http://127.0.0.1:1', token: 'T' }, '/', {}),
      /the variable T is not set/u,
    );
  });
});

describe('the split of users', () => {
  const users = Array.from({ length: 20_000 }, (_, index) => `user-${index}`);
  const shareAt = (weight: number, salt = 's'): string[] =>
    users.filter((user) => armOf(user, salt, weight) === 'candidate');

  it('gives the candidate its share within 1.5 points, and keeps whoever it has as the weight grows', () => {
    for (const weight of [1, 5, 25, 50]) {
      assert.ok(Math.abs(shareAt(weight).length / 200 - weight) < 1.5, `${weight}%`);
    }
    const later = new Set(shareAt(25));
    assert.ok(shareAt(5).every((user) => later.has(user)));
    assert.equal(shareAt(0).length, 0);
    assert.equal(shareAt(100).length, users.length);
  });

  it('draws other users for another candidate', () => {
    const both = new Set(shareAt(10, 'a'));
    const again = shareAt(10, 'b').filter((user) => both.has(user)).length;
    assert.ok(again / 20_000 < 0.02, String(again));
  });
});

describe('counters of Prometheus', () => {
  const arms = { champion: 'v1', candidate: 'v2' };
  const settings = (prometheus: string): Rollout => ({
    steps: [10],
    step_time: '1m',
    max_step_time: '2m',
    min_requests: 1,
    weights: { url: prometheus },
    observe: { prometheus, arms, requests: 'r{v="$arm"}', failures: { errors: 'e{v="$arm"}' } },
    guardrails: [{ name: 'errors', failure: 'error' }],
  });

  /** What is said of each look, where Prometheus answers these in turn. */
  async function looks(
    answers: readonly ((query: string) => unknown)[],
  ): Promise<{ fault: string | null; requests: unknown; errors: unknown }[]> {
    let look = 0;
    const server = createServer((request, response) => {
      const query = new URL(request.url ?? '', 'http://x').searchParams.get('query') ?? '';
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(answers[look]?.(query)));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const artifact = { role: 'model', uri: 'file:m', sha256: 'a'.repeat(64), size: 1 } as const;
    const artifacts = { champion: artifact, candidate: artifact };
    const observer = observePrometheus({
      settings: settings(url),
      pathOf: (file) => Promise.resolve(file),
      env: {},
      artifacts,
    });
    const told = [];
    try {
      for (; look < answers.length; look += 1) {
        const { steps, fault } = await observer.look([{ weight: 10, from: 0, to: null }], 1000 * look);
        told.push({ fault, requests: steps[0]?.requests, errors: steps[0]?.failures['errors'] });
      }
    } finally {
      server.close();
      server.closeAllConnections();
    }
    return told;
  }
  const vector = (...values: string[]): unknown => ({
    status: 'success',
    data: { resultType: 'vector', result: values.map((value) => ({ metric: {}, value: [0, value] })) },
  });
  const counts = (r1: number, r2: number, e1: number, e2: number) => (query: string) =>
    vector(String(query.startsWith('r') ? (query.includes('v1') ? r1 : r2) : query.includes('v1') ? e1 : e2));

  it('are differences of whole numbers between looks, and one in which a sum falls says nothing', async () => {
    const told = await looks([
      counts(1000, 10, 5, 0),
      counts(1900, 110, 9, 3),
      // A pod of the champion ended: what is left of its sum is no growth.
      counts(1200, 150, 6, 4),
      counts(1300, 180, 7, 5),
    ]);
    assert.match(told[2]?.fault ?? '', /requests of the champion fell from 1900 to 1200/u);
    assert.deepEqual(
      told.map(({ requests }) => requests),
      [
        { champion: 0, candidate: 0 },
        { champion: 900, candidate: 100 },
        { champion: 900, candidate: 100 },
        { champion: 1000, candidate: 130 },
      ],
    );
    assert.deepEqual(told.at(-1)?.errors, { champion: 5, candidate: 4 });
  });

  it('that are no number are a fault, and not no failures: a range, a native histogram', async () => {
    const other = (resultType: string, series: object) => (query: string) =>
      query.startsWith('r')
        ? counts(1000, 10, 0, 0)(query)
        : { status: 'success', data: { resultType, result: [{ metric: {}, ...series }] } };
    const range = other('matrix', { values: [[0, '7']] });
    const histogram = other('vector', { histogram: [0, { count: '7', sum: '9' }] });
    for (const [answer, told] of [
      [range, /errors for the champion.*gives a matrix, expected one number/u],
      [histogram, /errors for the champion.*gives a histogram, expected one number/u],
    ] as const) {
      const [look] = await looks([answer]);
      assert.match(look?.fault ?? '', told);
    }
  });

  it('that were not scraped for a moment are no data, and do not count twice when they are back', async () => {
    const gone = (query: string): unknown => (query.startsWith('e') ? vector() : counts(1100, 60, 0, 0)(query));
    const told = await looks([counts(1000, 10, 5, 1), gone, counts(1200, 110, 9, 3)]);
    assert.match(told[1]?.fault ?? '', /errors for the champion.*gives no series/u);
    assert.deepEqual(told.at(-1)?.errors, { champion: 4, candidate: 2 });
    assert.deepEqual(told.at(-1)?.requests, { champion: 200, candidate: 100 });
  });

  it('of failures may have no series before the first one, but Prometheus must know the metric', async () => {
    const none = (isKnown: boolean) => (query: string) =>
      query.startsWith('count(')
        ? isKnown
          ? vector('3')
          : vector()
        : query.startsWith('e')
          ? vector()
          : counts(9, 9, 0, 0)(query);
    const [known] = await looks([none(true)]);
    assert.equal(known?.fault, null);
    const [misspelt] = await looks([none(false)]);
    assert.match(misspelt?.fault ?? '', /knows no metric e\b.*or vector\(0\)/su);
  });

  it('are no data where the answer is empty, NaN, partial, of several series or an error', async () => {
    const good = counts(1000, 10, 5, 0);
    const told = await looks([
      () => vector(),
      () => vector('NaN'),
      () => ({ ...(vector('1') as object), warnings: ['a store was not reached'] }),
      () => vector('1', '2'),
      () => ({ status: 'error', error: 'parse error' }),
      good,
    ]);
    const expected = [
      /gives no series/u,
      /gives NaN/u,
      /partial answer: a store/u,
      /gives 2 series.*as with sum/u,
      /parse error/u,
    ];
    for (const [index, pattern] of expected.entries()) assert.match(told[index]?.fault ?? '', pattern);
    assert.equal(told.at(-1)?.fault, null);
  });
});
