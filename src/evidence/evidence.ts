import type { Static } from 'typebox';
import { Closed, Matching, Optional, Type } from '../forms.ts';
import { Check, Verdict } from './check.ts';
import { Signature } from './signature.ts';

export const evidenceSchemaId = 'contender/evidence/v1';

export const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' });

/** Bytes with an identity. `uri` says where they were found; only the digest identifies them. */
export const Artifact = Closed({
  role: Type.Enum(['model', 'image', 'predictions']),
  uri: Type.String({
    description:
      'git:<commit>:<path>, an https URL, an object of a store (s3, gs, hf, oci), file:<path>, docker:<image>',
  }),
  sha256: Sha256,
  size: Type.Integer({ minimum: 0, description: 'bytes' }),
  /** Another threshold makes other decisions of the same bytes: it is part of what was judged. */
  reading: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), {
      description: 'configured settings for reading its outputs: threshold, transform, output, columns',
    }),
  ),
});
export type Artifact = Static<typeof Artifact>;

export const DatasetSubject = Closed({
  uri: Type.String(),
  sha256: Sha256,
  rows: Type.Integer({ minimum: 0 }),
  files: Optional.List(
    Closed({ uri: Type.String(), sha256: Sha256 }),
    'where there are several, in the order of their rows',
  ),
});
export type DatasetSubject = Static<typeof DatasetSubject>;

/** What the evidence speaks of. The decision refuses evidence whose subjects disagree. */
export const Subjects = Type.Object({
  candidate: Type.Optional(Artifact),
  champion: Type.Optional(Artifact),
  /** The version that the policy holds candidates against beside the champion. */
  anchor: Type.Optional(Artifact),
  /** Keyed by the part they play: evaluation, reference, current. */
  datasets: Type.Record(Type.String(), DatasetSubject),
});
export type Subjects = Static<typeof Subjects>;

/** The signatures of those compared, as far as they are known: a file of predictions has none. */
export const Signatures = Type.Object({ candidate: Type.Optional(Signature), champion: Type.Optional(Signature) });
export type Signatures = Static<typeof Signatures>;

export const Evidence = Type.Object({
  schema: Type.Literal(evidenceSchemaId),
  kind: Matching('^[a-z][a-z-]*$', 'data | evaluation | load | any later stage'),
  model: Type.String(),
  subjects: Subjects,
  signatures: Type.Optional(Signatures),
  policy: Type.Object({ sha256: Sha256 }, { description: 'digest of the configuration this stage ran under' }),
  tool: Type.Object({ name: Type.String(), version: Type.String() }),
  startedAt: Type.String({ description: 'ISO 8601, UTC' }),
  finishedAt: Type.String(),
  verdict: Verdict,
  checks: Type.Array(Check),
  details: Type.Record(Type.String(), Type.Unknown(), {
    description: 'what a report draws: tables, curves, counts. Plain JSON.',
  }),
});
export type Evidence = Static<typeof Evidence>;
