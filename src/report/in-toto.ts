import type { Artifact, Check, Evidence, RecordedDecision } from '../evidence/index.ts';
import { evidenceDigest } from '../evidence/index.ts';
import { fileNameOf } from './published.ts';
import { isOpen } from './standing.ts';

const statementType = 'https://in-toto.io/Statement/v1';
const testResultType = 'https://in-toto.io/attestation/test-result/v0.1';

/** An artifact by its digest (in-toto Attestation Framework, ResourceDescriptor). */
export interface ResourceDescriptor {
  name?: string;
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

/** The files of a model, as they lie on this machine or in a release. */
export interface ModelFiles {
  /** Of the model: of more than one file it is the digest of no one of them. */
  sha256: string;
  files: readonly { name: string; sha256: string }[];
}

/**
 * The name of the digest of a model of several files (docs/models.md), lowercase hexadecimal: as `sha256` it would be compared with
 * that of a file ("DigestSet", in-toto Attestation Framework v1).
 */
const modelDigestName = 'contenderModel';

/**
 * One stage's evidence as an in-toto statement about the model: its files are the subjects, the checks are the tests,
 * and policy, data and evidence are the configuration. What is not shown to be right is FAILED: a consumer that lets WARNED
 * in must not let an inconclusive model in. Null for evidence that is about no model.
 *
 * @param decision the recorded decision the evidence belongs to
 * @param server address of the GitHub server the run was on
 * @param files those of the model, where they are known: the registry keeps only the digest of the whole
 */
export function statementOf(
  evidence: Evidence,
  decision: RecordedDecision,
  server = 'https://github.com',
  files?: ModelFiles,
): Statement | null {
  const artifact = evidence.subjects.candidate ?? decision.candidate?.artifacts.find(({ role }) => role !== 'image');
  if (artifact === undefined) return null;
  const named = (test: (check: Check) => boolean): string[] => evidence.checks.filter(test).map(({ id }) => id);
  const failedTests = named((check) => check.severity === 'block' && isOpen(check));
  const warnedTests = named((check) => check.severity === 'warn' && isOpen(check));
  const { repository, run } = decision.source;
  return {
    _type: statementType,
    subject: subjectsOf(artifact, decision.model, files),
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

function subjectsOf({ uri, sha256 }: Artifact, model: string, known: ModelFiles | undefined): ResourceDescriptor[] {
  if (known?.sha256 !== sha256 || known.files.length < 2) return [{ name: fileNameOf(uri), digest: { sha256 } }];
  return [
    ...known.files.map(({ name, sha256: own }) => ({ name, digest: { sha256: own } })),
    { name: model, digest: { [modelDigestName]: sha256 } },
  ];
}
