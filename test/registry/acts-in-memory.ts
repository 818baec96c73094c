import { policySubject } from '../../src/config/index.ts';
import type { Act } from '../../src/decide/act.ts';
import { assign } from '../../src/decide/assign.ts';
import { deprecate } from '../../src/decide/deprecate.ts';
import { override } from '../../src/decide/override.ts';
import { rollback } from '../../src/decide/rollback.ts';
import {
  canonicalJson,
  digest,
  sha256,
  type Check,
  type Decision,
  type Outcome,
  type RecordedDecision,
  type RegistryHistory,
} from '../../src/evidence/index.ts';
import { ContenderError } from '../../src/errors.ts';
import { appendDecision, type DecisionFile } from '../../src/registry/chain.ts';
import { decisionPath } from '../../src/registry/layout.ts';
import { viewOf, type ChainLink, type Manifest } from '../../src/registry/manifest.ts';
import { act, artifact, config, evidence, judged } from './sample-decision.ts';
import fc from '../support/properties.ts';

export const subject = { model: 'm', config };
export const policy = { sha256: digest(policySubject(config)), text: canonicalJson(policySubject(config)) };

/** A chain in memory, to which acts are appended as a store does it. */
export function chain(): {
  links: ChainLink[];
  files: DecisionFile[];
  view(): RegistryHistory;
  add(decide: (view: RegistryHistory) => Decision): RecordedDecision;
  judge(candidate: string, outcome: Outcome): RecordedDecision;
} {
  const links: ChainLink[] = [];
  const files: DecisionFile[] = [];
  let manifest: Manifest | null = null;
  const view = (): RegistryHistory =>
    viewOf(
      manifest,
      links.map((link) => link.decision),
    );
  const add = (decide: (history: RegistryHistory) => Decision): RecordedDecision => {
    const appended = appendDecision({ links, manifest }, decide(view()));
    const { seq } = appended.decision;
    files.push({ seq, path: decisionPath('m', seq), bytes: appended.bytes });
    links.push({ decision: appended.decision, sha256: sha256(appended.bytes) });
    manifest = appended.manifest;
    return appended.decision;
  };
  return {
    links,
    files,
    view,
    add,
    judge: (candidate, outcome) =>
      add((history) => ({ ...judged('m', candidate, outcome, [proof(candidate)])(history), policy })),
  };
}

export const passingCheck: Check = {
  id: 'evaluation/accuracy',
  title: 'Accuracy',
  verdict: 'pass',
  severity: 'block',
  message: 'fine',
  observed: 1,
  required: 1,
};
export const proof = (candidate: string): ReturnType<typeof evidence> => ({
  ...evidence(candidate),
  finishedAt: '2026-03-01T11:00:00Z',
});
export const overriding =
  (candidate: string, by: Act = act, changed = subject) =>
  (view: RegistryHistory): Decision =>
    override({ ...changed, identity: artifact(candidate).sha256 }, [proof(candidate)], view, by);

export const names = ['a', 'b', 'c', 'd'];

export type Step =
  | { kind: 'judge'; name: string; outcome: Outcome }
  | { kind: 'override'; name: string }
  | { kind: 'rollback'; to: string }
  | { kind: 'assign'; environment: string; version: string }
  | { kind: 'deprecate'; version: string };

/** What people and the gate may do, sensible or not. */
export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('judge' as const),
    name: fc.constantFrom(...names),
    outcome: fc.constantFrom<Outcome>('promote', 'hold', 'reject'),
  }),
  fc.record({ kind: fc.constant('override' as const), name: fc.constantFrom(...names) }),
  fc.record({ kind: fc.constant('rollback' as const), to: fc.constantFrom('previous', '1.0.0', '1.0.1', '1.0.2') }),
  fc.record({
    kind: fc.constant('assign' as const),
    environment: fc.constantFrom('staging', 'canary'),
    version: fc.constantFrom('1.0.0', '1.0.1', '1.0.2'),
  }),
  fc.record({ kind: fc.constant('deprecate' as const), version: fc.constantFrom('1.0.0', '1.0.1', '1.0.2') }),
);

/** A step as a decision; throws where it is refused. */
export function performing(step: Step, index: number): (view: RegistryHistory) => Decision {
  const today = { ...act, reason: `reason ${index}` };
  return (view) => {
    switch (step.kind) {
      case 'judge':
        return { ...judged('m', step.name, step.outcome, [proof(step.name)])(view), policy };
      case 'override':
        return overriding(step.name, today)(view);
      case 'rollback':
        return rollback(subject, step.to, view, today);
      case 'assign': {
        const rule = step.environment === 'canary' ? { after: 'staging' } : {};
        return assign({ ...subject, environment: step.environment, rule, version: step.version }, [], view, today);
      }
      case 'deprecate':
        return deprecate(subject, step.version, view, today);
    }
  };
}

/** Whether a store would record it; one that is refused is null. */
export function recordable(
  { links, view }: Pick<ReturnType<typeof chain>, 'links' | 'view'>,
  decide: (view: RegistryHistory) => Decision,
): Decision | null {
  try {
    const decision = decide(view());
    const known = links.some((link) => link.decision.idempotencyKey === decision.idempotencyKey);
    const nothing = decision.outcome === 'no-change' && !['deprecate', 'assign'].includes(decision.action);
    return known || nothing ? null : decision;
  } catch (error) {
    if (error instanceof ContenderError) return null;
    throw error;
  }
}
