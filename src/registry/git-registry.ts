import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { RegistryError } from '../errors.ts';
import type { Log } from '../log.ts';
import { readArtifacts, refusedInWorkTree, refuseUnreadable } from './artifacts-yaml.ts';
import { unpackEvidence } from './evidence-file.ts';
import { addedIn } from './git/history.ts';
import { finishInterrupted, removeJournal, writeJournal } from './git/journal.ts';
import { withLock, type LockPlace } from './git/lock.ts';
import {
  entriesAt,
  entryAt,
  listFolders,
  moveBranch,
  readBlobs,
  treeWith,
  writeBlobs,
  writeCommit,
  type TreeEntry,
} from './git/objects.ts';
import { pause } from './git/pause.ts';
import {
  commitAt,
  isAncestor,
  isShallow,
  openRepository,
  registryFolder,
  resolveBranch,
  workTreeOf,
  type Repository,
  type WorkTree,
} from './git/repository.ts';
import { follow, pushTogether, requireKept } from './git/remote.ts';
import { completeTags, listTags } from './git/tags.ts';
import {
  bringInLine,
  isAsCommitted,
  refuseEdits,
  refuseLinks,
  refuseReadOnly,
  uncommittedEdits,
} from './git/work-tree.ts';
import {
  artifactsPath,
  attributesPath,
  checkModelName,
  decisionPath,
  evidencePath,
  isModelName,
  refuseTwin,
} from './layout.ts';
import { viewOf, type ChainLink } from './manifest.ts';
import { readModel, sound, type ModelState } from './model-state.ts';
import { planRecord } from './plan-record.ts';
import type { RecordInput, RecordResult, Registry } from './registry.ts';
import { gtoTags, isTag, noTags, refuseTaken } from './tags.ts';
import { verifyRegistry } from './verify.ts';

/** How often a writer starts anew because another moved the branch first. */
const maximumAttempts = 30;

/**
 * The registry in a local git repository. It is read from the commit its branch is at, never from the work tree.
 *
 * @param input.repository a folder in the repository
 * @param input.path the registry's folder, relative to it
 * @param input.branch the branch that holds it; default: the one checked out
 * @param input.tags which tags to keep; default: none
 * @param input.artifactsYaml whether to keep GTO's artifacts.yaml; default: no
 * @param input.push the remote that has what is recorded here before `record` returns; default: none
 * @throws RegistryError when there is no repository or the path leads outside of it
 */
export async function openGitRegistry(input: {
  repository: string;
  path: string;
  branch?: string;
  tags?: 'gto';
  artifactsYaml?: boolean;
  push?: string;
  log: Log;
}): Promise<Registry> {
  const repository = await openRepository(input.repository);
  const folder = registryFolder(input.path);
  const kept = { tagged: input.tags !== undefined, artifactsYaml: input.artifactsYaml === true };
  const { tagged, artifactsYaml } = kept;
  const head = async (): Promise<string | null> => (await resolveBranch(repository, input.branch)).head;
  const read = async (model: string): Promise<ModelState> => {
    checkModelName(model);
    return sound(await readModel(repository, await head(), folder, model));
  };
  return {
    async view(model) {
      const { manifest, links } = await read(model);
      return viewOf(
        manifest,
        links.map((link) => link.decision),
      );
    },
    async models() {
      const commit = await head();
      return commit === null ? [] : modelsAt(repository, commit, folder);
    },
    async log(model) {
      return (await read(model)).links.map((link) => link.decision);
    },
    async manifest(model) {
      return (await read(model)).manifest;
    },
    // Commits of a clone wait nowhere: who pushes them is not asked here.
    pending: () => Promise.resolve(null),
    async evidence(model, sha256) {
      checkModelName(model);
      const commit = await head();
      const path = `${folder}/${evidencePath(model, sha256)}`;
      const entry = commit === null ? null : await entryAt(repository, commit, path);
      const bytes = entry === null ? undefined : (await readBlobs(repository, [entry])).get(entry.oid);
      const unpacked = bytes === undefined ? { fault: 'no such file' } : unpackEvidence(bytes, sha256);
      if ('evidence' in unpacked) return unpacked.evidence;
      throw new RegistryError({
        found: unpacked.fault,
        expected: 'the evidence a decision refers to',
        where: path,
        remedy: 'See what else is wrong with contender registry verify',
      });
    },
    async verify({ missingTags = true, judge } = {}) {
      const branch = await resolveBranch(repository, input.branch);
      if (branch.head === null) return [];
      if (await isShallow(repository)) {
        input.log.warning('This clone is shallow: decisions removed before its oldest commit cannot be noticed.');
      }
      const committed = await verifyRegistry(repository, branch.head, folder, {
        tags: tagged && missingTags ? 'required' : 'held',
        judge,
        artifactsYaml,
      });
      const workTree = branch.ref === null ? null : await workTreeOf(repository, branch.ref);
      const edits = workTree === null ? [] : await uncommittedEdits(workTree, [folder]);
      return [
        ...committed,
        ...edits.map(({ path, what }) => ({
          path,
          found: `${what} in the work tree`,
          expected: 'what is committed',
          remedy: `Undo it: git restore --staged --worktree -- ${path}, or move the file away if it was never committed`,
        })),
      ];
    },
    async ensureWritable() {
      const { ref } = await writableBranch(repository, input.branch);
      const workTree = await workTreeOf(repository, ref);
      const place = lockPlace(repository, workTree, ref);
      const target = { repository, folder, ref, workTree, place, ...kept, log: input.log };
      await withLock(place, () => prepare(target));
      if (workTree !== null) await refuseReadOnly(workTree, [`${folder}/${decisionPath('any', 1)}`]);
      if (input.push !== undefined) await follow({ ...target, remote: input.push });
      if (!artifactsYaml) return;
      await withLock(place, async () => {
        refuseUnreadable(await readArtifactsYaml(target, await entryAt(repository, ref, artifactsPath)));
      });
    },
    async requireKept(commit) {
      const { push: remote } = input;
      if (remote === undefined) return;
      const { ref, head: here } = await writableBranch(repository, input.branch);
      await requireKept({ repository, remote, ref, here }, commit);
    },
    async tag(model) {
      checkModelName(model);
      if (!tagged) throw noTags();
      const { ref } = await writableBranch(repository, input.branch);
      const workTree = await workTreeOf(repository, ref);
      const place = lockPlace(repository, workTree, ref);
      const target = { repository, folder, ref, workTree, place, ...kept, log: input.log };
      const { push: remote } = input;
      const expected = remote === undefined ? null : await followOnce({ ...target, remote });
      const made = await withLock(place, async () => {
        await prepare(target);
        const now = (await resolveBranch(repository, input.branch)).head;
        const { links } = sound(await readModel(repository, now, folder, model));
        return now === null ? [] : completeTags(repository, folder, model, now, links);
      });
      if (remote !== undefined && (await publish({ ...target, remote }, expected, model)) === 'overtaken') {
        throw new RegistryError({
          found: `${remote} moved meanwhile, and the tags were not pushed`,
          remedy: 'Run again',
        });
      }
      return made;
    },
    async record(request) {
      checkModelName(request.model);
      for (let attempt = 0; attempt < maximumAttempts; attempt++) {
        const { ref } = await writableBranch(repository, input.branch);
        const workTree = await workTreeOf(repository, ref);
        const place = lockPlace(repository, workTree, ref);
        const target = { repository, folder, ref, workTree, place, ...kept, log: input.log };
        const { push: remote } = input;
        const expected = remote === undefined ? null : await followOnce({ ...target, remote });
        const result = await withLock(place, () => recordOnce(target, request));
        if (result !== 'overtaken') {
          if (remote === undefined) return result;
          if ((await publish({ ...target, remote }, expected, request.model)) === 'pushed') return result;
        }
        input.log.debug(`${ref} moved meanwhile; deciding again`);
        await pause(attempt);
      }
      throw new RegistryError({
        found: `the branch moved ${maximumAttempts} times while the decision was being recorded`,
        remedy: `Nothing was ${input.push === undefined ? 'recorded' : 'published'}. Run again when fewer writers are at work`,
      });
    },
  };
}

interface Target {
  repository: Repository;
  folder: string;
  ref: string;
  workTree: WorkTree | null;
  place: LockPlace;
  tagged: boolean;
  artifactsYaml: boolean;
  log: Log;
}

/** What an interrupted run left is mended before anything moves. */
async function followOnce(target: Target & { remote: string }): Promise<string | null> {
  await withLock(target.place, () => prepare(target));
  return follow(target);
}

/** Push the branch, and every tag that the chain of the model calls for. */
async function publish(
  target: Target & { remote: string },
  expected: string | null,
  model: string,
): Promise<'pushed' | 'overtaken'> {
  const { repository, folder, ref, tagged } = target;
  if (!tagged) return pushTogether(target, expected, []);
  const { links } = sound(await readModel(repository, await commitAt(repository, ref), folder, model));
  const found = await listTags(repository, model);
  const tags = gtoTags(model, links).filter((tag) => found.some((each) => isTag(each, tag)));
  return pushTogether(
    target,
    expected,
    tags.map(({ name }) => name),
  );
}

/** One attempt, under the lock: decide against what is there, write, and move the branch if nobody else did. */
async function recordOnce(target: Target, input: RecordInput): Promise<RecordResult | 'overtaken'> {
  const { repository, folder, ref, workTree, place } = target;
  await prepare(target);
  const old = await commitAt(repository, ref);
  if (old === null) return 'overtaken';
  const state = sound(await readModel(repository, old, folder, input.model));
  if (state.links.length === 0) refuseTwin(input.model, await modelsAt(repository, old, folder));
  const attributes = `${folder}/${attributesPath}`;
  const around = new Map(
    (await entriesAt(repository, old, [attributes, artifactsPath])).map((entry) => [entry.path, entry]),
  );
  const plan = planRecord(folder, state, input, {
    hasAttributes: around.has(attributes),
    artifactsYaml: target.artifactsYaml
      ? await readArtifactsYaml(target, around.get(artifactsPath) ?? null)
      : undefined,
  });
  const tags = async (at: string, links: readonly ChainLink[]): Promise<string[]> =>
    target.tagged ? completeTags(repository, folder, input.model, at, links) : [];
  if (plan.status === 'already-recorded') {
    const commit = await addedIn(repository, old, plan.path);
    return { status: plan.status, decision: plan.decision, commit, tags: await tags(old, state.links) };
  }
  if (plan.status === 'no-change') return { ...plan, commit: null, tags: await tags(old, state.links) };

  const { files, message } = plan;
  const { links } = plan.next;
  if (target.tagged) {
    const called = gtoTags(input.model, links).filter(({ seq }) => seq === plan.decision.seq);
    refuseTaken(called, await listTags(repository, input.model));
  }
  const names = await writeBlobs(repository, [...files.values()]);
  const paths = [...files.keys()];
  if (workTree !== null) {
    await refuseLinks(workTree, paths);
    await refuseReadOnly(workTree, paths);
  }
  const after = new Map(paths.map((path, index) => [path, names[index] as string]));
  const commit = await writeCommit(repository, await treeWith(repository, old, after), old, message);
  const changes = [...after].map(([path, oid]) => ({
    path,
    before: [(around.get(path) ?? state.files.get(path.slice(folder.length + 1)))?.oid ?? null],
    after: oid,
  }));

  await writeJournal(place, { ref, old, new: commit, changes });
  const subject = message.split('\n')[0] ?? '';
  const { moved, said } = await moveBranch(workTree?.folder ?? repository.folder, ref, old, commit, subject);
  if (!moved) {
    await removeJournal(place);
    // Another writer, or the lock of a git at work: both pass. Anything else is a fault of its own.
    if ((await commitAt(repository, ref)) !== old || /unable to create .*\.lock|cannot lock ref/iu.test(said))
      return 'overtaken';
    throw new RegistryError({ found: `git update-ref failed: ${said}`, where: ref });
  }
  if (workTree !== null) {
    const contents = new Map([...files.values()].map((bytes, index) => [names[index] as string, bytes]));
    await bringInLine(repository, workTree, place.scratch, folder, changes, contents).catch((cause: unknown) => {
      throw behind(commit, cause);
    });
  }
  await removeJournal(place);
  await confirm(repository, ref, commit);
  return { status: 'recorded', decision: plan.decision, commit, tags: await tags(commit, links) };
}

async function modelsAt(repository: Repository, commit: string, folder: string): Promise<string[]> {
  return (await listFolders(repository, commit, `${folder}/models`)).filter(isModelName).sort();
}

/** The branch has moved, and the journal stays: what is recorded is recorded. */
function behind(commit: string, cause: unknown): RegistryError {
  const why = cause instanceof Error ? cause.message.replace(/\.$/u, '') : String(cause);
  return new RegistryError({
    found: `recorded in commit ${commit.slice(0, 12)}, but the work tree could not be brought up to date: ${why}`,
    remedy: 'Remove what is in the way; the next run mends it',
    cause,
  });
}

/** Mend what an interrupted run left, then refuse to go on over a person's edits. */
async function prepare({ repository, workTree, place, folder, tagged, artifactsYaml, log }: Target): Promise<void> {
  if (tagged && (await isShallow(repository))) {
    throw new RegistryError({
      found: 'this clone is shallow',
      expected: 'the whole history: a tag points at the commit that first promoted its version',
      where: repository.folder,
      remedy: 'Check out with fetch-depth: 0, or run git fetch --unshallow --tags',
    });
  }
  if (await finishInterrupted(repository, workTree, place, folder)) {
    log.info('An earlier run was interrupted while it recorded; its traces were put in order.');
  }
  if (workTree !== null) await refuseEdits(workTree, folder, artifactsYaml);
}

/** artifacts.yaml as a commit has it. @throws RegistryError when it could not be written anew, there or in the work tree */
async function readArtifactsYaml({ repository, workTree }: Target, entry: TreeEntry | null): Promise<string | null> {
  const text = await readArtifacts(entry, (wanted) => readBlobs(repository, wanted));
  if (workTree !== null && !(await isAsCommitted(repository, workTree, artifactsPath, entry?.oid ?? null))) {
    throw refusedInWorkTree(entry !== null);
  }
  return text;
}

/** Believe the branch, not the exit code. */
async function confirm(repository: Repository, ref: string, commit: string): Promise<void> {
  const now = await commitAt(repository, ref);
  if (now !== null && (now === commit || (await isAncestor(repository, commit, now)))) return;
  throw new RegistryError({
    found: `the decision was committed as ${commit}, but ${ref} is at ${now ?? 'nothing'} and does not contain it`,
    remedy: 'Another program rewrote the branch. Run again',
  });
}

async function writableBranch(
  repository: Repository,
  name: string | undefined,
): Promise<{ ref: string; head: string }> {
  const { ref, head } = await resolveBranch(repository, name);
  if (ref === null) {
    throw new RegistryError({
      found: 'HEAD is detached: there is no branch to record on',
      where: repository.folder,
      remedy: 'Check out a branch (in a workflow: actions/checkout with ref), or set registry.branch',
    });
  }
  if (head === null) {
    throw new RegistryError({
      found: `branch ${ref.replace('refs/heads/', '')} has no commit yet`,
      where: repository.folder,
      remedy: 'Commit the model and contender.yml first',
    });
  }
  return { ref, head };
}

function lockPlace(repository: Repository, workTree: WorkTree | null, ref: string): LockPlace {
  if (workTree !== null) {
    return { path: join(workTree.gitFolder, 'index.lock'), scratch: join(workTree.gitFolder, 'contender') };
  }
  const scratch = join(
    repository.commonFolder,
    `contender-${createHash('sha256').update(ref).digest('hex').slice(0, 16)}`,
  );
  return { path: `${scratch}.lock`, scratch };
}
