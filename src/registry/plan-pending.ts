import { isDeepStrictEqual } from 'node:util';
import type { Decision, Evidence, RecordedDecision, RegistryHistory } from '../evidence/index.ts';
import { contradictions } from './chain.ts';
import { blobOid, type TreeEntry } from './git/objects.ts';
import { artifactsPath, evidencePath } from './layout.ts';
import { viewOfChain } from './manifest.ts';
import type { ModelState } from './model-state.ts';
import { planRecord, type RecordPlan, type Surroundings } from './plan-record.ts';
import type { RecordInput } from './registry.ts';

/** Says how a decision that waited stands on what the registry has become; null: it does not. Pure. */
export type CarryOver = (
  decision: RecordedDecision,
  view: RegistryHistory,
  since: number,
  superseded: boolean,
) => Decision | null;

/** Decisions that a promotion branch holds and its base does not, in order. */
export interface Waiting {
  /** The last decision that branch and base have in common; 0: none. */
  since: number;
  decisions: RecordedDecision[];
  /** Files of their evidence, by path in the registry. */
  evidence: ReadonlyMap<string, TreeEntry>;
  /** The object name of the branch's artifacts.yaml; undefined: it has none. */
  artifacts: string | undefined;
  /** The commit that holds them is on top of one that the base has no more: to merge it would bring that back. */
  astray?: boolean;
}

/** What a file of a commit holds: bytes, or those of an object that the repository has already. */
export type FileContent = Uint8Array | { oid: string };

export type PendingPlan =
  | Exclude<RecordPlan, { status: 'write' }>
  /** The branch has it, on the base as it is. */
  | { status: 'waiting'; decision: RecordedDecision }
  | {
      status: 'write';
      /** What the one commit of the branch adds to the base or replaces, by path relative to the repository. */
      files: Map<string, FileContent>;
      message: string;
      /** Every decision that waits from now on, in order. */
      decisions: RecordedDecision[];
      /** Of them, the one asked for; undefined: it contradicts those before it. */
      asked: RecordedDecision | undefined;
      /** Waited and does not stand any more, or as something else only. */
      replaced: { decision: RecordedDecision; by: Decision | null }[];
    };

/** What waits: the decisions that the base has neither as they are nor by another way. */
export function waitingOn(
  model: string,
  base: ModelState,
  branch: ModelState,
  artifacts: Waiting['artifacts'],
): Waiting {
  const differs = branch.links.findIndex(({ sha256 }, index) => base.links[index]?.sha256 !== sha256);
  const since = differs < 0 ? branch.links.length : differs;
  const known = new Set(base.links.map(({ decision }) => decision.idempotencyKey));
  const decisions = branch.links
    .slice(since)
    .map(({ decision }) => decision)
    .filter(({ idempotencyKey }) => !known.has(idempotencyKey));
  const paths = decisions.flatMap((each) => each.evidence.map(({ sha256 }) => evidencePath(model, sha256)));
  const evidence = new Map(
    paths.flatMap((path): [string, TreeEntry][] => {
      const entry = branch.files.get(path);
      return entry === undefined || base.files.has(path) ? [] : [[path, entry]];
    }),
  );
  return { since, decisions, evidence, artifacts };
}

/**
 * Decide against the base, and say what the promotion branch must hold: what waited there already, as it stands now, and the
 * decision asked for. A promotion is always the last, so that everything before it is decided against the champion in force. Pure.
 */
export function planPending(
  folder: string,
  base: ModelState,
  waiting: Waiting,
  input: RecordInput,
  around: Surroundings,
  carryOver: CarryOver,
): PendingPlan {
  const direct = planRecord(folder, base, input, around);
  if (direct.status !== 'write') return direct;
  const draft = draftOn(folder, base, waiting, input.evidence, around);
  const replaced: Extract<PendingPlan, { status: 'write' }>['replaced'] = [];
  const carry = (decision: RecordedDecision, superseded = false): void => {
    const carried = carryOver(decision, draft.view(), waiting.since, superseded);
    const stands = carried !== null && draft.append(carried);
    if (!stands || carried.idempotencyKey !== decision.idempotencyKey) {
      replaced.push({ decision, by: stands ? carried : null });
    }
  };
  const promotion = waiting.decisions.findLast(({ outcome }) => outcome === 'promote');
  for (const each of waiting.decisions) if (each !== promotion) carry(each, each.outcome === 'promote');
  const asked = input.decide(draft.view());
  const known = waiting.decisions.find(({ idempotencyKey }) => idempotencyKey === asked.idempotencyKey);
  const supersedes = known === undefined && asked.outcome === 'promote';
  if (promotion !== undefined && supersedes) carry(promotion, true);
  const added = known ?? input.decide(draft.view());
  if (known === undefined) draft.append(added);
  if (promotion !== undefined && !supersedes) carry(promotion);
  const content = draft.content();
  const mine = content.decisions.find(({ idempotencyKey }) => idempotencyKey === added.idempotencyKey);
  // Where artifacts.yaml of the base went on, what the branch has would not merge with it.
  const artifacts = content.files.get(artifactsPath);
  const artifactsOid = artifacts instanceof Uint8Array ? blobOid(artifacts) : artifacts?.oid;
  const merges = artifactsOid === undefined || artifactsOid === waiting.artifacts;
  const isCurrent = base.links.length === waiting.since && merges && waiting.astray !== true;
  if (known !== undefined && replaced.length === 0 && isCurrent) {
    return { status: 'waiting', decision: known };
  }
  return { status: 'write', ...content, asked: mine, replaced };
}

/**
 * What became of a decision that waited and that a later writer replaced: the hold that keeps its evidence, under another key.
 * Undefined: it waits as it was made, or nothing of it is there.
 *
 * @param others what is known to stand for another: a hold of the same evidence may have waited before
 */
export function replacementOf(
  decision: RecordedDecision,
  waiting: readonly RecordedDecision[],
  others: readonly RecordedDecision[],
): RecordedDecision | undefined {
  if (waiting.some(({ idempotencyKey }) => idempotencyKey === decision.idempotencyKey)) return undefined;
  const subject = ({ candidate, evidence, datasets, policy, source }: RecordedDecision): unknown => [
    candidate?.artifacts,
    evidence,
    datasets,
    policy,
    source,
  ];
  const known = new Set(others.map(({ idempotencyKey }) => idempotencyKey));
  return waiting.findLast(
    (each) =>
      each.outcome === 'hold' && !known.has(each.idempotencyKey) && isDeepStrictEqual(subject(each), subject(decision)),
  );
}

/** A chain that grows decision by decision, all of them in one commit. At most one makes a champion, so that artifacts.yaml changes once. */
function draftOn(
  folder: string,
  base: ModelState,
  waiting: Waiting,
  evidence: readonly Evidence[],
  around: Surroundings,
) {
  let state: ModelState = { ...base, files: new Map([...base.files, ...waiting.evidence]) };
  const files = new Map<string, FileContent>();
  const messages: string[] = [];
  const decisions: RecordedDecision[] = [];
  return {
    view: (): RegistryHistory => viewOfChain(state),
    /** @returns false when it contradicts the decisions before it */
    append(decision: Decision): boolean {
      const { model } = decision;
      const plan = planRecord(folder, state, { model, decide: () => decision, evidence }, around);
      if (plan.status === 'already-recorded') return true;
      if (plan.status !== 'write' || contradictions(plan.decision, state).length > 0) return false;
      state = { ...state, ...plan.next };
      for (const [path, bytes] of plan.files) files.set(path, bytes);
      for (const { sha256 } of decision.evidence) {
        const path = evidencePath(model, sha256);
        const kept = waiting.evidence.get(path);
        if (kept !== undefined) files.set(`${folder}/${path}`, { oid: kept.oid });
      }
      messages.push(plan.message);
      decisions.push(plan.decision);
      return true;
    },
    content() {
      const [last = '', ...others] = [...messages].reverse();
      const before = others.reverse().map((message) => `- ${message.split('\n')[0] ?? ''}`);
      return { files, decisions, message: before.length === 0 ? last : `${last}\nWith it:\n${before.join('\n')}\n` };
    },
  };
}
