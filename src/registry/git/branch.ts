import { defaults } from '../../config/defaults.ts';
import { RegistryError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { parseRegistryPath } from '../layout.ts';
import {
  fetchCommit,
  fetchTags,
  openRemote,
  openToRead,
  pushTogether,
  refusedPush,
  remoteRefs,
  requirePush,
  usualRemotes,
  wayOut,
  type Remote,
} from './remote.ts';
import {
  branchRef,
  branchTips,
  checkedOutIn,
  commitAt,
  isAncestor,
  type BranchTips,
  type Repository,
} from './repository.ts';
import { firstFault, runGit } from './run.ts';
import { areHere, createTags, type TagToMake } from './tags.ts';

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
  /** Say whether something may be recorded on it. @throws RegistryError where not */
  requireWritable(): Promise<void>;
  /** Say before long work whether git would move it from where it is, as far as that can be asked. @throws RegistryError where not */
  rehearse(): Promise<Tip>;
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
export type Moved =
  /** `already`: names of tags that another writer had made. */
  { moved: true; already?: readonly string[] } | { moved: false; mayPass: boolean; fault: RegistryError };

/**
 * @param push name of the remote that has the branch; left out: it is here
 * @param key the setting that names the branch
 * @param folder of the registry, whose decisions are only ever added to; left out: what the branch holds may go
 */
export async function openBranch(
  repository: Repository,
  name: string,
  push: string | undefined,
  log: Log,
  key: string,
  folder?: string,
): Promise<RegistryBranch> {
  const place = { repository, name, ref: branchRef(name), key, folder, log };
  if (push === undefined) return localBranch(place);
  return remoteBranch(place, await openRemote(repository, push));
}

/** A branch, and all that is known of it before it is looked at. */
interface Place {
  repository: Repository;
  name: string;
  ref: string;
  key: string;
  folder: string | undefined;
  log: Log;
}

function localBranch({ repository, name, ref, key, folder, log }: Place): RegistryBranch {
  const warn = onceEach(log);
  const updateRefs = async (
    expected: string | null,
    lines: readonly string[],
    why: string,
    lockMs = 1000,
  ): Promise<Moved> => {
    const args = ['-c', `core.filesRefLockTimeout=${lockMs}`, 'update-ref', '--no-deref', '-m', why, '--stdin'];
    const input = `${lines.join('\n')}\n`;
    const { code, stderr } = await runGit(repository.folder, args, { input, detached: true });
    if (code === 0) return { moved: true };
    const now = await commitAt(repository, ref);
    // The lock of a git at work is gone in an instant; a rival has moved the branch by then.
    const mayPass = now !== expected || /unable to create .*\.lock': File exists|already exists/iu.test(stderr);
    return {
      moved: false,
      mayPass,
      fault: new RegistryError({
        found: `git update-ref: ${firstFault(stderr)}`,
        where: ref,
        remedy: `Nothing was recorded${wayOut(stderr, 'this repository', key) ?? ''}`,
      }),
    };
  };
  const update = (commit: string, expected: string | null): string =>
    `update ${ref} ${commit} ${expected ?? '0'.repeat(commit.length)}`;
  return {
    ref,
    remote: null,
    async tip() {
      const { here, fetched: tracked } = await branchTips(repository, ref);
      const fetched = [...new Set(tracked.values())];
      if (here !== null) {
        const ahead = await newestAfter(repository, here, fetched);
        if (ahead === here && (await hasParted(repository, here, fetched))) {
          warn(
            `The branch ${name} here and that of a remote, as last fetched, each have commits that the other does not have. The registry is read from the one here: see git log ${name}...origin/${name}`,
          );
        }
        return { head: ahead, expected: here, remoteTags: null };
      }
      // In a clone of one branch, a registry that is not here may be on a remote: a second one beside it is never started.
      const { found, without, faults } = await lookOnRemotes(repository, ref);
      for (const { fault } of faults) log.debug(fault.found);
      for (const [commit, remote] of found) {
        const lost = await fetchTip(remote, ref, commit, tracked, folder);
        if (lost !== null) throw cutOff(name, remote.name, key, commit, lost);
      }
      const [first, ...others] = found.keys();
      if (first !== undefined) {
        const head = await newestAfter(repository, first, others);
        if (await hasParted(repository, head, [first, ...others])) throw elsewhere(name, null);
        return { head, expected: null, remoteTags: null };
      }
      const stale = without.filter((remote) => tracked.has(`refs/remotes/${remote}/${name}`));
      if (tracked.size > stale.length) throw elsewhere(name, without);
      if (stale[0] !== undefined) throw deleted(name, stale[0], key);
      for (const { fault } of faults) warn(`${fault.found}. The registry is treated as empty.`);
      return { head: null, expected: null, remoteTags: null };
    },
    async move({ expected }, commit, tags, why) {
      const made = tags.map((tag) => `create refs/tags/${tag.name} ${tag.oid}`);
      return updateRefs(expected, [...(commit === expected ? [] : [update(commit, expected)]), ...made], why);
    },
    async requireWritable() {
      const folder = await checkedOutIn(repository, ref);
      if (folder !== null) throw checkedOut(name, folder);
    },
    async rehearse() {
      const tip = await this.tip();
      const { expected: here } = tip;
      const commit = here ?? (await commitAt(repository, 'HEAD'));
      if (commit === null) return tip;
      const lines = ['start', update(commit, here), 'prepare', 'abort'];
      // The move is tried again where a lock lasts, this is not.
      const could = await updateRefs(here, lines, 'contender: rehearsal', 5000);
      if (!could.moved && (await commitAt(repository, ref)) === here) throw could.fault;
      return tip;
    },
  };
}

function remoteBranch({ repository, name, ref, key, folder, log }: Place, remote: Remote): RegistryBranch {
  const warn = onceEach(log);
  let writes = false;
  return {
    ref,
    remote,
    async tip(patterns = []) {
      // Before the remote is asked: another process may push meanwhile, and move the tracking branch.
      const { here, fetched } = await branchTips(repository, ref);
      const { from, refs } = await ask([ref, ...patterns]);
      const there = refs.get(ref) ?? null;
      const lost = there === null ? null : await fetchTip(from, ref, there, fetched, folder);
      const tags = [...refs].filter(([name]) => name.startsWith('refs/tags/') && !name.endsWith('^{}'));
      const remoteTags = new Map(tags.map(([name, oid]) => [name.slice('refs/tags/'.length), oid]));
      if (!(await areHere(repository, remoteTags))) await fetchTags(from, patterns);
      const was = lastFetched(remote, ref, fetched);
      if (there === null && was !== undefined && (here === null || !(await isAncestor(repository, was, here)))) {
        throw deleted(name, remote.name, key);
      }
      if (there !== null && lost !== null) {
        const fault = cutOff(name, remote.name, key, there, lost);
        if (writes) throw fault;
        warn(fault.message);
      }
      // Recorded here before there was a remote to push to: the first push takes it along.
      if (there === null && here !== null && (await checkedOutIn(repository, ref)) === null) {
        return { head: here, expected: null, remoteTags };
      }
      if (here !== null && there !== null && !(await isAncestor(repository, here, there))) {
        warn(
          `The branch ${name} here has commits that ${remote.name} does not have. The registry is read from ${remote.name}.`,
        );
      }
      return { head: there, expected: there, remoteTags };
    },
    async move({ expected }, commit, tags) {
      const { pushed, now, said, already } = await pushTogether(remote, ref, expected, commit, tags);
      if (pushed) {
        // Known here too, for programs that read tags; one that cannot be made here is on the remote all the same.
        await createTags(repository, tags);
        return { moved: true, already };
      }
      return {
        moved: false,
        mayPass: now !== expected || isRivalry(said),
        fault: refusedPush(remote, ref, said, key),
      };
    },
    requireWritable() {
      writes = true;
      return Promise.resolve();
    },
    async rehearse() {
      const tip = await this.tip();
      if (tip.head !== null) await requirePush(remote, ref, tip.head, key);
      return tip;
    },
  };

  /**
   * Where it is pushed; or, by whoever records nothing, where it is fetched from, if the other cannot be asked (the address `no-push` is
   * how a clone is kept from pushing) and the registry is there.
   */
  async function ask(wanted: readonly string[]): Promise<{ from: Remote; refs: Map<string, string> }> {
    try {
      return { from: remote, refs: await remoteRefs(remote, wanted) };
    } catch (error) {
      if (!(error instanceof RegistryError) || writes || remote.place === remote.name) throw error;
      const [from] = await openToRead(repository, remote.name);
      const refs = await remoteRefs(from, wanted).catch(() => new Map<string, string>());
      if (!refs.has(ref)) throw error;
      warn(`${error.fault.found}. The registry is read from the fetch address of ${remote.name}.`);
      return { from, refs };
    }
  }
}

/** Warns of each thing once: what a branch is at is asked many times. */
function onceEach(log: Log): (message: string) => void {
  const said = new Set<string>();
  return (message) => {
    if (!said.has(message)) log.warning(message);
    said.add(message);
  };
}

interface Look {
  /** A remote that has it at a commit, by the commit. */
  found: ReadonlyMap<string, Remote>;
  /** The names of those that do not have it where they are fetched from. */
  without: readonly string[];
  /** Why others cannot be asked. */
  faults: readonly RegistryError[];
}

/** Look for a branch on the remotes. @throws RegistryError where nobody has it, and no remote could be asked where it is fetched from */
async function lookOnRemotes(repository: Repository, ref: string): Promise<Look> {
  const found = new Map<string, Remote>();
  const without: string[] = [];
  const faults: RegistryError[] = [];
  for (const name of await usualRemotes(repository)) {
    for (const remote of await openToRead(repository, name)) {
      try {
        const there = (await remoteRefs(remote, [ref])).get(ref);
        if (there !== undefined) {
          found.set(there, remote);
          break;
        }
        if (remote.place === name) without.push(name);
      } catch (error) {
        if (!(error instanceof RegistryError)) throw error;
        faults.push(error);
      }
    }
  }
  if (faults[0] !== undefined && found.size === 0 && without.length === 0) throw faults[0];
  return { found, without, faults };
}

/** Somebody else was first, or is at it. */
function isRivalry(said: string): boolean {
  if (/exists; cannot create/u.test(said)) return false;
  return /stale info|fetch first|non-fast-forward|cannot lock ref|failed to update ref|incorrect old value|already exists/iu.test(
    said,
  );
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

/** Where a branch was when it was last fetched. What was fetched from another address says nothing of the one that is pushed to. */
function lastFetched({ name, place }: Remote, ref: string, fetched: BranchTips['fetched']): string | undefined {
  return place === name ? fetched.get(trackingRef(name, ref)) : undefined;
}

function trackingRef(remote: string, ref: string): string {
  return ref.replace('refs/heads/', `refs/remotes/${remote}/`);
}

/**
 * Fetch what a remote has. The tracking branch goes along only once nothing is missing: else what is would be forgotten.
 *
 * @param fetched as it was before the remote was asked: another process may push meanwhile, and move the tracking branch
 * @returns where the branch was when it was last fetched, if a decision that it had is missing or another one now; else null
 */
async function fetchTip(
  remote: Remote,
  ref: string,
  there: string,
  fetched: BranchTips['fetched'],
  folder: string | undefined,
): Promise<string | null> {
  const was = lastFetched(remote, ref, fetched);
  if (was === there) return null;
  await fetchCommit(remote, ref, there, was === undefined || folder === undefined);
  if (was === undefined || folder === undefined) return null;
  const { repository, name } = remote;
  if (!(await keeps(repository, there, was, folder))) return was;
  await runGit(repository.folder, ['update-ref', trackingRef(name, ref), there, was]);
  return null;
}

/** Whether a commit has every decision that there was, also where its history was rewritten. Unknown: true. */
async function keeps(repository: Repository, commit: string, was: string, folder: string): Promise<boolean> {
  if (await isAncestor(repository, was, commit)) return true;
  const args = ['diff-tree', '-r', '-z', '--name-only', '--no-renames', '--diff-filter=DMT', was, commit, '--', folder];
  const gone = await runGit(repository.folder, args);
  if (gone.code !== 0) return true;
  const paths = gone.stdout.toString('utf8').split('\0');
  return !paths.some((path) => parseRegistryPath(path.slice(folder.length + 1))?.kind === 'decision');
}

/** Decisions that were on the remote are not there any more. */
function cutOff(name: string, remote: string, key: string, there: string, was: string): RegistryError {
  return new RegistryError({
    found: `branch ${name} of ${remote} does not have the decisions that it had when it was last fetched: the branch was reset or overwritten`,
    expected: 'a branch to which decisions are only added',
    where: key,
    remedy: `See what is missing: git log ${there}..${was}. If it was removed on purpose, accept that in this clone: git fetch ${remote} +refs/heads/${name}:refs/remotes/${remote}/${name}. Otherwise restore it: git push --force-with-lease=${name}:${there} ${remote} ${was}:refs/heads/${name}`,
  });
}

/** The branch was deleted where it was fetched from; whether on purpose is not for Contender to guess. */
function deleted(name: string, remote: string, key: string): RegistryError {
  return new RegistryError({
    found: `branch ${name} was on ${remote} when it was last fetched, but no longer exists there`,
    expected: 'the recorded decisions: a new registry is never started where a branch was lost',
    where: key,
    remedy: `If it was deleted on purpose, delete it in this clone too: git branch --delete --remotes ${remote}/${name}. Otherwise restore it: git push ${remote} ${remote}/${name}:refs/heads/${name}`,
  });
}

/**
 * The branch is not here, and where it is, is not for Contender to guess.
 *
 * @param without remotes that do not have it; null: several have it, and differ
 */
function elsewhere(name: string, without: readonly string[] | null): RegistryError {
  return new RegistryError({
    found:
      without === null
        ? `branch ${name} differs between the remotes`
        : `branch ${name} is on a remote, but ${['not here', ...without].join(', nor on ')}`,
    expected: 'one registry: a second one is never started',
    where: 'registry.branch',
    remedy: `See git branch --remotes --list '*/${name}'. Name the remote that has it in registry.push, or create the branch here: git branch ${name} <remote>/${name}`,
  });
}

function checkedOut(name: string, folder: string): RegistryError {
  return new RegistryError({
    found: `the registry branch ${name} is checked out in ${folder}`,
    expected: 'a branch that is not checked out: Contender does not change work trees',
    where: 'registry.branch',
    remedy: `Check out another branch in that folder${name === defaults.registryBranch ? '' : ', remove registry.branch (the registry is then on the branch model-registry)'}, or record on the remote: registry.push: origin, or registry.store: github`,
  });
}
