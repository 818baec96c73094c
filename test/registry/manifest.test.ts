import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { sha256, type Decision } from '../../src/evidence/index.ts';
import { appendDecision, readChain, type DecisionFile } from '../../src/registry/chain.ts';
import { decisionPath, parseRegistryPath } from '../../src/registry/layout.ts';
import {
  championOf,
  extendManifest,
  Manifest,
  manifestOf,
  versionOf,
  viewOf,
  type ChainLink,
} from '../../src/registry/manifest.ts';
import { judged } from './sample-decision.ts';
import fc from '../support/properties.ts';

/** What happens to a model, one act after another. `pick` chooses among the versions there are. */
const acts = fc.array(
  fc.record({ act: fc.constantFrom('promote', 'reject', 'hold', 'rollback', 'deprecate'), pick: fc.nat(50) }),
  { maxLength: 40 },
);

test('the manifest rebuilt from the files of a chain equals the one kept up with each decision', async () => {
  const valid = new Ajv2020({ strict: false }).compile(Manifest);
  await fc.assert(
    fc.asyncProperty(acts, async (list) => {
      const links: ChainLink[] = [];
      const files: DecisionFile[] = [];
      let manifest: Manifest | null = null;
      for (const { act, pick } of list) {
        const decision = decisionFor(act, pick, manifest, links);
        if (decision === null) continue;
        const appended = appendDecision({ links, manifest }, decision);
        const seq = appended.decision.seq;
        files.push({ seq, path: decisionPath('m', seq), bytes: appended.bytes });
        links.push({ decision: appended.decision, sha256: sha256(appended.bytes) });
        manifest = appended.manifest;
      }
      const chain = await readChain('m', files.toReversed());
      assert.deepEqual(chain.findings, []);
      assert.deepEqual(chain.manifest, manifest);
      assert.deepEqual(manifestOf(links), manifest);
      assert.deepEqual(links.reduce(extendManifest, null as Manifest | null), manifest);
      if (manifest === null) return;
      assert.ok(valid(manifest), JSON.stringify(valid.errors));
      const last = links.findLast((link) => link.decision.outcome === 'promote')?.decision;
      assert.deepEqual(championOf(manifest), last?.to ?? null);
      assert.equal(manifest.aliases['champion']?.seq, last?.seq);
    }),
    { numRuns: 100 },
  );
});

test('a decision has one place, and the place gives the number back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000_000 }), (seq) => {
      assert.deepEqual(parseRegistryPath(decisionPath('m', seq)), { kind: 'decision', model: 'm', seq });
    }),
  );
  assert.equal(decisionPath('m', 42), 'models/m/decisions/000/000042.json');
  assert.equal(decisionPath('m', 123_456), 'models/m/decisions/123/123456.json');
});

function decisionFor(
  act: string,
  pick: number,
  manifest: Manifest | null,
  links: readonly ChainLink[],
): Decision | null {
  const view = viewOf(
    manifest,
    links.map((link) => link.decision),
  );
  const candidate = `candidate-${links.length}`;
  if (act === 'promote' || act === 'reject' || act === 'hold') return judged('m', candidate, act)(view);
  const earlier = view.registered
    .filter((each) => each.version !== view.champion?.version && (act !== 'rollback' || each.status === 'active'))
    .map((each) => each.version);
  const chosen = versionOf(manifest, earlier[pick % Math.max(1, earlier.length)]);
  if (chosen === null) return null;
  const base = judged('m', candidate, 'reject')(view);
  return act === 'rollback'
    ? { ...base, action: 'rollback', outcome: 'promote', to: chosen, candidate: chosen }
    : { ...base, action: 'deprecate', outcome: 'no-change', candidate: chosen };
}
