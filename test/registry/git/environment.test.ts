import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { gitEnvironment, runGit } from '../../../src/registry/git/run.ts';
import { identity, writeCommit } from '../../../src/registry/git/objects.ts';
import { openRepository } from '../../../src/registry/git/repository.ts';
import { inRepository } from '../temporary-repository.ts';
import { withVariables } from '../../support/stores/environment.ts';

it('a trace of git to standard error is not taken for what git says, and one to a file is let through', () =>
  withVariables({ GIT_TRACE: '1', GIT_TRACE_CURL: 'true', GIT_CURL_VERBOSE: '1', GIT_TRACE2_EVENT: '/tmp/t' }, () => {
    const names = Object.keys(gitEnvironment()).filter((name) => /^GIT_.*(?:TRACE|VERBOSE)/u.test(name));
    assert.deepEqual(names, ['GIT_TRACE2_EVENT']);
    return Promise.resolve();
  }));

it('a server that accepts and then says nothing is given up', async (t) => {
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  t.after(() => (server.closeAllConnections(), server.close()));
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/m.git`;
  // A second in place of the five minutes that it takes else.
  assert.equal(gitEnvironment()['GIT_HTTP_LOW_SPEED_TIME'], '300');
  await inRepository(({ folder }) =>
    withVariables({ GIT_HTTP_LOW_SPEED_TIME: '1' }, async () => {
      const { code, stderr } = await runGit(folder, ['ls-remote', url]);
      assert.equal(code, 128);
      assert.match(stderr, /too slow/u);
    }),
  );
});

it('a name that is set and empty is no name to commit under', () =>
  inRepository((repository) =>
    withVariables({ GIT_AUTHOR_NAME: '', GIT_COMMITTER_EMAIL: ' ' }, async () => {
      const { GIT_AUTHOR_NAME, GIT_COMMITTER_EMAIL } = await identity(await openRepository(repository.folder));
      assert.deepEqual([GIT_AUTHOR_NAME, GIT_COMMITTER_EMAIL], ['Ada', 'ada@example.invalid']);
    }),
  ));

it('a commit is of the encoding that its text is in, whatever is configured', () =>
  inRepository(async (repository) => {
    await repository.git('config', 'i18n.commitEncoding', 'ISO-8859-1');
    const opened = await openRepository(repository.folder);
    const commit = await writeCommit(opened, await repository.git('rev-parse', 'HEAD^{tree}'), null, 'Größe\n');
    assert.doesNotMatch(await repository.git('cat-file', 'commit', commit), /^encoding/mu);
  }));

it('git is given the environment, and nothing that opens a store or MLflow', () =>
  withVariables(
    {
      AWS_ACCESS_KEY_ID: '0',
      AWS_SECRET_ACCESS_KEY: 'a',
      HF_TOKEN: 'b',
      OCI_PASSWORD: 'c',
      MLFLOW_TRACKING_TOKEN: 'd',
      AWS_REGION: 'e',
    },
    () => {
      const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, HF_TOKEN, OCI_PASSWORD, MLFLOW_TRACKING_TOKEN, AWS_REGION } =
        gitEnvironment();
      assert.deepEqual(
        [AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, HF_TOKEN, OCI_PASSWORD, MLFLOW_TRACKING_TOKEN, AWS_REGION],
        [undefined, undefined, undefined, undefined, undefined, 'e'],
      );
      return Promise.resolve();
    },
  ));
