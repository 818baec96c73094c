import type { Behaviour, Model, Policy } from './schema.ts';

/** Values in force where contender.yml is silent. There is no default margin: what may be lost is for the team to say. */
export const defaults = {
  alpha: 0.05,
  minRows: 30,
  seed: 20240501,
  planningPower: 0.8,
  limits: { memory: '4GiB', time: '10m' },
  /** Of a float32: another number of rows a batch, or another instruction set, may move its last bits. */
  parity: { absolute: 1e-6, relative: 1e-6 },
  registryPath: 'registry',
  out: '.contender',
  firstVersion: '1.0.0',
  /** Delivered share of the offered rate below which a load test fails. */
  throughput: 0.98,
  requestTimeout: '5s',
  startTimeout: '60s',
  behaviour: { rows: 1000, batch: 256, blocks: 30, starts: 8, repeats: 5 },
} as const;

/** Kinds of evidence there are, in the order of a run. */
export const evidenceKinds: readonly string[] = ['data', 'evaluation', 'behaviour', 'load'];

/** Kinds of evidence a promotion needs: those the policy lists, else one for every stage that is configured. */
export function requiredEvidence(model: Model): string[] {
  return (
    model.policy.required_evidence ?? [
      ...(model.data.contract !== undefined || model.data.rules !== undefined ? ['data'] : []),
      'evaluation',
      ...(model.load !== undefined ? ['load'] : []),
      ...(model.behaviour !== undefined && gates(model.behaviour) ? ['behaviour'] : []),
    ]
  );
}

/** Does any part ask for something that blocks? What is advice alone is not required. */
function gates({ efficiency = {}, importance, robustness, agreement }: Behaviour): boolean {
  const { batch: _batch, blocks: _blocks, starts: _starts, ...limits } = efficiency;
  const blocks = (part: { severity?: string } | undefined, ...asked: unknown[]): boolean =>
    (part?.severity ?? 'block') === 'block' && asked.some((each) => each !== undefined);
  return (
    Object.values(limits).some((gate) => blocks(gate, gate.max)) ||
    blocks(importance, importance?.max_shift) ||
    blocks(robustness, robustness?.margin, robustness?.max_flip_rate) ||
    blocks(agreement, agreement?.min_label_agreement, agreement?.max_score_difference)
  );
}

/** What a decision is bound to: the configuration of the model without the two references that change with every candidate. */
export function policySubject(model: Model): Omit<Model, 'candidate' | 'champion'> {
  const { candidate: _candidate, champion: _champion, ...rest } = model;
  return rest;
}

export function alphaOf(policy: Policy): number {
  return policy.alpha ?? defaults.alpha;
}
