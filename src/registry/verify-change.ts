import { RegistryError } from '../errors.ts';
import type { Evidence, RecordedDecision, RegistryHistory } from '../evidence/index.ts';
import type { Finding } from './chain.ts';
import { unpackEvidence } from './evidence-file.ts';
import { identity, listFiles, readBlobs } from './git/objects.ts';
import { commitAt, isAncestor, isShallow, type Repository } from './git/repository.ts';
import { git, gitFault, runGit } from './git/run.ts';
import { decisionPath, evidencePath, placeOf } from './layout.ts';
import { extendManifest, viewOf, type Manifest } from './manifest.ts';
import { modelState } from './model-state.ts';
import { verifyRegistry } from './verify.ts';

/** A decision that a change adds to a chain. */
export interface AppendedDecision {
  /** Its file, relative to the repository. */
  path: string;
  decision: RecordedDecision;
  /** What there was when it was made. */
  view: RegistryHistory;
  /** What it refers to: as it was written, by whomever. */
  evidence: Evidence[];
}

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
    if (!(await isShallow(repository))) throw gitFault(repository.folder, args, result);
    throw new RegistryError({
      found: 'this clone is shallow, and what the two commits have in common is not in it',
      where: repository.folder,
      remedy: 'Check out with fetch-depth: 0, or run git fetch --unshallow',
    });
  }
  throw new RegistryError({
    found: `${head} conflicts with ${base}${conflicts.length === 0 ? '' : ` in ${conflicts.slice(0, 5).join(', ')}`}`,
    remedy: 'Bring it up to date. Of two decisions with one number the second must be made again: contender gate',
  });
}

/**
 * Hold what a change makes of a registry against what was there: everything `verifyRegistry` reports of the result, and
 * every decision and piece of evidence of the base that is not there any more, byte for byte.
 *
 * @param kept what else is held against the chains
 * @returns the decisions it appends to chains that are sound, oldest first, for whoever knows the policy
 */
export async function verifyChange(
  repository: Repository,
  { base, merged }: Change,
  folder: string,
  kept: { artifactsYaml?: boolean } = {},
): Promise<{ findings: Finding[]; appended: AppendedDecision[] }> {
  const [before, after] = await Promise.all([
    listFiles(repository, base, folder),
    listFiles(repository, merged, folder),
  ]);
  const now = new Map(after.map((entry) => [entry.path, entry]));
  const changed = before.flatMap(({ path, oid, mode }): Finding[] => {
    const kind = placeOf(path)?.kind;
    const there = now.get(path);
    if ((kind !== 'decision' && kind !== 'evidence') || (there?.oid === oid && there.mode === mode)) return [];
    return [
      {
        path: `${folder}/${path}`,
        found: there === undefined ? `${kind} that the change takes away or renames` : `${kind} that the change edits`,
        expected: 'it as the base has it: what was recorded stays',
        remedy: `Restore it: git restore --source ${base.slice(0, 12)} -- ${folder}/${path}`,
      },
    ];
  });
  const known = new Set(changed.map(({ path }) => path));
  const others = (await verifyRegistry(repository, merged, folder, kept)).filter(({ path }) => !known.has(path));
  const recorded = new Set(before.map(({ path }) => path));
  const models = new Set(
    after.flatMap(({ path }) => {
      const place = placeOf(path);
      return place?.kind === 'decision' && !recorded.has(path) ? [place.model] : [];
    }),
  );
  const appended: AppendedDecision[] = [];
  for (const model of models) {
    const below = `models/${model}/`;
    const files = after.filter(({ path }) => path.startsWith(below));
    const state = await modelState((wanted) => readBlobs(repository, wanted), folder, model, files);
    // A damaged chain is told above, and nothing is decided on it.
    if (state.findings.length > 0) continue;
    const decisions = state.links.map(({ decision }) => decision);
    let manifest: Manifest | null = null;
    for (const [index, link] of state.links.entries()) {
      const path = decisionPath(model, link.decision.seq);
      if (!recorded.has(path)) {
        const view = viewOf(manifest, decisions.slice(0, index));
        appended.push({
          path: `${folder}/${path}`,
          decision: link.decision,
          view,
          evidence: await evidenceOf(repository, state.files, link.decision),
        });
      }
      manifest = extendManifest(manifest, link);
    }
  }
  return { findings: [...changed, ...others], appended };
}

/** What cannot be read is told by `verifyRegistry`, and is no evidence. */
async function evidenceOf(
  repository: Repository,
  files: Awaited<ReturnType<typeof modelState>>['files'],
  { model, evidence }: RecordedDecision,
): Promise<Evidence[]> {
  const found: Evidence[] = [];
  for (const { sha256 } of evidence) {
    const entry = files.get(evidencePath(model, sha256));
    const bytes = entry === undefined ? undefined : (await readBlobs(repository, [entry])).get(entry.oid);
    const unpacked = bytes === undefined ? null : unpackEvidence(bytes, sha256);
    if (unpacked !== null && 'evidence' in unpacked) found.push(unpacked.evidence);
  }
  return found;
}
