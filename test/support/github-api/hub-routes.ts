import { createHash } from 'node:crypto';
import { changedFiles, fullCommit } from './git-routes.ts';
import { forbidding, moveRefs, refAt } from './refs.ts';
import {
  addressOf,
  created,
  fullName,
  invalid,
  notFound,
  ok,
  optionalText,
  page,
  person,
  route,
  text,
  type Answer,
  type Call,
  type Route,
} from './route.ts';
import {
  ApiError,
  newId,
  now,
  type Annotation,
  type CheckRun,
  type Comment,
  type Environment,
  type PullRequest,
  type Release,
  type RepositoryState,
  type Review,
  type WaitingJob,
} from './state.ts';

/** Pull requests, comments, check runs, releases, workflow runs: REST. */
export const hubRoutes: Route[] = [
  route('POST /pulls', 'pull-requests', async (call) => {
    const { repository, body } = call;
    const base = text(body['base']);
    const [from = '', head = ''] = text(body['head']).includes(':')
      ? text(body['head']).split(':')
      : [repository.owner, text(body['head'])];
    const headSha = from === repository.owner ? await refAt(repository, `refs/heads/${head}`) : null;
    const baseSha = await refAt(repository, `refs/heads/${base}`);
    const failed = (errors: unknown[]) => invalid('Validation Failed', errors);
    if (headSha === null) throw failed([{ resource: 'PullRequest', field: 'head', code: 'invalid' }]);
    if (baseSha === null) throw failed([{ resource: 'PullRequest', field: 'base', code: 'invalid' }]);
    if (call.token?.type === 'Bot' && !repository.workflowsMakePulls) {
      throw new ApiError(403, 'GitHub Actions is not permitted to create or approve pull requests.');
    }
    const same = [...repository.pulls.values()].some(
      (each) =>
        each.state === 'open' &&
        each.head === head &&
        each.base === base &&
        each.headRepository === fullName(repository),
    );
    if (same)
      throw failed([
        {
          resource: 'PullRequest',
          code: 'custom',
          message: `A pull request already exists for ${repository.owner}:${head}.`,
        },
      ]);
    if (await repository.git.isAncestor(headSha, baseSha)) {
      throw failed([{ resource: 'PullRequest', code: 'custom', message: `No commits between ${base} and ${head}` }]);
    }
    const pull: PullRequest = {
      number: nextNumber(repository),
      title: text(body['title']),
      body: optionalText(body['body']),
      state: 'open',
      draft: body['draft'] === true,
      base,
      head,
      headRepository: fullName(repository),
      headSha,
      user: person(call.token),
      labels: [],
      merged: false,
      mergeSha: null,
      created: now(),
      updated: now(),
      reviews: [],
    };
    repository.pulls.set(pull.number, pull);
    return created(await pullAnswer(call, pull));
  }),
  route('GET /pulls', 'pull-requests', async (call) => {
    const state = call.query.get('state') ?? 'open';
    const head = call.query.get('head')?.split(':').at(-1);
    const base = call.query.get('base');
    const found = [...call.repository.pulls.values()]
      .filter(
        (each) =>
          (state === 'all' || each.state === state) &&
          (head === undefined || each.head === head) &&
          (base === null || each.base === base),
      )
      .reverse();
    return page(call, await Promise.all(found.map((each) => pullAnswer(call, each))));
  }),
  route('GET /pulls/:number', 'pull-requests', async (call) => ok(await pullAnswer(call, pullOf(call)))),
  route('PATCH /pulls/:number', 'pull-requests', async (call) => {
    const pull = pullOf(call);
    const { title, body, state, base } = call.body;
    if (typeof title === 'string') pull.title = title;
    if (typeof body === 'string') pull.body = body;
    if (typeof base === 'string') pull.base = base;
    if (state === 'closed') {
      pull.headSha = (await refAt(call.repository, `refs/heads/${pull.head}`)) ?? pull.headSha;
      pull.state = 'closed';
    } else if (state === 'open' && pull.state === 'closed') {
      if (pull.merged || (await refAt(call.repository, `refs/heads/${pull.head}`)) === null) {
        throw invalid('Validation Failed', [
          { resource: 'PullRequest', field: 'state', code: 'invalid', message: 'state cannot be changed.' },
        ]);
      }
      pull.state = 'open';
    }
    pull.updated = now();
    return ok(await pullAnswer(call, pull));
  }),
  route('GET /pulls/:number/files', 'pull-requests', async (call) => {
    const pull = pullOf(call);
    const { base, head } = await endsOf(call.repository, pull);
    const from = await call.repository.git.git('merge-base', base, head);
    return page(call, await changedFiles(call.repository, from, head));
  }),
  route('GET /pulls/:number/commits', 'pull-requests', async (call) => {
    const { base, head } = await endsOf(call.repository, pullOf(call));
    const listing = await call.repository.git.git('rev-list', '--reverse', `${base}..${head}`);
    const shas = listing.split('\n').filter(Boolean);
    return page(call, await Promise.all(shas.map((sha) => fullCommit(call.repository, sha))));
  }),
  route('GET /commits/:sha/pulls', 'pull-requests', async (call) => {
    const { git, pulls } = call.repository;
    const sha = await git.git('rev-parse', '--verify', `${call.parameters['sha'] ?? ''}^{commit}`).catch(() => '');
    const found: unknown[] = [];
    for (const pull of pulls.values()) {
      // What a pull request brought, or would bring, and the commit that merged it.
      const before = pull.merged ? `${pull.mergeSha}^1` : (await endsOf(call.repository, pull)).base;
      const own = await git.git('rev-list', pull.headSha, `^${before}`).catch(() => '');
      if (pull.mergeSha === sha || own.split('\n').includes(sha)) {
        found.push(await pullAnswer(call, pull));
      }
    }
    return page(call, found);
  }),
  route('GET /pulls/:number/merge', 'pull-requests', (call) => {
    if (pullOf(call).merged) return { status: 204 };
    throw notFound();
  }),
  route('PUT /pulls/:number/merge', 'contents', async (call) => merge(call, pullOf(call))),
  route('GET /pulls/:number/reviews', 'pull-requests', (call) => page(call, pullOf(call).reviews.map(reviewAnswer))),
  route('POST /pulls/:number/reviews', 'pull-requests', async (call) => {
    const pull = pullOf(call);
    const event = text(call.body['event']);
    const user = person(call.token);
    if (user.login === pull.user.login && event === 'APPROVE')
      throw invalid('Unprocessable Entity', ['Can not approve your own pull request']);
    const review: Review = {
      id: newId(),
      user,
      state: event === 'APPROVE' ? 'APPROVED' : event === 'REQUEST_CHANGES' ? 'CHANGES_REQUESTED' : 'COMMENTED',
      body: text(call.body['body']),
      commit: (await refAt(call.repository, `refs/heads/${pull.head}`)) ?? pull.headSha,
      submitted: now(),
    };
    pull.reviews.push(review);
    return ok(reviewAnswer(review));
  }),

  route('GET /issues/:number/comments', ['issues', 'pull-requests'], (call) => {
    const number = issueOf(call);
    const found = [...call.repository.comments.values()].filter((each) => each.issue === number);
    return page(
      call,
      found.map((each) => commentAnswer(call, each)),
    );
  }),
  route('POST /issues/:number/comments', ['issues', 'pull-requests'], (call) => {
    const body = commentBody(call);
    const comment: Comment = {
      id: newId(),
      issue: issueOf(call),
      user: person(call.token),
      body,
      minimized: false,
      created: now(),
      updated: now(),
    };
    call.repository.comments.set(comment.id, comment);
    return created(commentAnswer(call, comment));
  }),
  route('GET /issues/comments/:id', ['issues', 'pull-requests'], (call) => ok(commentAnswer(call, commentOf(call)))),
  route('PATCH /issues/comments/:id', ['issues', 'pull-requests'], (call) => {
    const comment = commentOf(call);
    comment.body = commentBody(call);
    comment.updated = now();
    return ok(commentAnswer(call, comment));
  }),
  route('DELETE /issues/comments/:id', ['issues', 'pull-requests'], (call) => {
    call.repository.comments.delete(commentOf(call).id);
    return { status: 204 };
  }),
  route('POST /issues/:number/labels', ['issues', 'pull-requests'], (call) => {
    const pull = call.repository.pulls.get(issueOf(call));
    const labels = (call.body['labels'] ?? []) as string[];
    if (pull !== undefined) pull.labels = [...new Set([...pull.labels, ...labels])];
    return ok((pull?.labels ?? labels).map((name) => ({ name })));
  }),

  route('POST /check-runs', 'checks', async (call) => {
    const { body, repository } = call;
    const sha = text(body['head_sha']);
    if ((await repository.git.read(sha))?.type !== 'commit') throw invalid(`No commit found for SHA: ${sha}`);
    if (text(body['name']) === '') throw invalid('Invalid request.\n\n"name" wasn\'t supplied.');
    const run: CheckRun = {
      id: newId(),
      name: text(body['name']),
      head_sha: sha,
      external_id: '',
      details_url: null,
      status: 'queued',
      conclusion: null,
      started_at: now(),
      completed_at: null,
      output: { title: null, summary: null, text: null },
      annotations: [],
      app: 'github-actions',
    };
    changeCheck(run, body);
    repository.checks.set(run.id, run);
    return created(checkAnswer(call, run));
  }),
  route('PATCH /check-runs/:id', 'checks', (call) => {
    const run = checkOf(call);
    changeCheck(run, call.body);
    return ok(checkAnswer(call, run));
  }),
  route('GET /check-runs/:id', 'checks', (call) => ok(checkAnswer(call, checkOf(call)))),
  route('GET /check-runs/:id/annotations', 'checks', (call) => page(call, checkOf(call).annotations)),
  route('GET /commits/*ref/check-runs', 'checks', async (call) => {
    const ref = call.parameters['ref'] ?? '';
    const sha = (await call.repository.git.read(`${ref}^{commit}`))?.oid ?? '';
    const name = call.query.get('check_name');
    const all = [...call.repository.checks.values()].filter(
      (each) => each.head_sha === sha && (name === null || each.name === name),
    );
    // filter=latest, the default: the newest run of each name.
    const latest = new Map(all.map((each) => [each.name, each]));
    const found = call.query.get('filter') === 'all' ? all : [...latest.values()];
    return page(
      call,
      found.map((each) => checkAnswer(call, each)),
      'check_runs',
    );
  }),
  route('POST /statuses/:sha', 'statuses', (call) => {
    const { state, context, description } = call.body;
    const status = {
      sha: call.parameters['sha'] ?? '',
      state: text(state),
      context: text(context) || 'default',
      description: optionalText(description),
    };
    call.repository.statuses.push(status);
    return created(status);
  }),

  route('GET /deployments', 'deployments', (call) => {
    const wanted = (name: 'environment' | 'task', value: string): boolean => (call.query.get(name) ?? value) === value;
    const all = [...call.repository.deployments.values()].toReversed();
    return page(
      call,
      all.filter(({ environment, task }) => wanted('environment', environment) && wanted('task', task)),
    );
  }),
  route('POST /deployments', 'deployments', async (call) => {
    const { body, repository } = call;
    const ref = text(body['ref']);
    const sha = (await repository.git.read(`${ref}^{commit}`))?.oid;
    if (sha === undefined) throw invalid(`No ref found for: ${ref}`);
    // The default merges the default branch first, and waits for every check of the commit.
    if (body['auto_merge'] !== false || !Array.isArray(body['required_contexts']))
      throw new ApiError(409, 'Conflict: Commit status checks failed for master.');
    const made = {
      id: newId(),
      sha,
      ref,
      task: text(body['task']) || 'deploy',
      environment: text(body['environment']) || 'production',
      description: optionalText(body['description']),
      payload: body['payload'] ?? {},
      statuses: [],
    };
    repository.deployments.set(made.id, made);
    return created(made);
  }),
  route('POST /deployments/:id/statuses', 'deployments', (call) => {
    const found = call.repository.deployments.get(Number(call.parameters['id']));
    if (found === undefined) throw notFound();
    const { state, description, log_url: logUrl } = call.body;
    const states = ['error', 'failure', 'inactive', 'in_progress', 'queued', 'pending', 'success'];
    if (!states.includes(text(state)) || text(description).length > 140) throw invalid('Validation Failed');
    const status = { state: text(state), description: text(description), log_url: text(logUrl) };
    found.statuses.push(status);
    return created({ id: newId(), ...status });
  }),

  route('POST /releases', 'contents', async (call) => {
    const { repository, body } = call;
    const tag = text(body['tag_name']);
    if (tag === '')
      throw invalid('Validation Failed', [{ resource: 'Release', code: 'missing_field', field: 'tag_name' }]);
    if ([...repository.releases.values()].some((each) => each.tag_name === tag && !each.draft)) {
      throw invalid('Validation Failed', [{ resource: 'Release', code: 'already_exists', field: 'tag_name' }]);
    }
    const release: Release = {
      id: newId(),
      tag_name: tag,
      target_commitish: text(body['target_commitish']) || repository.defaultBranch,
      name: optionalText(body['name']),
      body: optionalText(body['body']),
      draft: body['draft'] === true,
      prerelease: body['prerelease'] === true,
      created: now(),
      published: null,
      latest: body['make_latest'] !== 'false',
      author: person(call.token),
      assets: [],
    };
    if (!release.draft) await publish(repository, release);
    repository.releases.set(release.id, release);
    return created(releaseAnswer(call, release));
  }),
  route('GET /releases', 'contents', (call) => {
    const writer =
      call.token !== null && (call.token.permissions === null || call.token.permissions.contents === 'write');
    const found = [...call.repository.releases.values()].filter((each) => !each.draft || writer).reverse();
    return page(
      call,
      found.map((each) => releaseAnswer(call, each)),
    );
  }),
  route('GET /releases/latest', 'contents', (call) => {
    const found = [...call.repository.releases.values()]
      .filter((each) => !each.draft && !each.prerelease && each.latest)
      .toSorted((a, b) => (a.published ?? '').localeCompare(b.published ?? ''))
      .at(-1);
    if (found === undefined) throw notFound();
    return ok(releaseAnswer(call, found));
  }),
  route('GET /releases/tags/*tag', 'contents', (call) => {
    // Drafts are not found by tag.
    const found = [...call.repository.releases.values()].find(
      (each) => each.tag_name === call.parameters['tag'] && !each.draft,
    );
    if (found === undefined) throw notFound();
    return ok(releaseAnswer(call, found));
  }),
  route('GET /releases/assets/:id', 'contents', (call) => {
    const asset = assetOf(call).asset;
    if (/octet-stream/u.test(call.accept)) {
      return { status: 302, headers: { location: `${call.site}/_assets/${fullName(call.repository)}/${asset.id}` } };
    }
    return ok(assetAnswer(call, asset));
  }),
  route('DELETE /releases/assets/:id', 'contents', (call) => {
    const { release, asset } = assetOf(call);
    release.assets = release.assets.filter((each) => each !== asset);
    return { status: 204 };
  }),
  route('GET /releases/:id', 'contents', (call) => ok(releaseAnswer(call, releaseOf(call)))),
  route('PATCH /releases/:id', 'contents', async (call) => {
    const release = releaseOf(call);
    const { body } = call;
    for (const key of ['tag_name', 'target_commitish', 'name', 'body'] as const) {
      if (typeof body[key] === 'string') release[key] = body[key];
    }
    release.latest = body['make_latest'] !== 'false';
    if (typeof body['prerelease'] === 'boolean') release.prerelease = body['prerelease'];
    if (typeof body['draft'] === 'boolean') release.draft = body['draft'];
    if (!release.draft && release.published === null) await publish(call.repository, release);
    return ok(releaseAnswer(call, release));
  }),
  route('DELETE /releases/:id', 'contents', (call) => {
    call.repository.releases.delete(releaseOf(call).id);
    return { status: 204 };
  }),
  route('GET /releases/:id/assets', 'contents', (call) =>
    page(
      call,
      releaseOf(call).assets.map((each) => assetAnswer(call, each)),
    ),
  ),
  route('POST /releases/:id/assets', 'contents', (call) => {
    const release = releaseOf(call);
    const name = call.query.get('name') ?? '';
    if (name === '')
      throw invalid('Validation Failed', [{ resource: 'ReleaseAsset', code: 'missing_field', field: 'name' }]);
    // Anything unusual in a name becomes a dot.
    const stored = name.replace(/[^A-Za-z0-9._@+-]+/gu, '.');
    if (release.assets.some((each) => each.name === stored)) {
      throw invalid('Validation Failed', [{ resource: 'ReleaseAsset', code: 'already_exists', field: 'name' }]);
    }
    const asset = {
      id: newId(),
      name: stored,
      label: call.query.get('label'),
      content_type: call.contentType,
      bytes: call.raw,
    };
    release.assets.push(asset);
    return created(assetAnswer(call, asset));
  }),

  route('GET /actions/permissions/workflow', 'administration', ({ repository }) =>
    ok({ default_workflow_permissions: 'read', can_approve_pull_request_reviews: repository.workflowsMakePulls }),
  ),
  route('GET /actions/runs/:run', 'actions', (call) => ok(runAnswer(call))),
  route('GET /actions/runs/:run/approvals', 'actions', (call) => {
    const run = runOf(call);
    return ok(
      run.approvals.map(({ state, comment, user, environments }) => ({
        state,
        comment,
        user: { login: user },
        environments: environments.map((name) => ({ name })),
      })),
    );
  }),
  route('GET /actions/runs/:run/pending_deployments', 'actions', (call) =>
    ok(
      [...environmentsOf(call)].map(({ id, name, reviewers }) => ({
        environment: { id, name },
        current_user_can_approve: reviewers.includes(call.token?.login ?? ''),
        reviewers: reviewers.map((login) => ({ type: 'User', reviewer: { login } })),
      })),
    ),
  ),
  route('POST /actions/runs/:run/pending_deployments', 'actions', (call) => {
    const { environment_ids: ids, state, comment } = call.body;
    const user = call.token?.login ?? '';
    if (!Array.isArray(ids) || (state !== 'approved' && state !== 'rejected') || typeof comment !== 'string') {
      throw invalid('Invalid request.');
    }
    const reviewed = [...environmentsOf(call)].filter(({ id }) => ids.includes(id));
    if (reviewed.length === 0 || reviewed.some(({ reviewers }) => !reviewers.includes(user))) {
      throw invalid('There are no pending deployment requests to approve or reject');
    }
    runOf(call).approvals.push({ state, comment, user, environments: reviewed.map(({ name }) => name) });
    for (const { environment, decide } of waitingIn(call))
      if (reviewed.includes(environment)) decide(state === 'approved');
    return ok([]);
  }),
  route('GET /actions/runs/:run/artifacts', 'actions', (call) => {
    const run = Number(call.parameters['run']);
    const name = call.query.get('name');
    const found = [...call.repository.artifacts.values()].filter(
      (each) => each.run === run && (name === null || each.name === name),
    );
    return page(
      call,
      found.map((each) => artifactAnswer(call, each.id)),
      'artifacts',
    );
  }),
  route('GET /actions/artifacts', 'actions', (call) => {
    const name = call.query.get('name');
    const found = [...call.repository.artifacts.values()]
      .filter((each) => name === null || each.name === name)
      .reverse();
    return page(
      call,
      found.map((each) => artifactAnswer(call, each.id)),
      'artifacts',
    );
  }),
  route('GET /actions/artifacts/:id', 'actions', (call) => ok(artifactAnswer(call, Number(call.parameters['id'])))),
  route('GET /actions/artifacts/:id/zip', 'actions', (call) => {
    const artifact = call.repository.artifacts.get(Number(call.parameters['id']));
    if (artifact === undefined) throw notFound();
    // Of a public repository too.
    if (call.token === null) throw new ApiError(401, 'Requires authentication');
    if (artifact.expired) throw new ApiError(410, 'Artifact has expired');
    return {
      status: 302,
      headers: { location: `${call.site}/_artifacts/${fullName(call.repository)}/${artifact.id}` },
    };
  }),
];

/** What a release asset or artifact redirects to: bytes, without asking who reads them. */
export function storedBytes(repository: RepositoryState, kind: string, id: number): Buffer | null {
  if (kind === '_artifacts') return repository.artifacts.get(id)?.bytes ?? null;
  return (
    [...repository.releases.values()].flatMap(({ assets }) => assets).find((each) => each.id === id)?.bytes ?? null
  );
}

async function merge(call: Call, pull: PullRequest): Promise<Answer> {
  const { repository, body, token } = call;
  const { base, head } = await endsOf(repository, pull);
  if (pull.state !== 'open') throw new ApiError(405, 'Pull Request is not mergeable');
  if (typeof body['sha'] === 'string' && body['sha'] !== head)
    throw new ApiError(409, 'Head branch was modified. Review and try the merge again.');
  const ref = `refs/heads/${pull.base}`;
  const rule = token === null ? undefined : forbidding(repository, ref, token);
  const approved = new Set(pull.reviews.filter(({ state }) => state === 'APPROVED').map(({ user }) => user.login)).size;
  if (rule !== undefined && approved < rule.approvals) {
    throw new ApiError(405, `At least ${rule.approvals} approving review is required by reviewers with write access.`);
  }
  const tree = await repository.git.git('merge-tree', '--write-tree', base, head).catch(() => null);
  if (tree === null) throw new ApiError(405, 'Pull Request is not mergeable');
  const method = text(body['merge_method']) || 'merge';
  if (method === 'rebase') return finishMerge(call, pull, base, head, await rebased(call, base, head));
  const title =
    text(body['commit_title']) ||
    (method === 'merge'
      ? `Merge pull request #${pull.number} from ${repository.owner}/${pull.head}`
      : `${pull.title} (#${pull.number})`);
  const commit = await repository.git.commit({
    tree: tree.split('\n')[0] ?? '',
    parents: method === 'merge' ? [base, head] : [base],
    message: [title, text(body['commit_message'])].filter(Boolean).join('\n\n'),
    // A squash is by whoever opened the pull request, a merge by whoever merges it. GitHub signs both.
    author: addressOf(method === 'squash' ? pull.user : token),
    signed: true,
  });
  return finishMerge(call, pull, base, head, commit);
}

async function finishMerge(
  { repository }: Call,
  pull: PullRequest,
  base: string,
  head: string,
  commit: string,
): Promise<Answer> {
  if (!(await moveRefs(repository, [{ ref: `refs/heads/${pull.base}`, before: base, after: commit }]))) {
    throw new ApiError(409, 'Base branch was modified. Review and try the merge again.');
  }
  Object.assign(pull, {
    state: 'closed',
    merged: true,
    mergeSha: commit,
    mergedInto: base,
    headSha: head,
    updated: now(),
  });
  return ok({ sha: commit, merged: true, message: 'Pull Request successfully merged' });
}

/** Each commit of the branch made anew on the base: GitHub signs none of them. */
async function rebased({ repository: { git } }: Call, base: string, head: string): Promise<string> {
  let onto = base;
  for (const sha of (await git.git('rev-list', '--reverse', '--no-merges', `${base}..${head}`)).split('\n')) {
    const commit = async (name: string, parents: string[]) =>
      git.commit({ tree: await git.git('rev-parse', `${name}^{tree}`), parents, message: '', signed: false });
    // What the commit changed, merged with what the base is: as if they had only its parent in common.
    const before = await commit(`${sha}^`, []);
    const merged = await git.git(
      'merge-tree',
      '--write-tree',
      await commit(onto, [before]),
      await commit(sha, [before]),
    );
    const [name = '', email = '', message = ''] = (await git.git('show', '-s', '--format=%an%x00%ae%x00%B', sha)).split(
      '\0',
    );
    onto = await git.commit({ tree: merged, parents: [onto], message, author: { name, email }, signed: false });
  }
  return onto;
}

async function endsOf(repository: RepositoryState, pull: PullRequest): Promise<{ base: string; head: string }> {
  // The branch of a fork may be called as one of ours.
  const own = pull.headRepository === fullName(repository);
  const head = pull.state === 'open' && own ? await refAt(repository, `refs/heads/${pull.head}`) : null;
  const base = pull.mergedInto ?? (await refAt(repository, `refs/heads/${pull.base}`)) ?? '';
  return { base, head: head ?? pull.headSha };
}

/** An open pull request whose branch is gone or has nothing of its own left is closed, as GitHub does it. */
async function pullAnswer(call: Call, pull: PullRequest): Promise<Record<string, unknown>> {
  const { repository } = call;
  const { base, head } = await endsOf(repository, pull);
  const own = pull.headRepository === fullName(repository);
  if (pull.state === 'open' && own) {
    const gone = (await refAt(repository, `refs/heads/${pull.head}`)) === null;
    if (gone || (await repository.git.isAncestor(head, base))) pull.state = 'closed';
    pull.headSha = head;
  }
  const mergeable =
    pull.state === 'open'
      ? await repository.git.git('merge-tree', '--write-tree', base, head).then(
          () => true,
          () => false,
        )
      : null;
  return {
    id: pull.number,
    node_id: `PR_${fullName(repository)}_${pull.number}`,
    number: pull.number,
    html_url: `${call.site}/${fullName(repository)}/pull/${pull.number}`,
    title: pull.title,
    body: pull.body,
    state: pull.state,
    draft: pull.draft,
    merged: pull.merged,
    merged_at: pull.merged ? pull.updated : null,
    merge_commit_sha: pull.mergeSha,
    mergeable,
    user: pull.user,
    labels: pull.labels.map((name) => ({ name })),
    base: {
      ref: pull.base,
      sha: base,
      label: `${repository.owner}:${pull.base}`,
      repo: { full_name: fullName(repository) },
    },
    head: {
      ref: pull.head,
      sha: head,
      label: `${pull.headRepository.split('/')[0]}:${pull.head}`,
      repo: { full_name: pull.headRepository, fork: !own },
    },
    created_at: pull.created,
    updated_at: pull.updated,
  };
}

function pullOf({ repository, parameters }: Call): PullRequest {
  const found = repository.pulls.get(Number(parameters['number']));
  if (found === undefined) throw notFound();
  return found;
}

function issueOf({ repository, parameters }: Call): number {
  const number = Number(parameters['number']);
  if (!repository.pulls.has(number) && !repository.issues.has(number)) throw notFound();
  return number;
}

export function nextNumber(repository: RepositoryState): number {
  return Math.max(0, ...repository.pulls.keys(), ...repository.issues.keys()) + 1;
}

function reviewAnswer({ id, user, state, body, commit, submitted }: Review): unknown {
  return { id, user, state, body, commit_id: commit, submitted_at: submitted };
}

function commentBody(call: Call): string {
  const body = text(call.body['body']);
  if (body.length > 65_536) {
    throw invalid('Validation Failed', [
      {
        resource: 'IssueComment',
        code: 'unprocessable',
        field: 'data',
        message: 'Body is too long (maximum is 65536 characters)',
      },
    ]);
  }
  if (body.trim() === '')
    throw invalid('Validation Failed', [{ resource: 'IssueComment', code: 'missing_field', field: 'body' }]);
  return body;
}

function commentOf({ repository, parameters }: Call): Comment {
  const found = repository.comments.get(Number(parameters['id']));
  if (found === undefined) throw notFound();
  return found;
}

function commentAnswer(call: Call, { id, issue, user, body, created: at, updated }: Comment): unknown {
  const name = fullName(call.repository);
  return {
    id,
    node_id: `IC_${name}_${id}`,
    user,
    body,
    html_url: `${call.site}/${name}/issues/${issue}#issuecomment-${id}`,
    issue_url: `${call.api}/repos/${name}/issues/${issue}`,
    created_at: at,
    updated_at: updated,
    performed_via_github_app: user.type === 'Bot' ? { slug: user.login.replace(/\[bot\]$/u, '') } : null,
  };
}

/** Limits of the Checks API: 50 annotations a call, which are added to those there; 65,535 characters of summary and of text. */
function changeCheck(run: CheckRun, body: Record<string, unknown>): void {
  const output = body['output'] as
    | { title?: string; summary?: string; text?: string; annotations?: Annotation[] }
    | undefined;
  if (output !== undefined) {
    if (typeof output.title !== 'string' || typeof output.summary !== 'string') {
      throw invalid('Invalid request.\n\n"title", "summary" weren\'t supplied.');
    }
    if (output.summary.length > 65_535 || (output.text ?? '').length > 65_535) {
      throw invalid('Invalid request.\n\nOnly 65535 characters are allowed');
    }
    const annotations = output.annotations ?? [];
    if (annotations.length > 50)
      throw invalid(
        'Invalid request.\n\nNo more than 50 items are allowed; 51 were supplied.'.replace(
          '51',
          String(annotations.length),
        ),
      );
    for (const each of annotations) {
      const levels = ['notice', 'warning', 'failure'];
      if (
        typeof each.path !== 'string' ||
        typeof each.start_line !== 'number' ||
        typeof each.end_line !== 'number' ||
        !levels.includes(each.annotation_level) ||
        typeof each.message !== 'string'
      ) {
        throw invalid('Invalid request.\n\nAn annotation is malformed.');
      }
      if (each.start_column !== undefined && each.start_line !== each.end_line)
        throw invalid('Invalid request.\n\nColumns are only for annotations of one line.');
    }
    run.output = { title: output.title, summary: output.summary, text: output.text ?? run.output.text };
    run.annotations.push(...annotations);
  }
  const conclusion = optionalText(body['conclusion']);
  const known = ['action_required', 'cancelled', 'failure', 'neutral', 'success', 'skipped', 'timed_out'];
  if (conclusion !== null && !known.includes(conclusion))
    throw invalid('Invalid request.\n\nConclusion is not a member of the list.');
  if (body['status'] === 'completed' && conclusion === null)
    throw invalid('Invalid request.\n\n"conclusion" wasn\'t supplied.');
  if (typeof body['name'] === 'string') run.name = body['name'];
  if (typeof body['external_id'] === 'string') run.external_id = body['external_id'];
  if (typeof body['details_url'] === 'string') run.details_url = body['details_url'];
  if (body['status'] === 'queued' || body['status'] === 'in_progress' || body['status'] === 'completed')
    run.status = body['status'];
  if (conclusion !== null) Object.assign(run, { conclusion, status: 'completed', completed_at: now() });
}

function checkOf({ repository, parameters }: Call): CheckRun {
  const found = repository.checks.get(Number(parameters['id']));
  if (found === undefined) throw notFound();
  return found;
}

function checkAnswer(call: Call, { annotations, app, ...run }: CheckRun): unknown {
  const name = fullName(call.repository);
  return {
    ...run,
    node_id: `CR_${run.id}`,
    html_url: `${call.site}/${name}/runs/${run.id}`,
    output: {
      ...run.output,
      annotations_count: annotations.length,
      annotations_url: `${call.api}/repos/${name}/check-runs/${run.id}/annotations`,
    },
    app: { slug: app },
    pull_requests: [...call.repository.pulls.values()]
      .filter((each) => each.headSha === run.head_sha)
      .map(({ number }) => ({ number })),
  };
}

/** Publishing makes the tag, lightweight, unless it is there. */
async function publish(repository: RepositoryState, release: Release): Promise<void> {
  release.published = now();
  const ref = `refs/tags/${release.tag_name}`;
  if ((await refAt(repository, ref)) !== null) return;
  const { git } = repository;
  const target =
    (await git.read(`refs/heads/${release.target_commitish}^{commit}`)) ??
    (await git.read(`${release.target_commitish}^{commit}`));
  if (target === null)
    throw invalid('Validation Failed', [{ resource: 'Release', code: 'invalid', field: 'target_commitish' }]);
  await moveRefs(repository, [{ ref, before: null, after: target.oid }]);
}

function releaseOf({ repository, parameters }: Call): Release {
  const found = repository.releases.get(Number(parameters['id']));
  if (found === undefined) throw notFound();
  return found;
}

function releaseAnswer(call: Call, { assets, created: at, published, ...release }: Release): unknown {
  const name = fullName(call.repository);
  return {
    ...release,
    created_at: at,
    published_at: published,
    html_url: `${call.site}/${name}/releases/tag/${release.tag_name}`,
    upload_url: `${call.site}/_uploads/repos/${name}/releases/${release.id}/assets{?name,label}`,
    assets: assets.map((each) => assetAnswer(call, each)),
  };
}

function assetOf({ repository, parameters }: Call): { release: Release; asset: Release['assets'][number] } {
  for (const release of repository.releases.values()) {
    const asset = release.assets.find((each) => each.id === Number(parameters['id']));
    if (asset !== undefined) return { release, asset };
  }
  throw notFound();
}

function assetAnswer(call: Call, { bytes, ...asset }: Release['assets'][number]): unknown {
  const name = fullName(call.repository);
  return {
    ...asset,
    state: 'uploaded',
    size: bytes.length,
    digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
    url: `${call.api}/repos/${name}/releases/assets/${asset.id}`,
    browser_download_url: `${call.site}/_assets/${name}/${asset.id}`,
  };
}

function runOf({ repository, parameters }: Call) {
  const run = repository.runs.get(Number(parameters['run']));
  if (run === undefined) throw notFound();
  return run;
}

function waitingIn(call: Call): WaitingJob[] {
  const { id } = runOf(call);
  return [...call.repository.waiting].filter(({ run }) => run === id);
}

/** Those that jobs of the run wait for. */
function environmentsOf(call: Call): Set<Environment> {
  return new Set(waitingIn(call).map(({ environment }) => environment));
}

function runAnswer(call: Call): unknown {
  const { approvals: _approvals, pull_requests, head_repository, run_attempt = 1, ...run } = runOf(call);
  const pulls = pull_requests.map((number) => ({
    number,
    head: { sha: call.repository.pulls.get(number)?.headSha ?? run.head_sha },
  }));
  return {
    ...run,
    run_attempt,
    head_repository: { full_name: head_repository },
    repository: { full_name: fullName(call.repository) },
    pull_requests: pulls,
  };
}

function artifactAnswer(call: Call, id: number): unknown {
  const artifact = call.repository.artifacts.get(id);
  if (artifact === undefined) throw notFound();
  const run = call.repository.runs.get(artifact.run);
  return {
    id,
    name: artifact.name,
    size_in_bytes: artifact.bytes.length,
    expired: artifact.expired,
    expires_at: artifact.expires,
    digest: `sha256:${createHash('sha256').update(artifact.bytes).digest('hex')}`,
    archive_download_url: `${call.api}/repos/${fullName(call.repository)}/actions/artifacts/${id}/zip`,
    workflow_run: { id: artifact.run, head_sha: run?.head_sha ?? '', head_branch: run?.head_branch ?? '' },
  };
}
