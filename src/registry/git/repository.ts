import { existsSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { RegistryError } from '../../errors.ts';
import type { GitHubAccess } from '../../github/access.ts';
import { openObjectStream, type ObjectStream } from './object-stream.ts';
import { firstFault, git, gitFault, partsOf, runGit, textOf } from './run.ts';

export interface Repository {
  /** Where git runs: the top of the work tree, or the repository itself when it is bare. */
  folder: string;
  bare: boolean;
  /** Shared by all work trees of the repository. Absolute. */
  commonFolder: string;
  /** Hash of object names. */
  objectFormat: 'sha1' | 'sha256';
  objects: ObjectStream;
  reach: Reach;
}

/** How the remotes of a repository are reached. */
export interface Reach {
  /** Signs in to a remote on GitHub where the clone does not. */
  github?: GitHubAccess | undefined;
  /** The remote that has the registry, where one is named: what it names is fetched from there. */
  push?: string | undefined;
}

/** Find the repository a folder belongs to; one that is open is shared. @throws RegistryError when it is not in one, or git refuses it */
export async function openRepository(folder: string | Repository, reach: Reach = {}): Promise<Repository> {
  if (typeof folder !== 'string') return folder;
  const repository = await findRepository(folder, reach);
  if (repository !== null) return repository;
  throw new RegistryError({
    found: `${folder} is not in a git repository`,
    expected: 'a git repository, to store the registry in',
    remedy: 'Run git init and commit the model, or name the repository with --workspace',
  });
}

/** The same; null when it is not in one. @throws RegistryError when git refuses it */
export async function findRepository(folder: string, reach: Reach = {}): Promise<Repository | null> {
  const question = [
    'rev-parse',
    '--path-format=absolute',
    '--git-common-dir',
    '--show-object-format',
    '--show-toplevel',
  ];
  const answer = await runGit(folder, question);
  // It has answered all but the last then.
  const bare = answer.code !== 0 && /must be run in a work tree/u.test(answer.stderr);
  if (answer.code !== 0 && !bare) {
    if (/not a git repository/u.test(answer.stderr)) return null;
    throw gitFault(folder, question, answer);
  }
  const [commonFolder = '', objectFormat, top = ''] = answer.stdout.toString('utf8').split('\n');
  return {
    folder: bare ? folder : top,
    bare,
    commonFolder: await realpath(commonFolder),
    objectFormat: objectFormat === 'sha256' ? 'sha256' : 'sha1',
    objects: openObjectStream(bare ? folder : top),
    reach,
  };
}

/** What git says of a repository, asked once while it is open: nothing of ours changes it. */
export function askedOnce<T>(ask: (repository: Repository, name: string) => Promise<T>): typeof ask {
  const known = new WeakMap<Repository, Map<string, Promise<T>>>();
  return (repository, name) => {
    const answers = known.get(repository) ?? new Map<string, Promise<T>>();
    known.set(repository, answers);
    const answer = answers.get(name) ?? ask(repository, name);
    answers.set(name, answer);
    return answer;
  };
}

/** The full name of a branch. @throws RegistryError for what git takes for none */
export function branchRef(name: string): string {
  // git's own commands make no branch HEAD, and refs/heads/... would be one of that whole name.
  if (isRefName(`refs/heads/${name}`) && !/^-|^HEAD$|^refs\//u.test(name)) return `refs/heads/${name}`;
  throw new RegistryError({
    found: `${JSON.stringify(name)} is not a valid branch name`,
    expected: 'a name such as model-registry, without refs/heads/',
    where: 'registry.branch',
  });
}

/** What git takes for the name of a ref (git-check-ref-format). */
export function isRefName(name: string): boolean {
  // eslint-disable-next-line no-control-regex
  return !/[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\.$|(?:^|\/)(?:\.|\/|$)|\.lock(?:\/|$)|^[^/]*$/u.test(name);
}

/** The commit a name stands for, or null. */
export async function commitAt(repository: Repository, name: string): Promise<string | null> {
  if (/^(?:HEAD|refs\/[\w./-]+|[0-9a-f]{40}(?:[0-9a-f]{24})?)$/u.test(name)) {
    return (await repository.objects.read([`${name}^{commit}`]))[0]?.oid ?? null;
  }
  const question = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`];
  const result = await runGit(repository.folder, question);
  return result.code === 0 ? textOf(result) : null;
}

/** Where a branch is, here and on remotes. */
export interface BranchTips {
  /** The commit that it is at here; null: there is no such branch. */
  here: string | null;
  /** Where it is on remotes, as last fetched: an object by ref. */
  fetched: ReadonlyMap<string, string>;
}

/**
 * @param ref of the branch, in full
 * @throws RegistryError for one that is here and cannot be read, as after a crash, or that stands for another
 */
export async function branchTips(repository: Repository, ref: string): Promise<BranchTips> {
  const branch = ref.replace('refs/heads/', '');
  const args = ['for-each-ref', '--format=%(objectname) %(refname) %(symref)', ref, `refs/remotes/*/${branch}`];
  const { code, stdout, stderr } = await runGit(repository.folder, args);
  const lines = partsOf(stdout, '\n').map((line) => line.split(' '));
  const [oid = '', , other = ''] = lines.find(([, name]) => name === ref) ?? [];
  const fetched = new Map(
    lines.map(([at = '', name = '']) => [name, at] as const).filter(([name]) => name.startsWith('refs/remotes/')),
  );
  const type = oid === '' ? undefined : ((await repository.objects.read([oid]))[0]?.type ?? 'missing object');
  if (type === 'commit' && other === '') return { here: oid, fetched };
  if (type === undefined && code === 0 && !stderr.includes(`broken ref ${ref}`)) return { here: null, fetched };
  throw new RegistryError({
    found:
      other !== ''
        ? `the branch ${branch} is an alias (symbolic ref) of ${other}`
        : `the branch ${branch} cannot be read: ${type === undefined ? firstFault(stderr) : `it is at a ${type}`}`,
    expected: 'a branch that points at a commit',
    where: ref,
    remedy:
      other !== ''
        ? `Set registry.branch to ${other.replace('refs/heads/', '')}, or remove the alias: git symbolic-ref --delete ${ref}`
        : `Nothing was recorded. Find its last commit (git reflog show ${branch}, or the remote), and restore it: git update-ref ${ref} <commit>`,
  });
}

/** Whether a branch, as it is here or as it was last fetched, is at a commit. */
export async function isTipOf(repository: Repository, branch: string, commit: string): Promise<boolean> {
  const refs = [`refs/heads/${branch}`, `refs/remotes/*/${branch}`];
  const tips = await git(repository.folder, ['for-each-ref', '--format=%(objectname)', ...refs]);
  return tips.split('\n').includes(commit);
}

export async function isAncestor(repository: Repository, ancestor: string, commit: string): Promise<boolean> {
  return (
    ancestor === commit ||
    (await runGit(repository.folder, ['merge-base', '--is-ancestor', ancestor, commit])).code === 0
  );
}

export function isShallow({ commonFolder }: Repository): boolean {
  return existsSync(join(commonFolder, 'shallow'));
}

/** What is asked needs history that a shallow clone lacks. @param expected why the whole of it is needed */
export function shallowFault({ folder }: Repository, expected: string): RegistryError {
  return new RegistryError({
    found: 'this clone is shallow',
    expected: `the whole history${expected}`,
    where: folder,
    remedy: 'Check out with fetch-depth: 0, or run git fetch --unshallow',
  });
}

/** Whether part of the history of a commit is missing here, as in a shallow clone. */
export async function isCutOff(repository: Repository, commit: string): Promise<boolean> {
  if (!isShallow(repository)) return false;
  const text = await readFile(join(repository.commonFolder, 'shallow'), 'utf8').catch(() => '');
  for (const boundary of text.split('\n').filter((line) => line !== '')) {
    if (await isAncestor(repository, boundary, commit)) return true;
  }
  return false;
}

/** The work tree that has `ref` checked out, this one or another of the same repository; null when none has. */
export async function checkedOutIn(repository: Repository, ref: string): Promise<string | null> {
  const listing = await git(repository.folder, ['worktree', 'list', '--porcelain']);
  for (const block of listing.split('\n\n')) {
    const lines = block.split('\n');
    if (!lines.includes(`branch ${ref}`) || lines.includes('bare')) continue;
    if (lines.some((line) => line === 'prunable' || line.startsWith('prunable '))) continue;
    return lines[0]?.replace(/^worktree /u, '') ?? '';
  }
  return null;
}

/**
 * The registry's folder, from the top of the repository whatever folder one works in: one repository, one registry.
 * @throws RegistryError when it is not a folder of its own inside the repository
 */
export function registryFolder(path: string): string {
  const parts = path.split(/[\\/]+/u).filter((part) => part !== '' && part !== '.');
  const bad =
    /^(?:[\\/]|[A-Za-z]:)/u.test(path) ||
    // eslint-disable-next-line no-control-regex
    /[\u0000-\u001f]/u.test(path) ||
    path.split(/[\\/]+/u).includes('..') ||
    parts.some((part) => part.toLowerCase() === '.git') ||
    parts.length === 0;
  if (!bad) return parts.join('/');
  throw new RegistryError({
    found: `the registry path is ${JSON.stringify(path)}`,
    expected: 'a separate folder inside the repository, relative to its root, without .. or .git',
    where: 'registry.path',
    remedy: 'Set registry.path to a folder such as registry',
  });
}
