import type { Check, Evidence, RecordedDecision } from '../evidence/index.ts';
import { evidenceDigest } from '../evidence/index.ts';
import { fileNameOf } from './published.ts';

export const statementType = 'https://in-toto.io/Statement/v1';
export const testResultType = 'https://in-toto.io/attestation/test-result/v0.1';

/** An artifact by its digest (in-toto Attestation Framework, ResourceDescriptor). */
export interface ResourceDescriptor {
  name?: string;
  uri?: string;
  digest: Record<string, string>;
  content?: string;
  mediaType?: string;
  annotations?: Record<string, unknown>;
}

/** in-toto Attestation Framework, Statement layer v1, with the test-result predicate v0.1. */
export interface Statement {
  _type: typeof statementType;
  subject: ResourceDescriptor[];
  predicateType: typeof testResultType;
  predicate: {
    result: 'PASSED' | 'WARNED' | 'FAILED';
    configuration: ResourceDescriptor[];
    url?: string;
    passedTests: string[];
    warnedTests: string[];
    failedTests: string[];
  };
}

/**
 * One stage's evidence as an in-toto statement about the model: the digest of the model is the subject, the checks are the tests,
 * and policy, data and evidence are the configuration. What is not shown to be right is FAILED: a consumer that lets WARNED
 * in must not let an inconclusive model in. Null for evidence that is about no model.
 *
 * @param decision the recorded decision the evidence belongs to
 * @param server address of the GitHub server the run was on
 */
export function statementOf(
  evidence: Evidence,
  decision: RecordedDecision,
  server = 'https://github.com',
): Statement | null {
  const artifact = evidence.subjects.candidate ?? decision.candidate?.artifacts.find(({ role }) => role !== 'image');
  if (artifact === undefined) return null;
  const named = (test: (check: Check) => boolean): string[] => evidence.checks.filter(test).map(({ id }) => id);
  const failedTests = named(isFailed);
  const warnedTests = named(isWarned);
  const { repository, run } = decision.source;
  return {
    _type: statementType,
    subject: [{ name: fileNameOf(artifact.uri), digest: { sha256: artifact.sha256 } }],
    predicateType: testResultType,
    predicate: {
      result: evidence.verdict !== 'pass' ? 'FAILED' : warnedTests.length > 0 ? 'WARNED' : 'PASSED',
      configuration: [
        {
          name: 'policy',
          digest: { sha256: decision.policy.sha256 },
          mediaType: 'application/json',
          content: Buffer.from(decision.policy.text).toString('base64'),
          annotations: { model: decision.model, decision: decision.seq, evidence: evidenceDigest(evidence) },
        },
        ...Object.entries(evidence.subjects.datasets).map(([name, { uri, sha256, rows }]) => ({
          name: `data ${name}`,
          digest: { sha256 },
          annotations: { uri, rows },
        })),
      ],
      ...(repository === undefined || run === undefined ? {} : { url: `${server}/${repository}/actions/runs/${run}` }),
      passedTests: named((check) => check.verdict === 'pass'),
      warnedTests,
      failedTests,
    },
  };
}

function isFailed({ severity, verdict }: Check): boolean {
  return severity === 'block' && (verdict === 'fail' || verdict === 'inconclusive');
}

function isWarned({ severity, verdict }: Check): boolean {
  return severity === 'warn' && (verdict === 'fail' || verdict === 'inconclusive');
}
