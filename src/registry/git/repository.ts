import { realpath } from 'node:fs/promises';
import { RegistryError } from '../../errors.ts';
import { git, gitFault, runGit } from './run.ts';

export interface Repository {
  /** Where git runs: the top of the work tree, or the repository itself when it is bare. */
  folder: string;
  bare: boolean;
  /** Shared by all work trees of the repository. Absolute. */
  commonFolder: string;
  /** Hash of object names. */
  objectFormat: 'sha1' | 'sha256';
}

/** A work tree that has the branch checked out. */
export interface WorkTree {
  /** Absolute path of its top. */
  folder: string;
  /** Its own git folder, where its index lies. */
  gitFolder: string;
}

export interface Branch {
  /** Full name, refs/heads/main; null when HEAD is detached and no branch was named. */
  ref: string | null;
  /** The commit it is at; null when it has none yet. */
  head: string | null;
}

/** Find the repository a folder belongs to. @throws RegistryError when it is not in one, or git refuses it */
export async function openRepository(folder: string): Promise<Repository> {
  const question = [
    'rev-parse',
    '--path-format=absolute',
    '--is-inside-work-tree',
    '--git-common-dir',
    '--show-object-format',
    '--is-bare-repository',
  ];
  const answer = await runGit(folder, question);
  if (answer.code !== 0) {
    if (!/not a git repository/u.test(answer.stderr)) throw gitFault(folder, question, answer);
    throw new RegistryError({
      found: `${folder} is not in a git repository`,
      expected: 'the registry to be kept in git',
      remedy: 'Run git init and commit the model, or name the repository with --workspace',
    });
  }
  const [inside, commonFolder = '', objectFormat] = answer.stdout.toString('utf8').split('\n');
  const shared = {
    commonFolder: await realpath(commonFolder),
    objectFormat: objectFormat === 'sha256' ? ('sha256' as const) : ('sha1' as const),
  };
  if (inside !== 'true') return { folder, bare: true, ...shared };
  const [top = ''] = (await git(folder, ['rev-parse', '--show-toplevel'])).split('\n');
  return { folder: top, bare: false, ...shared };
}

/** The branch that holds the registry: the one named, or the one checked out. @throws RegistryError when it does not exist */
export async function resolveBranch(repository: Repository, name: string | undefined): Promise<Branch> {
  const current = await runGit(repository.folder, ['symbolic-ref', '--quiet', 'HEAD']);
  const checkedOut = current.code === 0 ? current.stdout.toString('utf8').trim() : null;
  if (name === undefined) return { ref: checkedOut, head: await commitAt(repository, checkedOut ?? 'HEAD') };
  const valid = await runGit(repository.folder, ['check-ref-format', `refs/heads/${name}`]);
  if (valid.code !== 0 || name.startsWith('-')) {
    throw new RegistryError({ found: `${JSON.stringify(name)} is not the name of a branch`, where: 'registry.branch' });
  }
  const ref = `refs/heads/${name}`;
  const head = await commitAt(repository, ref);
  if (head === null && ref !== checkedOut) {
    const remote = await commitAt(repository, `refs/remotes/origin/${name}`);
    throw new RegistryError({
      found: `there is no branch ${name} here`,
      where: 'registry.branch',
      // Never created on the fly: in a clone of one branch that would start a second chain beside the real one.
      remedy:
        remote === null
          ? `Fetch it (git fetch origin ${name}:${name}), or create it once: git branch ${name}`
          : `Create it from the remote: git branch ${name} origin/${name}`,
    });
  }
  return { ref, head };
}

/** The commit a name stands for, or null. */
export async function commitAt(repository: Repository, name: string): Promise<string | null> {
  const result = await runGit(repository.folder, [
    'rev-parse',
    '--verify',
    '--quiet',
    '--end-of-options',
    `${name}^{commit}`,
  ]);
  return result.code === 0 ? result.stdout.toString('utf8').trim() : null;
}

/** Whether a branch, as it is here or as it was last fetched, is at a commit. */
export async function isTipOf(repository: Repository, branch: string, commit: string): Promise<boolean> {
  const refs = [`refs/heads/${branch}`, `refs/remotes/*/${branch}`];
  const tips = await git(repository.folder, ['for-each-ref', '--format=%(objectname)', ...refs]);
  return tips.split('\n').includes(commit);
}

export async function isAncestor(repository: Repository, ancestor: string, commit: string): Promise<boolean> {
  return (await runGit(repository.folder, ['merge-base', '--is-ancestor', ancestor, commit])).code === 0;
}

export async function isShallow(repository: Repository): Promise<boolean> {
  return (await git(repository.folder, ['rev-parse', '--is-shallow-repository'])) === 'true';
}

/** The work tree that has `ref` checked out, this one or another of the same repository; null when none has. */
export async function workTreeOf(repository: Repository, ref: string): Promise<WorkTree | null> {
  const listing = await git(repository.folder, ['worktree', 'list', '--porcelain']);
  for (const block of listing.split('\n\n')) {
    const lines = block.split('\n');
    const folder = lines[0]?.replace(/^worktree /u, '') ?? '';
    if (!lines.includes(`branch ${ref}`) || lines.includes('bare')) continue;
    if (lines.some((line) => line === 'prunable' || line.startsWith('prunable '))) continue;
    const gitFolder = await git(folder, ['rev-parse', '--absolute-git-dir']);
    return { folder, gitFolder: await realpath(gitFolder) };
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
    expected: 'a folder of its own inside the repository, relative to it, without .. or .git',
    where: 'registry.path',
    remedy: 'Set registry.path to a folder such as registry',
  });
}
