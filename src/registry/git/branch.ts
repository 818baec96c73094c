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
  usualRemote,
  type Remote,
} from './remote.ts';
import { branchRef, checkedOutIn, commitAt, isAncestor, type Repository } from './repository.ts';
import { runGit } from './run.ts';
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
  /** The tags of the remote that has the branch, by name; null: the branch is here. */
  remoteTags: ReadonlySet<string> | null;
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
  if (push === undefined) return localBranch(repository, ref, name, github);
  return remoteBranch(repository, ref, await openRemote(repository, push, github), log);
}

function localBranch(
  repository: Repository,
  ref: string,
  name: string,
  github: Partial<GitHubToken> | undefined,
): RegistryBranch {
  return {
    ref,
    remote: null,
    async tip() {
      const here = await commitAt(repository, ref);
      if (here !== null) return { head: here, expected: here, remoteTags: null };
      // In a clone of one branch, a registry that is not here may be on the remote: a second one beside it is never started.
      const elsewhere = await usualRemote(repository);
      if (elsewhere === null) return { head: null, expected: null, remoteTags: null };
      const remote = await openRemote(repository, elsewhere, github);
      const there = (await remoteRefs(remote, [ref])).get(ref) ?? null;
      if (there !== null) await fetchCommit(remote, ref, there);
      return { head: there, expected: null, remoteTags: null };
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
      const remedy = /\.lock'/u.test(stderr)
        ? 'Nothing was recorded. If no git is at work in this repository, remove the lock file and run again'
        : 'Nothing was recorded';
      return {
        moved: false,
        mayPass,
        fault: new RegistryError({ found: `git update-ref: ${stderr}`, where: ref, remedy }),
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
      const names = [...refs.keys()].filter((each) => each.startsWith('refs/tags/'));
      const remoteTags = new Set(names.map((each) => each.slice('refs/tags/'.length)));
      const here = await commitAt(repository, ref);
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

function checkedOut(name: string, folder: string): RegistryError {
  return new RegistryError({
    found: `the registry is to be kept on branch ${name}, which is checked out in ${folder}`,
    expected: 'a branch that nobody has checked out: Contender writes to no work tree',
    where: 'registry.branch',
    remedy:
      'Leave registry.branch out (the registry is then on the branch model-registry), or record on this branch where it is not checked out: registry.push: origin, or registry.store: github',
  });
}
