import { GitHubError, RegistryError } from '../../errors.ts';
import type { Promotion, RecordedDecision } from '../../evidence/index.ts';
import { isForbiddenBySetting } from '../../github/error.ts';
import {
  commentOn,
  ensurePullRequest,
  openPullRequest,
  pullRequestCharacters,
  type PullRequestText,
} from '../../github/pull-request.ts';
import type { Log } from '../../log.ts';
import { unpackEvidence } from '../evidence-file.ts';
import { evidencePath } from '../layout.ts';
import { sound } from '../model-state.ts';
import {
  planPending,
  replacementOf,
  waitingOn,
  type CarryOver,
  type PendingPlan,
  type Waiting,
} from '../plan-pending.ts';
import type { Surroundings } from '../plan-record.ts';
import type { Pending, RecordInput, RecordResult } from '../registry.ts';
import { checkOwnWork, movePromotionBranch, promotionBranch } from './promotion-branch.ts';
import { isIn } from './refs.ts';
import { readBlob, readSnapshot, type GitHubBranch, type Snapshot } from './snapshot.ts';

/** What recording through pull requests needs of the other stages. */
export interface PullRequestSettings {
  /** `when-protected`: where the rules forbid to commit to the branch. `always`: also where they do not. */
  when: 'when-protected' | 'always';
  carryOver: CarryOver;
  /** The text of a pull request, its body in at most so many UTF-8 bytes. */
  describe(promotion: Promotion, limit: number): PullRequestText;
  /** A comment that says what became of decisions that waited. */
  describeReplaced(replaced: readonly Replaced[]): string;
}

export type Replaced = Extract<PendingPlan, { status: 'write' }>['replaced'][number];

/** Write a decision to the promotion branch and see to its pull request, attempt by attempt, until the branch is read to hold it. */
export function pendingRecorder(context: {
  base: GitHubBranch;
  settings: PullRequestSettings;
  request: RecordInput;
  log: Log;
  snapshot: () => Promise<Snapshot>;
  around: (found: Snapshot) => Promise<Surroundings>;
  /** Whether others have recorded since a reading. */
  behind: (found: Snapshot) => Promise<boolean>;
  /** Is told why nobody knows whether something was written. */
  doubt: (error: GitHubError) => void;
}): () => Promise<RecordResult | 'again'> {
  const { base, settings, request, log } = context;
  const { github } = base;
  const { model } = request;
  const place: GitHubBranch = { ...base, branch: promotionBranch(model) };
  let replaced: readonly Replaced[] = [];
  let refusals = 0;
  /** The branch has the decision, as far as anybody knows. */
  let kept = false;
  /** The decision as this recorder wrote it, or may have. */
  let mine: RecordedDecision | undefined;
  /** What waited before it or beside it: nothing of that has come in its place. */
  let others: readonly RecordedDecision[] = [];

  return async () => {
    try {
      return await once();
    } catch (error) {
      throw error instanceof GitHubError ? explained(error, place.branch, kept) : error;
    }
  };

  async function once(): Promise<RecordResult | 'again'> {
    const from = await context.snapshot();
    const found = await readPromotionBranch(place, from, model);
    const waiting = found?.waiting ?? nothing;
    // Another writer replaced it before it was read back. To write it again would replace theirs, and so on in turns.
    const replacement = mine === undefined ? undefined : replacementOf(mine, waiting.decisions, others);
    if (replacement !== undefined && found !== null) return see(found, replacement);
    const around = await context.around(from);
    const plan = planPending(base.folder, from.state, waiting, request, around, settings.carryOver);
    if (plan.status === 'already-recorded' || plan.status === 'no-change') {
      return { status: plan.status, decision: plan.decision, commit: null, tags: [] };
    }
    if (plan.status === 'waiting' && found !== null) {
      kept = true;
      return see(found, plan.decision);
    }
    if (plan.status === 'write' && !(await context.behind(from))) await write(from, found, plan);
    return 'again';
  }

  async function write(
    from: Snapshot,
    found: PromotionBranch | null,
    plan: Extract<PendingPlan, { status: 'write' }>,
  ): Promise<void> {
    try {
      await movePromotionBranch(place, found?.head ?? null, from, plan.files, plan.message);
    } catch (error) {
      if (!(error instanceof GitHubError)) throw error;
      // How a branch that moved is refused here is told in several ways.
      const passes = error.kind === 'conflict' || error.kind === 'exists' || error.uncertain;
      if (!passes && (error.kind !== 'refused' || ++refusals > 3)) throw error;
      log.debug(`${model}: ${error.fault.found}`);
      if (!error.uncertain) return;
      context.doubt(error);
    }
    mine = plan.asked;
    others = [...(found?.waiting.decisions ?? []), ...plan.decisions];
    replaced = plan.replaced;
    kept = true;
  }

  /** The pull request says what the branch holds, whoever wrote that last. */
  async function see(found: PromotionBranch, decision: RecordedDecision): Promise<RecordResult | 'again'> {
    const ends = { branch: place.branch, headSha: found.head, base: base.branch };
    const promotion = await promotionOf(place, base.branch, found, decision);
    const text = settings.describe(promotion, pullRequestCharacters);
    const { made, ...pullRequest } = await ensurePullRequest(github, ends, text);
    if ((await branchHead(place)) !== found.head) return 'again';
    if (replaced.length > 0 && !made && pullRequest.open) {
      await commentOn(github, pullRequest.number, settings.describeReplaced(replaced));
    }
    if (!pullRequest.open) {
      log.warning(
        `${model}: pull request ${pullRequest.number} for this decision was closed without being merged. Reopen it, or delete the branch ${place.branch} to start again`,
      );
    }
    const { seq: _seq, prev: _prev, ...waits } = decision;
    return { status: 'pending', decision: waits, pullRequest, commit: null, tags: [] };
  }
}

/** What waits for a person to merge it; null: nothing. */
export async function pendingPromotion(base: GitHubBranch, from: Snapshot, model: string): Promise<Pending | null> {
  const place: GitHubBranch = { ...base, branch: promotionBranch(model) };
  const found = await readPromotionBranch(place, from, model);
  if (found === null || found.waiting.decisions.length === 0) return null;
  const open = await openPullRequest(base.github, { branch: place.branch, base: base.branch });
  return {
    decisions: found.waiting.decisions,
    pullRequest: open === null ? null : { number: open.number, url: open.html_url, open: true },
  };
}

/**
 * Close the pull request of decisions that cannot be merged any more: the base has them by another way, another champion, or other
 * decisions under their numbers, with which theirs are in conflict.
 * The branch stays, and what waits on it is taken over by the next decision.
 *
 * @returns its number; null: there is none to close
 * @throws RegistryError, GitHubError
 */
export async function closeOvertaken(base: GitHubBranch, model: string): Promise<number | null> {
  const place: GitHubBranch = { ...base, branch: promotionBranch(model) };
  const open = await openPullRequest(base.github, { branch: place.branch, base: base.branch });
  const from = open === null ? null : await readSnapshot(base, model);
  const found = from === null ? null : await readPromotionBranch(place, from, model);
  if (open === null || from === null || found === null) return null;
  const { decisions, since } = found.waiting;
  const champion = from.state.manifest?.aliases['champion'];
  const changed = champion !== undefined && champion.seq > since;
  const [next] = from.state.links.slice(since);
  if (decisions.length > 0 && !changed && next === undefined) return null;
  const why =
    decisions.length === 0
      ? 'Everything in it is already recorded, so nothing is left to merge.'
      : !changed
        ? `Decision ${next?.decision.seq ?? 0} was recorded in the meantime, and the decision in this pull request has the same number. Run the gate again: it then gets the next number, in a new pull request.`
        : `The champion is ${champion?.version ?? 'none'} since decision ${champion?.seq ?? 0}, but this decision compared with another champion. Run the gate again: this decision is then recorded as a hold.`;
  await commentOn(base.github, open.number, why);
  await base.github.request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', {
    pull_number: open.number,
    state: 'closed',
  });
  return open.number;
}

const nothing: Waiting = { since: 0, decisions: [], evidence: new Map(), artifacts: undefined };

interface PromotionBranch extends Snapshot {
  waiting: Waiting;
}

async function readPromotionBranch(
  place: GitHubBranch,
  base: Snapshot,
  model: string,
): Promise<PromotionBranch | null> {
  const found = await readSnapshot(place, model);
  if (found === null) return null;
  const waiting = waitingOn(model, base.state, found.state, found.artifacts?.oid);
  if (waiting.decisions.length === 0) return { ...found, waiting };
  sound(found.state);
  const parent = await checkOwnWork(place, model);
  const astray = parent !== undefined && !(await isIn(place.github, base.head, parent));
  return { ...found, waiting: { ...waiting, astray } };
}

async function promotionOf(
  place: GitHubBranch,
  base: string,
  { waiting, state }: PromotionBranch,
  asked: RecordedDecision,
): Promise<Promotion> {
  const { decisions } = waiting;
  const { model } = asked;
  const lead = decisions.findLast(({ outcome }) => outcome === 'promote') ?? decisions.at(-1) ?? asked;
  const evidence = await Promise.all(
    lead.evidence.map(async ({ sha256 }) => {
      const path = evidencePath(model, sha256);
      const oid = state.files.get(path)?.oid ?? '';
      const bytes = place.cache.get(oid) ?? (await readBlob(place.github, oid));
      const unpacked = unpackEvidence(bytes, sha256);
      if ('evidence' in unpacked) return unpacked.evidence;
      throw new RegistryError({ found: unpacked.fault, where: `${place.branch} ${place.folder}/${path}` });
    }),
  );
  return { model, branch: place.branch, base, decisions, lead, evidence };
}

async function branchHead({ github, branch }: GitHubBranch): Promise<string | null> {
  const found = await github.find('GET /repos/{owner}/{repo}/git/ref/{ref}', { ref: `heads/${branch}` });
  return found?.object.sha ?? null;
}

/** What to do about a refusal: where the decision is by then, and all the permissions it takes, not only the one that was missed. */
function explained(error: GitHubError, branch: string, kept: boolean): GitHubError {
  const { kind, fault, uncertain } = error;
  const missing = kind === 'permission' && !isForbiddenBySetting(fault.found);
  if (!missing && !kept) return error;
  const where = kept
    ? `The decision is kept on the branch ${branch}: run again, or open its pull request by hand`
    : 'Nothing was recorded';
  const remedy = missing
    ? `${where}. Give the job both permissions:\n\npermissions:\n  contents: write\n  pull-requests: write\n`
    : `${fault.remedy ?? ''}\n${where}`;
  return new GitHubError(kind, { ...fault, remedy }, uncertain);
}
