import { sha256 } from '../../src/evidence/index.ts';
import type { ReleaseAsset, ReleaseInput } from '../../src/github/release.ts';

export function textAsset(name: string, text: string, exact = true): ReleaseAsset {
  return { name, type: 'text/plain', content: { text }, size: Buffer.byteLength(text), sha256: sha256(text), exact };
}

export function sampleRelease(over: Partial<ReleaseInput> = {}): ReleaseInput {
  return {
    tag: 'spam-filter@v1.1.0',
    title: 'spam-filter 1.1.0',
    notes: 'Better.',
    assets: [
      textAsset('candidate.onnx', 'the model'),
      textAsset('model-card.md', '# Card', false),
      textAsset('decision.json', '{}'),
    ],
    prerelease: false,
    latest: true,
    ...over,
  };
}
