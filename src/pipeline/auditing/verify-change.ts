import { relative, resolve, sep } from 'node:path';
import { maximumConfigBytes, type Config } from '../../config/index.ts';
import { parseConfig } from '../configuration.ts';
import { after, ConfigError, ContenderError, UsageError } from '../../errors.ts';
import type { GitHub } from '../../github/client.ts';
import { silentLog } from '../../log.ts';
import type { Finding } from '../../registry/chain.ts';
import { entryAt, readBlobs } from '../../registry/git/objects.ts';
import { commitAt, isAncestor, isTipOf, openRepository } from '../../registry/git/repository.ts';
import type { Repository } from '../../registry/git/repository.ts';
import type { MadeDecision } from '../../registry/verify.ts';
import { changeBetween, verifyChange, type Change } from '../../registry/verify-change.ts';
import type { Void } from '../../registry/void.ts';
import { underItsOwnPolicy, underPolicyOf } from './decide-again.ts';
import { openRegistry, registryPlace } from '../open-registry.ts';
import { committedFiles, lookUpFiles } from './verify-artifacts.ts';
import { verifyPeople } from './verify-people.ts';
import { gitHubOf, type GitHubAccess } from '../../github/access.ts';
import type { Workspace } from '../workspace.ts';

export type { Finding } from '../../registry/chain.ts';

export interface VerifyChangeInput {
  /** Absolute path of a folder in the repository. */
  root: string;
  /** Path of contender.yml, relative to `root`. */
  config: string;
  /** What the change is made to: a branch, tag or commit, as git names it. */
  base: string;
  /** The base is what a push moved the branch from: what does not follow it has left something out. */
  pushed?: boolean;
  /** To look up approvals with, and to fetch commits that this clone does not have where git is not signed in. */
  github?: GitHubAccess;
}

/** What verification found, and what there is to say where it found nothing. */
export interface Verified {
  findings: Finding[];
  sound: string;
  /** What whoever reads it should know besides. */
  notes: string[];
}

/** Verify the whole registry as it is, or what HEAD makes of it, where there is a base to hold it against. */
export async function verify(
  { base, ...input }: Omit<VerifyChangeInput, 'base'> & { base: string | undefined },
  open: () => Promise<Workspace>,
): Promise<Verified> {
  if (base === undefined) return verifyWhole(await open());
  const change = await verifyAgainst({ ...input, base });
  return { findings: change.findings, sound: soundChange(change), notes: change.notes };
}

async function verifyWhole(workspace: Workspace): Promise<Verified> {
  const registry = await openRegistry(workspace);
  const judge = underItsOwnPolicy();
  const made: Pick<MadeDecision, 'path' | 'decision'>[] = [];
  const voids: string[] = [];
  const found = await registry.verify({
    judge(each) {
      if (each.void !== true) made.push({ path: each.path, decision: each.decision });
      return judge(each);
    },
    onVoid: (entry) => voids.push(voidNote(entry)),
  });
  const repository = await workspace.repository().catch(() => null);
  const files = repository === null ? none : await lookUpFiles(repository, committedFiles(made), { added: false });
  const findings = [...found, ...files.findings];
  const nothing = findings.length === 0 && (await registry.models()).length === 0;
  const { folder, branch } = registryPlace(workspace.config);
  return {
    findings,
    sound: nothing
      ? `Nothing is recorded: there is no model in folder ${folder} of branch ${branch}.`
      : 'The registry is valid: every chain, manifest and piece of evidence agrees.',
    notes: [...voids, ...files.notes],
  };
}

/** What is to be known for ever of a decision that was made void. */
function voidNote({ model, seq, sha256, by, reason, time }: Void): string {
  return `Void: decision ${seq} of ${model} (sha256 ${sha256.slice(0, 12)}), made void by ${by} on ${time.slice(0, 10)}: ${reason}`;
}

/** A registry on GitHub can be verified from anywhere. */
const none: Awaited<ReturnType<typeof lookUpFiles>> = { findings: [], notes: [] };

export interface VerifiedChange {
  findings: Finding[];
  /** How many decisions the change appends. */
  appended: number;
  /** Whether the base has a configuration: without one, the change's own says where the registry is, and no decision is held against it. */
  held: boolean;
  /** Where the registry is, when neither the base nor the change has any of it. */
  elsewhere?: { folder: string; branch: string };
  notes: string[];
}

/**
 * Hold what HEAD makes of the registry against what a base has: see `verifyBetween`.
 *
 * @throws RegistryError, ConfigError, UsageError when the two cannot be compared
 */
export async function verifyAgainst(input: VerifyChangeInput): Promise<VerifiedChange> {
  const { root, config: file, base, pushed = false, github } = input;
  const repository = await openRepository(root, { github });
  const change = await changeBetween(repository, base);
  const verified = await verifyBetween(repository, change, pathInside(repository, resolve(root, file)), {
    github: await gitHubOf(github, { log: silentLog }),
    fetch: true,
    // A push has moved the branch on from its base.
    isBranch: (branch) => isTipOf(repository, branch, pushed ? change.merged : change.base),
  });
  const head = await commitAt(repository, 'HEAD');
  if (!pushed || head === null || (await isAncestor(repository, change.base, head))) return verified;
  return { ...verified, findings: [leftOut('HEAD', change.base, head), ...verified.findings] };
}

/** What there is to say of a branch that was moved to a commit that does not follow the one it was at. */
export function leftOut(path: string, before: string, after: string): Finding {
  return {
    path,
    found: `commit ${after.slice(0, 12)} is not a descendant of ${before.slice(0, 12)}`,
    expected: 'a branch that only moves forward: a registry is append-only',
    remedy: 'Push the branch back to its old commit',
  };
}

/** A file by its path from the top of the repository. @throws UsageError when it lies outside of it */
export function pathInside(repository: Repository, file: string): string {
  const path = relative(repository.folder, file).split(sep).join('/');
  if (!path.startsWith('../')) return path;
  throw new UsageError({
    found: `${file} lies outside the repository`,
    expected: 'a file inside the repository',
    where: 'config',
  });
}

/**
 * Hold what a change makes of the registry against its base: nothing recorded may be gone or other, the result must be sound, and
 * every decision that is added must be the one that Contender makes of its evidence **under the base's configuration**. The
 * configuration of the change itself is believed in nothing.
 *
 * @param path of contender.yml, from the top of the repository
 * @param options.fetch asks the remote for commits of models that this clone does not have: see `lookUpFiles`
 * @param options.elsewhere the configuration where the branch has none, as one that holds the registry alone
 * @param options.isBranch whether the base is that branch: tags are of the one that holds the registry, and held against no other
 */
export async function verifyBetween(
  repository: Repository,
  change: Change,
  path: string,
  options: {
    github: GitHub | null;
    fetch?: boolean;
    elsewhere?: Config;
    isBranch(name: string): Promise<boolean>;
  },
): Promise<VerifiedChange> {
  const onBase = await configAt(repository, change.base, path);
  const before = onBase ?? options.elsewhere ?? null;
  const config = before ?? (await configAt(repository, change.merged, path));
  if (config === null) {
    throw new ConfigError({
      found: 'neither the base nor the change has this file',
      expected: 'a configuration',
      where: path,
      remedy: 'Name it with --config',
    });
  }
  const itself = underItsOwnPolicy();
  const asConfigured = before === null ? itself : underPolicyOf(before, `${path} of the base`);
  const { folder, branch } = registryPlace(config);
  const voids: string[] = [];
  const { findings, appended } = await verifyChange(repository, change, folder, {
    artifactsYaml: config.registry?.artifacts_yaml === true,
    tags: (await options.isBranch(branch)) ? 'held' : 'ignored',
    judge: (made, added) => (added ? asConfigured : itself)(made),
    onVoid: (entry) => voids.push(voidNote(entry)),
  });
  const moved = onBase === null ? [] : await placeFindings(repository, change.merged, path, onBase);
  const people = await verifyPeople(appended, options.github);
  const files = await lookUpFiles(repository, committedFiles(appended), { added: true, fetch: options.fetch });
  const { base, merged } = change;
  const here = await Promise.all([base, merged].map((commit) => entryAt(repository, commit, folder)));
  return {
    findings: [...moved, ...findings, ...people.findings, ...files.findings],
    appended: appended.length,
    held: before !== null,
    ...(here.every((entry) => entry === null) ? { elsewhere: { folder, branch } } : {}),
    notes: [...voids, ...people.notes, ...files.notes],
  };
}

/** What there is to say of a change in which nothing was found, in a sentence. */
function soundChange({ appended, held, elsewhere }: VerifiedChange): string {
  if (elsewhere !== undefined) {
    const { folder, branch } = elsewhere;
    return `Nothing was compared: neither the base nor the change has a folder ${folder}. The registry is on branch ${branch}: check it with contender registry verify, without --base.`;
  }
  if (!held) {
    return 'The registry is valid. The base has no configuration to check decisions against: have them reviewed.';
  }
  if (appended === 0) return 'The registry is valid, and everything that the base recorded is unchanged.';
  const added = appended === 1 ? 'the added decision is' : `the ${appended} added decisions are`;
  return `The registry is valid, everything that the base recorded is unchanged, and ${added} what Contender decides from the evidence under the policy of the base.`;
}

/** A change may not lead the readers of the registry to another place: what was recorded would be left behind. */
async function placeFindings(repository: Repository, commit: string, path: string, before: Config): Promise<Finding[]> {
  const finding = (found: string, expected: string, remedy: string): Finding => ({ path, found, expected, remedy });
  const unreadable = after(ContenderError, ({ message }) => finding(message, 'a readable configuration', 'Fix it'));
  const now = await configAt(repository, commit, path).catch(unreadable);
  if (now !== null && 'found' in now) return [now];
  if (now === null) return [finding('no such file any more', 'the configuration', 'Restore it')];
  const remedy = 'Restore it. Only a person who may merge although this check fails can move a registry';
  const [old, current] = [registryPlace(before), registryPlace(now)];
  const places: [string, string, string][] = [
    ['path', old.folder, current.folder],
    ['branch', old.branch, current.branch],
  ];
  return places.flatMap(([key, was, is]) =>
    was === is ? [] : [finding(`registry.${key}: ${is}`, `${was}, as on the base`, remedy)],
  );
}

/** Null where the commit has no such file. @throws ConfigError */
async function configAt(repository: Repository, commit: string, path: string): Promise<Config | null> {
  const entry = await entryAt(repository, commit, path);
  if (entry === null) return null;
  const where = `${path} of ${commit.slice(0, 12)}`;
  if (!entry.mode.startsWith('100') || entry.size > maximumConfigBytes) {
    throw new ConfigError({
      found: `a file of mode ${entry.mode} and ${entry.size} bytes`,
      expected: `a plain file of at most ${maximumConfigBytes} bytes`,
      where,
    });
  }
  const bytes = (await readBlobs(repository, [entry])).get(entry.oid);
  return parseConfig(bytes?.toString('utf8') ?? '', where);
}
