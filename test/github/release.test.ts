import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { GitHubError } from '../../src/errors.ts';
import { makeRelease } from '../../src/github/release.ts';
import { faults, type Fault, type GitHubStandIn } from '../support/github-api/server.ts';
import type { Release } from '../support/github-api/state.ts';
import { sampleRelease, textAsset } from './sample-release.ts';
import { clientOf, repositoryName, withGitHub } from './with-github.ts';

const releases = (server: GitHubStandIn): Release[] => [...server.repository(repositoryName).releases.values()];

/** One published release with every file once, and its tag. */
async function assertWhole(server: GitHubStandIn): Promise<void> {
  const [release, ...others] = releases(server);
  assert.deepEqual(others, []);
  assert.equal(release?.draft, false);
  assert.deepEqual(release?.assets.map(({ name, bytes }) => `${name}: ${bytes.toString('utf8')}`).toSorted(), [
    'candidate.onnx: the model',
    'decision.json: {}',
    'model-card.md: # Card',
  ]);
  assert.match(release?.body ?? '', /^Better\./u);
  assert.match(await server.repository(repositoryName).git.git('for-each-ref', 'refs/tags'), /spam-filter@v1\.1\.0/u);
}

const isWrite = ({ method }: { method: string }): boolean => method !== 'GET';

describe('a release', () => {
  test('is made, and left as it is by a second run', () =>
    withGitHub(async (server) => {
      assert.equal((await makeRelease(clientOf(server), sampleRelease())).action, 'created');
      await assertWhole(server);
      const before = server.requests.filter(isWrite).length;
      assert.equal((await makeRelease(clientOf(server), sampleRelease())).action, 'unchanged');
      assert.equal(server.requests.filter(isWrite).length, before, 'nothing is written');
    }));

  test('is seen by nobody before its last file is there', () =>
    withGitHub(async (server) => {
      const published: boolean[] = [];
      server.failBy((request) => {
        if (isWrite(request)) published.push(releases(server).some(({ draft }) => !draft));
        return null;
      });
      await makeRelease(clientOf(server), sampleRelease());
      assert.deepEqual(published, [false, false, false, false, false]);
    }));

  const cuts: [string, Fault][] = [
    ['before it is carried out', 'hang'],
    ['after it is carried out, before the answer', 'hang-after'],
  ];
  for (const [when, fault] of cuts) {
    test(`killed at any request ${when} is completed by the next run`, async () => {
      for (let step = 0; step < 5; step += 1) {
        await withGitHub(async (server) => {
          const [program, token] = [fileURLToPath(new URL('./release-process.js', import.meta.url)), server.token()];
          const child = spawn(process.execPath, [program, server.url, token, repositoryName], { stdio: 'ignore' });
          const gone = new Promise((done) => child.on('close', done));
          let seen = 0;
          server.failBy((request) => {
            if (!isWrite(request) || seen++ !== step) return null;
            // What the request does, it does now; the process learns nothing of it.
            setTimeout(() => child.kill('SIGKILL'), 50);
            return fault;
          });
          await gone;
          assert.equal(child.signalCode, 'SIGKILL', `step ${step}`);
          server.failBy(null);
          await makeRelease(clientOf(server), sampleRelease());
          await assertWhole(server);
        });
      }
    });
  }

  test('is one and whole although answers are lost, late and wrong', () =>
    withGitHub(async (server) => {
      let count = 0;
      const kinds: Fault[] = ['reset-after', faults.badGateway, faults.secondaryLimit(0), 'reset', 'reset-after'];
      server.failBy(() => (count++ % 3 === 1 ? (kinds[count % kinds.length] ?? null) : null));
      for (let attempt = 0; attempt < 5; attempt += 1) {
        // A run may give up; the next goes on.
        await makeRelease(clientOf(server), sampleRelease()).catch((error: unknown) =>
          assert.ok(error instanceof GitHubError),
        );
      }
      server.failBy(null);
      await makeRelease(clientOf(server), sampleRelease());
      await assertWhole(server);
    }));

  test('replaces a draft file that was cut off', () =>
    withGitHub(async (server) => {
      server.fail(faults.serverError, {
        when: ({ method, name }) => method === 'PATCH' && name.includes('/releases/'),
        times: 6,
      });
      await assert.rejects(makeRelease(clientOf(server), sampleRelease()), GitHubError);
      const [draft] = releases(server);
      assert.equal(draft?.draft, true);
      const model = draft?.assets.find(({ name }) => name === 'candidate.onnx');
      assert.ok(model !== undefined);
      model.bytes = Buffer.from('the mod');
      assert.equal((await makeRelease(clientOf(server), sampleRelease())).action, 'completed');
      await assertWhole(server);
    }));

  test('that is published with another model is an error, and is left as it is', () =>
    withGitHub(async (server) => {
      await makeRelease(clientOf(server), sampleRelease());
      const other = sampleRelease({ assets: [textAsset('candidate.onnx', 'another!!')] });
      await assert.rejects(
        makeRelease(clientOf(server), other),
        (error) =>
          error instanceof GitHubError &&
          error.kind === 'refused' &&
          /candidate\.onnx of the published release differs from the recorded file/u.test(error.message),
      );
      await assertWhole(server);
    }));

  test('that is published keeps documents that would be worded otherwise today, and gets files that it lacks', () =>
    withGitHub(async (server) => {
      await makeRelease(clientOf(server), sampleRelease());
      const now = sampleRelease({
        assets: [textAsset('model-card.md', '# Another card', false), textAsset('new.json', '[]')],
      });
      assert.equal((await makeRelease(clientOf(server), now)).action, 'completed');
      const names = releases(server)[0]?.assets.map(({ name, bytes }) => `${name} ${bytes.toString('utf8')}`);
      assert.ok(names?.includes('model-card.md # Card'));
      assert.ok(names?.includes('new.json []'));
    }));

  test('takes no more files along than it was to have, of an earlier run or a person', () =>
    withGitHub(async (server) => {
      server.fail(faults.serverError, { when: ({ method }) => method === 'PATCH', times: 6 });
      const more = sampleRelease({ assets: [...sampleRelease().assets, textAsset('old.json', '[]')] });
      await assert.rejects(makeRelease(clientOf(server), more), GitHubError);
      assert.equal(releases(server)[0]?.assets.length, 4);
      await makeRelease(clientOf(server), sampleRelease());
      await assertWhole(server);
    }));

  test('is the latest of the repository only where it is to be', () =>
    withGitHub(async (server) => {
      const latest = async (): Promise<string> =>
        (await clientOf(server).request('GET /repos/{owner}/{repo}/releases/latest', {})).tag_name;
      await makeRelease(clientOf(server), sampleRelease());
      await makeRelease(clientOf(server), sampleRelease({ tag: 'spam-filter@v1.0.0', latest: false }));
      assert.equal(await latest(), 'spam-filter@v1.1.0');
      await makeRelease(clientOf(server), sampleRelease({ tag: 'spam-filter@v1.2.0' }));
      assert.equal(await latest(), 'spam-filter@v1.2.0');
    }));

  test("leaves a person's draft of the same tag alone", () =>
    withGitHub(async (server) => {
      await clientOf(server).request('POST /repos/{owner}/{repo}/releases', {
        tag_name: sampleRelease().tag,
        body: 'By hand',
        draft: true,
      });
      await makeRelease(clientOf(server), sampleRelease());
      assert.deepEqual(
        releases(server).map(({ draft, body }) => [draft, body?.split('\n')[0]]),
        [
          [true, 'By hand'],
          [false, 'Better.'],
        ],
      );
    }));

  test('is refused to a token without the permission, with the YAML to add', () =>
    withGitHub(async (server) => {
      await assert.rejects(
        makeRelease(clientOf(server, { permissions: { contents: 'read' } }), sampleRelease()),
        (error) =>
          error instanceof GitHubError &&
          error.kind === 'permission' &&
          /permissions:\n {2}contents: write/u.test(error.message),
      );
    }));
});
