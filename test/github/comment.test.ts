import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GitHubError } from '../../src/errors.ts';
import { commentCharacters, postComment, type StickyComment } from '../../src/github/comment.ts';
import type { GitHubStandIn } from '../support/github-api/server.ts';
import { newId, type Comment } from '../support/github-api/state.ts';
import { clientOf, repositoryName, withGitHub } from './with-github.ts';

const number = 7;

function saying(text: string, over: Partial<StickyComment> = {}): StickyComment {
  return { pullRequest: number, model: 'spam-filter', run: { id: 100, attempt: 1 }, body: () => text, ...over };
}

/** A stand-in with a pull request that people talk on. */
function withTalk(work: (server: GitHubStandIn) => Promise<void>, talk = 3): Promise<void> {
  return withGitHub(async (server) => {
    server.repository(repositoryName).issues.set(number, { title: 'A better model' });
    for (let index = 0; index < talk; index += 1) say(server, `Remark ${index}`);
    await work(server);
  });
}

function say(server: GitHubStandIn, body: string, login = 'ada'): Comment {
  const at = '2026-01-02T03:04:05Z';
  const comment = {
    id: newId(),
    issue: number,
    user: { login, type: login.endsWith('[bot]') ? ('Bot' as const) : ('User' as const) },
    body,
    minimized: false,
    created: at,
    updated: at,
  } as Comment;
  server.repository(repositoryName).comments.set(comment.id, comment);
  return comment;
}

function ours(server: GitHubStandIn): string[] {
  return [...server.repository(repositoryName).comments.values()]
    .filter(({ user }) => user.login === 'github-actions[bot]')
    .map(({ body }) => body.replace(/^<!--.*-->\n/u, ''));
}

const writes = (server: GitHubStandIn): string[] =>
  server.requests.filter(({ method }) => ['PATCH', 'DELETE'].includes(method)).map(({ method }) => method);

describe('the comment of a model on a pull request', () => {
  test('is made once, updated by later runs, and left alone when nothing changed', () =>
    withTalk(async (server) => {
      const github = clientOf(server);
      assert.equal((await postComment(github, saying('held'))).action, 'created');
      assert.equal((await postComment(github, saying('promoted', { run: { id: 101, attempt: 1 } }))).action, 'updated');
      assert.equal(
        (await postComment(github, saying('promoted', { run: { id: 101, attempt: 1 } }))).action,
        'unchanged',
      );
      assert.deepEqual(ours(server), ['promoted']);
      assert.deepEqual(writes(server), ['PATCH']);
    }));

  test('is found behind hundreds of others', () =>
    withTalk(async (server) => {
      await postComment(clientOf(server), saying('first'));
      for (let index = 0; index < 250; index += 1) say(server, `Remark ${index}`);
      await postComment(clientOf(server), saying('second'));
      assert.deepEqual(ours(server), ['second']);
    }, 250));

  test('is one for each model', () =>
    withTalk(async (server) => {
      const github = clientOf(server);
      for (const text of ['one', 'two']) {
        await postComment(github, saying(`a ${text}`));
        await postComment(github, saying(`b ${text}`, { model: 'spam-filter-2' }));
      }
      assert.deepEqual(ours(server), ['a two', 'b two']);
    }));

  test('is never the comment of somebody else, whatever it starts with', () =>
    withTalk(async (server) => {
      const marker = '<!-- contender model=spam-filter run=1.1 -->\n';
      const [person, bot] = [say(server, `${marker}mine`), say(server, `${marker}mine too`, 'other[bot]')];
      const quoting = say(server, `> ${marker}`, 'github-actions[bot]');
      await postComment(clientOf(server), saying('held'));
      await postComment(clientOf(server), saying('promoted'));
      assert.equal(person.body, `${marker}mine`);
      assert.equal(bot.body, `${marker}mine too`);
      assert.equal(quoting.body, `> ${marker}`);
      assert.deepEqual(ours(server).toSorted(), [`> ${marker}`, 'promoted']);
    }));

  test('keeps the verdict of a newer run', () =>
    withTalk(async (server) => {
      const github = clientOf(server);
      await postComment(github, saying('newer', { run: { id: 105, attempt: 2 } }));
      assert.equal((await postComment(github, saying('older'))).action, 'superseded');
      assert.equal(
        (await postComment(github, saying('attempt 1', { run: { id: 105, attempt: 1 } }))).action,
        'superseded',
      );
      assert.deepEqual(ours(server), ['newer']);
    }));

  test('is made anew when it is deleted between the listing and the update', () =>
    withTalk(async (server) => {
      const github = clientOf(server);
      await postComment(github, saying('held'));
      server.failBy(({ method }) => {
        const { comments } = server.repository(repositoryName);
        if (method === 'PATCH') {
          for (const { id, user } of comments.values()) if (user.type === 'Bot') comments.delete(id);
        }
        return null;
      });
      assert.equal((await postComment(github, saying('promoted'))).action, 'created');
      assert.deepEqual(ours(server), ['promoted']);
    }));

  test('is one although its answer was lost', () =>
    withTalk(async (server) => {
      server.fail('reset-after', { when: ({ method, path }) => method === 'POST' && path.endsWith('/comments') });
      assert.equal((await postComment(clientOf(server), saying('held'))).action, 'created');
      assert.deepEqual(ours(server), ['held']);
    }));

  test('is one although ten runs begin at once', () =>
    withTalk(async (server) => {
      const runs = Array.from({ length: 10 }, (_, index) =>
        saying(`run ${index}`, { run: { id: 200 + index, attempt: 1 } }),
      );
      await Promise.all(runs.map((run) => postComment(clientOf(server), run)));
      await postComment(clientOf(server), saying('last', { run: { id: 300, attempt: 1 } }));
      assert.deepEqual(ours(server), ['last']);
    }));

  test('asks for a text that fits, and for a shorter one where GitHub takes less than it says', () =>
    withTalk(async (server) => {
      const github = clientOf(server);
      const limits: number[] = [];
      const body = (limit: number): string => {
        limits.push(limit);
        return 'x'.repeat(limit);
      };
      await postComment(github, saying('', { body }));
      assert.ok((ours(server)[0]?.length ?? 0) > commentCharacters - 100);
      const tooLong = {
        status: 422,
        body: { message: 'Validation Failed', errors: [{ message: 'Body is too long (maximum is 65536 characters)' }] },
      };
      server.fail({ answer: tooLong }, { when: ({ method }) => method === 'PATCH' });
      await postComment(github, saying('', { body: (limit) => 'y'.repeat(limit) }));
      assert.ok((ours(server)[0]?.length ?? 0) < commentCharacters / 4);
    }));

  test('is not begun by a run that may only update one', () =>
    withTalk(async (server) => {
      const github = clientOf(server);
      assert.equal((await postComment(github, saying('passed', { onlyUpdate: true }))).action, 'none');
      assert.deepEqual(ours(server), []);
      await postComment(github, saying('failed'));
      assert.equal((await postComment(github, saying('passed', { onlyUpdate: true }))).action, 'updated');
      assert.deepEqual(ours(server), ['passed']);
    }));

  test('is refused to a token without the permission, with the YAML to add', () =>
    withTalk(async (server) => {
      const reader = clientOf(server, { permissions: { contents: 'read', 'pull-requests': 'read' } });
      await assert.rejects(
        postComment(reader, saying('held')),
        (error) =>
          error instanceof GitHubError &&
          error.kind === 'permission' &&
          /permissions:\n {2}(?:issues|pull-requests): write/u.test(error.message),
      );
      assert.deepEqual(ours(server), []);
    }));
});
