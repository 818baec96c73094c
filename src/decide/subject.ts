import type { Model } from '../config/index.ts';
import type { Approval, Artifact } from '../evidence/index.ts';
import type { Act } from './act.ts';

export interface CandidateSubject {
  /** Name of the model line. */
  model: string;
  /** Its configuration: the policy and everything else a decision is bound to. */
  config: Model;
  candidate: Artifact;
}

export interface DecisionSubject extends CandidateSubject {
  /** What its stages ask of the evidence. */
  stages: readonly StageFacts[];
}

/** What a decision must know of a stage there is. */
export interface StageFacts {
  kind: string;
  /** It judges data alone, and its evidence is of no model. */
  dataOnly: boolean;
  /** It compares with the champion: evidence that names none is of a time when there was none. */
  compares: boolean;
  /** A promotion needs its evidence. */
  required: boolean;
  /** The check that says most of a candidate when all have passed. */
  lead?: string | undefined;
  /** The version that it holds the candidate against beside the champion: a semantic version, or `best`. */
  anchor?: string | undefined;
}

export interface DecisionContext extends Pick<Act, 'now' | 'actor' | 'source'> {
  /** As they were given; those that count are kept. */
  approvals: readonly Approval[];
  /** A version the team chose; otherwise the next free one. */
  version?: string | undefined;
}
