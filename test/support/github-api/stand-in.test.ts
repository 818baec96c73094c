import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { GitHubError } from '../../../src/errors.ts';
import type { GitHub } from '../../../src/github/client.ts';
import { clientOf, repositoryName, withGitHub } from '../../github/with-github.ts';
import { inTemporaryFolder } from '../project.ts';

const run = promisify(execFile);

describe('what is written through the API', () => {
  test('is a git repository that git finds nothing wrong with', () =>
    withGitHub(async (server) => {
      const client = clientOf(server);
      const head = await headOf(client, 'heads/main');
      const commit = await commitFiles(client, head, { 'a/b.txt': 'one\n', 'a.txt': 'two\n', 'a-b': 'three\n' });
      await client.request('PATCH /repos/{owner}/{repo}/git/refs/{ref}', { ref: 'heads/main', sha: commit });
      const tag = await client.request('POST /repos/{owner}/{repo}/git/tags', {
        tag: 'm@v1.0.0',
        message: 'Champion\n',
        object: commit,
        type: 'commit',
      });
      await client.request('POST /repos/{owner}/{repo}/git/refs', { ref: 'refs/tags/m@v1.0.0', sha: tag.sha });
      await commitOnBranch(client, 'main', commit, { 'bytes.gz': Buffer.from([0, 255, 13, 10]) });
      const { git } = server.repository(repositoryName);
      await git.git('fsck', '--strict', '--full');
      assert.deepEqual((await git.git('ls-tree', '-r', '--name-only', 'main')).split('\n'), [
        'README.md',
        'a-b',
        'a.txt',
        'a/b.txt',
        'bytes.gz',
      ]);
      assert.equal(await git.git('cat-file', '-t', 'm@v1.0.0'), 'tag');
      assert.equal(await git.git('rev-list', '--count', 'main'), '3');
      assert.deepEqual((await git.read('refs/heads/main:bytes.gz'))?.bytes, Buffer.from([0, 255, 13, 10]));
    }));

  test('is what git clones, and what git pushes is what the API reads', () =>
    withGitHub((server) =>
      inTemporaryFolder(async (folder) => {
        const token = server.token();
        const url = `${server.site.replace('//', `//x-access-token:${token}@`)}/${repositoryName}.git`;
        await run('git', ['clone', '--quiet', url, join(folder, 'clone')]);
        const git = (...args: string[]) =>
          run('git', [
            '-C',
            join(folder, 'clone'),
            '-c',
            'user.name=Ada',
            '-c',
            'user.email=a@example.invalid',
            ...args,
          ]);
        await writeFile(join(folder, 'clone/new.txt'), 'new\n');
        await git('add', '.');
        await git('commit', '--quiet', '-m', 'New');
        await git('push', '--quiet');
        const client = clientOf(server);
        const file = await client.request('GET /repos/{owner}/{repo}/contents/{path}', { path: 'new.txt' });
        assert.equal('content' in file && Buffer.from(file.content, 'base64').toString(), 'new\n');
        server.protect(repositoryName, { ref: 'refs/heads/main' });
        await git('commit', '--quiet', '--allow-empty', '-m', 'Refused');
        await assert.rejects(git('push', '--quiet'), /GH013: Repository rule violations found[\s\S]*pull request/u);
      }),
    ));
});

describe('refs', () => {
  test('move forward only, unless forced', () =>
    withGitHub(async (server) => {
      const client = clientOf(server);
      const head = await headOf(client, 'heads/main');
      const [one, two] = [await commitFiles(client, head, { a: '1' }), await commitFiles(client, head, { a: '2' })];
      const move = (sha: string, force = false) =>
        client.request('PATCH /repos/{owner}/{repo}/git/refs/{ref}', { ref: 'heads/main', sha, force });
      await move(one);
      await assert.rejects(move(two), says('conflict', /422: Update is not a fast forward/u));
      await move(two, true);
      assert.equal(await headOf(client, 'heads/main'), two);
    }));

  test('are created once', () =>
    withGitHub(async (server) => {
      const client = clientOf(server);
      const sha = await headOf(client, 'heads/main');
      const create = () => client.request('POST /repos/{owner}/{repo}/git/refs', { ref: 'refs/heads/new', sha });
      await create();
      await assert.rejects(create(), says('exists', /422: Reference already exists/u));
    }));

  test('move together or not at all', () =>
    withGitHub(async (server) => {
      const client = clientOf(server);
      const head = await headOf(client, 'heads/main');
      const next = await commitFiles(client, head, { a: '1' });
      const repositoryId = `R_${repositoryName}`;
      const update = (refUpdates: object[]) =>
        client.graphql('mutation Move($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }', {
          input: { repositoryId, refUpdates },
        });
      const branch = { name: 'refs/heads/main', beforeOid: head, afterOid: next };
      await assert.rejects(
        update([branch, { name: 'refs/tags/t', beforeOid: head, afterOid: next }]),
        says('conflict', /cannot be updated/u),
      );
      assert.equal(await headOf(client, 'heads/main'), head);
      await update([branch, { name: 'refs/tags/t', beforeOid: '0'.repeat(40), afterOid: next }]);
      assert.equal(await headOf(client, 'heads/main'), next);
      assert.equal(await headOf(client, 'tags/t'), next);
    }));

  test('of an empty repository answer 409', () =>
    withGitHub(async (server) => {
      await server.create('acme/empty', { files: {} });
      const client = clientOf(server, {}, { repository: 'acme/empty' });
      await assert.rejects(headOf(client, 'heads/main'), /409: Git Repository is empty/u);
    }));
});

describe('createCommitOnBranch', () => {
  test('commits only on the head it expects, and signs', () =>
    withGitHub(async (server) => {
      const client = clientOf(server);
      const head = await headOf(client, 'heads/main');
      const oid = await commitOnBranch(client, 'main', head, { a: Buffer.from('1') });
      await assert.rejects(
        commitOnBranch(client, 'main', head, { a: Buffer.from('2') }),
        says('conflict', /Expected branch to point to "[0-9a-f]{40}" but it did not/u),
      );
      const { verification } = await client.request('GET /repos/{owner}/{repo}/git/commits/{commit_sha}', {
        commit_sha: oid,
      });
      assert.equal(verification.verified, true);
    }));

  for (const kind of ['branch-protection', 'ruleset'] as const) {
    test(`is refused by a ${kind}, and so is moving the ref`, () =>
      withGitHub(async (server) => {
        server.protect(repositoryName, { ref: 'refs/heads/main', kind });
        const client = clientOf(server);
        const head = await headOf(client, 'heads/main');
        await assert.rejects(commitOnBranch(client, 'main', head, { a: Buffer.from('1') }), says('rules', /./u));
        const sha = await commitFiles(client, head, { a: '1' });
        await assert.rejects(
          client.request('PATCH /repos/{owner}/{repo}/git/refs/{ref}', { ref: 'heads/main', sha }),
          says('rules', /422/u),
        );
        assert.equal(await headOf(client, 'heads/main'), head);
      }));
  }

  test('needs contents: write', () =>
    withGitHub(async (server) => {
      const head = await headOf(clientOf(server), 'heads/main');
      const reader = clientOf(server, { permissions: { contents: 'read' } });
      await assert.rejects(
        commitOnBranch(reader, 'main', head, { a: Buffer.from('1') }),
        says('permission', /contents: write/u),
      );
    }));
});

describe('pull requests', () => {
  test('are opened once for a branch, need the reviews the rules ask for, and merge into real git', () =>
    withGitHub(async (server) => {
      server.protect(repositoryName, { ref: 'refs/heads/main', approvals: 1 });
      const client = clientOf(server);
      const head = await headOf(client, 'heads/main');
      const sha = await commitFiles(client, head, { 'new.txt': 'x' });
      await client.request('POST /repos/{owner}/{repo}/git/refs', { ref: 'refs/heads/topic', sha });
      const open = () =>
        client.request('POST /repos/{owner}/{repo}/pulls', { title: 'T', head: 'topic', base: 'main' });
      const { number } = await open();
      await assert.rejects(open(), says('exists', /A pull request already exists for acme:topic/u));
      const files = await client.list('GET /repos/{owner}/{repo}/pulls/{pull_number}/files', { pull_number: number });
      assert.deepEqual(
        files.map(({ filename, status }) => [filename, status]),
        [['new.txt', 'added']],
      );
      const merge = () =>
        client.request('PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge', {
          pull_number: number,
          merge_method: 'squash',
        });
      await assert.rejects(merge(), /405: At least 1 approving review is required/u);
      const reviewer = clientOf(server, { type: 'User', login: 'grace' });
      await reviewer.request('POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews', {
        pull_number: number,
        event: 'APPROVE',
      });
      const merged = await merge();
      assert.equal(await headOf(client, 'heads/main'), merged.sha);
      assert.equal(await server.repository(repositoryName).git.git('show', 'main:new.txt'), 'x');
    }));
});

test('a check run takes fifty annotations a call, and adds them up', () =>
  withGitHub(async (server) => {
    const client = clientOf(server);
    const head_sha = await headOf(client, 'heads/main');
    const note = { path: 'a', start_line: 1, end_line: 1, annotation_level: 'failure' as const, message: 'm' };
    const output = (count: number) => ({
      title: 't',
      summary: 's',
      annotations: Array.from({ length: count }, () => note),
    });
    const create = (count: number) =>
      client.request('POST /repos/{owner}/{repo}/check-runs', { name: 'gate', head_sha, output: output(count) });
    await assert.rejects(create(51), /50 items/u);
    const { id } = await create(50);
    await client.request('PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}', {
      check_run_id: id,
      status: 'completed',
      conclusion: 'neutral',
      output: output(3),
    });
    const found = await client.list('GET /repos/{owner}/{repo}/check-runs/{check_run_id}/annotations', {
      check_run_id: id,
    });
    assert.equal(found.length, 53);
  }));

test('a draft release becomes public with its assets, and then has its tag', () =>
  withGitHub(async (server) => {
    const client = clientOf(server);
    const draft = await client.request('POST /repos/{owner}/{repo}/releases', { tag_name: 'm@v1.0.0', draft: true });
    assert.equal(await client.find('GET /repos/{owner}/{repo}/releases/tags/{tag}', { tag: 'm@v1.0.0' }), null);
    const file = { name: 'model.onnx', type: 'application/octet-stream', bytes: new Uint8Array([1, 2, 3]) };
    const upload = () => client.upload(draft.upload_url, file);
    const asset = await upload();
    await assert.rejects(upload(), says('exists', /already_exists/u));
    await client.request('PATCH /repos/{owner}/{repo}/releases/{release_id}', { release_id: draft.id, draft: false });
    assert.equal(await headOf(client, 'tags/m@v1.0.0'), await headOf(client, 'heads/main'));
    const bytes = await client.bytes('GET /repos/{owner}/{repo}/releases/assets/{asset_id}', {
      asset_id: asset.id,
      headers: { accept: 'application/octet-stream' },
    });
    assert.deepEqual(bytes, Buffer.from([1, 2, 3]));
  }));

test('a query with a field that GitHub does not have is refused', () =>
  withGitHub(async (server) => {
    await assert.rejects(
      clientOf(server).graphql('query Q { viewer { champion } }', {}),
      /Cannot query field "champion"/u,
    );
  }));

test('a token sees nothing of a private repository without contents', () =>
  withGitHub(async (server) => {
    await assert.rejects(
      headOf(clientOf(server, { permissions: {} }), 'heads/main'),
      says('permission', /contents: read/u),
    );
  }));

test('a stale answer shows a branch as it was before it last moved', () =>
  withGitHub(async (server) => {
    const client = clientOf(server);
    const before = await headOf(client, 'heads/main');
    const after = await commitOnBranch(client, 'main', before, { a: Buffer.from('1') });
    server.fail('stale');
    assert.equal(await headOf(client, 'heads/main'), before);
    assert.equal(await headOf(client, 'heads/main'), after);
  }));

async function headOf(client: GitHub, ref: string): Promise<string> {
  return (await client.request('GET /repos/{owner}/{repo}/git/ref/{ref}', { ref })).object.sha;
}

async function commitFiles(client: GitHub, parent: string, files: Record<string, string>): Promise<string> {
  const { sha: tree } = await client.request('POST /repos/{owner}/{repo}/git/trees', {
    base_tree: parent,
    tree: Object.entries(files).map(([path, content]) => ({ path, mode: '100644', type: 'blob', content })),
  });
  const commit = await client.request('POST /repos/{owner}/{repo}/git/commits', {
    tree,
    parents: [parent],
    message: 'Commit',
  });
  return commit.sha;
}

async function commitOnBranch(
  client: GitHub,
  branchName: string,
  expectedHeadOid: string,
  files: Record<string, Buffer>,
): Promise<string> {
  const additions = Object.entries(files).map(([path, bytes]) => ({ path, contents: bytes.toString('base64') }));
  const input = {
    branch: { repositoryNameWithOwner: repositoryName, branchName },
    expectedHeadOid,
    message: { headline: 'Commit' },
    fileChanges: { additions },
  };
  const answer = await client.graphql<{ createCommitOnBranch: { commit: { oid: string } } }>(
    'mutation Commit($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }',
    { input },
  );
  return answer.createCommitOnBranch.commit.oid;
}

function says(kind: string, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof GitHubError, String(error));
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, message);
    return true;
  };
}
