import type { Act } from '../../src/decide/act.ts';
import {
  buildEvidence,
  decisionSchemaId,
  digest,
  evidenceDigest,
  type Artifact,
  type Decision,
  type Evidence,
  type Outcome,
  type RegistryView,
} from '../../src/evidence/index.ts';
import type { ConfiguredModel } from '../support/configured-model.ts';

export const config: ConfiguredModel = {
  task: 'binary-classification',
  candidate: 'models/candidate.onnx',
  columns: { id: 'id', label: 'label' },
  data: { evaluation: 'eval.parquet' },
  policy: { primary: { metric: 'roc_auc', margin: 0.005 }, max_evidence_age: '7d' },
};
export const now = new Date('2026-03-01T12:00:00Z');
export const act: Act = { now, source: {}, actor: 'ada', by: 'ada', reason: 'the reason' };

/** An artifact known by a name: the same name is the same bytes. */
export function artifact(name: string): Artifact {
  return { role: 'model', uri: `git:${'1'.repeat(40)}:${name}.onnx`, sha256: digest(name), size: 10 };
}

/** Evidence on a candidate, known by its name and the evaluation set's. */
export function evidence(candidate: string, dataset = 'eval'): Evidence {
  return buildEvidence({
    kind: 'evaluation',
    model: 'any',
    subjects: {
      candidate: artifact(candidate),
      datasets: { evaluation: { uri: dataset, sha256: digest(dataset), rows: 3 } },
    },
    policyDigest: digest('policy'),
    toolVersion: '0.0.0',
    startedAt: new Date(),
    finishedAt: new Date(),
    checks: [],
    details: {},
  });
}

/** A decision as `decide` would make it: pure, bound to the champion found, and its key to that champion's tenure. */
export function judged(
  model: string,
  candidate: string,
  outcome: Outcome,
  given: readonly Evidence[] = [],
): (view: RegistryView) => Decision {
  return (view) => {
    const next = `1.0.${view.versions.length}`;
    const bytes = artifact(candidate);
    const same = view.champion?.artifacts[0]?.sha256 === bytes.sha256;
    const promoted = outcome === 'promote' && !same;
    const version = { version: promoted ? next : 'candidate', artifacts: [bytes] };
    const decided = same ? 'no-change' : outcome;
    return {
      schema: decisionSchemaId,
      model,
      action: 'gate',
      outcome: decided,
      reasons: [{ code: 'test', message: `${candidate}: ${decided}` }],
      from: view.champion,
      to: promoted ? version : view.champion,
      candidate: version,
      policy: { sha256: digest({}), text: '{}' },
      evidence: given.map((each) => ({
        kind: each.kind,
        sha256: evidenceDigest(each),
        verdict: 'pass',
        summary: {},
        finishedAt: each.finishedAt,
      })),
      datasets: given[0]?.subjects.datasets ?? {},
      source: {},
      actor: 'ada',
      approvals: [],
      idempotencyKey: digest({ model, candidate, since: view.championSeq, outcome: decided }),
      // Before whatever a test does at a time of its own.
      time: '2026-02-01T00:00:00.000Z',
    };
  };
}
