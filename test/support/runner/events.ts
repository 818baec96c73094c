import type { BareRepository } from '../github-api/bare-repository.ts';
import type { PullRequest, RepositoryState } from '../github-api/state.ts';
import type { Value } from './expressions.ts';
import { matchesFilter } from './globs.ts';
import type { WorkflowFile } from './workflow-file.ts';

/** Something that happened in a repository, as workflows are told of it. */
export interface HubEvent {
  name: string;
  /** GITHUB_EVENT_PATH. */
  payload: Record<string, Value>;
  ref: string;
  sha: string;
  /** Of pull requests. */
  base?: string;
  head?: string;
  /** Where the workflow files are read. */
  workflows: string;
  /** Changed files, where the event is of any. */
  changed?: string[];
  actor: string;
  /** From a fork: no secrets, and nothing but reading. */
  untrusted: boolean;
}

/** Whether an event starts a workflow ("Events that trigger workflows", GitHub docs). */
export function starts(file: WorkflowFile, event: HubEvent): boolean {
  const filter = file.events[event.name] as Filter | undefined;
  if (filter === undefined) return false;
  const action = event.payload['action'];
  const types = filter.types ?? (/^pull_request(?:_target)?$/u.test(event.name) ? pullRequestTypes : undefined);
  if (types !== undefined && typeof action === 'string' && !types.includes(action)) return false;
  if (filter.workflows !== undefined) {
    const run = event.payload['workflow_run'] as { name: string };
    if (!filter.workflows.includes(run.name)) return false;
  }
  const tag = event.ref.startsWith('refs/tags/');
  if (event.name === 'push' && !named(filter, tag, event.ref.replace(/^refs\/(?:heads|tags)\//u, ''))) return false;
  if (event.base !== undefined && !named(filter, false, event.base)) return false;
  // Tags have no paths.
  if (tag || event.changed === undefined) return true;
  const { paths, 'paths-ignore': ignored } = filter;
  if (paths !== undefined) return event.changed.some((path) => matchesFilter(paths, path));
  return ignored === undefined || event.changed.some((path) => !matchesFilter(ignored, path));
}

type Filter = Partial<
  Record<
    'types' | 'workflows' | 'branches' | 'branches-ignore' | 'tags' | 'tags-ignore' | 'paths' | 'paths-ignore',
    string[]
  >
>;

const pullRequestTypes = ['opened', 'synchronize', 'reopened'];

/** A filter of branches alone lets no tag through, and the other way round. */
function named(filter: Filter, tag: boolean, name: string): boolean {
  const [wanted, ignored] = tag ? [filter.tags, filter['tags-ignore']] : [filter.branches, filter['branches-ignore']];
  const other = tag ? (filter.branches ?? filter['branches-ignore']) : (filter.tags ?? filter['tags-ignore']);
  if (wanted !== undefined) return matchesFilter(wanted, name);
  if (ignored !== undefined) return !matchesFilter(ignored, name);
  return other === undefined;
}

const zeros = '0'.repeat(40);

/** A branch or tag has moved from `before` (null: it is new) to where it is. */
export async function pushEvent(
  repository: RepositoryState,
  ref: string,
  before: string | null,
  actor: string,
): Promise<HubEvent> {
  const { git } = repository;
  const after = await git.git('rev-parse', `${ref}^{commit}`);
  const changed = await changedFiles(git, before ?? emptyTree, after);
  return {
    name: 'push',
    payload: {
      ref,
      before: before ?? zeros,
      after,
      created: before === null,
      deleted: false,
      ...common(repository, actor),
    },
    ref,
    sha: after,
    workflows: after,
    changed,
    actor,
    untrusted: false,
  };
}

const emptyTree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

/** Something happened to a pull request; the merge commit that it is judged by is made, as GitHub makes it. */
export async function pullRequestEvent(
  repository: RepositoryState,
  pull: PullRequest,
  action: string,
  actor: string,
  changes?: Record<string, Value>,
): Promise<HubEvent> {
  const { git } = repository;
  const base = await git.git('rev-parse', `refs/heads/${pull.base}`);
  const own = pull.headRepository === `${repository.owner}/${repository.name}`;
  const head = pull.state === 'open' && own ? await git.git('rev-parse', `refs/heads/${pull.head}`) : pull.headSha;
  const answer = {
    number: pull.number,
    title: pull.title,
    body: pull.body,
    state: pull.state,
    draft: pull.draft,
    merged: pull.merged,
    merge_commit_sha: pull.mergeSha,
    user: { ...pull.user },
    labels: pull.labels.map((name) => ({ name })),
    base: { ref: pull.base, sha: base, repo: { full_name: `${repository.owner}/${repository.name}` } },
    head: { ref: pull.head, sha: head, repo: { full_name: pull.headRepository, fork: !own } },
  };
  const event = {
    name: 'pull_request',
    payload: {
      action,
      number: pull.number,
      pull_request: answer,
      ...(changes === undefined ? {} : { changes }),
      ...common(repository, actor),
    },
    base: pull.base,
    head: pull.head,
    actor,
    untrusted: !own,
  };
  if (pull.merged) {
    const sha = pull.mergeSha ?? base;
    const changed = await changedFiles(git, `${sha}^1`, sha);
    return { ...event, ref: `refs/heads/${pull.base}`, sha, workflows: sha, changed };
  }
  const changed = await changedFiles(git, await git.git('merge-base', base, head), head);
  const tree = (await git.git('merge-tree', '--write-tree', base, head)).split('\n')[0] ?? '';
  const sha = await git.commit({
    tree,
    parents: [base, head],
    message: `Merge ${head} into ${base}`,
    signed: true,
  });
  const ref = `refs/pull/${pull.number}/merge`;
  await git.updateRefs([
    { ref, after: sha },
    { ref: `refs/pull/${pull.number}/head`, after: head },
  ]);
  return { ...event, ref, sha, workflows: sha, changed };
}

/** An event that happens on the default branch, or on a branch a person chose. */
export async function branchEvent(
  repository: RepositoryState,
  name: string,
  payload: Record<string, Value>,
  actor: string,
  ref = `refs/heads/${repository.defaultBranch}`,
): Promise<HubEvent> {
  const sha = await repository.git.git('rev-parse', `${ref}^{commit}`);
  return {
    name,
    // What a schedule starts is told of nothing but the schedule (github/codeql-action#1211).
    payload: name === 'schedule' ? payload : { ...payload, ...common(repository, actor) },
    ref,
    sha,
    workflows: sha,
    actor,
    untrusted: false,
  };
}

function common(repository: RepositoryState, actor: string): Record<string, Value> {
  const { owner, name, defaultBranch } = repository;
  return {
    repository: {
      id: 1,
      name,
      full_name: `${owner}/${name}`,
      owner: { login: owner },
      default_branch: defaultBranch,
      private: repository.private,
    },
    sender: { login: actor, type: actor.endsWith('[bot]') ? 'Bot' : 'User' },
  };
}

async function changedFiles(git: BareRepository, before: string, after: string): Promise<string[]> {
  const listing = await git.git('diff', '--name-only', '-z', before, after);
  return listing.split('\0').filter((path) => path !== '');
}
