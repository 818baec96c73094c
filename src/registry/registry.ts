import type { Decision, Evidence, RecordedDecision, RegistryHistory } from '../evidence/index.ts';
import type { PullRequest } from '../github/pull-request.ts';
import type { Log } from '../log.ts';
import type { Finding } from './chain.ts';
import type { Manifest } from './manifest.ts';
import type { DecisionCheck } from './verify.ts';
import type { Void } from './void.ts';

/** Who is champion, since when, on whose word and on what evidence. Each store of the registry is one of these. */
export interface Registry {
  /** What a decision may know of a model. */
  view(model: string): Promise<RegistryHistory>;
  /** Names of the models, sorted. */
  models(): Promise<string[]>;
  /** Every decision about a model, oldest first. */
  log(model: string): Promise<RecordedDecision[]>;
  /** Versions and aliases of a model; null when nothing is recorded. */
  manifest(model: string): Promise<Manifest | null>;
  /** Decisions about a model that wait for a pull request to be merged; null: none. */
  pending(model: string): Promise<Pending | null>;
  /** A piece of evidence that a decision refers to, by its digest. @throws RegistryError when it is not there or damaged */
  evidence(model: string, sha256: string): Promise<Evidence>;
  /**
   * Every difference between what the registry holds and what it must hold.
   *
   * @param options.missingTags report tags that are not there, where the registry is tagged (default: true)
   * @param options.judge asked about every decision of a chain that is sound
   * @param options.onVoid told of each decision that was made void
   */
  verify(options?: {
    missingTags?: boolean;
    judge?: DecisionCheck;
    onVoid?: (entry: Void) => void;
  }): Promise<Finding[]>;
  /** Make the tags that the chain of a model calls for and that are missing. Returns their names. @throws RegistryError */
  tag(model: string): Promise<string[]>;
  /** Say before long work whether a decision could be recorded. @throws RegistryError when not */
  ensureWritable(): Promise<void>;
  /** Say before long work whether a commit that holds a model stays where the registry is kept. @throws RegistryError when not */
  requireKept(commit: string): Promise<void>;
  /**
   * Decide, and record the decision: exactly once, or not at all. Where the registry is tagged, tags that the chain calls for
   * and that are missing (of this decision, or of one whose writer was interrupted) are made before this returns, whatever
   * the status. @throws RegistryError, EvidenceError
   */
  record(input: RecordInput): Promise<RecordResult>;
}

/** What every store is opened with. */
export interface StoreInput {
  /** The registry's folder, from the top of the branch. */
  path: string;
  /** The branch that holds it; default: model-registry. */
  branch?: string | undefined;
  /** Keep the tags that the chains call for, as GTO reads them. Default: no tags. */
  tags?: 'gto' | undefined;
  /** Keep GTO's artifacts.yaml. Default: no. */
  artifactsYaml?: boolean | undefined;
  log: Log;
}

export interface RecordInput {
  model: string;
  /** Decides against the registry as it is at that moment. Called again when another writer came first. Pure. */
  decide: (view: RegistryHistory) => Decision;
  /** Every piece of evidence the decision refers to and the registry may not have yet. */
  evidence: readonly Evidence[];
}

export interface RecordResult {
  /** `pending`: it waits for a pull request to be merged, and is not in force. */
  status: 'recorded' | 'already-recorded' | 'no-change' | 'pending';
  decision: RecordedDecision | Decision;
  /** Of a pending decision: where it waits. Not open: a person closed it without merging it. */
  pullRequest?: PullRequest;
  /** The commit that holds the decision; null when nothing was recorded. */
  commit: string | null;
  /** Names of the tags that this call made. */
  tags: string[];
}

export interface Pending {
  /** In the order they will be recorded in. */
  decisions: RecordedDecision[];
  /** Null: it was closed, or could not be made. */
  pullRequest: PullRequest | null;
}
