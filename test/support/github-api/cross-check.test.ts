import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createEmulator, type Emulator } from 'emulate';
import { startGitHub, type GitHubStandIn } from './server.ts';

/*
 * Our stand-in for GitHub against one that others wrote (npm `emulate`): the same requests to both, wherever both know the call.
 * They must answer with the same status, and with the same values under every name that both use: so with the same objects,
 * since a git object is named after its bytes.
 */

const nothing = '1'.repeat(40);
const ada = { name: 'Ada', email: 'ada@example.invalid', date: '2026-01-02T03:04:05Z' };

/** What a server answered earlier, by the names that steps give. */
type Memory = Record<string, string | number>;

interface Step {
  name: string;
  method?: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** Below the repository. */
  path: string | ((memory: Memory) => string);
  body?: (memory: Memory) => unknown;
  /** Keep a value of the answer, by its name there. */
  keep?: Record<string, string>;
  /** Where the two differ and ours is right: the status of the other one, or fields that cannot agree, and why. */
  differs?: { status?: number; fields?: string[]; why: string };
}

const ofNow = 'it says when the merge was made';
/** The other one gives tag objects names of its own. */
const ofTags = { fields: ['sha'], why: 'git names a tag object after its bytes' };
const ofChecks = { fields: ['pull_requests'], why: 'GitHub names the pull requests of the commit' };
const steps: Step[] = [
  {
    name: 'a blob of text',
    method: 'POST',
    path: '/git/blobs',
    body: () => ({ content: 'one\n', encoding: 'utf-8' }),
    keep: { text: 'sha' },
  },
  {
    name: 'a blob of bytes',
    method: 'POST',
    path: '/git/blobs',
    body: () => ({ content: Buffer.from([0, 255, 13, 10]).toString('base64'), encoding: 'base64' }),
    keep: { bytes: 'sha' },
  },
  { name: 'a blob that is read', path: ({ bytes }) => `/git/blobs/${bytes}` },
  { name: 'a blob that is not there', path: `/git/blobs/${nothing}` },
  {
    name: 'a tree of blobs and of text',
    method: 'POST',
    path: '/git/trees',
    body: ({ text, bytes }) => ({
      tree: [
        { path: 'a/b.txt', mode: '100644', type: 'blob', sha: text },
        { path: 'a.bin', mode: '100644', type: 'blob', sha: bytes },
        { path: 'c.txt', mode: '100644', type: 'blob', content: 'thr\u00e9e\n' },
      ],
    }),
    keep: { tree: 'sha' },
  },
  { name: 'a tree that is read', path: ({ tree }) => `/git/trees/${tree}` },
  { name: 'a tree that is read with all below it', path: ({ tree }) => `/git/trees/${tree}?recursive=1` },
  {
    name: 'a tree of a blob that is not there',
    method: 'POST',
    path: '/git/trees',
    body: () => ({ tree: [{ path: 'x', mode: '100644', type: 'blob', sha: nothing }] }),
  },
  {
    name: 'a commit without parents',
    method: 'POST',
    path: '/git/commits',
    body: ({ tree }) => ({ message: 'First\n\nBody\n', tree, parents: [], author: ada, committer: ada }),
    keep: { first: 'sha' },
  },
  { name: 'a commit that is read', path: ({ first }) => `/git/commits/${first}` },
  {
    name: 'a commit of a tree that is not there',
    method: 'POST',
    path: '/git/commits',
    body: () => ({ message: 'x', tree: nothing, parents: [] }),
  },
  {
    name: 'a branch',
    method: 'POST',
    path: '/git/refs',
    body: ({ first }) => ({ ref: 'refs/heads/work', sha: first }),
  },
  {
    name: 'a branch that is there already',
    method: 'POST',
    path: '/git/refs',
    body: ({ first }) => ({ ref: 'refs/heads/work', sha: first }),
  },
  {
    name: 'a ref by half its name',
    method: 'POST',
    path: '/git/refs',
    body: ({ first }) => ({ ref: 'half', sha: first }),
  },
  {
    name: 'a ref to what is not there',
    method: 'POST',
    path: '/git/refs',
    body: () => ({ ref: 'refs/heads/nothing', sha: nothing }),
  },
  { name: 'a ref that is read', path: '/git/ref/heads/work' },
  { name: 'a ref that is not there', path: '/git/ref/heads/absent' },
  {
    name: 'a tree on top of another, with a file less',
    method: 'POST',
    path: '/git/trees',
    body: ({ tree, text }) => ({
      base_tree: tree,
      tree: [
        { path: 'a/c.txt', mode: '100644', type: 'blob', sha: text },
        { path: 'c.txt', mode: '100644', type: 'blob', sha: null },
      ],
    }),
    keep: { next: 'sha' },
  },
  {
    name: 'a commit on another',
    method: 'POST',
    path: '/git/commits',
    body: ({ next, first }) => ({ message: 'Second\n', tree: next, parents: [first], author: ada }),
    keep: { second: 'sha' },
  },
  {
    name: 'a commit beside it',
    method: 'POST',
    path: '/git/commits',
    body: ({ tree, first }) => ({ message: 'Beside\n', tree, parents: [first], author: ada, committer: ada }),
    keep: { beside: 'sha' },
  },
  {
    name: 'a branch that moves forward',
    method: 'PATCH',
    path: '/git/refs/heads/work',
    body: ({ second }) => ({ sha: second, force: false }),
  },
  {
    name: 'a branch that would lose a commit',
    method: 'PATCH',
    path: '/git/refs/heads/work',
    body: ({ beside }) => ({ sha: beside, force: false }),
  },
  {
    name: 'a branch that moves and is not there',
    method: 'PATCH',
    path: '/git/refs/heads/absent',
    body: ({ first }) => ({ sha: first, force: false }),
    differs: { status: 404, why: 'GitHub answers 422 Reference does not exist' },
  },
  {
    name: 'a tag object',
    method: 'POST',
    path: '/git/tags',
    body: ({ first }) => ({ tag: 'm@v1.0.0', message: 'Register\n', object: first, type: 'commit', tagger: ada }),
    keep: { tag: 'sha' },
    differs: ofTags,
  },
  { name: 'a tag object that is read', path: ({ tag }) => `/git/tags/${tag}`, differs: ofTags },
  { name: 'a commit that is read as a tag object', path: ({ first }) => `/git/tags/${first}` },
  {
    name: 'a tag',
    method: 'POST',
    path: '/git/refs',
    body: ({ tag }) => ({ ref: 'refs/tags/m@v1.0.0', sha: tag }),
    differs: ofTags,
  },
  {
    name: 'a tag of a stage',
    method: 'POST',
    path: '/git/refs',
    body: ({ tag }) => ({ ref: 'refs/tags/m#champion!#2', sha: tag }),
    differs: ofTags,
  },
  {
    name: 'a tag of a stage that is read',
    path: `/git/ref/${encodeURIComponent('tags/m#champion!#2')}`,
    differs: ofTags,
  },
  {
    name: 'refs by the beginning of their name',
    path: `/git/matching-refs/${encodeURIComponent('tags/m#')}`,
    differs: ofTags,
  },
  { name: 'refs of which there are none', path: `/git/matching-refs/${encodeURIComponent('tags/none@')}` },
  { name: 'a file on a branch', path: '/contents/a/b.txt?ref=work' },
  { name: 'a file at a commit', path: ({ first }) => `/contents/c.txt?ref=${first}` },
  { name: 'a folder', path: '/contents/a?ref=work' },
  { name: 'a file that is not there', path: '/contents/absent?ref=work' },
  { name: 'a comparison with a later commit', path: ({ first, second }) => `/compare/${first}...${second}` },
  { name: 'a comparison of two that parted', path: ({ beside, second }) => `/compare/${beside}...${second}` },
  { name: 'a comparison of one with itself', path: ({ first }) => `/compare/${first}...${first}` },
  { name: 'the commits of a branch', path: '/commits?sha=work' },
  { name: 'the last commit that touched a file', path: '/commits?sha=work&path=a/c.txt&per_page=1' },
  { name: 'a commit with its files', path: ({ second }) => `/commits/${second}` },
  { name: 'a branch that is read', path: '/branches/work' },
  { name: 'a branch that is not there', path: '/branches/absent' },
  {
    name: 'a second branch',
    method: 'POST',
    path: '/git/refs',
    body: ({ beside }) => ({ ref: 'refs/heads/topic', sha: beside }),
  },
  {
    name: 'a pull request',
    method: 'POST',
    path: '/pulls',
    body: () => ({ title: 'Topic', head: 'topic', base: 'work', body: 'Text' }),
    keep: { pull: 'number' },
  },
  { name: 'a pull request that is read', path: ({ pull }) => `/pulls/${pull}` },
  { name: 'the pull requests that are open', path: '/pulls?state=open&base=work' },
  { name: 'the files of a pull request', path: ({ pull }) => `/pulls/${pull}/files` },
  {
    name: 'a comment',
    method: 'POST',
    path: ({ pull }) => `/issues/${pull}/comments`,
    body: () => ({ body: 'Verdict' }),
    keep: { comment: 'id' },
  },
  {
    name: 'a comment that is changed',
    method: 'PATCH',
    path: ({ comment }) => `/issues/comments/${comment}`,
    body: () => ({ body: 'Another verdict' }),
  },
  { name: 'the comments of a pull request', path: ({ pull }) => `/issues/${pull}/comments` },
  { name: 'a comment on nothing', method: 'POST', path: '/issues/999/comments', body: () => ({ body: 'x' }) },
  {
    name: 'a label',
    method: 'POST',
    path: ({ pull }) => `/issues/${pull}/labels`,
    body: () => ({ labels: ['promotion'] }),
  },
  {
    name: 'a review',
    method: 'POST',
    path: ({ pull }) => `/pulls/${pull}/reviews`,
    body: () => ({ event: 'COMMENT', body: 'Looked at' }),
    differs: { status: 201, why: 'GitHub answers 200 ("Create a review for a pull request")' },
  },
  { name: 'the reviews of a pull request', path: ({ pull }) => `/pulls/${pull}/reviews` },
  {
    name: 'a check run',
    method: 'POST',
    path: '/check-runs',
    body: ({ beside }) => ({
      name: 'contender / m',
      head_sha: beside,
      status: 'completed',
      conclusion: 'failure',
      output: {
        title: 'Rejected',
        summary: 'Why',
        annotations: [
          { path: 'c.txt', start_line: 1, end_line: 1, annotation_level: 'failure', message: 'Here', title: 'This' },
        ],
      },
    }),
    keep: { check: 'id' },
    differs: ofChecks,
  },
  {
    name: 'the check runs of a commit',
    path: ({ beside }) => `/commits/${beside}/check-runs`,
    differs: ofChecks,
  },
  {
    name: 'a check run that is changed',
    method: 'PATCH',
    path: ({ check }) => `/check-runs/${check}`,
    body: () => ({ conclusion: 'success', output: { title: 'Promoted', summary: 'All' } }),
    differs: {
      fields: ['annotations_count', 'pull_requests'],
      why: 'GitHub adds annotations to those there are, and names the pull requests of the commit',
    },
  },
  {
    name: 'a merge',
    method: 'PUT',
    path: ({ pull }) => `/pulls/${pull}/merge`,
    body: () => ({ merge_method: 'merge' }),
    differs: { fields: ['sha'], why: ofNow },
  },
  {
    name: 'a pull request that is merged',
    path: ({ pull }) => `/pulls/${pull}`,
    differs: {
      fields: ['merge_commit_sha', 'mergeable'],
      why: `${ofNow}, and GitHub tells of open ones alone whether they can be merged`,
    },
  },
  {
    name: 'a merge of what is merged',
    method: 'PUT',
    path: ({ pull }) => `/pulls/${pull}/merge`,
    body: () => ({ merge_method: 'merge' }),
    differs: { status: 422, why: 'GitHub answers 405 Pull Request is not mergeable ("Merge a pull request")' },
  },
  {
    name: 'a draft of a release',
    method: 'POST',
    path: '/releases',
    body: () => ({ tag_name: 'm@v1.0.0', name: 'm v1.0.0', body: 'Notes', draft: true }),
    keep: { release: 'id' },
  },
  {
    name: 'a release that is published',
    method: 'PATCH',
    path: ({ release }) => `/releases/${release}`,
    body: () => ({ draft: false }),
  },
  { name: 'a release by its tag', path: `/releases/tags/${encodeURIComponent('m@v1.0.0')}` },
  { name: 'a release of a tag that is not there', path: '/releases/tags/absent' },
  { name: 'a second release of a tag', method: 'POST', path: '/releases', body: () => ({ tag_name: 'm@v1.0.0' }) },
  { name: 'the releases', path: '/releases' },
  { name: 'the files of a release', path: ({ release }) => `/releases/${release}/assets` },
  { name: 'a branch that is removed', method: 'DELETE', path: '/git/refs/heads/topic' },
  {
    name: 'a branch that is removed twice',
    method: 'DELETE',
    path: '/git/refs/heads/topic',
    differs: { status: 404, why: 'GitHub answers 422 Reference does not exist' },
  },
];

describe('the stand-in for GitHub and another, written by others, agree on', () => {
  const folder = mkdtempSync(join(tmpdir(), 'contender-cross-check-'));
  let emulator: Emulator;
  let standIn: GitHubStandIn;
  let [theirs, ours]: Server[] = [];

  before(async () => {
    emulator = await createEmulator({
      service: 'github',
      port: 0,
      seed: {
        tokens: { secret: { login: 'ada', scopes: ['repo'] } },
        github: {
          users: [{ login: 'ada', name: 'Ada', email: ada.email }],
          repos: [{ owner: 'ada', name: 'models', auto_init: true }],
        },
      },
    });
    standIn = await startGitHub(folder);
    await standIn.create('ada/models');
    theirs = { url: emulator.url, token: 'secret', memory: {} };
    ours = { url: standIn.url, token: standIn.token({ login: 'ada', type: 'User' }), memory: {} };
  });
  after(async () => {
    await Promise.all([emulator.close(), standIn.close()]);
    await rm(folder, { recursive: true, force: true });
  });

  for (const step of steps) {
    test(step.name, async () => {
      const expected = await ask(theirs as Server, step);
      const found = await ask(ours as Server, step);
      const { status, fields = [] } = step.differs ?? {};
      if (status === undefined) assert.equal(found.status, expected.status);
      // Told apart, so that nobody takes it for agreement once it is.
      else assert.deepEqual([expected.status, found.status === status], [status, false]);
      if (found.status >= 300 || expected.status >= 300) return;
      const [mine, other] = [found.body, expected.body];
      assert.deepEqual(shared(mine, other, fields), shared(other, mine, fields));
    });
  }
});

interface Server {
  url: string;
  token: string;
  memory: Memory;
}

async function ask(server: Server, step: Step): Promise<{ status: number; body: unknown }> {
  const { method = 'GET', path, body, keep = {} } = step;
  const { url, token, memory } = server;
  const response = await fetch(`${url}/repos/ada/models${typeof path === 'string' ? path : path(memory)}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      accept: 'application/vnd.github+json',
      'content-type': 'application/json',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body(memory)) }),
  });
  const text = await response.text();
  const answer = (text === '' ? null : JSON.parse(text)) as Record<string, string | number> | null;
  for (const [name, field] of Object.entries(keep)) memory[name] = answer?.[field] ?? '';
  return { status: response.status, body: answer };
}

/** Of each server its own: addresses, numbers, times of now, and (below) what it knows of people. */
const own = /(?:^|_)(?:url|urls|id|links)$|_at$/u;
const people = new Set(['user', 'author', 'committer', 'owner', 'app']);

/** A value without the names that the other does not have, and without what cannot be equal. */
function shared(value: unknown, other: unknown, except: readonly string[]): unknown {
  if (Array.isArray(value) && Array.isArray(other)) {
    const sorted = inOrder(other);
    return inOrder(value).map((each, index) => shared(each, sorted[index], except));
  }
  if (!isObject(value) || !isObject(other)) return value;
  const names = Object.keys(value).filter(
    (name) =>
      name in other &&
      !own.test(name) &&
      !except.includes(name) &&
      !(people.has(name) && [value[name], other[name]].some((each) => !isObject(each) || 'login' in each)),
  );
  return Object.fromEntries(names.toSorted().map((name) => [name, shared(value[name], other[name], except)]));
}

/** Lists in one order: ours has trees in that of git, the other one by name. */
function inOrder(list: readonly unknown[]): unknown[] {
  const key = (each: unknown): string =>
    isObject(each)
      ? ['path', 'filename', 'ref', 'name', 'sha'].map((name) => JSON.stringify(each[name] ?? '')).join(' ')
      : '';
  return list.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
