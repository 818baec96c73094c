import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { silentLog } from '../../../src/log.ts';
import { diagnose, type Finding } from '../../../src/pipeline/doctor/doctor.ts';
import { repositoryName, withGitHub } from '../../github/with-github.ts';
import { commandLine, contender, gateRepository } from '../../support/gate-repository.ts';
import type { GitHubStandIn, TokenInput } from '../../support/github-api/server.ts';
import { inTemporaryFolder } from '../../support/project.ts';

const noAccess = { repository: undefined, token: undefined, apiUrl: undefined };

function look(root: string, github = noAccess as Parameters<typeof diagnose>[0]['github']): Promise<Finding[]> {
  return diagnose({ root, config: 'contender.yml', out: '.contender', github, log: silentLog });
}

function told(findings: readonly Finding[], name: string): string {
  const found = findings.find((finding) => finding.name === name);
  return found === undefined ? 'nothing' : `${found.status}: ${found.found}`;
}

describe('what doctor says of a clone and its files', () => {
  test('in order, with one line for each thing, and nothing written', () =>
    inTemporaryFolder(async (folder) => {
      const { git } = await gateRepository(folder);
      const { code, stdout, stderr } = await contender(folder, ['doctor', '--json']);
      assert.equal(code, 0, stderr);
      const { problems, findings } = JSON.parse(stdout) as { problems: number; findings: Finding[] };
      assert.equal(problems, 0);
      assert.equal(told(findings, 'contender.yml'), 'ok: valid; model spam-filter');
      assert.match(told(findings, 'spam-filter: candidate'), /^ok: models\/candidate\.onnx, 371 KiB/u);
      assert.match(told(findings, 'Registry: spam-filter'), /^note: no champion on model-registry/u);
      assert.equal(await git('status', '--porcelain', '--ignored'), '');
    }));

  test('folders that this user may not write in, where a gate writes', () =>
    inTemporaryFolder(async (folder) => {
      await gateRepository(folder);
      await promisify(execFile)('git', ['-C', folder, 'config', '--global', '--add', 'safe.directory', '*'], {
        env: { ...process.env, HOME: folder },
      });
      for (const each of [folder, join(folder, '.git/objects')]) await chmod(each, 0o555);
      // Root may write everything: it tries as a user of no rights.
      const asNobody = ['setpriv', '--reuid=65534', '--clear-groups', process.execPath];
      const [program = process.execPath, ...first] = process.getuid?.() === 0 ? asNobody : [];
      const env = { PATH: process.env['PATH'] ?? '', HOME: folder };
      const { stdout } = await promisify(execFile)(program, [...first, commandLine, 'doctor', '--json'], {
        cwd: folder,
        env,
      }).catch((error: { stdout: string }) => error);
      const { findings } = JSON.parse(stdout) as { findings: Finding[] };
      for (const each of [folder, join(folder, '.git/objects')]) await chmod(each, 0o755);
      assert.match(told(findings, 'Output'), /^problem: .* cannot be written to \(EACCES\)/u);
      assert.match(told(findings, 'Repository'), /^problem: .*\.git\/objects cannot be written to \(EACCES\)/u);
    }));

  test('a file that is a pointer, one that is not there and a shallow clone, each with what to do', () =>
    inTemporaryFolder(async (folder) => {
      const { commit } = await gateRepository(join(folder, 'origin'));
      await commit('Another');
      const clone = join(folder, 'clone');
      await promisify(execFile)('git', ['clone', '--quiet', '--depth=1', `file://${join(folder, 'origin')}`, clone]);
      const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 12\n`;
      await writeFile(join(clone, 'models', 'candidate.onnx'), pointer);
      await rm(join(clone, 'data', 'eval.parquet'));
      const findings = await look(clone);
      assert.match(told(findings, 'spam-filter: candidate'), /^problem: .* is a Git LFS pointer/u);
      assert.equal(told(findings, 'spam-filter: data.evaluation'), 'problem: data/eval.parquet does not exist');
      assert.match(told(findings, 'History'), /^problem: the clone is shallow/u);
      assert.ok(findings.every(({ status, remedy }) => (status === 'ok') === (remedy === undefined)));
      assert.match(told(findings, 'Remote'), /^note: .*decisions stay in the clone that records them/u);
    }));

  test('a commit that the remote does not have, where decisions are pushed to it', () =>
    inTemporaryFolder(async (folder) => {
      const { git, configure } = await gateRepository(join(folder, 'work'));
      await promisify(execFile)('git', ['init', '--quiet', '--template=', '--bare', join(folder, 'bare')]);
      await git('remote', 'add', 'origin', join(folder, 'bare'));
      await configure('registry:', 'registry:\n  push: origin');
      const remote = async (): Promise<string> => told(await look(join(folder, 'work')), 'Remote');
      assert.match(await remote(), /^note: .*does not have the commit that is checked out/u);
      await git('push', '--quiet', 'origin', 'HEAD');
      assert.match(await remote(), /^ok: /u);
    }));

  test('an address that is a secret, without the secret', () =>
    inTemporaryFolder(async (folder) => {
      const { configure } = await gateRepository(folder);
      const uri = 'https://models.example/m.onnx?X-Amz-Signature=s3cret';
      await configure('candidate: models/candidate.onnx', `candidate: { uri: '${uri}', sha256: ${'a'.repeat(64)} }`);
      const candidate = told(await look(folder), 'spam-filter: candidate');
      assert.match(candidate, /^problem: models\.spam-filter\.candidate: .* a secret \(X-Amz-Signature\)/u);
      assert.doesNotMatch(candidate, /s3cret/u);
    }));

  test('data in several files, by the first of them, and none at an address', () =>
    inTemporaryFolder(async (folder) => {
      const { configure } = await gateRepository(folder);
      await mkdir(join(folder, 'data/day=1'));
      await rename(join(folder, 'data/eval.parquet'), join(folder, 'data/day=1/a.parquet'));
      const evaluation = async (from: string, to: string): Promise<string> => {
        await configure(`evaluation: ${from}`, `evaluation: ${to}`);
        const found = (await look(folder)).find(({ name }) => name.startsWith('spam-filter: data.evaluation'));
        return found === undefined ? 'nothing' : `${found.name}: ${found.status}: ${found.found}`;
      };
      const first = /^spam-filter: data\.evaluation \(first of 1\): ok: data\/day=1\/a\.parquet, /u;
      assert.match(await evaluation('data/eval.parquet', 'data'), first);
      assert.match(await evaluation('data', 'data/day=*/*.parquet'), first);
      assert.match(await evaluation('data/day=*/*.parquet', 'data/*.csv'), /problem: data\/\*\.csv: no file matches/u);
      assert.equal(
        await evaluation('data/*.csv', `https://data.example/e.parquet#sha256=${'0'.repeat(64)}`),
        'nothing',
      );
    }));

  test('a configuration that is wrong is a problem, and the rest is looked at all the same', () =>
    inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'contender.yml'), 'version: 1\nmodels: {}\n');
      const findings = await look(folder);
      assert.match(told(findings, 'contender.yml'), /^problem: .*models/u);
      assert.match(told(findings, 'Repository'), /^problem: .*is not in a git repository/u);
      assert.match(told(findings, 'Node'), /^ok/u);
      const { code, stdout } = await contender(folder, ['doctor']);
      assert.equal(code, 1);
      assert.match(stdout, /2 problems: see above\./u);
    }));
});

describe('what doctor says of GitHub', () => {
  const onGitHub = (
    registry: string,
    prepare: (server: GitHubStandIn) => void,
    token: TokenInput = {},
  ): Promise<Finding[]> =>
    withGitHub((server) =>
      inTemporaryFolder(async (folder) => {
        const { configure } = await gateRepository(folder);
        const text = await readFile(join(folder, 'contender.yml'), 'utf8');
        await configure(text.slice(text.indexOf('registry:')), `registry: ${registry}\n`);
        prepare(server);
        const access = { repository: repositoryName, token: server.token(token), apiUrl: server.url };
        const findings = await look(folder, access);
        // The registry is read by queries of GraphQL, which are sent as POST.
        const writes = server.requests.filter(
          ({ method, name }) => method !== 'GET' && !name.startsWith('graphql query '),
        );
        assert.deepEqual(writes, []);
        assert.equal(server.repository(repositoryName).before.size, 0);
        return findings;
      }),
    );

  test('the switch for pull requests matters where decisions may wait in one', async () => {
    const off = (server: GitHubStandIn): void => {
      server.repository(repositoryName).workflowsMakePulls = false;
    };
    const name = 'Pull requests by workflows';
    const asks = await onGitHub('{ store: github }', off);
    assert.match(told(asks, name), /^problem: not allowed/u);
    const never = await onGitHub('{ store: github, pull_request: never }', off);
    assert.match(told(never, name), /^ok: not allowed, and not needed/u);
    const blind = await onGitHub('{ store: github }', off, {
      permissions: { contents: 'write', metadata: 'read', 'pull-requests': 'write' },
    });
    assert.match(told(blind, name), /^note: only a token of an administrator/u);
    assert.match(told(blind, 'Issues'), /^note: the token may not read them/u);
  });

  test('a rule on the branch of the registry is a problem where decisions go there directly', async () => {
    const protect = (server: GitHubStandIn): void => {
      server.protect(repositoryName, { ref: 'refs/heads/model-registry', kind: 'ruleset' });
    };
    const direct = await onGitHub('{ store: github, pull_request: never }', protect);
    assert.match(told(direct, 'Rules of model-registry'), /^problem: pull_request: a decision cannot be pushed there/u);
    const waiting = await onGitHub('{ store: github }', protect);
    assert.match(told(waiting, 'Rules of model-registry'), /^ok: pull_request: decisions go into pull requests/u);
  });

  test('a token that is not valid is one problem, and never shown', () =>
    withGitHub((server) =>
      inTemporaryFolder(async (folder) => {
        await gateRepository(folder);
        const token = 'ghp_notatokenofanybody';
        const findings = await look(folder, { repository: repositoryName, token, apiUrl: server.url });
        assert.match(told(findings, 'Access'), /^problem: .*(?:credentials|token)/iu);
        assert.ok(!JSON.stringify(findings).includes(token));
      }),
    ));
});
