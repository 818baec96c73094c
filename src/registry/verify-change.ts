import { RegistryError } from '../errors.ts';
import type { Finding } from './chain.ts';
import { identity, listFiles } from './git/objects.ts';
import { commitAt, isAncestor, isShallow, type Repository } from './git/repository.ts';
import { git, gitFault, runGit } from './git/run.ts';
import { isRecorded, parseRegistryPath } from './layout.ts';
import { excuse, readVoids } from './void.ts';
import { verifyRegistry, type DecisionCheck, type MadeDecision, type VerifyOptions } from './verify.ts';

/** The commits that a change leads from and to, merged if they have gone different ways. */
export interface Change {
  base: string;
  /** What the base is once the change is merged. */
  merged: string;
}

/**
 * Where a change leads: `head` where it follows `base`, else the commit that merging the two makes, which no branch will hold.
 *
 * @param base a branch, tag or commit, as git names it
 * @throws RegistryError when there is no such commit here, or the two cannot be merged
 */
export async function changeBetween(repository: Repository, base: string, head = 'HEAD'): Promise<Change> {
  const [from, to] = await Promise.all([commitAt(repository, base), commitAt(repository, head)]);
  if (from === null || to === null) {
    throw new RegistryError({
      found: `there is no commit ${JSON.stringify(from === null ? base : head)} here`,
      where: repository.folder,
      remedy: 'Fetch it first; in a workflow check out with fetch-depth: 0',
    });
  }
  if (await isAncestor(repository, from, to)) return { base: from, merged: to };
  const args = ['merge-tree', '--write-tree', '--no-messages', '--name-only', from, to];
  const result = await runGit(repository.folder, args);
  const [tree = '', ...conflicts] = result.stdout.toString('utf8').trim().split('\n');
  if (result.code === 0) {
    const message = `Merge ${to.slice(0, 12)} into ${from.slice(0, 12)}`;
    const env = await identity(repository);
    return {
      base: from,
      merged: await git(repository.folder, ['commit-tree', tree, '-p', from, '-p', to, '-m', message], { env }),
    };
  }
  if (result.code !== 1) {
    if (!isShallow(repository)) throw gitFault(repository.folder, args, result);
    throw new RegistryError({
      found: 'this clone is shallow, and the common ancestor of the two commits is not in it',
      where: repository.folder,
      remedy: 'Check out with fetch-depth: 0, or run git fetch --unshallow',
    });
  }
  throw new RegistryError({
    found: `${head} conflicts with ${base}${conflicts.length === 0 ? '' : ` in ${conflicts.slice(0, 5).join(', ')}`}`,
    remedy: 'Update the branch. If two decisions have the same number, the second must be made again: contender gate',
  });
}

/**
 * Hold what a change makes of a registry against what was there: everything `verifyRegistry` reports of the result, and
 * every decision and piece of evidence of the base that is not there any more, byte for byte.
 *
 * @param options.judge as of `verifyRegistry`; told also whether the change adds the decision
 * @returns what was found, and the decisions that the change adds to chains that are sound
 */
export async function verifyChange(
  repository: Repository,
  { base, merged }: Change,
  folder: string,
  options: Pick<VerifyOptions, 'tags' | 'artifactsYaml' | 'onVoid'> & {
    judge: (made: MadeDecision, added: boolean) => Finding[];
  },
): Promise<{ findings: Finding[]; appended: MadeDecision[] }> {
  const [before, after] = await Promise.all([
    listFiles(repository, base, folder),
    listFiles(repository, merged, folder),
  ]);
  const now = new Map(after.map((entry) => [entry.path, entry]));
  const other = before.flatMap(({ path: below, oid, mode }) => {
    const kind = parseRegistryPath(below)?.kind ?? '';
    const there = now.get(below);
    const same = there?.oid === oid && there.mode === mode;
    return same || !isRecorded(below) ? [] : [{ path: `${folder}/${below}`, oid, kind, there }];
  });
  const excused = await excuse(repository, folder, await readVoids(repository, folder, after), other);
  const changed = other
    .filter((file) => !excused.files.has(file))
    .map(({ path, kind, there }) => ({
      path,
      found: there === undefined ? `${kind} that the change removes or renames` : `${kind} that the change edits`,
      expected: 'the same file as in the base: recorded files never change',
      remedy: `Restore it: git restore --source ${base.slice(0, 12)} -- ${path}`,
    }));
  const known = new Set(changed.map(({ path }) => path));
  const recorded = new Set(before.map(({ path }) => `${folder}/${path}`));
  // What stands in the place of one that was made void is new.
  for (const { path } of excused.files) recorded.delete(path);
  const appended: MadeDecision[] = [];
  const judge: DecisionCheck = (made) => {
    const added = made.void !== true && !recorded.has(made.path);
    // What was read for it need not stay.
    if (added) appended.push({ ...made, evidence: [] });
    return options.judge(made, added);
  };
  const found = await verifyRegistry(repository, merged, folder, { ...options, judge });
  return { findings: [...changed, ...found.filter(({ path }) => !known.has(path))], appended };
}
