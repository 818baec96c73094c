import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Model } from '../../src/config/index.ts';
import { parseConfig } from '../../src/pipeline/configuration.ts';
import { nextVersion, type NextVersion } from '../../src/decide/next-version.ts';
import { UsageError } from '../../src/errors.ts';
import { buildEvidence, type Evidence, type Signature } from '../../src/evidence/index.ts';

const config = parseConfig(
  `version: 1
models:
  m:
    task: binary-classification
    candidate: m.onnx
    columns: { id: id, label: label }
    data: { evaluation: eval.csv }
    policy: { primary: { metric: recall, margin: 0.01 }, version: signature }
`,
  'contender.yml',
).models['m'] as Model;

const signature = (...outputs: string[]): Signature => ({
  inputs: [{ name: 'x', type: 'float', shape: ['N', 3] }],
  outputs: outputs.map((name) => ({ name, type: 'float', shape: ['N', 1] })),
});

function evidence(candidate: Signature | undefined, champion: Signature | undefined): Evidence[] {
  const at = new Date('2026-01-01T00:00:00Z');
  return [
    buildEvidence({
      kind: 'evaluation',
      model: 'm',
      subjects: { datasets: {} },
      signatures: {
        ...(candidate === undefined ? {} : { candidate }),
        ...(champion === undefined ? {} : { champion }),
      },
      policyDigest: '0'.repeat(64),
      toolVersion: '0.0.0',
      startedAt: at,
      finishedAt: at,
      checks: [],
      details: {},
    }),
  ];
}

function next(of: Evidence[], champion: string, versions: string[], chosen?: string): NextVersion {
  return nextVersion(
    config,
    of,
    { champion: { version: champion, artifacts: [] }, championSeq: 1, versions, decisionsByDataset: {} },
    chosen,
  );
}

const same = evidence(signature('p'), signature('p'));
const more = evidence(signature('p', 'q'), signature('p'));
const other = evidence(signature('q'), signature('p'));

describe('a version raised by the signature', () => {
  it('is a patch, a minor or a major one, and says why', () => {
    const said = (of: Evidence[]): unknown[] => {
      const { version, reasons } = next(of, '1.4.2', ['1.4.2']);
      return [version, reasons.map(({ code, message }) => `${code}: ${message}`).join()];
    };
    assert.deepEqual(said(same), [
      '1.4.3',
      'version: This is version 1.4.3, a patch step from 1.4.2: inputs and outputs are compatible.',
    ]);
    assert.deepEqual(said(more), [
      '1.5.0',
      'version: This is version 1.5.0, a minor step from 1.4.2: output "q" is new.',
    ]);
    assert.deepEqual(said(other), [
      '2.0.0',
      'version: This is version 2.0.0, a major step from 1.4.2: output "p" is gone, output "q" is new.',
    ]);
  });

  it('is a patch where a signature is not known, and says whose', () => {
    for (const [of, whose] of [
      [evidence(undefined, signature('p')), 'candidate'],
      [evidence(signature('p'), undefined), 'champion'],
      [[], 'candidate'],
    ] as const) {
      const { version, reasons } = next([...of], '1.4.2', ['1.4.2']);
      assert.equal(version, '1.4.3');
      assert.match(reasons[0]?.message ?? '', new RegExp(`inputs and outputs of the ${whose} are not known`, 'u'));
    }
  });

  it('is counted from the champion, past numbers that are taken', () => {
    // After a rollback from 2.0.0, whose outputs are others, 2.0.1 would promise those.
    assert.equal(next(same, '1.0.0', ['1.0.0', '2.0.0']).version, '1.0.1');
    assert.equal(next(same, '1.0.0', ['1.0.0', '1.0.1', '1.0.2']).version, '1.0.3');
    assert.equal(next(more, '1.0.0', ['1.0.0', '1.1.0', '2.0.0']).version, '1.2.0');
    assert.equal(next(other, '1.0.0', ['1.0.0', '2.0.0']).version, '3.0.0');
  });

  it('may be chosen, if it raises as much as the change asks for', () => {
    assert.equal(next(same, '1.4.2', ['1.4.2'], '9.0.0').version, '9.0.0');
    assert.equal(next(more, '1.4.2', ['1.4.2'], 'v1.5.0').version, '1.5.0');
    assert.equal(next(other, '1.4.2', ['1.4.2'], '2.0.0-rc.1').version, '2.0.0-rc.1');
    for (const [of, chosen] of [
      [more, '1.4.9'],
      [other, '1.5.0'],
    ] as const) {
      assert.throws(
        () => next(of, '1.4.2', ['1.4.2'], chosen),
        (error) => error instanceof UsageError && /is (?:new|gone).*or higher/u.test(error.message),
      );
    }
  });
});
