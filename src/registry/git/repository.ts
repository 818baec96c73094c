import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { RegistryError } from '../../errors.ts';
import { firstFault, git, gitFault, runGit } from './run.ts';

export interface Repository {
  /** Where git runs: the top of the work tree, or the repository itself when it is bare. */
  folder: string;
  bare: boolean;
  /** Shared by all work trees of the repository. Absolute. */
  commonFolder: string;
  /** Hash of object names. */
  objectFormat: 'sha1' | 'sha256';
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

/** The full name of a branch. @throws RegistryError for what git takes for none */
export async function branchRef(repository: Repository, name: string): Promise<string> {
  const valid = await runGit(repository.folder, ['check-ref-format', `refs/heads/${name}`]);
  // git's own commands make no branch HEAD, and refs/heads/... would be one of that whole name.
  if (valid.code !== 0 || name.startsWith('-') || name === 'HEAD' || name.startsWith('refs/')) {
    throw new RegistryError({
      found: `${JSON.stringify(name)} is not the name of a branch`,
      expected: 'a name such as model-registry, without refs/heads/',
      where: 'registry.branch',
    });
  }
  return `refs/heads/${name}`;
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

/**
 * The commit that a branch is at; null: there is no such branch.
 *
 * @param ref in full
 * @throws RegistryError for one that is there and cannot be read, as after a crash, or that stands for another
 */
export async function branchTip(repository: Repository, ref: string): Promise<string | null> {
  const format = '--format=%(objectname) %(objecttype) %(refname) %(symref)';
  const { code, stdout, stderr } = await runGit(repository.folder, ['for-each-ref', format, ref]);
  const lines = stdout.toString('utf8').split('\n');
  const [oid = '', type, , other = ''] = lines.map((line) => line.split(' ')).find(([, , name]) => name === ref) ?? [];
  if (type === 'commit' && other === '') return oid;
  if (type === undefined && code === 0 && !stderr.includes(`broken ref ${ref}`)) return null;
  const branch = ref.replace('refs/heads/', '');
  throw new RegistryError({
    found:
      other !== ''
        ? `the branch ${branch} stands for another, ${other}`
        : `the branch ${branch} cannot be read: ${type === undefined ? firstFault(stderr) : `it is at a ${type}`}`,
    expected: 'a branch of its own, at a commit',
    where: ref,
    remedy:
      other !== ''
        ? `Set registry.branch to ${other.replace('refs/heads/', '')}, or take the alias away: git symbolic-ref --delete ${ref}`
        : `Nothing was recorded. See where it was (git reflog show ${branch}, or the remote), and put it back: git update-ref ${ref} <commit>`,
  });
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

/** Whether part of the history of a commit is missing here, as in a shallow clone. */
export async function isCutOff(repository: Repository, commit: string): Promise<boolean> {
  if (!(await isShallow(repository))) return false;
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
    expected: 'a folder of its own inside the repository, relative to it, without .. or .git',
    where: 'registry.path',
    remedy: 'Set registry.path to a folder such as registry',
  });
}
