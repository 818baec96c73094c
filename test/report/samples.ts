import type { Check, Comparison, Decision, Evidence, RecordedDecision } from '../../src/evidence/index.ts';
import { buildEvidence } from '../../src/evidence/index.ts';
import type { Result } from '../../src/report/index.ts';

/** The spam case of the fixtures: recall of candidate-small against the champion. */
export const recall: Comparison = {
  metric: 'recall',
  scale: 'share',
  champion: 0.9336,
  candidate: 0.9197,
  delta: -0.0139,
  lower: -0.035,
  upper: 0.007,
  margin: 0.01,
  alpha: 0.05,
  state: 'inconclusive',
  finding: 'may be more than 1 point worse',
  outlook: 'about 4,100 more labelled rows would rule that out if it truly is no worse (80% power)',
  method: 'tango-score',
  n: 2350,
  rowsNeeded: 6450,
};

export const hardHam: Comparison = {
  metric: 'accuracy',
  slice: 'source=hard_ham',
  scale: 'share',
  champion: 0.8721,
  candidate: 0.7041,
  delta: -0.168,
  lower: -0.2176,
  upper: -0.12,
  margin: 0.02,
  alpha: 0.05,
  state: 'inferior',
  finding: 'more than 2 points worse',
  method: 'tango-score',
  n: 125,
};

export function check(over: Partial<Check> = {}): Check {
  return {
    id: 'evaluation/recall',
    title: 'Recall against the champion',
    verdict: 'pass',
    severity: 'block',
    message: 'Recall is fine.',
    observed: 0.9197,
    required: 'at most 1 point worse',
    ...over,
  };
}

const openMessage =
  "Recall is 0.9197, 1.4 points below the champion's 0.9336 (one-sided 95% bounds -3.5 to +0.7 points): may be more than 1 point worse; about 4,100 more labelled rows would rule that out if it truly is no worse (80% power).";
const failedMessage =
  "Accuracy on source=hard_ham is 0.7041, 16.8 points below the champion's 0.8721 (one-sided 95% bounds -21.8 to -12.0 points): shown to be more than 2 points worse.";
export const openRecall = check({ verdict: 'inconclusive', message: openMessage, comparison: recall });
export const failedSlice = check({
  id: 'evaluation/accuracy@source=hard_ham',
  title: 'Accuracy on source=hard_ham',
  verdict: 'fail',
  message: failedMessage,
  required: 'no proven loss of more than 2 points',
  comparison: hardHam,
});

export function evidence(checks: Check[], over: { kind?: string; model?: string; uri?: string } = {}): Evidence {
  return buildEvidence({
    kind: over.kind ?? 'evaluation',
    model: over.model ?? 'spam-filter',
    subjects: {
      candidate: { role: 'model', uri: over.uri ?? 'file:models/candidate.onnx', sha256: 'a'.repeat(64), size: 1 },
      datasets: { evaluation: { uri: over.uri ?? 'data/eval.parquet', sha256: 'b'.repeat(64), rows: 2350 } },
    },
    policyDigest: 'c'.repeat(64),
    toolVersion: '0.1.0',
    startedAt: new Date('2026-01-02T03:04:05Z'),
    finishedAt: new Date('2026-01-02T03:04:07Z'),
    checks,
    details: {},
  });
}

export function decision(over: Partial<Decision> = {}): Decision {
  return {
    schema: 'contender/decision/v1',
    model: 'spam-filter',
    action: 'gate',
    outcome: 'hold',
    reasons: [{ code: 'check-inconclusive', message: openMessage, check: 'evaluation/recall' }],
    from: null,
    to: null,
    candidate: null,
    policy: { sha256: 'c'.repeat(64), text: '{}' },
    evidence: [],
    datasets: {},
    source: {},
    actor: 'ada',
    approvals: [],
    idempotencyKey: 'd'.repeat(64),
    time: '2026-01-02T03:04:08.000Z',
    ...over,
  };
}

export function recorded(over: Partial<Decision> = {}): RecordedDecision {
  return { ...decision(over), seq: 3, prev: 'e'.repeat(64) };
}

/** A report in which every text that anyone may choose is `text`. */
export function reportOf(text: string, severity: Check['severity'] = 'block'): Result {
  const verdicts = ['fail', 'inconclusive', 'skipped', 'pass'] as const;
  const checks = verdicts.flatMap((verdict) => [
    check({
      id: `plain/${verdict}/${text}`,
      title: text,
      message: text,
      observed: text,
      required: text,
      verdict,
      severity,
    }),
    check({
      id: `slice/${verdict}/${text}`,
      title: text,
      message: text,
      verdict,
      severity,
      comparison: { ...hardHam, metric: text, slice: text, finding: text, outlook: text, method: text },
      location: { file: text, line: 3 },
    }),
  ]);
  const version = {
    version: text,
    artifacts: [{ role: 'model' as const, uri: text, sha256: 'a'.repeat(64), size: 1 }],
  };
  return {
    decision: decision({
      model: text,
      reasons: [
        { code: 'stale', message: text },
        { code: text, message: text },
      ],
      from: version,
      candidate: version,
      datasets: { [text]: { uri: text, sha256: 'b'.repeat(64), rows: 1 } },
      source: { repository: text, ref: text, sha: text, event: text },
      actor: text,
      approvals: [{ by: text, at: text, reason: text }],
    }),
    evidence: ['evaluation', 'load'].map((kind) => ({
      ...evidence(checks, { kind, model: text, uri: text }),
      details: { metrics: [{ metric: text, title: text, candidate: 0.5, method: text }] },
    })),
  };
}
