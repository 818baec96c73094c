import { RegistryError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { GitHubToken } from './credentials.ts';
import {
  fetchCommit,
  fetchTags,
  openRemote,
  pushTogether,
  refusedPush,
  remoteRefs,
  requirePush,
  usualRemotes,
  wayOut,
  type Remote,
} from './remote.ts';
import { branchRef, branchTip, checkedOutIn, commitAt, isAncestor, type Repository } from './repository.ts';
import { firstFault, git, runGit } from './run.ts';
import type { TagToMake } from './tags.ts';

/*
 * The branch that holds the registry: here, or on a remote that everything recorded is pushed to. It is read from its ref and moved by
 * compare and swap; index, work tree and whatever branch is checked out are never touched.
 */
export interface RegistryBranch {
  /** In full, such as refs/heads/model-registry. */
  ref: string;
  /** The remote that has it; null: it is here. */
  remote: Remote | null;
  /**
   * Where it is now.
   *
   * @param tags patterns of tags to bring here too, such as `refs/tags/*`
   * @throws RegistryError when that cannot be known
   */
  tip(tags?: readonly string[]): Promise<Tip>;
  /** Move it and make tags, together or not at all, if it is still where it was. */
  move(from: Tip, commit: string, tags: readonly TagToMake[], why: string): Promise<Moved>;
  /** Say before long work whether something could be recorded. @throws RegistryError where not */
  requireWritable(): Promise<void>;
}

export interface Tip {
  /** The commit to read and to build on; null: nothing was recorded yet. */
  head: string | null;
  /** What the ref that is moved is at; null: there is none yet. */
  expected: string | null;
  /** The tags of the remote that has the branch, and the object of each; null: the branch is here. */
  remoteTags: ReadonlyMap<string, string> | null;
}

/** `mayPass`: another writer was first, or was at it; otherwise trying again is of no use. `fault`: what git said. */
export type Moved = { moved: true } | { moved: false; mayPass: boolean; fault: RegistryError };

/** @param push name of the remote that has the branch; left out: it is here */
export async function openBranch(
  repository: Repository,
  name: string,
  push: string | undefined,
  github: Partial<GitHubToken> | undefined,
  log: Log,
): Promise<RegistryBranch> {
  const ref = await branchRef(repository, name);
  if (push === undefined) return localBranch(repository, ref, name, github, log);
  return remoteBranch(repository, ref, await openRemote(repository, push, github), log);
}

function localBranch(
  repository: Repository,
  ref: string,
  name: string,
  github: Partial<GitHubToken> | undefined,
  log: Log,
): RegistryBranch {
  let warned = false;
  return {
    ref,
    remote: null,
    async tip() {
      const here = await branchTip(repository, ref);
      const fetched = await fetchedTips(repository, name);
      if (here !== null) {
        const ahead = await newestAfter(repository, here, fetched);
        if (ahead === here && !warned && (await hasParted(repository, here, fetched))) {
          warned = true;
          log.warning(
            `The branch ${name} here and that of a remote, as last fetched, each have commits that the other does not have. The registry is read from the one here: see git log ${name}...origin/${name}`,
          );
        }
        return { head: ahead, expected: here, remoteTags: null };
      }
      // In a clone of one branch, a registry that is not here may be on a remote: a second one beside it is never started.
      const asked = await usualRemotes(repository);
      const found = new Map<string, Remote>();
      for (const each of asked) {
        const remote = await openRemote(repository, each, github);
        const there = (await remoteRefs(remote, [ref])).get(ref);
        if (there !== undefined) found.set(there, remote);
      }
      for (const [commit, remote] of found) await fetchCommit(remote, ref, commit);
      const heads = found.size > 0 ? [...found.keys()] : fetched;
      const [first = null] = heads;
      const head = first === null ? null : await newestAfter(repository, first, heads);
      if (head !== null && (found.size === 0 || (await hasParted(repository, head, heads)))) {
        throw elsewhere(name, asked);
      }
      return { head, expected: null, remoteTags: null };
    },
    async move({ expected }, commit, tags, why) {
      const zeros = '0'.repeat(commit.length);
      const changes = [
        ...(commit === expected ? [] : [`update ${ref} ${commit} ${expected ?? zeros}`]),
        ...tags.map((tag) => `create refs/tags/${tag.name} ${tag.oid}`),
      ];
      const args = ['-c', 'core.filesRefLockTimeout=1000', 'update-ref', '--no-deref', '-m', why, '--stdin'];
      const { code, stderr } = await runGit(repository.folder, args, {
        input: `${changes.join('\n')}\n`,
        detached: true,
      });
      if (code === 0) return { moved: true };
      const now = await commitAt(repository, ref);
      // The lock of a git at work is gone in an instant; a rival has moved the branch by then.
      const mayPass = now !== expected || /unable to create .*\.lock': File exists/iu.test(stderr);
      return {
        moved: false,
        mayPass,
        fault: new RegistryError({
          found: `git update-ref: ${firstFault(stderr)}`,
          where: ref,
          remedy: `Nothing was recorded${wayOut(stderr, 'this repository') ?? ''}`,
        }),
      };
    },
    async requireWritable() {
      const folder = await checkedOutIn(repository, ref);
      if (folder !== null) throw checkedOut(name, folder);
      const stored = await runGit(repository.folder, ['hash-object', '-w', '--stdin']);
      if (stored.code === 0) return;
      throw new RegistryError({
        found: `git cannot store anything: ${stored.stderr.split('\n')[0] ?? ''}`,
        where: repository.folder,
        remedy: 'Make the repository writable for this user',
      });
    },
  };
}

function remoteBranch(repository: Repository, ref: string, remote: Remote, log: Log): RegistryBranch {
  let warned = false;
  return {
    ref,
    remote,
    async tip(patterns = []) {
      const refs = await remoteRefs(remote, [ref, ...patterns]);
      const there = refs.get(ref) ?? null;
      if (there !== null) await fetchCommit(remote, ref, there);
      if (patterns.length > 0) await fetchTags(remote, patterns);
      const tags = [...refs].filter(([name]) => name.startsWith('refs/tags/') && !name.endsWith('^{}'));
      const remoteTags = new Map(tags.map(([name, oid]) => [name.slice('refs/tags/'.length), oid]));
      const here = await branchTip(repository, ref);
      // Recorded here before there was a remote to push to: the first push takes it along.
      if (there === null && here !== null && (await checkedOutIn(repository, ref)) === null) {
        return { head: here, expected: null, remoteTags };
      }
      if (here !== null && there !== null && !warned && !(await isAncestor(repository, here, there))) {
        warned = true;
        log.warning(
          `The branch ${ref.replace('refs/heads/', '')} here has commits that ${remote.name} does not have. The registry is read from ${remote.name}.`,
        );
      }
      return { head: there, expected: there, remoteTags };
    },
    async move({ expected }, commit, tags) {
      const { pushed, now, said } = await pushTogether(remote, ref, expected, commit, tags);
      if (pushed) {
        // Known here too, for programs that read tags; one that cannot be made here is on the remote all the same.
        for (const { name, oid } of tags) {
          await runGit(repository.folder, ['update-ref', `refs/tags/${name}`, oid, '0'.repeat(oid.length)]);
        }
        return { moved: true };
      }
      return { moved: false, mayPass: now !== expected || isRivalry(said), fault: refusedPush(remote, ref, said) };
    },
    async requireWritable() {
      const { head } = await this.tip();
      if (head !== null) await requirePush(remote, ref, head);
    },
  };
}

/** Somebody else was first, or is at it. */
function isRivalry(said: string): boolean {
  if (/exists; cannot create/u.test(said)) return false;
  return /stale info|fetch first|non-fast-forward|cannot lock ref|failed to update ref|incorrect old value/iu.test(
    said,
  );
}

/** Where the branch is on the remotes, as last fetched: a commit each, once. */
async function fetchedTips(repository: Repository, name: string): Promise<string[]> {
  const output = await git(repository.folder, ['for-each-ref', '--format=%(objectname)', `refs/remotes/*/${name}`]);
  return [...new Set(output.split('\n').filter((line) => line !== ''))];
}

/** The commit that follows all the others that follow `commit`. */
async function newestAfter(repository: Repository, commit: string, others: readonly string[]): Promise<string> {
  let newest = commit;
  for (const each of others) if (each !== newest && (await isAncestor(repository, newest, each))) newest = each;
  return newest;
}

/** Whether one of `others` is neither before nor after a commit. */
async function hasParted(repository: Repository, commit: string, others: readonly string[]): Promise<boolean> {
  for (const each of others) {
    if (!(await isAncestor(repository, each, commit)) && !(await isAncestor(repository, commit, each))) return true;
  }
  return false;
}

/** The branch is not here, and where it is, is not for Contender to guess. */
function elsewhere(name: string, asked: readonly string[]): RegistryError {
  return new RegistryError({
    found: `branch ${name} is on a remote, and ${asked.length === 1 ? `neither here nor on ${asked[0]}` : 'not the same on all remotes'}`,
    expected: 'one registry: a second one is never started beside it',
    where: 'registry.branch',
    remedy: `See git branch --remotes --list '*/${name}'. Name the remote that has it in registry.push, or take it: git branch ${name} <remote>/${name}`,
  });
}

function checkedOut(name: string, folder: string): RegistryError {
  return new RegistryError({
    found: `the registry is to be kept on branch ${name}, which is checked out in ${folder}`,
    expected: 'a branch that nobody has checked out: Contender writes to no work tree',
    where: 'registry.branch',
    remedy:
      'Leave registry.branch out (the registry is then on the branch model-registry), or record on this branch where it is not checked out: registry.push: origin, or registry.store: github',
  });
}
