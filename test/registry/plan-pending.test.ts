import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { carryOver } from '../../src/decide/carry-over.ts';
import { ContenderError } from '../../src/errors.ts';
import type { Decision, RegistryHistory } from '../../src/evidence/index.ts';
import { readChain, type DecisionFile } from '../../src/registry/chain.ts';
import { decisionPath, evidencePath } from '../../src/registry/layout.ts';
import { championOf, manifestOf } from '../../src/registry/manifest.ts';
import type { ModelState } from '../../src/registry/model-state.ts';
import { planPending, waitingOn, type PendingPlan } from '../../src/registry/plan-pending.ts';
import { anyStep, chain, names, performing, proof, recordable } from './acts-in-memory.ts';

type Chain = ReturnType<typeof chain>;

/** What happens, one after the other: on the base itself, on the promotion branch, or the branch is merged. */
const event = fc.oneof(
  { weight: 3, arbitrary: fc.record({ on: fc.constant('base' as const), step: anyStep }) },
  { weight: 5, arbitrary: fc.record({ on: fc.constant('branch' as const), step: anyStep }) },
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

test('whatever happens on base and branch, the branch is a sound chain on the base, loses no judgement and promotes last', () =>
  fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 10 }), async (events) => {
      let base = chain();
      base.judge('a', 'promote');
      let branch = copyOf(base);
      for (const [index, each] of events.entries()) {
        if (each.on === 'merge') {
          const merges = waitingOn('m', stateOf(base), stateOf(branch)).since === base.links.length;
          if (merges) base = copyOf(branch);
          continue;
        }
        const decide = performing(each.step, index);
        const decision = recordable(base, decide);
        if (decision === null) continue;
        if (each.on === 'base') base.add(() => decision);
        else branch = await planned(base, branch, decide);
      }
    }),
    { numRuns: 300 },
  ));

/** The branch after the decision was asked for, held against everything that is promised of it. */
async function planned(base: Chain, branch: Chain, decide: (view: RegistryHistory) => Decision): Promise<Chain> {
  const [from, to] = [stateOf(base), stateOf(branch)];
  const waiting = waitingOn('m', from, to);
  const request = { model: 'm', decide, evidence: names.map(proof) };
  let plan: PendingPlan;
  try {
    plan = planPending('registry', from, waiting, request, true, carryOver);
  } catch (error) {
    // An act that what waits forbids is refused as it would be behind it.
    assert.ok(error instanceof ContenderError);
    return branch;
  }
  if (plan.status !== 'write') {
    assert.ok(plan.status !== 'waiting' || waiting.decisions.includes(plan.decision));
    return branch;
  }
  const files = plan.decisions.map(({ seq }): DecisionFile => {
    const path = decisionPath('m', seq);
    const bytes = plan.files.get(`registry/${path}`);
    assert.ok(bytes instanceof Uint8Array);
    return { seq, path, bytes };
  });
  assert.deepEqual((await readChain('m', [...base.files, ...files])).findings, []);
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
  const next = copyOf(base);
  for (const { seq: _seq, prev: _prev, ...decision } of plan.decisions) next.add(() => decision);
  // Asked again, it is found waiting, and nothing is written twice.
  const again = planPending('registry', from, waitingOn('m', from, stateOf(next)), request, true, carryOver);
  assert.equal(again.status, 'waiting');
  return next;
}
