import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileNameOf } from '../../src/report/published.ts';

describe('the name of a file', () => {
  const digest = `sha256:${'0a'.repeat(32)}`;
  const named: [string, string][] = [
    [`git:${'0a'.repeat(20)}:models/spam.onnx`, 'spam.onnx'],
    ['https://example.org/a/spam.onnx?sig=1#x', 'spam.onnx'],
    ['https://github.com/acme/m/actions/runs/1/artifacts/2#out/spam.onnx', 'spam.onnx'],
    ['s3://models/v1/spam.onnx?versionId=a%2Fb', 'spam.onnx'],
    ['gs://models/v1/spam.onnx#1716239022000000', 'spam.onnx'],
    [`hf://acme/spam@${'0a'.repeat(20)}/onnx/spam.onnx`, 'spam.onnx'],
    [`oci://ghcr.io/acme/spam@${digest}#spam.onnx`, 'spam.onnx'],
    [`oci://ghcr.io/acme/spam@${digest}`, 'spam'],
  ];
  for (const [uri, name] of named) it(`at ${uri} is ${name}`, () => assert.equal(fileNameOf(uri), name));
});
