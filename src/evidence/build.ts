import { combinedVerdict } from './check.ts';
import { evidenceSchemaId, type Evidence } from './evidence.ts';

/** What a stage hands over; the rest of the evidence follows from it. */
export interface EvidenceInput extends Pick<
  Evidence,
  'kind' | 'model' | 'subjects' | 'signatures' | 'checks' | 'details'
> {
  policyDigest: string;
  toolVersion: string;
  startedAt: Date;
  finishedAt: Date;
}

/** Evidence from checks: the verdict is the checks' combined verdict, never the stage's own. */
export function buildEvidence(input: EvidenceInput): Evidence {
  return {
    schema: evidenceSchemaId,
    kind: input.kind,
    model: input.model,
    subjects: input.subjects,
    ...(input.signatures === undefined ? {} : { signatures: input.signatures }),
    policy: { sha256: input.policyDigest },
    tool: { name: 'contender', version: input.toolVersion },
    startedAt: input.startedAt.toISOString(),
    finishedAt: input.finishedAt.toISOString(),
    verdict: combinedVerdict(input.checks),
    checks: input.checks,
    details: finite(input.details) as Evidence['details'],
  };
}

/** What is no finite number, which JSON cannot hold, is told as no value. */
function finite(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (Array.isArray(value)) return value.map(finite);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, finite(each)]));
}
