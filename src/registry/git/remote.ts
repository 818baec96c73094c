import { RegistryError } from '../../errors.ts';
import { sha256 } from '../../evidence/index.ts';
import type { Log } from '../../log.ts';
import { artifactsPath, placeOf } from '../layout.ts';
import { notKept } from '../kept-commit.ts';
import { decisionOf } from '../tags.ts';
import { moveBranch } from './objects.ts';
import { commitAt, isAncestor, type Repository, type WorkTree } from './repository.ts';
import { git, gitBytes, runGit } from './run.ts';
import { listTags } from './tags.ts';

/** A branch of a remote, and the local one that follows it. */
export interface Followed {
  repository: Repository;
  /** Null when the branch is checked out nowhere. */
  workTree: WorkTree | null;
  /** Name of the remote, such as origin. */
  remote: string;
  /** Full name, here and there. */
  ref: string;
  /** The registry's folder. */
  folder: string;
  /** Whether its tags are kept too. */
  tagged: boolean;
  log: Log;
}

/**
 * Bring the local branch to where the remote's is, so that what is recorded next is decided against that. Where the remote went on
 * without decisions that were recorded here and never reached it (a run that was overtaken or killed), they are taken back, with their
 * tags: whoever made them decides again. Commits of anybody else are never taken back, nor are uncommitted changes.
 *
 * @returns the commit that the remote's branch is at; null when it has no such branch yet
 * @throws RegistryError when the remote cannot be reached, or both went on and the local branch with more than decisions
 */
export async function follow(followed: Followed): Promise<string | null> {
  const there = await remoteHead(followed);
  if (there === null) return null;
  await followTo(followed, there);
  // The same tag made here would be another object.
  if (followed.tagged) await fetchTags(followed);
  return there;
}

async function followTo(followed: Followed, there: string): Promise<void> {
  const { repository, ref, remote, log } = followed;
  const here = await commitAt(repository, ref);
  if (here === null || there === here) return;
  if ((await commitAt(repository, there)) === null) await fetchRef(followed);
  if (await isAncestor(repository, there, here)) return;
  if (!(await isAncestor(repository, here, there))) {
    const dropped = await onlyDecisions(followed, there, here);
    await dropTags(repository, dropped);
    log.info(`${dropped.length} decisions that did not reach ${remote} are taken back; others were there first.`);
  }
  await moveTo(followed, here, there);
}

/**
 * Push the branch and tags together, or nothing, if the remote's branch is still where it was when the decision was made.
 *
 * @param expected what `follow` returned
 * @param tags names of tags that must be there too
 * @throws RegistryError when the remote refuses it for another reason than that somebody was first
 */
export async function pushTogether(
  followed: Followed,
  expected: string | null,
  tags: readonly string[],
): Promise<'pushed' | 'overtaken'> {
  const { repository, remote, ref } = followed;
  const here = await commitAt(repository, ref);
  // A lease lets a push take commits away: nobody's are.
  if (here === null || (expected !== null && !(await isAncestor(repository, expected, here)))) return 'overtaken';
  const pushed = await runGit(repository.folder, [
    'push',
    '--porcelain',
    '--atomic',
    '--no-verify',
    `--force-with-lease=${ref}:${expected ?? ''}`,
    remote,
    `${here}:${ref}`,
    ...tags.map((tag) => `refs/tags/${tag}:refs/tags/${tag}`),
  ]);
  // Believe the remote, not the exit code.
  const now = await remoteHead(followed);
  if (now === here) return 'pushed';
  const said = `${pushed.stdout.toString('utf8')}\n${pushed.stderr}`;
  if (pushed.code === 0 && now !== null) {
    await fetchRef(followed);
    if (await isAncestor(repository, here, now)) return 'pushed';
  }
  if (now !== expected) return 'overtaken';
  const taken = /^!\s+\S+:refs\/tags\/(\S+)\s+\[rejected\] \(already exists\)/mu.exec(said)?.[1];
  if (taken !== undefined) {
    throw new RegistryError({
      found: `${remote} has another tag ${taken}`,
      expected: 'the tag that the chain calls for, or none',
      where: `refs/tags/${taken}`,
      remedy: `See who made it (git ls-remote ${remote} 'refs/tags/${taken}'), and fetch or delete it. ${kept(here)}`,
    });
  }
  if (overtaken.test(said)) return 'overtaken';
  throw new RegistryError({
    found: `${remote} refused it: ${refusal(said)}`,
    where: ref,
    remedy: `The decision was not published. Let whoever runs this push to the branch (in a workflow: permissions: contents: write), or keep the registry on a branch of its own (registry.branch). ${kept(here)}`,
  });
}

/** Somebody else was first, or is at it. */
const overtaken = /stale info|fetch first|non-fast-forward|cannot lock ref|failed to update ref|incorrect old value/iu;

function kept(commit: string): string {
  return `It is committed here as ${commit.slice(0, 12)}; the next run that records pushes it`;
}

/** The remote's own words, or git's. */
function refusal(said: string): string {
  const lines = said.split('\n').map((line) => line.trim());
  const told = lines.filter((line) => line.startsWith('remote:')).map((line) => line.slice('remote:'.length).trim());
  const rejected = lines.find((line) => /\[remote rejected\]/u.test(line) && !/atomic/u.test(line));
  const reason = /\(([^)]*)\)\s*$/u.exec(rejected ?? '')?.[1];
  const last = lines.findLast((line) => /^(?:fatal|error):/u.test(line));
  return [...new Set([...told, reason, reason === undefined ? last : undefined])]
    .filter((line) => line !== undefined && line !== '')
    .join('; ')
    .slice(0, 500);
}

/**
 * Say whether the remote has a commit, or will have it with the branch that is pushed: in the history of that branch or of the
 * remote's own HEAD.
 *
 * @param here the commit that the local branch is at
 * @throws RegistryError when it has not, or cannot be asked
 */
export async function requireKept(
  { repository, remote, ref, here }: Pick<Followed, 'repository' | 'remote' | 'ref'> & { here: string },
  commit: string,
): Promise<void> {
  if (await isAncestor(repository, commit, here)) return;
  const heads = await remoteRefs({ repository, remote }, ['HEAD', ref]);
  for (const [name, head] of heads) {
    if ((await commitAt(repository, head)) === null) await fetchRef({ repository, remote, ref: name });
    if (await isAncestor(repository, commit, head)) return;
  }
  const branches = [ref.replace('refs/heads/', ''), `the default branch of ${remote}`];
  throw notKept({ commit, there: await isOnBranch(repository, remote, commit), branches, where: remote });
}

/** As far as is known here: by what was fetched of the remote. */
async function isOnBranch(repository: Repository, remote: string, commit: string): Promise<boolean> {
  const found = await runGit(repository.folder, [
    'for-each-ref',
    '--count=1',
    `--contains=${commit}`,
    `refs/remotes/${remote}/`,
    'refs/remotes/pull/',
  ]);
  return found.code === 0 && found.stdout.length > 0;
}

async function remoteHead({ repository, remote, ref }: Followed): Promise<string | null> {
  return (await remoteRefs({ repository, remote }, [ref])).get(ref) ?? null;
}

/** What refs of the remote are at, of those that it has. */
async function remoteRefs(
  { repository, remote }: Pick<Followed, 'repository' | 'remote'>,
  refs: readonly string[],
): Promise<Map<string, string>> {
  const listed = await runGit(repository.folder, ['ls-remote', '--exit-code', '--', remote, ...refs]);
  if (listed.code === 2) return new Map();
  if (listed.code !== 0) {
    throw new RegistryError({
      found: `${remote} cannot be asked: ${firstFault(listed.stderr)}`,
      where: 'registry.push',
      remedy: `Check the remote (git remote get-url ${remote}), the network and the credentials (actions/checkout keeps them unless persist-credentials is false)`,
    });
  }
  const lines = listed.stdout.toString('utf8').split('\n');
  const found = new Map(lines.map((line) => line.split('\t')).map(([oid = '', name = '']) => [name, oid]));
  // A pattern matches the last parts of other names too.
  return new Map(refs.flatMap((ref) => (found.has(ref) ? [[ref, found.get(ref) as string]] : [])));
}

/** git says what is wrong first, and advice of every length after it. */
function firstFault(said: string): string {
  const lines = said.split('\n').filter((line) => line !== '');
  return lines.find((line) => line.startsWith('fatal:')) ?? lines[0] ?? '';
}

async function fetchRef({ repository, remote, ref }: Pick<Followed, 'repository' | 'remote' | 'ref'>): Promise<void> {
  await git(repository.folder, [
    'fetch',
    '--quiet',
    '--no-tags',
    '--no-write-fetch-head',
    '--no-auto-maintenance',
    '--',
    remote,
    ref,
  ]);
}

/** Those that are here already stay: one that differs is told when it is pushed. */
async function fetchTags({ repository, remote }: Followed): Promise<void> {
  await runGit(repository.folder, [
    'fetch',
    '--quiet',
    '--no-tags',
    '--no-write-fetch-head',
    '--no-auto-maintenance',
    '--',
    remote,
    'refs/tags/*:refs/tags/*',
  ]);
}

/**
 * The digests of the decisions that `here` has and `there` has not. A commit that adds one may change artifacts.yaml with it.
 *
 * @throws RegistryError when there is anything else
 */
async function onlyDecisions(
  { repository, remote, ref, folder }: Followed,
  there: string,
  here: string,
): Promise<string[]> {
  const digests: string[] = [];
  for (const files of await changesOf(repository, there, here)) {
    const decisions = files.filter(
      ({ status, path }) => status === 'A' && placeOf(path.slice(folder.length + 1))?.kind === 'decision',
    );
    const foreign = files.find(
      ({ path }) => !path.startsWith(`${folder}/`) && (path !== artifactsPath || decisions.length === 0),
    );
    if (foreign !== undefined) {
      throw new RegistryError({
        found: `the branch here and that of ${remote} both went on, here with ${foreign.path}`,
        expected: 'a branch that follows its remote, but for decisions',
        where: ref,
        remedy: `Push or rebase your own commits first: git pull --rebase ${remote}`,
      });
    }
    for (const { path } of decisions) {
      digests.push(sha256(await gitBytes(repository.folder, ['cat-file', 'blob', `${here}:${path}`])));
    }
  }
  return digests;
}

/** What each commit changes that `here` has and `there` has not. */
async function changesOf(
  repository: Repository,
  there: string,
  here: string,
): Promise<{ status: string; path: string }[][]> {
  const args = ['log', '-m', '-z', '--name-status', '--no-renames', '--format=commit %H', here, `^${there}`];
  const fields = (await gitBytes(repository.folder, args)).toString('utf8').split('\0');
  const commits: { status: string; path: string }[][] = [];
  for (let at = 0; at < fields.length; at++) {
    const field = (fields[at] ?? '').trim();
    if (field.startsWith('commit ')) commits.push([]);
    else if (field !== '') commits.at(-1)?.push({ status: field, path: fields[++at] ?? '' });
  }
  return commits;
}

/** Tags of decisions that are taken back go with them. */
async function dropTags(repository: Repository, digests: readonly string[]): Promise<void> {
  const gone = (await listTags(repository)).filter(({ message }) =>
    digests.includes(decisionOf(message)?.sha256 ?? ''),
  );
  if (gone.length > 0) await git(repository.folder, ['tag', '--delete', ...gone.map(({ name }) => name)]);
}

async function moveTo({ repository, workTree, remote, ref }: Followed, from: string, to: string): Promise<void> {
  if (workTree === null) {
    // Whoever moved it meanwhile is told apart when the decision is recorded.
    await moveBranch(repository.folder, ref, from, to, `follow ${remote}`);
    return;
  }
  const moved = await runGit(workTree.folder, ['reset', '--quiet', '--keep', to]);
  if (moved.code === 0 || /index\.lock/u.test(moved.stderr)) return;
  throw new RegistryError({
    found: `the work tree cannot follow ${remote}: ${moved.stderr.split('\n')[0] ?? ''}`,
    where: ref,
    remedy: `Commit or undo the changes it names, or bring it up to date yourself: git pull --ff-only ${remote}`,
  });
}
