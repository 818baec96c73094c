import { setTimeout as sleep } from 'node:timers/promises';
import { defaults } from '../config/index.ts';
import { RegistryError } from '../errors.ts';
import type { Log } from '../log.ts';
import { readArtifacts, refuseUnreadable } from './artifacts-yaml.ts';
import { recordedEvidence } from './evidence-file.ts';
import { openBranch, type Moved, type RegistryBranch, type Tip } from './git/branch.ts';
import { addedIn } from './git/history.ts';
import { entriesAt, entryAt, listFolders, readBlobs, requireStorable, treeWith, writeCommit } from './git/objects.ts';
import { jittered } from '../github/retry.ts';
import { requireKept } from './git/remote.ts';
import { commitAt, isAncestor, isCutOff, openRepository, registryFolder, shallowFault } from './git/repository.ts';
import type { Reach, Repository } from './git/repository.ts';
import { listTags, listTagsAsOn, missingTags, tagPatterns, type TagToMake } from './git/tags.ts';
import { artifactsPath, attributesPath, checkModelName, evidencePath, isModelName, refuseTwin } from './layout.ts';
import type { ChainLink } from './manifest.ts';
import { readModel, readsOf, sound, type ModelState } from './model-state.ts';
import { planRecord } from './plan-record.ts';
import type { RecordInput, RecordResult, Registry, StoreInput } from './registry.ts';
import { gtoTags, noTags, refuseTaken, tagFindings, type FoundTag } from './tags.ts';
import { verifyRegistry } from './verify.ts';

/** How often a writer starts anew because another moved the branch first: each time somebody got on. */
const maximumAttempts = 200;
/** How often it tries again where nobody moved the branch, but a git may have been at work on it. */
const maximumUnmoved = 4;

/**
 * The registry in a git repository, on a branch of its own here or on a remote. It is read from the commit its branch is at, and written
 * to that branch alone: index, work tree and whatever is checked out stay as they are.
 *
 * @param input.repository the repository, or a folder in it
 * @param input.push the remote that has the branch; default: it is here
 * @param input.github signs in to a remote on GitHub where the clone does not
 * @throws RegistryError when there is no repository or the path leads outside of it
 */
export async function openGitRegistry(
  input: StoreInput & {
    repository: string | Repository;
    push?: string | undefined;
    github?: Reach['github'];
  },
): Promise<Registry> {
  const repository = await openRepository(input.repository, { github: input.github, push: input.push });
  const folder = registryFolder(input.path);
  const branch = await openBranch(
    repository,
    input.branch ?? defaults.registryBranch,
    input.push,
    input.log,
    'registry.branch',
    folder,
  );
  const tagged = input.tags !== undefined;
  const artifactsYaml = input.artifactsYaml === true;
  const store: Store = { repository, folder, branch, tagged, artifactsYaml };
  const head = async (): Promise<string | null> => (await branch.tip()).head;
  const read = async (model: string): Promise<ModelState> => {
    checkModelName(model);
    return sound(await readModel(repository, await head(), folder, model));
  };
  return {
    ...readsOf(read),
    async models() {
      const commit = await head();
      return commit === null ? [] : modelsAt(repository, commit, folder);
    },
    // Nothing is recorded in a clone that waits for somebody to push it.
    pending: () => Promise.resolve(null),
    async evidence(model, sha256) {
      checkModelName(model);
      const commit = await head();
      const path = `${folder}/${evidencePath(model, sha256)}`;
      const entry = commit === null ? null : await entryAt(repository, commit, path);
      const bytes = entry === null ? undefined : (await readBlobs(repository, [entry])).get(entry.oid);
      return recordedEvidence(bytes ?? null, sha256, path);
    },
    async verify({ missingTags: required = true, judge, onVoid } = {}) {
      const tip = await branch.tip(['refs/tags/*']);
      const { head: commit, expected, remoteTags } = tip;
      if (commit === null) {
        const found = tagged ? await tagsThere(repository, tip) : [];
        return tagFindings({ chains: new Map(), found, required: false, commitOf: () => undefined });
      }
      if (await isCutOff(repository, commit)) {
        input.log.warning('This clone is shallow: decisions removed before its oldest commit cannot be noticed.');
      }
      return verifyRegistry(repository, commit, folder, {
        tags: tagged && required ? 'required' : 'held',
        judge,
        onVoid,
        artifactsYaml,
        // Until the first push takes branch and tags along, those here are what there is.
        ...(remoteTags === null || expected === null ? {} : { remoteTags }),
      });
    },
    async ensureWritable() {
      await branch.requireWritable();
      if (branch.remote === null) await requireStorable(repository);
      const { head: commit } = await branch.rehearse();
      await requireHistory(store, commit);
      if (artifactsYaml) refuseUnreadable(await artifactsAt(store, commit));
    },
    async requireKept(commit) {
      if (branch.remote !== null) await requireKept(branch.remote, branch.ref, commit);
    },
    async tag(model) {
      checkModelName(model);
      if (!tagged) throw noTags();
      await branch.requireWritable();
      return untilMoved(input.log, async () => {
        const tip = await branch.tip(tagPatterns(model));
        await requireHistory(store, tip.head);
        const { links } = sound(await readModel(repository, tip.head, folder, model));
        return completeTags(store, tip, model, links);
      });
    },
    async record(request) {
      checkModelName(request.model);
      await branch.requireWritable();
      return untilMoved(input.log, () => recordOnce(store, request));
    },
  };
}

interface Store {
  repository: Repository;
  folder: string;
  branch: RegistryBranch;
  tagged: boolean;
  artifactsYaml: boolean;
}

/** Try until the branch moved; after each attempt that another writer overtook, from the start. @throws RegistryError in git's words */
async function untilMoved<T>(log: Log, attempt: () => Promise<{ done: T } | NotMoved>): Promise<T> {
  let unmoved = 0;
  let last: string | null | undefined;
  for (let count = 0; ; count++) {
    const result = await attempt();
    if ('done' in result) return result.done;
    unmoved = result.from === last ? unmoved + 1 : 0;
    last = result.from;
    if (!result.mayPass || unmoved >= maximumUnmoved || count >= maximumAttempts) throw result.fault;
    log.debug(`${result.fault.fault.found}; deciding again`);
    await sleep(5 + jittered(count + 1, { baseMs: 10, capMs: 500 }));
  }
}

type NotMoved = Extract<Moved, { moved: false }> & { from: string | null };

/** One attempt: decide against what is there, write, and move the branch if nobody else did. */
async function recordOnce(store: Store, input: RecordInput): Promise<{ done: RecordResult } | NotMoved> {
  const { repository, folder, branch, tagged, artifactsYaml } = store;
  const tip = await branch.tip(tagged ? tagPatterns(input.model) : []);
  await requireHistory(store, tip.head);
  const state = sound(await readModel(repository, tip.head, folder, input.model));
  if (state.links.length === 0 && tip.head !== null) {
    refuseTwin(input.model, await modelsAt(repository, tip.head, folder));
  }
  const attributes = `${folder}/${attributesPath}`;
  const plan = planRecord(folder, state, input, {
    hasAttributes: tip.head !== null && (await entryAt(repository, tip.head, attributes)) !== null,
    artifactsYaml: artifactsYaml ? await artifactsAt(store, tip.head) : undefined,
  });
  if (plan.status !== 'write') {
    const made = tagged ? await completeTags(store, tip, input.model, state.links) : { done: [] };
    if (!('done' in made)) return made;
    if (plan.status === 'no-change') return { done: { ...plan, commit: null, tags: made.done } };
    const commit = tip.head === null ? null : await addedIn(repository, tip.head, plan.path);
    return { done: { status: plan.status, decision: plan.decision, commit, tags: made.done } };
  }
  const { files, message, decision } = plan;
  const { links } = plan.next;
  if (tagged) {
    const called = gtoTags(input.model, links).filter(({ seq }) => seq === decision.seq);
    try {
      refuseTaken(input.model, links, called, await tagsThere(repository, tip));
    } catch (error) {
      // Of the decision of another writer, if the branch moved since it was read.
      if (!(error instanceof RegistryError) || (await branch.tip()).head === tip.head) throw error;
      return { moved: false, mayPass: true, fault: error, from: tip.head };
    }
  }
  const commit = await writeCommit(repository, await treeWith(repository, tip.head, files), tip.head, message);
  const tags = await tagsToMake(store, tip, input.model, links, commit, decision.seq);
  const moved = await branch.move(tip, commit, tags, message.split('\n')[0] ?? '');
  if (!moved.moved) return { ...moved, from: tip.head };
  await confirm(store, commit);
  return { done: { status: 'recorded', decision, commit, tags: tags.map(({ name }) => name) } };
}

/** Make every tag that a chain calls for and that is not where the registry is. Returns the names of those made. */
async function completeTags(
  store: Store,
  tip: Tip,
  model: string,
  links: readonly ChainLink[],
): Promise<{ done: string[] } | NotMoved> {
  const tags = await tagsToMake(store, tip, model, links, tip.head);
  if (tip.head === null || tags.length === 0) return { done: [] };
  const moved = await store.branch.move(tip, tip.head, tags, 'contender: tags');
  if (!moved.moved) return { ...moved, from: tip.head };
  return { done: tags.map(({ name }) => name).filter((name) => moved.already?.includes(name) !== true) };
}

/** @param head a commit that holds the chain  @param made the decision that this commit adds, if it adds one */
async function tagsToMake(
  { repository, folder, tagged }: Store,
  { remoteTags }: Tip,
  model: string,
  links: readonly ChainLink[],
  head: string | null,
  made?: number,
): Promise<TagToMake[]> {
  if (!tagged || head === null) return [];
  return missingTags(repository, folder, model, head, links, made, remoteTags);
}

function tagsThere(repository: Repository, { remoteTags }: Tip): Promise<FoundTag[]> {
  return remoteTags === null ? listTags(repository) : listTagsAsOn(repository, remoteTags);
}

async function modelsAt(repository: Repository, commit: string, folder: string): Promise<string[]> {
  return (await listFolders(repository, commit, `${folder}/models`)).filter(isModelName).sort();
}

/** artifacts.yaml as a commit has it; null: there is none. @throws RegistryError when it could not be written anew */
async function artifactsAt({ repository }: Store, commit: string | null): Promise<string | null> {
  const [entry] = commit === null ? [] : await entriesAt(repository, commit, [artifactsPath]);
  return readArtifacts(entry ?? null, (wanted) => readBlobs(repository, wanted));
}

/** A tag points at the commit that first promoted its version. @throws RegistryError where that may not be here */
async function requireHistory({ repository, tagged }: Store, commit: string | null): Promise<void> {
  if (!tagged || commit === null || !(await isCutOff(repository, commit))) return;
  const why = ' of the registry: a tag points at the commit that first promoted its version';
  throw shallowFault(repository, why);
}

/** Believe the branch, not the exit code. The push of a branch on a remote was confirmed by that remote. */
async function confirm({ repository, branch }: Store, commit: string): Promise<void> {
  if (branch.remote !== null) return;
  const now = await commitAt(repository, branch.ref);
  if (now !== null && (now === commit || (await isAncestor(repository, commit, now)))) return;
  throw new RegistryError({
    found: `the decision was committed as ${commit}, but ${branch.ref} is at ${now ?? 'nothing'} and does not contain it`,
    remedy: 'Another program changed the branch at the same time. Run again',
  });
}
