import assert from 'node:assert/strict';
import { test } from 'node:test';
import { carryOver } from '../../src/decide/carry-over.ts';
import { ContenderError } from '../../src/errors.ts';
import type { Decision, RegistryHistory } from '../../src/evidence/index.ts';
import { withChampion } from '../../src/registry/artifacts-yaml.ts';
import { readChain, type DecisionFile } from '../../src/registry/chain.ts';
import { artifactsPath, decisionPath, evidencePath } from '../../src/registry/layout.ts';
import { blobOid } from '../../src/registry/git/objects.ts';
import { championOf, manifestOf } from '../../src/registry/manifest.ts';
import type { ModelState } from '../../src/registry/model-state.ts';
import { planPending, waitingOn, type PendingPlan } from '../../src/registry/plan-pending.ts';
import { anyStep, chain, names, performing, proof, recordable } from './acts-in-memory.ts';
import { artifact } from './sample-decision.ts';
import fc from '../support/properties.ts';

type Chain = ReturnType<typeof chain>;

/** A chain, and artifacts.yaml beside it. */
interface Side {
  chain: Chain;
  artifacts: string;
}

/** What happens, one after the other: on the base itself, on the promotion branch, to another model, or the branch is merged. */
const event = fc.oneof(
  { weight: 3, arbitrary: fc.record({ on: fc.constant('base' as const), step: anyStep }) },
  { weight: 5, arbitrary: fc.record({ on: fc.constant('branch' as const), step: anyStep }) },
  { weight: 1, arbitrary: fc.constant({ on: 'other' as const }) },
  { weight: 1, arbitrary: fc.constant({ on: 'merge' as const }) },
);

function copyOf({ links }: Chain): Chain {
  const copy = chain();
  for (const { decision } of links) {
    const { seq: _seq, prev: _prev, ...rest } = decision;
    copy.add(() => rest);
  }
  return copy;
}

function stateOf({ links }: Chain): ModelState {
  const entry = (path: string) => ({ mode: '100644', type: 'blob', oid: path, size: 1, path });
  const evidence = links.flatMap(({ decision }) => decision.evidence.map(({ sha256 }) => evidencePath('m', sha256)));
  const files = new Map(evidence.map((path) => [path, entry(path)]));
  return { links, manifest: manifestOf(links), findings: [], files };
}

/** artifacts.yaml once the last decision of a chain is in force. */
function artifactsAfter({ links }: Chain, artifacts: string): string {
  const manifest = manifestOf(links);
  const champion = championOf(manifest);
  const made = champion !== null && manifest?.aliases['champion']?.seq === links.length;
  return made ? withChampion(artifacts, 'm', champion, links.length) : artifacts;
}

test('whatever happens on base and branch, the branch is a sound chain on the base, loses no judgement and promotes last', () =>
  fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 10 }), async (events) => {
      const first = chain();
      first.judge('a', 'promote');
      let base: Side = { chain: first, artifacts: artifactsAfter(first, '# Ours\n') };
      let branch: Side = { chain: copyOf(first), artifacts: base.artifacts };
      for (const [index, each] of events.entries()) {
        if (each.on === 'merge') {
          const { since } = waitingOn('m', stateOf(base.chain), stateOf(branch.chain), undefined);
          if (since !== base.chain.links.length) continue;
          base = { chain: copyOf(branch.chain), artifacts: artifactsAfter(branch.chain, base.artifacts) };
          continue;
        }
        if (each.on === 'other') {
          const other = { version: `1.0.${index}`, artifacts: [artifact(`other ${index}`)] };
          base.artifacts = withChampion(base.artifacts, 'other', other, index);
          continue;
        }
        const decide = performing(each.step, index);
        const decision = recordable(base.chain, decide);
        if (decision === null) continue;
        if (each.on === 'base') {
          base.chain.add(() => decision);
          base.artifacts = artifactsAfter(base.chain, base.artifacts);
        } else branch = await planned(base, branch, decide);
      }
    }),
    { numRuns: 300 },
  ));

/** The branch after the decision was asked for, held against everything that is promised of it. */
async function planned(base: Side, branch: Side, decide: (view: RegistryHistory) => Decision): Promise<Side> {
  const [from, to] = [stateOf(base.chain), stateOf(branch.chain)];
  const waiting = waitingOn('m', from, to, blobOid(Buffer.from(branch.artifacts)));
  const request = { model: 'm', decide, evidence: names.map(proof) };
  const around = { hasAttributes: true, artifactsYaml: base.artifacts };
  let plan: PendingPlan;
  try {
    plan = planPending('registry', from, waiting, request, around, carryOver);
  } catch (error) {
    // An act that what waits forbids is refused as it would be behind it.
    assert.ok(error instanceof ContenderError);
    return branch;
  }
  if (plan.status !== 'write') {
    assert.ok(plan.status !== 'waiting' || waiting.decisions.includes(plan.decision));
    const promotes = plan.status === 'waiting' && waiting.decisions.at(-1)?.outcome === 'promote';
    if (promotes) assert.equal(branch.artifacts, artifactsAfter(branch.chain, base.artifacts));
    return branch;
  }
  const files = plan.decisions.map(({ seq }): DecisionFile => {
    const path = decisionPath('m', seq);
    const bytes = plan.files.get(`registry/${path}`);
    assert.ok(bytes instanceof Uint8Array);
    return { seq, path, bytes };
  });
  assert.deepEqual((await readChain('m', [...base.chain.files, ...files])).findings, []);
  for (const each of plan.decisions) assert.deepEqual(each.from, championOf(from.manifest));
  assert.ok(plan.decisions.slice(0, -1).every(({ outcome }) => outcome !== 'promote'));
  const judged = (list: readonly Decision[]): Set<string | undefined> =>
    new Set(list.filter(({ action }) => action === 'gate').map((each) => each.candidate?.artifacts[0]?.sha256));
  for (const sha256 of judged(waiting.decisions)) assert.ok(judged(plan.decisions).has(sha256));
  for (const { evidence } of plan.decisions) {
    for (const { sha256 } of evidence) {
      const path = evidencePath('m', sha256);
      assert.ok(plan.files.has(`registry/${path}`) || from.files.has(path));
    }
  }
  const next = copyOf(base.chain);
  for (const { seq: _seq, prev: _prev, ...decision } of plan.decisions) next.add(() => decision);
  const artifacts = artifactsAfter(next, base.artifacts);
  const written = plan.files.get(artifactsPath);
  assert.equal(written instanceof Uint8Array ? Buffer.from(written).toString() : base.artifacts, artifacts);
  // Asked again, it is found waiting, and nothing is written twice.
  const now = waitingOn('m', from, stateOf(next), blobOid(Buffer.from(artifacts)));
  assert.equal(planPending('registry', from, now, request, around, carryOver).status, 'waiting');
  // Once another model has a new champion, it is not: the two would not merge.
  const moved = withChampion(base.artifacts, 'other', { version: '9.9.9', artifacts: [artifact('new')] }, 99);
  const later = planPending('registry', from, now, request, { ...around, artifactsYaml: moved }, carryOver);
  assert.equal(later.status, plan.decisions.at(-1)?.outcome === 'promote' ? 'write' : 'waiting');
  return { chain: next, artifacts };
}
