import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { contender, gateRepository } from '../support/gate-repository.ts';
import { startGitHub } from '../support/github-api/server.ts';
import { inTemporaryFolder } from '../support/project.ts';

describe('a registry kept through the API of GitHub', () => {
  test('is written and read by the command line, with the clone left as it was', () =>
    inTemporaryFolder(async (folder) => {
      const hub = await startGitHub(join(folder, 'hub'));
      try {
        const { git } = await hub.create('acme/models', { files: {} });
        const clone = await gateRepository(join(folder, 'clone'));
        await clone.configure('path: registry', 'path: registry\n  store: github');
        await clone.git('push', '--quiet', '--force', git.folder, 'main');
        const before = await clone.git('rev-parse', 'HEAD');
        const register = ['registry', 'register', '--artifact', 'models/champion.onnx'];
        const env = {
          GITHUB_REPOSITORY: 'acme/models',
          GITHUB_API_URL: hub.url,
          GITHUB_TOKEN: hub.token({ permissions: { contents: 'write' } }),
        };

        const alone = await contender(clone.folder, register);
        assert.equal(alone.code, 2);
        assert.match(alone.stderr, /registry\.store: registry\.store is github, but there is no repository/u);
        const reader = { ...env, GITHUB_TOKEN: hub.token({ permissions: { contents: 'read' } }) };
        const refused = await contender(clone.folder, register, reader);
        assert.equal(refused.code, 2);
        assert.match(refused.stderr, /contents: write/u);
        assert.doesNotMatch(refused.stderr, new RegExp(reader.GITHUB_TOKEN, 'u'));

        const registered = await contender(clone.folder, register, env);
        assert.equal(registered.code, 0, registered.stderr);
        assert.match(registered.stdout, /spam-filter 1\.0\.0 is champion\. Recorded in commit/u);
        assert.equal(await clone.git('rev-parse', 'HEAD'), before);
        assert.equal(await clone.git('status', '--porcelain'), '');
        assert.match(await git.git('cat-file', 'commit', 'model-registry'), /^gpgsig /mu);

        const again = await contender(clone.folder, register, env);
        assert.match(again.stdout, /is already champion; nothing was added/u);
        const models = await contender(clone.folder, ['registry', 'show'], env);
        assert.match(models.stdout, /spam-filter +1\.0\.0/u);
        // An event that nobody can read changes nothing, and is not spoken of among the results.
        await writeFile(join(folder, 'event.json'), '{');
        for (const event of ['event.json', 'no-event.json']) {
          const shown = await contender(clone.folder, ['registry', 'show'], {
            ...env,
            GITHUB_EVENT_PATH: join(folder, event),
          });
          assert.deepEqual(shown, models);
        }
        const shown = await contender(clone.folder, ['registry', 'show', 'spam-filter'], env);
        assert.match(shown.stdout, /champion 1\.0\.0/u);
        const why = await contender(clone.folder, ['registry', 'why'], env);
        assert.match(why.stdout, /Why 1\.0\.0 is the champion\n\nREGISTERED  spam-filter/u);
        const diff = await contender(clone.folder, ['registry', 'diff', '1.0.0..'], env);
        assert.match(
          diff.stdout,
          /2\.55 KiB, unchanged\nInputs and outputs: not known for both versions\nPolicy: unchanged/u,
        );
        const validated = await contender(clone.folder, ['validate', '--json'], env);
        const [first] = (JSON.parse(validated.stdout) as { checks: { id: string }[] }).checks;
        const waive = ['registry', 'waive', '--check', first?.id ?? '', '--until', '30d', '--reason', 'known'];
        const waived = await contender(clone.folder, waive, env);
        assert.match(waived.stdout, / of spam-filter is waived until .* Recorded/u, waived.stderr);
        assert.equal((await contender(clone.folder, ['registry', 'verify'], env)).code, 0);
      } finally {
        await hub.close();
      }
    }));

  test('makes a release of what is on a branch of GitHub that the clone does not have', () =>
    inTemporaryFolder(async (folder) => {
      const hub = await startGitHub(join(folder, 'hub'));
      try {
        const { git, releases } = await hub.create('acme/models', { files: {} });
        const clone = await gateRepository(join(folder, 'clone'));
        await clone.configure('path: registry', 'path: registry\n  store: github\n  branch: decisions');
        await clone.git('push', '--quiet', '--force', git.folder, 'main', 'main:decisions');
        const sha = await clone.git('rev-parse', 'HEAD');
        const env = { ...hub.environment('acme/models'), GITHUB_TOKEN: hub.token(), GITHUB_SHA: sha };
        const registered = await contender(
          clone.folder,
          ['registry', 'register', '--artifact', 'models/champion.onnx'],
          env,
        );
        assert.equal(registered.code, 0, registered.stderr);
        await clone.git('tag', 'spam-filter@v1.0.0');
        const released = await contender(clone.folder, ['release'], env);
        assert.equal(released.code, 0, released.stderr);
        assert.deepEqual(
          [...releases.values()].map(({ tag_name: tag, draft, latest }) => [tag, draft, latest]),
          [['spam-filter@v1.0.0', false, true]],
        );
        // Its tag is the one that a registry with tags has.
        await clone.configure('store: github', 'store: github\n  tags: gto');
        assert.match((await contender(clone.folder, ['registry', 'tag'], env)).stdout, /#champion#1/u);
        const verified = await contender(clone.folder, ['registry', 'verify'], env);
        assert.equal(verified.code, 0, verified.stdout);
      } finally {
        await hub.close();
      }
    }));

  test('says that a promotion is pending where people must merge it, with an exit code that stops what follows', () =>
    inTemporaryFolder(async (folder) => {
      const hub = await startGitHub(join(folder, 'hub'));
      try {
        const { git, pulls } = await hub.create('acme/models', { files: {} });
        const clone = await gateRepository(join(folder, 'clone'));
        await clone.configure('path: registry', 'path: registry\n  store: github\n  branch: main');
        await clone.git('push', '--quiet', '--force', git.folder, 'main');
        hub.protect('acme/models', { ref: 'refs/heads/main' });
        const env = {
          GITHUB_REPOSITORY: 'acme/models',
          GITHUB_API_URL: hub.url,
          GITHUB_TOKEN: hub.token({ permissions: { contents: 'write', 'pull-requests': 'write' } }),
        };
        const register = ['registry', 'register', '--artifact', 'models/champion.onnx'];
        const registered = await contender(clone.folder, register, env);
        assert.equal(registered.code, 3, registered.stderr);
        const where = `${hub.site}/acme/models/pull/1`;
        assert.ok(registered.stdout.includes(`not yet champion. Not active until pull request 1 is merged: ${where}`));
        const shown = await contender(clone.folder, ['registry', 'show', 'spam-filter'], env);
        assert.match(shown.stdout, /Pending: 1\.0\.0 registered\n +Not active until its pull request is merged/u);
        assert.ok(shown.stdout.includes(where));
        const json = await contender(clone.folder, ['registry', 'show', 'spam-filter', '--json'], env);
        assert.equal((JSON.parse(json.stdout) as { pending: { pullRequest: string } }).pending.pullRequest, where);
        assert.equal(pulls.get(1)?.title, 'Promote spam-filter 1.0.0');

        await clone.propose('spam/models/champion.onnx');
        const unpushed = await contender(clone.folder, register, env);
        assert.equal(unpushed.code, 2);
        assert.match(
          unpushed.stderr,
          /acme\/models: commit [0-9a-f]{12}, which contains the model, exists only in this clone.*git push/su,
        );

        await clone.configure('store: github', 'store: git\n  pull_request: always');
        const local = await contender(clone.folder, ['registry', 'show'], env);
        assert.equal(local.code, 2);
        assert.match(local.stderr, /registry\.pull_request: always with the store in git/u);

        await clone.configure('pull_request: always', 'artifacts_yaml: true');
        const untagged = await contender(clone.folder, ['registry', 'show'], env);
        assert.equal(untagged.code, 2);
        assert.match(untagged.stderr, /registry\.artifacts_yaml without tags.*Set registry\.tags: gto/su);
      } finally {
        await hub.close();
      }
    }));
});
