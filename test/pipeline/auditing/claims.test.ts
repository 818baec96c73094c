import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { impossibleClaims } from '../../../src/pipeline/auditing/claims.ts';
import type { MadeDecision } from '../../../src/registry/verify.ts';

describe('the address of a model that a decision claims', () => {
  const commit = '0123456789abcdef0123456789abcdef01234567';
  const digest = `sha256:${'0a'.repeat(32)}`;
  const claims = (uri: string): [string, string][] => {
    const decision = { time: '2026-01-01T00:00:00Z', candidate: { artifacts: [{ uri }] }, evidence: [] };
    const made = { decision, evidence: [], view: { decisions: [] } } as unknown as MadeDecision;
    return impossibleClaims(made, Date.parse('2026-01-02T00:00:00Z'));
  };

  const kept = [
    's3://models/m.onnx',
    's3://models/m.onnx?versionId=3',
    'gs://models/m.onnx#1716239022000000',
    `hf://acme/spam@${commit}/m.onnx`,
    `oci://ghcr.io/acme/spam@${digest}#m.onnx`,
    `oci://registry.example.com:5000/spam@${digest}`,
  ];
  for (const uri of kept) it(`may be ${uri}`, () => assert.deepEqual(claims(uri), []));

  const passing = [
    's3://models/../m.onnx',
    'gs://models/m.onnx',
    'hf://acme/spam/m.onnx',
    'hf://acme/spam@main/m.onnx',
    'oci://ghcr.io/acme/spam:v1',
    `oci://localhost:5000/spam@${digest}`,
    `oci://10.0.0.1/spam@${digest}`,
    'az://models/m.onnx',
  ];
  for (const uri of passing) {
    it(`may not be ${uri}, whose bytes may change or which nobody else reaches`, () =>
      assert.match(claims(uri)[0]?.[0] ?? '', /^a model at /u));
  }
});
