import { policySubject, environmentRule, type Config, type Model } from '../../src/config/index.ts';
import { parseConfig, stageFacts } from '../../src/pipeline/configuration.ts';
import { assign } from '../../src/decide/assign.ts';
import { decide } from '../../src/decide/decide.ts';
import type { DecisionSubject } from '../../src/decide/subject.ts';
import { override } from '../../src/decide/override.ts';
import { register } from '../../src/decide/register.ts';
import {
  buildEvidence,
  digest,
  modelDigest,
  type Approval,
  type Artifact,
  type Check,
  type Decision,
  type Evidence,
  type RegistryHistory,
} from '../../src/evidence/index.ts';
import { artifact } from '../registry/sample-decision.ts';
import type { TemporaryRepository } from '../registry/temporary-repository.ts';

export const text = `version: 1
models:
  m:
    task: binary-classification
    candidate: m.onnx
    columns: { id: id, label: label }
    data: { evaluation: eval.csv }
    policy: { primary: { metric: recall, margin: 0.01, require: superior } }
registry:
  branch: main
  environments: { staging: {}, live: { after: staging, evidence: [evaluation] } }
`;
export const now = new Date('2026-01-02T03:04:05Z');
export const by = { now, source: {}, actor: 'ada', by: 'Ada', reason: 'because' };
export const decisions = 'registry/models/m/decisions/000';

type Decide = (view: RegistryHistory) => Decision;
export type Made = [decide: Decide, evidence?: Evidence[]];

/** What the gate decides of a candidate whose one check has this verdict, under a configuration. */
export function gate(
  candidate: string,
  verdict: Check['verdict'],
  config = text,
  change = (made: Decision) => made,
  { at = now, approvals = [], champion }: { at?: Date; approvals?: Approval[]; champion?: Artifact } = {},
): Required<Made> {
  const model = modelOf(config);
  const evidence: Evidence[] = [];
  return [
    (view) => {
      evidence[0] = evidenceOn(candidate, verdict, model, champion ?? view.champion?.artifacts[0], at);
      const context = { now: at, actor: 'ada', source: {}, approvals };
      return change(decide(subjectOf(candidate, config), evidence, view, context));
    },
    evidence,
  ];
}

export function evidenceOn(
  candidate: string,
  verdict: Check['verdict'],
  model: Model,
  champion?: Artifact,
  at = now,
): Evidence {
  const check: Check = {
    id: 'evaluation/recall',
    title: 'Recall',
    verdict,
    severity: 'block',
    message: `Recall: ${verdict}.`,
    observed: 1,
    required: 'superior',
  };
  return buildEvidence({
    kind: 'evaluation',
    model: 'm',
    subjects: {
      candidate: artifact(candidate),
      ...(champion === undefined ? {} : { champion }),
      datasets: { evaluation: { uri: 'eval.csv', sha256: digest('eval'), rows: 3 } },
    },
    policyDigest: digest(policySubject(model)),
    toolVersion: '0.0.0',
    startedAt: at,
    finishedAt: at,
    checks: [check],
    details: {},
  });
}

export function registered(candidate: string, config = text): Made {
  const context = { now, actor: 'ada', source: {}, approvals: [] };
  const subject = { model: 'm', config: modelOf(config), candidate: artifact(candidate) };
  // Contender itself registers none over the head of a champion: whoever does makes it up.
  return [
    (view) => ({
      ...register(subject, { ...view, champion: null, championSeq: 0 }, context),
      from: view.champion,
      idempotencyKey: digest({ candidate, since: view.championSeq }),
    }),
  ];
}

export const overridden = (candidate: string): Made => [
  (view) =>
    override(
      { model: 'm', config: modelOf(text), identity: modelDigest({ version: '', artifacts: [artifact(candidate)] })! },
      [],
      view,
      by,
    ),
];
export const subject = { model: 'm', config: modelOf(text) };

export function assigned(environment: string, config = text, candidate = 'b'): Made {
  const rule = environmentRule(parsed(config), environment);
  const evidence: Evidence[] = [];
  return [
    (view) => {
      evidence[0] = evidenceOn(candidate, 'pass', modelOf(text));
      return assign({ ...subject, environment, rule }, rule.evidence === undefined ? [] : evidence, view, by);
    },
    evidence,
  ];
}

function parsed(config: string): Config {
  return parseConfig(config, 'contender.yml');
}

/** What is decided on: a candidate of this name, under a configuration. */
export function subjectOf(candidate: string, config = text): DecisionSubject {
  const model = modelOf(config);
  return { model: 'm', config: model, candidate: artifact(candidate), stages: stageFacts(model) };
}

export function modelOf(config: string): Model {
  return parsed(config).models['m'] as Model;
}

/** On the branch that is checked out. */
export function record(at: TemporaryRepository, ...all: Made[]): Promise<void> {
  return at.onHead(async (registry) => {
    for (const [made, evidence = []] of all) await registry.record({ model: 'm', decide: made, evidence });
  });
}
