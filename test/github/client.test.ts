import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GitHubError } from '../../src/errors.ts';
import { openGitHub } from '../../src/github/client.ts';
import { kindOf } from '../../src/github/error.ts';
import { silentLog, type Log } from '../../src/log.ts';
import { faults, type Fault, type GitHubStandIn } from '../support/github-api/server.ts';
import { clientOf, repositoryName, withGitHub } from './with-github.ts';

const read = 'GET /repos/{owner}/{repo}/git/ref/{ref}';
const comment = 'POST /repos/{owner}/{repo}/issues/{issue_number}/comments';
const commentsOf = (server: GitHubStandIn): number => server.repository(repositoryName).comments.size;

describe('a fault that passes', () => {
  const passing: [string, Fault][] = [
    ['500', faults.serverError],
    ['502 with a page of HTML', faults.badGateway],
    ['429 with retry-after', faults.tooMany(0)],
    ['a secondary rate limit with retry-after', faults.secondaryLimit(0)],
    ['a secondary rate limit without retry-after', faults.secondaryLimit()],
    ['a lost connection', 'reset'],
    ['a connection lost after the work was done', 'reset-after'],
  ];
  for (const [name, fault] of passing) {
    test(`${name} is waited out by a read`, () =>
      withGitHub(async (server) => {
        server.fail(fault, { times: 2 });
        const { object } = await clientOf(server).request(read, { ref: 'heads/main' });
        assert.match(object.sha, /^[0-9a-f]{40}$/u);
        assert.equal(server.requests.length, 3);
      }));
  }

  test('a rate limit is waited out by a write too, since the write was refused', () =>
    withGitHub(async (server) => {
      server.repository(repositoryName).issues.set(1, { title: 'One' });
      server.fail(faults.secondaryLimit(0), { times: 3 });
      await clientOf(server).request(comment, { issue_number: 1, body: 'Hello' });
      assert.equal(commentsOf(server), 1);
    }));

  test('a write whose outcome nobody knows is not repeated', () =>
    withGitHub(async (server) => {
      server.repository(repositoryName).issues.set(1, { title: 'One' });
      server.fail('reset-after');
      await assert.rejects(
        clientOf(server).request(comment, { issue_number: 1, body: 'Hello' }),
        (error) => error instanceof GitHubError && error.kind === 'unavailable' && error.uncertain,
      );
      assert.equal(commentsOf(server), 1);
    }));

  test('a write that is harmless to repeat is repeated when told so', () =>
    withGitHub(async (server) => {
      server.fail('reset-after');
      const blob = { content: 'a', encoding: 'utf-8' };
      await clientOf(server).request('POST /repos/{owner}/{repo}/git/blobs', blob, { repeatable: true });
      assert.equal(server.requests.length, 2);
    }));

  test('a server that never answers is given up after the time limit', () =>
    withGitHub(async (server) => {
      server.fail('hang', { times: 2 });
      const impatient = clientOf(server, {}, { timeoutMs: 100, patience: { attempts: 2, baseMs: 1, capMs: 1 } });
      await assert.rejects(impatient.request(read, { ref: 'heads/main' }), /did not answer in time/u);
    }));

  test('patience ends', () =>
    withGitHub(async (server) => {
      server.fail(faults.serverError, { times: 1000 });
      await assert.rejects(
        clientOf(server).request(read, { ref: 'heads/main' }),
        (error) => error instanceof GitHubError && error.kind === 'unavailable' && /500/u.test(error.message),
      );
      assert.equal(server.requests.length, 6);
    }));

  test('a limit that lasts for an hour is an error that says when it ends', () =>
    withGitHub(async (server) => {
      const client = clientOf(server, { remaining: 1 });
      await client.request(read, { ref: 'heads/main' });
      await assert.rejects(
        client.request(read, { ref: 'heads/main' }),
        (error) =>
          error instanceof GitHubError && error.kind === 'limited' && /resets at \d{4}-.* UTC/u.test(error.message),
      );
      assert.equal(server.requests.length, 2);
    }));

  test('a cancelled run stops waiting', () =>
    withGitHub(async (server) => {
      server.fail(faults.serverError, { times: 1000 });
      const abort = new AbortController();
      const client = clientOf(server, {}, { signal: abort.signal, patience: { baseMs: 60_000, capMs: 60_000 } });
      const asked = client.request(read, { ref: 'heads/main' });
      setTimeout(() => abort.abort(new Error('cancelled')), 50);
      await assert.rejects(asked, /cancelled|aborted/u);
    }));
});

describe('a refusal', () => {
  test('for want of a permission names it in the YAML to add', () =>
    withGitHub(async (server) => {
      const reader = clientOf(server, { permissions: { contents: 'read' } });
      await assert.rejects(
        reader.request('POST /repos/{owner}/{repo}/git/blobs', { content: 'a' }),
        (error) =>
          error instanceof GitHubError &&
          error.kind === 'permission' &&
          /Resource not accessible by integration/u.test(error.message) &&
          error.message.includes('permissions:\n  contents: write'),
      );
    }));

  test('of a comment on a pull request asks for the permission that covers it', () =>
    withGitHub(async (server) => {
      server.repository(repositoryName).issues.set(1, { title: 'One' });
      const reader = clientOf(server, { permissions: { issues: 'read' } });
      await assert.rejects(
        reader.request(comment, { issue_number: 1, body: 'x' }),
        /permissions:\n {2}(?:issues|pull-requests): write/u,
      );
    }));

  for (const [route, parameters, permission] of [
    ['POST /repos/{owner}/{repo}/issues', { title: 'x' }, 'issues: write'],
    ['PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}', { comment_id: 1, body: 'x' }, 'pull-requests: write'],
    ['POST /repos/{owner}/{repo}/deployments', { ref: 'main' }, 'deployments: write'],
    ['POST /repos/{owner}/{repo}/releases', { tag_name: 'x' }, 'contents: write'],
  ] as const) {
    test(`of a server that does not say what is missing asks for ${permission} of ${route}`, () =>
      withGitHub(async (server) => {
        server.fail({ answer: { status: 403, body: { message: 'Resource not accessible by integration' } } });
        await assert.rejects(
          clientOf(server).request(route, parameters as never),
          new RegExp(`permissions:\n {2}${permission}`, 'u'),
        );
      }));
  }

  test('of a token that is not valid says how to pass one', () =>
    withGitHub(async (server) => {
      const client = openGitHub({ repository: repositoryName, apiUrl: server.url, token: 'ghs_wrong', log: silentLog });
      await assert.rejects(
        client.request(read, { ref: 'heads/main' }),
        (error) => error instanceof GitHubError && error.kind === 'credentials' && /github\.token/u.test(error.message),
      );
    }));

  test('carries the details below its message, on one line, without control characters', () =>
    withGitHub(async (server) => {
      server.fail({
        answer: {
          status: 422,
          body: { message: 'Validation\u001b[31m Failed', errors: [{ message: 'a\n::error::b' }, 'c'] },
        },
      });
      await assert.rejects(clientOf(server).request(read, { ref: 'heads/main' }), (error) => {
        assert.ok(error instanceof GitHubError);
        assert.match(error.fault.found, /^GitHub answered 422: Validation \[31m Failed\. a ::error::b\. c$/u);
        return true;
      });
    }));

  test('of an archived repository asks for no permission', () =>
    withGitHub(async (server) => {
      server.repository(repositoryName).archived = true;
      await assert.rejects(
        clientOf(server).request('POST /repos/{owner}/{repo}/git/blobs', { content: 'a' }),
        (error) => {
          assert.ok(error instanceof GitHubError);
          assert.match(error.message, /archived so is read-only\..*Unarchive the repository/su);
          assert.doesNotMatch(error.message, /permissions:/u);
          return true;
        },
      );
    }));

  for (const [message, remedy] of [
    ['Resource protected by organization SAML enforcement. You must grant your token access', /See https:/u],
    ['the `acme` organization has an IP allow list enabled, and your IP address is not permitted', /See https:/u],
    ['Repository has been locked for migration.', /See https:/u],
    ['This installation has been suspended', /See https:/u],
    ['Unable to create comment because issue is locked.', /Unlock the conversation/u],
    ['Resource not accessible by personal access token', /personal access token .* permission contents: read/u],
  ] as const) {
    test(`of "${message.slice(0, 40)}" sends nobody to the permissions of a job`, () =>
      withGitHub(async (server) => {
        const body = { message, documentation_url: 'https://docs.github.com/rest' };
        server.fail({ answer: { status: 403, body } });
        await assert.rejects(
          clientOf(server).request('GET /repos/{owner}/{repo}', {}),
          (error) => error instanceof GitHubError && remedy.test(error.message) && !/permissions:/u.test(error.message),
        );
      }));
  }

  test('that is the last answer of the hour is what it says, and no limit', () =>
    withGitHub(async (server) => {
      assert.equal(await clientOf(server, { remaining: 1 }).find(read, { ref: 'heads/none' }), null);
      server.fail({
        answer: {
          status: 409,
          body: { message: 'is at 0123abc but expected 4567def' },
          headers: { 'x-ratelimit-remaining': '0' },
        },
      });
      await assert.rejects(
        clientOf(server).request(read, { ref: 'heads/main' }),
        (error) => error instanceof GitHubError && error.kind === 'conflict',
      );
    }));

  test('what is not there is null to who looks for it', () =>
    withGitHub(async (server) => {
      assert.equal(await clientOf(server).find(read, { ref: 'heads/none' }), null);
    }));

  // The same statuses mean two things each; the words decide.
  const words: [number, string, string | undefined, string][] = [
    [409, 'is at 0123abc but expected 4567def', undefined, 'conflict'],
    [409, 'Repository rule violations found\n\nChanges must be made through a pull request.\n\n', undefined, 'rules'],
    [422, 'Update is not a fast forward', undefined, 'conflict'],
    [422, 'Reference update failed', undefined, 'rules'],
    [422, 'Reference already exists', undefined, 'exists'],
    [422, 'Reference does not exist', undefined, 'absent'],
    [200, 'Expected branch to point to "a" but it did not. Pull and try again.', 'STALE_DATA', 'conflict'],
    [
      200,
      "protected branch 'main' check failed:\n  At least 1 approving review is required",
      'BRANCH_PROTECTION_RULE_VIOLATION',
      'rules',
    ],
    [403, 'Resource not accessible by integration', undefined, 'permission'],
    [403, 'You have exceeded a secondary rate limit', undefined, 'limited'],
    [403, 'API rate limit exceeded for installation ID 1.', undefined, 'limited'],
    [403, 'was submitted too quickly', undefined, 'limited'],
    [403, 'Repository was archived so is read-only.', undefined, 'refused'],
    [422, 'Cannot create ref due to creations being restricted.', undefined, 'rules'],
    [404, 'Not Found', undefined, 'absent'],
    [502, '<html>Repository rule violations found</html>', undefined, 'unavailable'],
  ];
  for (const [status, message, type, kind] of words) {
    test(`${status} "${message.slice(0, 40).replaceAll('\n', ' ')}" is ${kind}`, () => {
      assert.equal(kindOf({ request: 'x', status, message, type }), kind);
    });
  }
});

test('an answer without a body is a passing fault, and no empty listing', () =>
  withGitHub(async (server) => {
    const empty = { answer: { status: 200, body: Buffer.alloc(0), headers: { 'content-type': 'application/json' } } };
    const listing = () => clientOf(server).list('GET /repos/{owner}/{repo}/git/matching-refs/{ref}', { ref: 'heads/' });
    server.fail(empty);
    assert.equal((await listing()).length, 1);
    server.fail(empty, { times: 9 });
    await assert.rejects(listing(), /the answer is empty\. Check the network/u);
  }));

test('a listing is read to its last page', () =>
  withGitHub(async (server) => {
    server.repository(repositoryName).issues.set(1, { title: 'One' });
    const client = clientOf(server);
    for (let count = 0; count < 7; count++)
      await client.request(comment, { issue_number: 1, body: `comment ${count}` });
    const found = await client.list('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', {
      issue_number: 1,
      per_page: 3,
    });
    assert.deepEqual(
      found.map(({ body }) => body),
      Array.from({ length: 7 }, (_, index) => `comment ${index}`),
    );
  }));

test('the token goes to no other server, whatever a page links to', () =>
  withGitHub(async (server) => {
    server.fail({
      answer: { status: 200, body: [{ body: 'only' }], headers: { link: '<http://127.0.0.1:9/steal>; rel="next"' } },
    });
    const found = await clientOf(server).list('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', {
      issue_number: 1,
    });
    assert.equal(found.length, 1);
  }));

test('neither token nor header is ever logged', () =>
  withGitHub(async (server) => {
    const lines: string[] = [];
    const log: Log = { ...silentLog, debug: (line) => lines.push(line), info: (line) => lines.push(line) };
    const token = server.token();
    const client = openGitHub({ repository: repositoryName, apiUrl: server.url, token, log, patience: { baseMs: 1 } });
    server.fail(faults.badGateway, { times: 2 });
    await client.request(read, { ref: 'heads/main' });
    assert.equal(lines.length, 2);
    assert.ok(lines.every((line) => !line.includes(token) && line.includes('/git/ref/')));
  }));

for (const repository of ['', 'acme', 'acme/models/../x', '../x', 'acme/..', 'acme/a b', 'acme/$(id)']) {
  test(`${JSON.stringify(repository)} is no repository`, () => {
    assert.throws(() => openGitHub({ repository, token: 'x', log: silentLog }), GitHubError);
  });
}

test('names from outside are escaped in the address', () =>
  withGitHub(async (server) => {
    assert.equal(
      await clientOf(server).find('GET /repos/{owner}/{repo}/branches/{branch}', { branch: '../../x?y#z' }),
      null,
    );
    assert.match(server.requests[0]?.path ?? '', /\/branches\/\.\.%2F\.\.%2Fx%3Fy%23z$/u);
  }));

test('a file is uploaded to no other server, whatever a release says', () =>
  withGitHub((server) => {
    const file = { name: 'a', type: 'text/plain', bytes: new Uint8Array([1]) };
    return assert.rejects(clientOf(server).upload('https://evil.example/upload{?name}', file), GitHubError);
  }));

test('a name of a file with any characters arrives as it is', () =>
  withGitHub(async (server) => {
    const client = clientOf(server);
    const draft = await client.request('POST /repos/{owner}/{repo}/releases', { tag_name: 'm@v1.0.0', draft: true });
    const file = { name: 'a+b.txt', label: 'A & B = 100 %', type: 'text/plain', bytes: new Blob(['x']) };
    const { name, label } = await client.upload(draft.upload_url, file);
    assert.deepEqual([name, label], [file.name, file.label]);
  }));

test('text that looks like a large number arrives as it is', () =>
  withGitHub(async (server) => {
    server.repository(repositoryName).issues.set(1, { title: 'One' });
    for (const body of ['12345678901234567890n', '"12345678901234567890n",', '9007199254740993', ':"1n"}']) {
      const made = await clientOf(server).request(comment, { issue_number: 1, body });
      assert.equal(made.body, body);
    }
  }));

test('a refusal without end is read as far as it can say something', () =>
  withGitHub(async (server) => {
    server.fail({ answer: { status: 403, body: { message: 'x'.repeat(5_000_000) } } });
    await assert.rejects(
      clientOf(server).request(read, { ref: 'heads/main' }),
      (error) => error instanceof GitHubError && error.kind === 'permission' && error.message.length < 2000,
    );
  }));

test('who has no token asks without one', () =>
  withGitHub(async (server) => {
    const input = { repository: repositoryName, apiUrl: server.url, token: '', log: silentLog };
    // And not with a token that is not valid: GitHub would say "Bad credentials".
    await assert.rejects(openGitHub(input).request(read, { ref: 'heads/main' }), /Not Found|requires authentication/u);
  }));
