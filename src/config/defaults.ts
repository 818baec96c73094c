import type { Model, Policy } from './schema.ts';

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
  registryBranch: 'model-registry',
  out: '.contender',
  firstVersion: '1.0.0',
  /** Delivered share of the offered rate below which a load test fails. */
  throughput: 0.98,
  requestTimeout: '5s',
  startTimeout: '60s',
  behaviour: { rows: 1000, batch: 256, blocks: 30, starts: 8, repeats: 5 },
} as const;

/** What a promotion does not depend on: the two references that change with every candidate, and what is watched after it. */
const noPolicy = new Set(['candidate', 'champion', 'monitor', 'retrain', 'batch', 'backtest']);

/** What a decision is bound to: the configuration of the model without what it does not depend on. */
export function policySubject(model: Model): Omit<Model, 'candidate' | 'champion'> {
  return Object.fromEntries(Object.entries(model).filter(([key]) => !noPolicy.has(key))) as Omit<
    Model,
    'candidate' | 'champion'
  >;
}

export function alphaOf(policy: Policy): number {
  return policy.alpha ?? defaults.alpha;
}

/** How far two answers of a model to one row may differ and still be the same: see `Parity`. */
export function parityOf({ parity }: Pick<Model, 'parity'>): { absolute: number; relative: number } {
  return { ...defaults.parity, ...parity };
}
