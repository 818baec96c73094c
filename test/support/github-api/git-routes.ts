import { parentsOf, type GitObject, type TreeItem } from './bare-repository.ts';
import { forbidding, isRefName, moveRefs, refAt, ruleRefusal } from './refs.ts';
import {
  addressOf,
  created,
  fullName,
  invalid,
  notFound,
  ok,
  optionalText,
  page,
  route,
  text,
  type Answer,
  type Call,
  type Route,
} from './route.ts';
import { ApiError, type RepositoryState } from './state.ts';

/** Git database, contents, branches, commits: REST. */
export const gitRoutes: Route[] = [
  route('GET ', 'metadata', (call) => ok(repositoryAnswer(call.repository, call))),

  route('POST /git/blobs', 'contents', async (call) => {
    await requireCommits(call.repository);
    const encoding = text(call.body['encoding']) || 'utf-8';
    const bytes = Buffer.from(text(call.body['content']), encoding === 'base64' ? 'base64' : 'utf8');
    if (bytes.length > 40 * 1024 * 1024)
      throw new ApiError(
        422,
        'Sorry, your input was too large to process. Consider creating the blob in a local clone of the repository and then pushing it to GitHub.',
      );
    const sha = await call.repository.git.write('blob', bytes);
    return created({ sha, url: `${call.api}/repos/${fullName(call.repository)}/git/blobs/${sha}` });
  }),
  route('GET /git/blobs/:sha', 'contents', async (call) => {
    const blob = await objectOf(call, 'blob');
    if (/raw/u.test(call.accept))
      return { status: 200, body: blob.bytes, headers: { 'content-type': 'application/octet-stream' } };
    return ok({ sha: blob.oid, size: blob.bytes.length, encoding: 'base64', content: wrapped(blob.bytes) });
  }),

  route('POST /git/trees', 'contents', async (call) => {
    const { git } = call.repository;
    await requireCommits(call.repository);
    if (call.raw.length > 2.5 * 1024 * 1024) throw new ApiError(502, 'Server Error');
    const base = optionalText(call.body['base_tree']);
    const baseTree = base === null ? null : ((await git.read(`${base}^{tree}`))?.oid ?? null);
    if (base !== null && baseTree === null) throw notFound();
    const changes = new Map<string, { mode: string; oid: string } | null>();
    for (const each of (call.body['tree'] ?? []) as Record<string, unknown>[]) {
      const path = text(each['path']);
      if (
        path === '' ||
        path.startsWith('/') ||
        path.split('/').some((part) => ['', '.', '..', '.git'].includes(part))
      ) {
        throw invalid('tree.path contains a malformed path component');
      }
      const sha =
        each['sha'] === null
          ? null
          : typeof each['content'] === 'string'
            ? await git.write('blob', Buffer.from(each['content']))
            : text(each['sha']);
      if (sha !== null && (await git.read(sha)) === null)
        throw invalid(`tree.sha ${sha} is not a valid ${text(each['type']) || 'blob'}`);
      changes.set(path, sha === null ? null : { mode: text(each['mode']).replace(/^0/u, ''), oid: sha });
    }
    const sha = await git.treeWith(baseTree, changes);
    return created({ sha, tree: (await git.tree(sha)).map((item) => treeItem(item)), truncated: false });
  }),
  route('GET /git/trees/*sha', 'contents', async (call) => {
    await requireCommits(call.repository);
    const { git } = call.repository;
    const name = call.parameters['sha'] ?? '';
    const tree =
      (await git.read(`${name}^{tree}`)) ?? (await git.read(`refs/heads/${name}^{tree}`)) ?? (await git.read(name));
    if (tree?.type !== 'tree') throw notFound();
    const items: unknown[] = [];
    const list = async (oid: string, prefix: string): Promise<void> => {
      for (const item of await git.tree(oid)) {
        const path = `${prefix}${item.name}`;
        const size =
          item.mode === '40000' || item.mode === '160000' ? undefined : (await git.read(item.oid))?.bytes.length;
        items.push({ ...treeItem(item), path, ...(size === undefined ? {} : { size }) });
        if (item.mode === '40000' && call.query.has('recursive') && items.length < 100_000)
          await list(item.oid, `${path}/`);
      }
    };
    await list(tree.oid, '');
    return ok({ sha: tree.oid, tree: items, truncated: items.length >= 100_000 });
  }),

  route('POST /git/commits', 'contents', async (call) => {
    const { git } = call.repository;
    await requireCommits(call.repository);
    const { tree, parents, author, committer } = call.body as {
      tree?: string;
      parents?: string[];
      author?: Author;
      committer?: Author;
    };
    if ((await git.read(tree ?? ''))?.type !== 'tree') throw invalid('Tree SHA does not exist');
    for (const parent of parents ?? []) {
      if ((await git.read(parent))?.type !== 'commit')
        throw invalid('Parent SHA does not exist or is not a commit object');
    }
    const oid = await git.commit({
      tree: tree ?? '',
      parents: parents ?? [],
      message: text(call.body['message']),
      author: author ?? addressOf(call.token),
      committer,
      signed: call.token?.type === 'Bot' && author === undefined && committer === undefined,
    });
    return created(await commitAnswer(call.repository, oid));
  }),
  route('GET /git/commits/:sha', 'contents', async (call) => {
    const commit = await objectOf(call, 'commit');
    return ok(await commitAnswer(call.repository, commit.oid));
  }),

  route('POST /git/tags', 'contents', async (call) => {
    const { git } = call.repository;
    const {
      tag = '',
      message = '',
      object = '',
      type = 'commit',
      tagger,
    } = call.body as Record<string, string> & { tagger?: Author };
    const target = await git.read(object);
    if (target?.type !== type) throw invalid(`Could not verify object`);
    const who = tagger ?? {
      name: call.token?.login ?? '',
      email: `${call.token?.login ?? ''}@users.noreply.github.com`,
    };
    const when = Math.floor((who.date === undefined ? Date.now() : Date.parse(who.date)) / 1000);
    const bytes = `object ${object}\ntype ${type}\ntag ${tag}\ntagger ${who.name} <${who.email}> ${when} +0000\n\n${message}`;
    const sha = await git.write('tag', Buffer.from(bytes.endsWith('\n') ? bytes : `${bytes}\n`));
    return created(tagAnswer(sha, Buffer.from(bytes)));
  }),
  route('GET /git/tags/:sha', 'contents', async (call) => {
    const tag = await objectOf(call, 'tag');
    return ok(tagAnswer(tag.oid, tag.bytes));
  }),

  route('GET /git/ref/*ref', 'contents', async (call) => {
    await requireCommits(call.repository);
    return ok(await refAnswer(call, `refs/${call.parameters['ref'] ?? ''}`));
  }),
  route('GET /git/matching-refs/*ref', 'contents', async (call) => {
    const prefix = `refs/${call.parameters['ref'] ?? ''}`;
    const listing = await call.repository.git.git('for-each-ref', '--format=%(refname) %(objectname) %(objecttype)');
    const found = listing
      .split('\n')
      .filter((line) => line.startsWith(prefix))
      .map((line) => {
        const [ref = '', sha = '', type = ''] = line.split(' ');
        return { ref, object: { sha, type } };
      });
    return page(call, found);
  }),
  route('POST /git/refs', 'contents', async (call) => {
    const { repository, body, token } = call;
    await requireCommits(repository);
    const ref = text(body['ref']);
    const sha = text(body['sha']);
    if (!isRefName(ref)) throw invalid("Reference name must start with 'refs/' and contain at least two slashes.");
    if ((await repository.git.read(sha)) === null) throw invalid('Object does not exist');
    if (token !== null && forbidding(repository, ref, token) !== undefined) {
      throw invalid('Repository rule violations found\n\nCannot create ref due to creations being restricted.\n\n');
    }
    if (!(await moveRefs(repository, [{ ref, before: null, after: sha }]))) throw invalid('Reference already exists');
    return created(await refAnswer({ ...call, stale: false }, ref));
  }),
  route('PATCH /git/refs/*ref', 'contents', async (call) => {
    const { repository, body, token } = call;
    const ref = `refs/${call.parameters['ref'] ?? ''}`;
    const sha = text(body['sha']);
    const now = await refAt(repository, ref);
    if (now === null) throw invalid('Reference does not exist');
    if ((await repository.git.read(sha)) === null) throw invalid('Object does not exist');
    const rule = token === null ? undefined : forbidding(repository, ref, token);
    if (rule !== undefined) throw ruleRefusal(rule, ref, 'refs');
    if (body['force'] !== true && !(await repository.git.isAncestor(now, sha)))
      throw invalid('Update is not a fast forward');
    if (!(await moveRefs(repository, [{ ref, before: now, after: sha }])))
      throw invalid('Update is not a fast forward');
    return ok(await refAnswer({ ...call, stale: false }, ref));
  }),
  route('DELETE /git/refs/*ref', 'contents', async (call) => {
    const ref = `refs/${call.parameters['ref'] ?? ''}`;
    const now = await refAt(call.repository, ref);
    if (now === null) throw invalid('Reference does not exist');
    const rule = call.token === null ? undefined : forbidding(call.repository, ref, call.token);
    if (rule !== undefined) throw ruleRefusal(rule, ref, 'refs');
    await moveRefs(call.repository, [{ ref, before: now, after: null }]);
    return { status: 204 };
  }),

  route('GET /branches/*branch/protection', 'administration', (call) => {
    const found = call.repository.protections.find(
      (each) => each.kind === 'branch-protection' && each.ref === `refs/heads/${call.parameters['branch'] ?? ''}`,
    );
    if (found === undefined) throw new ApiError(404, 'Branch not protected');
    return ok({ required_pull_request_reviews: { required_approving_review_count: found.approvals } });
  }),
  route('GET /branches/*branch', 'contents', async (call) => {
    const branch = call.parameters['branch'] ?? '';
    const sha = await refAt(call.repository, `refs/heads/${branch}`, call.stale);
    if (sha === null) throw new ApiError(404, 'Branch not found');
    return ok({
      name: branch,
      commit: { sha },
      protected: call.repository.protections.some(({ ref }) => ref === `refs/heads/${branch}`),
    });
  }),
  route('GET /rules/branches/*branch', 'metadata', (call) =>
    page(
      call,
      call.repository.protections
        .filter(({ kind, ref }) => kind === 'ruleset' && ref === `refs/heads/${call.parameters['branch'] ?? ''}`)
        .map(({ approvals }) => ({
          type: 'pull_request',
          ruleset_source_type: 'Repository',
          parameters: { required_approving_review_count: approvals },
        })),
    ),
  ),
  route('GET /rulesets', 'metadata', (call) =>
    page(
      call,
      call.repository.protections
        .filter(({ kind }) => kind === 'ruleset')
        .map(({ ref }, index) => ({ id: index + 1, name: ref, target: 'branch', enforcement: 'active' })),
    ),
  ),

  route('GET /contents', 'contents', (call) => contents(call, '')),
  route('GET /contents/*file', 'contents', (call) => contents(call, call.parameters['file'] ?? '')),
  route('PUT /contents/*file', 'contents', async (call) => {
    const { repository, body, token } = call;
    const path = call.parameters['file'] ?? '';
    const branch = text(body['branch']) || repository.defaultBranch;
    const ref = `refs/heads/${branch}`;
    const head = await refAt(repository, ref);
    if (head === null) throw new ApiError(404, `Branch ${branch} not found`);
    const rule = token === null ? undefined : forbidding(repository, ref, token);
    if (rule !== undefined) throw ruleRefusal(rule, ref, 'contents');
    const present = await repository.git.read(`${head}:${path}`);
    const expected = optionalText(body['sha']);
    if (present !== null && expected === null) throw invalid('Invalid request.\n\n"sha" wasn\'t supplied.');
    if (expected !== null && present?.oid !== expected) throw new ApiError(409, `${path} does not match ${expected}`);
    const blob = await repository.git.write('blob', Buffer.from(text(body['content']), 'base64'));
    const tree = await repository.git.treeWith(
      (await repository.git.read(`${head}^{tree}`))?.oid ?? null,
      new Map([[path, { mode: '100644', oid: blob }]]),
    );
    const commit = await repository.git.commit({
      tree,
      parents: [head],
      message: text(body['message']),
      author: addressOf(token),
      signed: token?.type === 'Bot',
    });
    if (!(await moveRefs(repository, [{ ref, before: head, after: commit }]))) {
      throw new ApiError(409, `is at ${(await refAt(repository, ref)) ?? ''} but expected ${head}`);
    }
    return {
      status: present === null ? 201 : 200,
      body: { content: { path, sha: blob }, commit: await commitAnswer(repository, commit) },
    };
  }),

  route('GET /commits', 'contents', async (call) => {
    const from = call.query.get('sha') ?? call.repository.defaultBranch;
    const path = call.query.get('path');
    if ((await call.repository.git.read(`${from}^{commit}`)) === null) throw notFound();
    const listing = await call.repository.git.git('log', '--format=%H', from, '--', ...(path === null ? [] : [path]));
    return page(
      call,
      await Promise.all(
        listing
          .split('\n')
          .filter(Boolean)
          .map((sha) => fullCommit(call.repository, sha)),
      ),
    );
  }),
  route('GET /commits/*ref', 'contents', async (call) => {
    const name = call.parameters['ref'] ?? '';
    const commit =
      (await call.repository.git.read(`refs/heads/${name}^{commit}`)) ??
      (await call.repository.git.read(`${name}^{commit}`));
    if (commit === null) throw invalid(`No commit found for SHA: ${name}`);
    if (/sha/u.test(call.accept))
      return { status: 200, body: Buffer.from(commit.oid), headers: { 'content-type': 'text/plain' } };
    return ok(await fullCommit(call.repository, commit.oid));
  }),
  route('GET /compare/*range', 'contents', async (call) => {
    const [base = '', head = ''] = (call.parameters['range'] ?? '').split('...');
    const { git } = call.repository;
    const [from, to] = [await git.read(`${base}^{commit}`), await git.read(`${head}^{commit}`)];
    if (from === null || to === null) throw notFound();
    const [ahead, behind] = await Promise.all([
      git.git('rev-list', `${from.oid}..${to.oid}`),
      git.git('rev-list', `${to.oid}..${from.oid}`),
    ]).then((lists) => lists.map((list) => list.split('\n').filter(Boolean)));
    const mergeBase = await git.git('merge-base', from.oid, to.oid).catch(() => '');
    const status =
      ahead?.length === 0
        ? behind?.length === 0
          ? 'identical'
          : 'behind'
        : behind?.length === 0
          ? 'ahead'
          : 'diverged';
    return ok({
      status,
      ahead_by: ahead?.length ?? 0,
      behind_by: behind?.length ?? 0,
      total_commits: ahead?.length ?? 0,
      base_commit: { sha: from.oid },
      merge_base_commit: { sha: mergeBase },
      commits: await Promise.all([...(ahead ?? [])].reverse().map((sha) => fullCommit(call.repository, sha))),
      files: mergeBase === '' ? [] : await changedFiles(call.repository, mergeBase, to.oid),
    });
  }),
];

interface Author {
  name: string;
  email: string;
  date?: string;
}

export function repositoryAnswer(
  repository: RepositoryState,
  call: Pick<Call, 'token' | 'site'>,
): Record<string, unknown> {
  const push = call.token?.permissions === null || call.token?.permissions.contents === 'write';
  return {
    id: 1,
    name: repository.name,
    full_name: fullName(repository),
    owner: { login: repository.owner },
    private: repository.private,
    archived: repository.archived,
    default_branch: repository.defaultBranch,
    html_url: `${call.site}/${fullName(repository)}`,
    permissions: { admin: call.token?.permissions === null, push, pull: true },
  };
}

/** Files that differ between two commits, as pull requests and comparisons list them. */
export async function changedFiles(repository: RepositoryState, from: string, to: string): Promise<unknown[]> {
  const listing = await repository.git.git('diff', '--raw', '--no-abbrev', '--no-renames', '-z', from, to);
  const fields = listing.split('\0').filter(Boolean);
  const words: Record<string, string> = { A: 'added', D: 'removed', M: 'modified', T: 'changed' };
  return fields.flatMap((field, index) => {
    if (index % 2 === 1) return [];
    const [, , before = '', after = '', letter = ''] = field.split(' ');
    const status = words[letter] ?? 'changed';
    return [{ sha: status === 'removed' ? before : after, filename: fields[index + 1] ?? '', status }];
  });
}

export async function commitAnswer(repository: RepositoryState, oid: string): Promise<Record<string, unknown>> {
  const bytes = (await repository.git.read(oid))?.bytes;
  const whole = bytes?.toString('utf8') ?? '';
  const [head = ''] = whole.split('\n\n', 1);
  const who = (name: string) => {
    const [, person = '', email = '', time = '0'] =
      new RegExp(`^${name} (.*?) <(.*?)> ([0-9]+)`, 'mu').exec(head) ?? [];
    return { name: person, email, date: isoSeconds(time) };
  };
  const verified = /^gpgsig /mu.test(head);
  return {
    sha: oid,
    tree: { sha: /^tree ([0-9a-f]+)/u.exec(head)?.[1] ?? '' },
    parents: parentsOf(bytes).map((sha) => ({ sha })),
    author: who('author'),
    committer: who('committer'),
    message: whole.slice(head.length + 2),
    verification: { verified, reason: verified ? 'valid' : 'unsigned' },
  };
}

/** As `/commits` shows it: the git commit inside of one with people and files. */
export async function fullCommit(repository: RepositoryState, sha: string): Promise<unknown> {
  const commit = await commitAnswer(repository, sha);
  const { email } = commit['author'] as { email: string };
  // GitHub knows people and bots by their address.
  const login = /^(?:[0-9]+\+)?(.+)@users\.noreply\.github\.com$/u.exec(email)?.[1];
  const author = login === undefined ? null : { login, type: login.endsWith('[bot]') ? 'Bot' : 'User' };
  return { sha, commit, parents: commit['parents'], author, committer: null };
}

async function contents(call: Call, path: string): Promise<Answer> {
  const { git, defaultBranch } = call.repository;
  const name = call.query.get('ref') ?? defaultBranch;
  const commit = (await git.read(`refs/heads/${name}^{commit}`)) ?? (await git.read(`${name}^{commit}`));
  if (commit === null) throw new ApiError(404, `No commit found for the ref ${name}`);
  const found = await git.read(path === '' ? `${commit.oid}^{tree}` : `${commit.oid}:${path}`);
  if (found === null) throw notFound();
  if (found.type === 'tree') {
    const items = await git.tree(found.oid);
    return ok(
      items.map((item) => ({
        name: item.name,
        path: path === '' ? item.name : `${path}/${item.name}`,
        sha: item.oid,
        type: item.mode === '40000' ? 'dir' : 'file',
      })),
    );
  }
  if (/raw/u.test(call.accept))
    return { status: 200, body: found.bytes, headers: { 'content-type': 'application/octet-stream' } };
  const large = found.bytes.length > 1024 * 1024;
  return ok({
    type: 'file',
    path,
    sha: found.oid,
    size: found.bytes.length,
    encoding: large ? 'none' : 'base64',
    content: large ? '' : wrapped(found.bytes),
  });
}

async function refAnswer(call: Call, ref: string): Promise<unknown> {
  const sha = await refAt(call.repository, ref, call.stale);
  const object = sha === null ? null : await call.repository.git.read(sha);
  if (object === null) throw notFound();
  return {
    ref,
    url: `${call.api}/repos/${fullName(call.repository)}/git/${ref}`,
    object: { sha: object.oid, type: object.type },
  };
}

async function objectOf(call: Call, type: GitObject['type']): Promise<GitObject> {
  const sha = call.parameters['sha'] ?? '';
  const found = /^[0-9a-f]{40}$/u.test(sha) ? await call.repository.git.read(sha) : null;
  if (found?.type !== type) throw notFound();
  return found;
}

function tagAnswer(sha: string, bytes: Buffer): unknown {
  const whole = bytes.toString('utf8');
  const [head = ''] = whole.split('\n\n', 1);
  const field = (name: string): string => new RegExp(`^${name} (.*)$`, 'mu').exec(head)?.[1] ?? '';
  const [, name = '', email = '', time = '0'] = /^(.*?) <(.*?)> ([0-9]+)/u.exec(field('tagger')) ?? [];
  return {
    sha,
    tag: field('tag'),
    message: whole.slice(head.length + 2),
    object: { sha: field('object'), type: field('type') },
    tagger: { name, email, date: isoSeconds(time) },
    verification: { verified: false, reason: 'unsigned' },
  };
}

function treeItem({ mode, name, oid }: TreeItem): Record<string, unknown> {
  return {
    path: name,
    mode: mode.padStart(6, '0'),
    type: mode === '40000' ? 'tree' : mode === '160000' ? 'commit' : 'blob',
    sha: oid,
  };
}

/** The git database answers 409 while a repository has no commit at all. */
async function requireCommits(repository: RepositoryState): Promise<void> {
  if ((await repository.git.read(`refs/heads/${repository.defaultBranch}`)) !== null) return;
  if ((await repository.git.git('for-each-ref', '--count=1')) !== '') return;
  throw new ApiError(409, 'Git Repository is empty.');
}

/** Such as 2026-01-02T03:04:05Z. */
function isoSeconds(time: string): string {
  return `${new Date(Number(time) * 1000).toISOString().slice(0, 19)}Z`;
}

/** Base64 in lines of 60, as GitHub sends it. */
function wrapped(bytes: Buffer): string {
  return bytes.toString('base64').replace(/.{60}/gu, '$&\n');
}
