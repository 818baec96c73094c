import { setTimeout as sleep } from 'node:timers/promises';
import { RegistryError } from '../../errors.ts';
import { notKept } from '../kept-commit.ts';
import { jittered } from '../../github/retry.ts';
import { credentialsFor } from './credentials.ts';
import { askedOnce, commitAt, isAncestor, type Repository } from './repository.ts';
import { firstFault, gitFault, moreSpace, partsOf, runGit, type GitResult } from './run.ts';
import type { TagToMake } from './tags.ts';

/** A remote of a repository, as git names it, and how it is signed in to. */
export interface Remote {
  repository: Repository;
  /** Such as origin. */
  name: string;
  /** What is asked and fetched from: its name, or the address it is pushed to where that is another one. */
  place: string;
  /** Added to the environment of git. */
  credentials: Record<string, string>;
}

/**
 * A remote that is pushed to. What is pushed is read again where it was pushed: `remote.<name>.pushurl` and `url.<base>.pushInsteadOf`
 * may name another repository than the one that is fetched from. @throws RegistryError where there are several
 */
export async function openRemote(repository: Repository, name: string): Promise<Remote> {
  const { fetched, pushed } = await addressesOf(repository, name);
  if (pushed.length > 1) {
    throw new RegistryError({
      found: `${name} is pushed to ${pushed.length} addresses`,
      expected: 'one address: with several, a push may succeed at one and fail at another',
      where: `remote.${name}.pushurl`,
      remedy: 'Add a remote with one address (git remote add <name> <address>), and name it in registry.push',
    });
  }
  const [address = fetched] = pushed;
  return remoteAt(repository, name, address === fetched ? name : address);
}

/** A remote as it is read from: where it is fetched from, and after that every other address that it is pushed to. */
export async function openToRead(repository: Repository, name: string): Promise<[Remote, ...Remote[]]> {
  const { fetched, pushed } = await addressesOf(repository, name);
  const others = [...new Set(pushed)].filter((address) => address !== fetched);
  return [
    await remoteAt(repository, name, name),
    ...(await Promise.all(others.map((address) => remoteAt(repository, name, address)))),
  ];
}

async function remoteAt(repository: Repository, name: string, place: string): Promise<Remote> {
  return { repository, name, place, credentials: await credentialsFor(repository, place) };
}

const addressesOf = askedOnce(async ({ folder }, name): Promise<{ fetched: string; pushed: string[] }> => {
  const addresses = async (...options: string[]): Promise<string[]> =>
    partsOf((await runGit(folder, ['remote', 'get-url', ...options, '--', name])).stdout, '\n');
  const [fetched = name] = await addresses();
  return { fetched, pushed: await addresses('--push', '--all') };
});

/** The remotes that something is looked for on: the one that has the registry, and origin, else every one. */
export async function usualRemotes({ folder, reach }: Repository): Promise<string[]> {
  const names = partsOf((await runGit(folder, ['remote'])).stdout, '\n');
  const first = reach.push === undefined ? [] : [reach.push];
  return [...new Set([...first, ...(names.includes('origin') ? ['origin'] : names)])];
}

/** What refs of the remote are at, of those that it has. The last part of a name may be a pattern. @throws RegistryError */
export async function remoteRefs(remote: Remote, refs: readonly string[]): Promise<Map<string, string>> {
  const listed = await onRemote(remote, ['ls-remote', '--exit-code', '--', remote.place, ...refs]);
  if (listed.code === 2) {
    if (!refs.includes('HEAD')) await requireSomething(remote);
    return new Map();
  }
  if (listed.code !== 0) {
    const pushed = remote.place !== remote.name;
    throw new RegistryError({
      found: `${remote.name} cannot be reached${pushed ? ' at its push address' : ''}: ${firstFault(listed.stderr)}`,
      where: `remote ${remote.name}`,
      remedy: `Check the remote (git remote get-url ${pushed ? '--push ' : ''}${remote.name}), the network and the credentials (in a workflow: actions/checkout keeps them unless persist-credentials is false, and the input token of the action stands in; the job needs contents: read)`,
    });
  }
  return new Map(partsOf(listed.stdout, '\n').map((line) => line.split('\t').reverse() as [string, string]));
}

/** A page to sign in at lists nothing, and git takes it for an empty repository. @throws RegistryError where there was something before */
async function requireSomething(remote: Remote): Promise<void> {
  const { repository, name, place } = remote;
  const fetched = await runGit(repository.folder, ['for-each-ref', '--count=1', `refs/remotes/${name}/`]);
  if (fetched.stdout.length === 0) return;
  const { code } = await onRemote(remote, ['ls-remote', '--exit-code', '--', place, 'HEAD', 'refs/heads/*']);
  if (code !== 2) return;
  throw new RegistryError({
    found: `${name} lists no branches, although branches were fetched from it before`,
    expected: 'the repository that was cloned',
    where: `remote ${name}`,
    remedy: `See git ls-remote ${name}: a proxy or a sign-in page may answer instead`,
  });
}

/**
 * Make a commit that a ref of the remote is at, or was at a moment ago, known here.
 *
 * @param track whether the tracking branch goes along; it tells later what was there
 * @throws RegistryError
 */
export async function fetchCommit(remote: Remote, ref: string, commit: string, track = false): Promise<void> {
  if ((await commitAt(remote.repository, commit)) !== null && (await isWhole(remote.repository, commit))) return;
  const args = [...fetching, ...(track ? [] : ['--refmap=']), '--', remote.place, ref];
  const result = await onRemote(remote, args);
  // Of two fetches at once one may not move the tracking branch, which the other has moved: the commit is here.
  if (result.code === 0 || (await commitAt(remote.repository, commit)) !== null) return;
  throw gitFault(remote.repository.folder, args, result);
}

/** Another fetch that is at work here writes a commit before the files it has. Asked as git does before it moves a ref. */
async function isWhole({ folder }: Repository, commit: string): Promise<boolean> {
  const args = ['rev-list', '--objects', '--quiet', '--exclude-promisor-objects', commit, '--not', '--all'];
  return (await runGit(folder, args)).code === 0;
}

/** Nothing of a person's is pruned, whatever the settings say, and a tag that is here already stays: one that differs is told when it is pushed. */
export async function fetchTags(remote: Remote, patterns: readonly string[]): Promise<void> {
  await fetchQuietly(remote, ['--', remote.place, ...patterns.map((each) => `${each}:${each}`)]);
}

const fetching = [
  'fetch',
  '--quiet',
  '--no-tags',
  '--no-prune',
  '--no-prune-tags',
  '--no-recurse-submodules',
  '--no-write-fetch-head',
  '--no-auto-maintenance',
];

/** Fetch, whatever comes of it. @param what options, the remote and names or commits */
export function fetchQuietly(remote: Remote, what: readonly string[]): Promise<GitResult> {
  return onRemote(remote, [...fetching, ...what]);
}

/** What became of a push: the branch moved, or did not, and what git said. */
export interface Pushed {
  pushed: boolean;
  /** Where the branch of the remote is now. */
  now: string | null;
  said: string;
  /** Names of the tags that were there already, as they were to be made. */
  already: string[];
}

/** Nothing but what is named, also to the remote of a mirror. */
const pushing = ({ name }: Remote): string[] => [
  '-c',
  `remote.${name}.mirror=false`,
  'push',
  '--porcelain',
  '--no-verify',
  '--no-follow-tags',
  '--recurse-submodules=no',
];

/** Push a commit and tags together, or nothing, if the branch of the remote is still at `expected` (null: not there). */
export async function pushTogether(
  remote: Remote,
  ref: string,
  expected: string | null,
  commit: string,
  tags: readonly TagToMake[],
): Promise<Pushed> {
  const args = [
    ...pushing(remote),
    '--atomic',
    `--force-with-lease=${ref}:${expected ?? ''}`,
    remote.name,
    `${commit}:${ref}`,
    ...tags.map(({ name, oid }) => `${oid}:refs/tags/${name}`),
  ];
  const result = await onRemote(remote, args);
  // Believe the remote, not the exit code.
  const now = (await remoteRefs(remote, [ref])).get(ref) ?? null;
  if (now !== null && now !== commit) await fetchCommit(remote, ref, now);
  const contains = now !== null && (now === commit || (await isAncestor(remote.repository, commit, now)));
  // Without a new commit to push the branch is there whatever became of the tags.
  const pushed = contains && (commit !== expected || result.code === 0);
  const told = result.stdout.toString('utf8');
  // A tag that another writer made meanwhile, and that was fetched since, is the same object.
  const already = [...told.matchAll(/^=\t\S+:refs\/tags\/(\S+)\t/gmu)].map(([, name = '']) => name);
  const made = [...told.matchAll(/^\*\t(\S+):(refs\/tags\/\S+)\t/gmu)].map(([, oid = '', tag = '']) => ({ oid, tag }));
  const left = pushed || made.length === 0 ? '' : await takeBack(remote, made);
  return { pushed, now, said: `${left}${told}\n${result.stderr}`, already };
}

/** A branch that is hidden from pushes is refused before the others are made together. Returns what is to be told of tags that stay. */
async function takeBack(remote: Remote, made: readonly { oid: string; tag: string }[]): Promise<string> {
  const leases = made.map(({ oid, tag }) => `--force-with-lease=${tag}:${oid}`);
  const { code } = await onRemote(remote, [
    ...pushing(remote),
    ...leases,
    remote.name,
    ...made.map(({ tag }) => `:${tag}`),
  ]);
  if (code === 0) return '';
  return `remote: it made the tags and not the branch, and they stay: ${made.map(({ tag }) => tag).join(', ')}\n`;
}

/** Ask before the long work whether the remote lets us push at all. What protects the branch is told by the push alone. @throws RegistryError */
export async function requirePush(remote: Remote, ref: string, head: string, key: string): Promise<void> {
  const result = await onRemote(remote, [...pushing(remote), '--dry-run', remote.name, `${head}:${ref}`]);
  // Another writer may be at it, which is no reason to refuse.
  if (result.code === 0 || /fetch first|non-fast-forward|stale info/u.test(result.stdout.toString('utf8'))) return;
  throw refusedPush(remote, ref, result.stderr, key);
}

/** A push that was refused, in the words of the remote or of git. @param key the setting that names the branch */
export function refusedPush(remote: Remote, ref: string, said: string, key: string): RegistryError {
  const taken = /^!\s+\S+:refs\/tags\/(\S+)\s+\[rejected\] \(already exists\)/mu.exec(said)?.[1];
  if (taken !== undefined) {
    return new RegistryError({
      found: `${remote.name} has a different tag ${taken}`,
      expected: 'the tag that the registry requires, or no tag of this name',
      where: `refs/tags/${taken}`,
      remedy: `See who made it (git ls-remote ${remote.name} 'refs/tags/${taken}'), and fetch or delete it. Nothing was recorded`,
    });
  }
  return new RegistryError({
    found: `${remote.name} refused the push: ${refusal(said)}`,
    where: ref,
    remedy: `Nothing was recorded${
      wayOut(said, remote.name, key) ??
      `. Allow the user or app of this run to push to the branch (in a workflow: permissions: contents: write), or set a separate branch in ${key}`
    }`,
  });
}

/** Whether a call broke off on the way, or in a server that may answer in a moment. */
export function broke(said: string): boolean {
  // git says of a refusal over HTTP too that the other end hung up.
  if (/(?:HTTP|returned error:) 4(?!08|29)\d\d/iu.test(said)) return false;
  return /(?:HTTP|returned error:) (?:5\d\d|408|429)|connection (?:reset|timed out|closed by)|unexpected disconnect|early EOF/iu.test(
    said,
  );
}

/** What a person can do about a ref that cannot be moved, as the end of a sentence; undefined for any other fault. */
export function wayOut(said: string, where: string, key: string): string | undefined {
  if (/unable to create '[^']*\.lock': File exists/iu.test(said)) {
    return `. If no git is at work in ${where}, remove the lock file and run again`;
  }
  const space = moreSpace(said, where);
  if (space !== undefined) return `. ${space}`;
  if (/does not support --signed push|sign the push certificate/iu.test(said)) {
    return `. push.gpgSign requires signed pushes, but ${where} does not accept them or the key cannot sign. If you may change the setting: git config push.gpgSign if-asked`;
  }
  if (/hidden ref/u.test(said)) {
    return `. Let ${where} take the branch (receive.hideRefs or transfer.hideRefs of its configuration hides it), or set ${key} to another name`;
  }
  if (/does not support --atomic push/u.test(said)) {
    return `. Allow atomic pushes on the server of ${where} (receive.advertiseAtomic)`;
  }
  if (/exceeds maximum allowed size|returned error: 413|HTTP 413/iu.test(said)) {
    return `. Raise the size limit of ${where} (receive.maxInputSize, or the limit of a proxy in front of it)`;
  }
  if (/cannot contain secrets/iu.test(said)) {
    return '. GitHub found a possible secret in the decision. Remove it from the configuration and the data, or allow it as the message of GitHub describes';
  }
  if (/\bGH0(?:06|13)\b|protected branch|rule violations/iu.test(said)) {
    const through =
      key === 'registry.branch' && /\bGH0\d\d\b/u.test(said)
        ? 'record through pull requests (registry.store: github), '
        : '';
    return `. A rule protects the branch or a tag. Allow the user or app of this run to bypass it, ${through}or set a separate branch in ${key}`;
  }
  const [, kind, inTheWay] = /'refs\/(heads|tags)\/([^']+)' exists; cannot create/u.exec(said) ?? [];
  if (kind === 'tags') return `. Delete the tag ${inTheWay} of ${where}, which is in the way of it`;
  if (inTheWay !== undefined) {
    return `. Rename or delete the branch ${inTheWay} of ${where}, or set ${key} to another name`;
  }
  return broke(said) ? `. The connection to ${where} was lost: run again` : undefined;
}

/** The remote's own words, or git's. */
function refusal(said: string): string {
  const lines = said.split('\n').map((line) => line.trim());
  const told = lines.filter((line) => line.startsWith('remote:')).map((line) => line.slice('remote:'.length).trim());
  const advice = told.findIndex((line) => line.startsWith('Another git process seems to be running'));
  const rejected = lines.find((line) => /\[(?:remote )?rejected\]/u.test(line) && !/atomic/u.test(line));
  const reason = /\((.*)\)\s*$/u.exec(rejected ?? '')?.[1];
  // These two are said after every fault.
  const faults = lines.filter(
    (line) => /^(?:fatal|error):/iu.test(line) && !/failed to push some refs|remote end hung up/u.test(line),
  );
  if (faults[0]?.startsWith('fatal: Could not read from remote') === true) faults[0] = firstFault(said);
  return [
    ...new Set([...told.slice(0, advice < 0 ? undefined : advice), reason, ...(reason === undefined ? faults : [])]),
  ]
    .filter((line) => line !== undefined && line !== '')
    .join('; ')
    .slice(0, 500);
}

/**
 * Say whether the remote has a commit: in the history of one of these branches or of the remote's own HEAD.
 *
 * @param ref the branch of the registry
 * @throws RegistryError when it has not, or cannot be asked
 */
export async function requireKept(remote: Remote, ref: string, commit: string): Promise<void> {
  const { repository, name } = remote;
  const refs = await remoteRefs(remote, ['HEAD', ref]);
  for (const [found, head] of refs) {
    if (found !== 'HEAD' && found !== ref) continue;
    await fetchCommit(remote, found, head);
    if (await isAncestor(repository, commit, head)) return;
  }
  if (!refs.has('HEAD')) {
    throw new RegistryError({
      found: `${name} has no default branch: its HEAD names a branch that does not exist`,
      expected: 'a default branch that contains the commit with the model, so that the model can always be fetched',
      where: name,
      remedy: `Nothing was recorded. Push that branch (git push ${name} main), or set another default branch on the server (in a bare repository: git symbolic-ref HEAD refs/heads/main)`,
    });
  }
  const branches = [ref.replace('refs/heads/', ''), `the default branch of ${name}`];
  throw notKept({ commit, there: await isOnBranch(repository, name, commit), branches, where: name });
}

/** As far as is known here: by what was fetched of the remote. */
export async function isOnBranch(repository: Repository, remote: string, commit: string): Promise<boolean> {
  const found = await runGit(repository.folder, [
    'for-each-ref',
    '--count=1',
    `--contains=${commit}`,
    `refs/remotes/${remote}/`,
    'refs/remotes/pull/',
  ]);
  return found.code === 0 && found.stdout.length > 0;
}

/** How long a connection that breaks off is put up with: pauses of up to 2, 4, 8, ... seconds, in all about so many milliseconds. */
const patience = { baseMs: 2000, capMs: 15_000, inAllMs: 30_000 };

/** Also a push is repeated: the branch is only moved from where it was, and what became of it is read from the remote afterwards. */
async function onRemote({ repository, credentials }: Remote, args: readonly string[]): Promise<GitResult> {
  const begun = Date.now();
  for (let count = 1; ; count++) {
    const result = await runGit(repository.folder, args, { env: credentials });
    if (result.code === 0 || !broke(result.stderr) || Date.now() - begun > patience.inAllMs) return result;
    await sleep(patience.baseMs / 4 + jittered(count, patience));
  }
}
