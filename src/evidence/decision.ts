import type { Static } from 'typebox';
import { Closed, Matching, Optional, Type } from '../forms.ts';
import { digest } from './canonical.ts';
import { Artifact, DatasetSubject, Sha256, type Evidence } from './evidence.ts';
import { Shown, Verdict } from './check.ts';

export const decisionSchemaId = 'contender/decision/v1';

export type Outcome = 'promote' | 'hold' | 'reject' | 'no-change';
export const Outcome = Type.Enum(['promote', 'hold', 'reject', 'no-change']);

/** What was done to the registry. `gate` is a judged candidate; the others are acts of a person. */
export type DecisionAction = Static<typeof DecisionAction>;
export const DecisionAction = Type.Enum([
  'register',
  'gate',
  'override',
  'rollback',
  'deprecate',
  'assign',
  'unassign',
  'waive',
]);

/** The outcomes that are recorded of each action. That nothing is to be done (`no-change`) is reported and not recorded. */
const recordedOutcomes: Record<DecisionAction, Outcome[]> = {
  register: ['promote'],
  gate: ['promote', 'hold', 'reject'],
  override: ['promote'],
  rollback: ['promote'],
  deprecate: ['no-change'],
  assign: ['no-change'],
  unassign: ['no-change'],
  waive: ['no-change'],
};

/** As semver.org has it, without build metadata: two versions may not differ in that alone. */
const semanticVersion =
  '(?:0|[1-9][0-9]*)\\.(?:0|[1-9][0-9]*)\\.(?:0|[1-9][0-9]*)' +
  '(?:-(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?';
export const isoTime =
  '^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?Z$';

/** Of the id of a check, or `@` and a slice: what is invisible or could be read as markup is in none. */
const checkPattern = '^(?:[a-z][a-z-]*/|@)[^\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]+$';

/** A version of a model: its semver and its artifacts. */
export const Version = versionSchema(semanticVersion);
export type Version = Static<typeof Version>;

export function modelDigest(version: Version): string | undefined {
  return modelOf(version)?.sha256;
}

/** What tells one model from another: its bytes, and how its answers are read where that is not as usual. */
export function identityOf({ sha256, reading }: Artifact): string {
  return reading === undefined ? sha256 : digest({ sha256, reading });
}

export function modelIdentity(version: Version): string | undefined {
  const model = modelOf(version);
  return model === undefined ? undefined : identityOf(model);
}

function modelOf({ artifacts }: Version): Artifact | undefined {
  return artifacts.find(({ role }) => role !== 'image');
}

/** Why, worst first. `check` names the check that decided, if one did. */
export const Reason = Closed({
  code: Type.String({ description: 'check-failed | check-inconclusive | evidence-missing | stale | ...' }),
  message: Type.String(),
  check: Type.Optional(Type.String()),
});
export type Reason = Static<typeof Reason>;

export const EvidenceReference = Closed({
  kind: Type.String(),
  /** Digest of the canonical bytes of the evidence without its timings. */
  sha256: Sha256,
  verdict: Verdict,
  /** A few numbers worth reading without opening the evidence. */
  summary: Type.Record(Type.String(), Shown),
  /** The same evidence measured again is kept once, so the file may tell an earlier time. */
  finishedAt: Type.String({ description: 'when it was measured, ISO 8601, UTC' }),
});
export type EvidenceReference = Static<typeof EvidenceReference>;

/** Where the decision was made. Absent fields were unknown (a laptop has no run), or there was nothing to say. */
export const Source = Closed({
  repository: Type.Optional(Type.String()),
  sha: Type.Optional(Type.String()),
  ref: Type.Optional(Type.String()),
  run: Type.Optional(Type.String()),
  attempt: Type.Optional(Type.String()),
  event: Type.Optional(Type.String()),
  pullRequest: Type.Optional(Type.Integer()),
  uncommitted: Optional.List(
    Type.String(),
    'files used for the decision that differed from the commit: the configuration, the contract, datasets',
  ),
});
export type Source = Static<typeof Source>;

export const Approval = Closed({
  by: Type.String(),
  at: Type.String(),
  reason: Type.Optional(Type.String()),
  source: Optional.String(
    'where it was given, as "review of pull request 12"; absent where the action itself is the approval',
  ),
});
export type Approval = Static<typeof Approval>;

const decisionFields = {
  schema: Type.Literal(decisionSchemaId),
  model: Type.String(),
  action: DecisionAction,
  outcome: Outcome,
  reasons: Type.Array(Reason),
  from: Type.Union([Version, Type.Null()], { description: 'the previous champion; null if there was none' }),
  to: Type.Union([Version, Type.Null()], { description: 'the champion after it; null only if there is none' }),
  candidate: Type.Union([versionSchema(`(?:candidate|${semanticVersion})`), Type.Null()], {
    description: 'the evaluated model; its version is "candidate" until it is promoted',
  }),
  policy: Closed({
    sha256: Sha256,
    text: Type.String({ description: 'canonical JSON of the model configuration' }),
  }),
  evidence: Type.Array(EvidenceReference),
  datasets: Type.Record(Type.String(), DatasetSubject),
  source: Source,
  actor: Type.String(),
  approvals: Type.Array(Approval),
  overrides: Optional.Integer('for an override: sequence number of the hold that it overrides', { minimum: 1 }),
  environment: Optional.String(
    'of an assignment: the environment that candidate is in from now on, or with unassign is not in any more',
  ),
  waiver: Optional.Part('of a waiver: what is accepted, and until when', {
    check: Type.String({
      pattern: checkPattern,
      maxLength: 300,
      description: 'id of the check that is accepted as it is; @ and a slice for every check on that slice',
    }),
    until: Matching(isoTime, 'when it ends by itself, ISO 8601, UTC'),
  }),
  idempotencyKey: Sha256,
  time: Matching(isoTime, 'ISO 8601, UTC'),
};

/** A decision before the registry gave it its place in the chain. */
export const Decision = Type.Object(decisionFields);
export type Decision = Static<typeof Decision>;

/** A decision as the registry keeps it: immutable, linked to the one before it. */
export const RecordedDecision = Type.Object(
  {
    ...decisionFields,
    seq: Type.Integer({ minimum: 1 }),
    prev: Type.Union([Sha256, Type.Null()], {
      description: 'sha256 of the bytes of the decision before; null for the first',
    }),
  },
  {
    additionalProperties: false,
    allOf: Object.entries(recordedOutcomes).map(([action, outcomes]) => ({
      if: { properties: { action: { const: action } } },
      // A keyword of JSON Schema: nobody awaits it.
      // eslint-disable-next-line unicorn/no-thenable
      then: { properties: { outcome: { enum: outcomes } } },
    })),
  },
);
export type RecordedDecision = Static<typeof RecordedDecision>;

/** Decisions about a model that wait in a pull request. */
export interface Promotion {
  model: string;
  branch: string;
  base: string;
  /** In the order they are recorded in when it is merged. */
  decisions: readonly RecordedDecision[];
  /** The one it is about: the promotion, or the last of what changes no champion. */
  lead: RecordedDecision;
  /** Of that decision. */
  evidence: readonly Evidence[];
}

/** What `decide` may know of the registry: who is champion, since which decision, and how often the holdout was used. */
export interface RegistryView {
  champion: Version | null;
  /** Sequence number of the decision that made it champion; 0 if there is none. */
  championSeq: number;
  /** Every version ever promoted, so that the next number is free. */
  versions: readonly string[];
  /** Decisions made on each evaluation set so far, by dataset digest. */
  decisionsByDataset: Readonly<Record<string, number>>;
}

/** A version the registry knows. */
export interface RegisteredVersion extends Version {
  /** The decision that first promoted it. */
  seq: number;
  /** The champion it replaced then; null for the first. */
  replaced: string | null;
  status: 'active' | 'deprecated';
}

/** Everything the registry holds of a model: what an act of a person (override, rollback, assignment) is decided on. */
export interface RegistryHistory extends RegistryView {
  /** Oldest first. */
  registered: readonly RegisteredVersion[];
  /** champion, previous and the team's own environments, each with the decision that made it so. */
  aliases: Readonly<Record<string, { version: string; seq: number }>>;
  /** Oldest first. */
  decisions: readonly RecordedDecision[];
}

function versionSchema(pattern: string) {
  return Closed({
    version: Type.String({ pattern: `^${pattern}$`, maxLength: 256 }),
    artifacts: Type.Array(Artifact, { minItems: 1 }),
  });
}
