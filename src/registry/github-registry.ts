import { setTimeout as sleep } from 'node:timers/promises';
import { defaults } from '../config/index.ts';
import { GitHubError, RegistryError } from '../errors.ts';
import type { GitHub } from '../github/client.ts';
import { requireMayMakePullRequests } from '../github/pull-request.ts';
import { jittered } from '../github/retry.ts';
import { readArtifacts, refuseUnreadable } from './artifacts-yaml.ts';
import { recordedEvidence } from './evidence-file.ts';
import { blobOid } from './git/objects.ts';
import { registryFolder } from './git/repository.ts';
import { withClone } from './github/clone.ts';
import { commitOnBranch, commitWithTags } from './github/commit-files.ts';
import { pendingPromotion, pendingRecorder, type PullRequestSettings } from './github/record-pending.ts';
import {
  blobReader,
  emptySnapshot,
  findEntry,
  firstCommitOf,
  listModels,
  readFile,
  readSnapshot,
  type GitHubBranch,
  type Snapshot,
} from './github/snapshot.ts';
import { nothing, requireKept } from './github/refs.ts';
import { allTags, completeTags, isOvertaken, tagsBeside } from './github/tags.ts';
import { artifactsPath, checkModelName, evidencePath, refuseTwin } from './layout.ts';
import type { ChainLink } from './manifest.ts';
import { readsOf, sound } from './model-state.ts';
import { planRecord, type Surroundings } from './plan-record.ts';
import type { RecordInput, RecordResult, Registry, StoreInput } from './registry.ts';
import { gtoTags, lostDecision, noTags, refuseTaken, tagFindings, type RegistryTag } from './tags.ts';
import { verifyRegistry } from './verify.ts';

export interface GitHubRegistryInput extends StoreInput {
  github: GitHub;
  token: string;
  signal?: AbortSignal | undefined;
  /** How decisions wait in pull requests; left out: a branch that rules protect is an error. */
  pullRequests?: PullRequestSettings | undefined;
  /** How a writer that was overtaken waits. */
  pace?: { attempts?: number; baseMs?: number; capMs?: number };
}

const defaultPace = { attempts: 40, baseMs: 300, capMs: 10_000 };

/**
 * The registry in a repository on GitHub, read and written through the API: no clone, no work tree. Commits are signed by GitHub.
 *
 * @throws RegistryError when the path leads outside of the repository
 */
export function openGitHubRegistry(input: GitHubRegistryInput): Registry {
  const { github, log, signal } = input;
  const folder = registryFolder(input.path);
  const pace = { ...defaultPace, ...input.pace };
  const tagged = input.tags !== undefined;
  const artifactsYaml = input.artifactsYaml === true;
  const cache = new Map<string, Buffer>();
  const place: GitHubBranch = { github, folder, branch: input.branch ?? defaults.registryBranch, cache };
  const snapshot = async (model: string): Promise<Snapshot> => {
    checkModelName(model);
    const found = (await readSnapshot(place, model)) ?? (await emptySnapshot(place, model));
    sound(found.state);
    return found;
  };
  const around = async ({ hasAttributes, artifacts }: Snapshot): Promise<Surroundings> => ({
    hasAttributes,
    artifactsYaml: artifactsYaml ? await readArtifacts(artifacts, blobReader(place)) : undefined,
  });
  return {
    ...readsOf(async (model) => (await snapshot(model)).state),
    async models() {
      return (await listModels(place)) ?? [];
    },
    async evidence(model, sha256) {
      checkModelName(model);
      const path = `${folder}/${evidencePath(model, sha256)}`;
      return recordedEvidence(await readFile(place, path), sha256, path);
    },
    async pending(model) {
      return pendingPromotion(place, await snapshot(model), model);
    },
    async verify({ missingTags = true, judge, onVoid } = {}) {
      if ((await listModels(place)) === null) {
        const found = tagged ? await allTags(github) : [];
        return tagFindings({ chains: new Map(), found, required: false, commitOf: () => undefined });
      }
      return withClone({ github, token: input.token, branch: place.branch }, (repository, head) =>
        verifyRegistry(repository, head, folder, {
          tags: tagged && missingTags ? 'required' : 'held',
          judge,
          onVoid,
          artifactsYaml,
        }),
      );
    },
    async tag(model) {
      if (!tagged) throw noTags();
      const { links } = (await snapshot(model)).state;
      return completeTags(place, model, links);
    },
    async ensureWritable() {
      const isThere = (await listModels(place)) !== null;
      if (!isThere && input.pullRequests?.when === 'always') throw noBranch(place);
      if (artifactsYaml) {
        refuseUnreadable(await readArtifacts(await findEntry(place, artifactsPath), blobReader(place)));
      }
      // An object that no branch refers to is seen by nobody, and only who may write can store it.
      await github.request(
        'POST /repos/{owner}/{repo}/git/blobs',
        { content: '', encoding: 'utf-8' },
        { repeatable: true },
      );
      if (isThere && input.pullRequests !== undefined) await ensurePullRequests(place, input.pullRequests.when);
    },
    requireKept: (commit) => requireKept(github, place.branch, commit),
    async record(request) {
      const attempts: Attempts = { made: new Map(), together: tagged, refusedAt: null, unseen: null, doubt: null };
      const { pullRequests } = input;
      let wasThere = false;
      const reading = async (): Promise<Snapshot> => {
        const found = await snapshot(request.model);
        // A branch that is deleted meanwhile is not begun anew.
        if (wasThere && found.head === nothing) throw noBranch(place);
        wasThere = found.head !== nothing;
        if (found.state.links.length === 0) refuseTwin(request.model, (await listModels(place)) ?? []);
        return found;
      };
      const directly = async (attempt: number): Promise<RecordResult | 'again'> => {
        const found = await reading().catch((error: unknown) => {
          throw attempts.made.size > 0 && error instanceof GitHubError ? inDoubt(error) : error;
        });
        return recordOnce(place, found, request, attempts, attempt);
      };
      const pending = async (settings: PullRequestSettings): Promise<typeof directly> => {
        if ((await listModels(place)) === null) throw noBranch(place);
        const { model } = request;
        const behind = (found: Snapshot): Promise<boolean> => isBehind(found, found.state.links, model, [], attempts);
        const doubt = (error: GitHubError): void => void (attempts.doubt = error);
        return pendingRecorder({
          base: place,
          settings,
          request,
          log,
          snapshot: reading,
          around,
          behind,
          doubt,
        });
      };
      let once = pullRequests?.when === 'always' ? await pending(pullRequests) : directly;
      for (let attempt = 1; attempt <= pace.attempts; attempt++) {
        attempts.doubt = null;
        const result = await once(attempt).catch(async (error: unknown) => {
          const forbidden = error instanceof GitHubError && error.kind === 'rules' && once === directly;
          if (!forbidden || pullRequests === undefined) throw error;
          log.debug(`${request.model}: ${error.fault.found}`);
          once = await pending(pullRequests);
          return once(attempt);
        });
        if (result !== 'again') return result;
        log.debug(`${request.model}: reading the registry again (attempt ${attempt})`);
        await sleep(jittered(attempt, pace), undefined, { signal });
      }
      if (attempts.doubt !== null) throw inDoubt(attempts.doubt);
      throw new RegistryError({
        found: `the branch moved ${pace.attempts} times while the decision was being recorded`,
        where: `${github.repository} ${place.branch}`,
        remedy: 'Nothing was recorded. Run again when fewer runs record at the same time',
      });
    },
  };

  /** Where a branch is protected against something else, decisions are recorded on it all the same: there it is only a warning. */
  async function ensurePullRequests({ branch }: GitHubBranch, when: PullRequestSettings['when']): Promise<void> {
    const isSure = when === 'always';
    if (!isSure && !(await github.request('GET /repos/{owner}/{repo}/branches/{branch}', { branch })).protected) return;
    await requireMayMakePullRequests(github, branch).catch((error: unknown) => {
      if (isSure || !(error instanceof GitHubError) || error.kind !== 'permission') throw error;
      log.warning(`${branch} is protected, so a decision may have to wait in a pull request. ${error.message}`);
    });
  }

  /**
   * Whether tags are of decisions that came after the branch was read: the next reading shows those.
   *
   * @param links with the decision that is to be recorded
   * @param called the tags that it calls for
   * @throws RegistryError where no reading shows them, so that the branch was set back; or where a tag is somebody else's
   */
  async function isBehind(
    { head, state }: Snapshot,
    links: readonly ChainLink[],
    model: string,
    called: readonly RegistryTag[],
    attempts: Attempts,
  ): Promise<boolean> {
    if (!tagged) return false;
    const known = new Set(gtoTags(model, state.links).map(({ name }) => name));
    const beside = await tagsBeside(github, model, known);
    if (beside.some((tag) => lostDecision(tag, model, links) !== undefined)) {
      const { unseen } = attempts;
      attempts.unseen = { head, times: unseen?.head === head ? unseen.times + 1 : 1 };
      if (attempts.unseen.times <= 5) return true;
    }
    refuseTaken(model, links, called, beside);
    return false;
  }

  /**
   * One attempt: believe only what is read back. A commit that GitHub says it made, or that it may have made before an answer was lost,
   * is there when the next reading shows it, and is made anew when it does not: the head it must be on rules out a second one.
   */
  async function recordOnce(
    where: GitHubBranch,
    found: Snapshot,
    request: RecordInput,
    attempts: Attempts,
    count: number,
  ): Promise<RecordResult | 'again'> {
    const { state } = found;
    const { model } = request;
    const tags = async (): Promise<string[]> => (tagged ? completeTags(where, model, state.links) : []);
    const mine = state.links.find(({ sha256 }) => attempts.made.has(sha256));
    if (mine !== undefined) {
      const { path, commit, tags: made } = attempts.made.get(mine.sha256) as Attempt;
      return {
        status: 'recorded',
        decision: mine.decision,
        commit: commit ?? (await firstCommitOf(where, path)),
        tags: [...made, ...(await tags())],
      };
    }
    const plan = planRecord(folder, state, request, await around(found));
    if (plan.status === 'already-recorded') {
      const commit = await firstCommitOf(where, plan.path);
      return { status: plan.status, decision: plan.decision, commit, tags: await tags() };
    }
    if (plan.status === 'no-change') return { ...plan, commit: null, tags: await tags() };
    const called = tagged ? gtoTags(model, plan.next.links).filter(({ seq }) => seq === plan.decision.seq) : [];
    if (await isBehind(found, plan.next.links, model, called, attempts)) return 'again';
    for (const bytes of plan.files.values()) cache.set(blobOid(bytes), Buffer.from(bytes));
    const together = attempts.together && called.length > 0;
    const attempt: Attempt = { path: plan.path, commit: null, tags: together ? called.map(({ name }) => name) : [] };
    // The same decision, in doubt since an earlier attempt: a reading that lags asks for it once more, and to be refused then says
    // nothing of the first.
    const before = attempts.made.get(plan.sha256);
    const withdraw = (): void => {
      if (before === undefined) attempts.made.delete(plan.sha256);
      else attempts.made.set(plan.sha256, before);
    };
    attempts.made.set(plan.sha256, attempt);
    try {
      if (together) {
        attempt.commit = await commitWithTags(where, found, { ...plan, seq: plan.decision.seq }, model, called);
        if (attempt.commit === null) {
          attempts.together = false;
          withdraw();
        }
      } else attempt.commit = await commitOnBranch(where, found, plan.files, plan.message);
    } catch (error) {
      if (!(error instanceof GitHubError)) throw error;
      log.debug(`${model}: ${error.fault.found}`);
      if (error.uncertain) attempts.doubt = error;
      else withdraw();
      if (isOvertaken(error) || error.uncertain) {
        // Nobody moved the branch, and yet it was refused: then it was not for a rival.
        if (together && attempts.refusedAt === found.head) attempts.together = false;
        attempts.refusedAt = found.head;
        return 'again';
      }
      // Where a token may not move branch and tags in one request, the branch moves first and the tags follow.
      if (together) attempts.together = false;
      // A branch that is deleted between reading and writing is an error of the next reading.
      else if (error.kind !== 'absent' || count > 3) throw error;
    }
    return 'again';
  }
}

/** What became of the attempts of one writer. */
interface Attempts {
  /** Decisions it may have recorded, by the sha256 of their bytes. */
  made: Map<string, Attempt>;
  /** Whether branch and tags are moved in one request. */
  together: boolean;
  /** Where the branch was when GitHub last said that something had moved. */
  refusedAt: string | null;
  /** Where the branch was when last it did not show the decisions of all tags, and how often in turn it was there. */
  unseen: { head: string; times: number } | null;
  /** Of the last attempt, why nobody knows what became of it. */
  doubt: GitHubError | null;
}

interface Attempt {
  path: string;
  commit: string | null;
  /** Names of the tags that were made with the commit. */
  tags: string[];
}

function inDoubt({ kind, fault, uncertain }: GitHubError): GitHubError {
  const remedy = 'The decision may have been recorded. Run again: it is never recorded twice';
  return new GitHubError(kind, { ...fault, remedy }, uncertain);
}

function noBranch({ github, branch }: GitHubBranch): RegistryError {
  return new RegistryError({
    found: `there is no branch ${branch}`,
    where: github.repository,
    expected: 'a branch that pull requests can be merged into',
    remedy:
      'Name one in registry.branch, such as main; without pull requests the first decision creates the registry branch',
  });
}
