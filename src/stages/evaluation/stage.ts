import type { Model, Path, Problem } from '../../config/index.ts';
import { metricsOf } from '../../report/metrics-output.ts';
import type { Stage } from '../stage.ts';
import { modelKeys, policyKeys, policyOf, trainingOf } from './schema.ts';
import { sections } from './sections.ts';

/** Compares candidate and champion on the evaluation set. */
export const evaluation: Stage = {
  kind: 'evaluation',
  title: 'Evaluation',
  reportOrder: 10,
  command: {
    name: 'evaluate',
    summary: 'Compare predictions of champion and candidate, with confidence intervals.',
    examples: [
      'contender evaluate',
      'contender evaluate --candidate models/new.onnx --champion models/old.onnx',
      "contender evaluate --predictions 'parts/*.parquet'",
    ],
  },
  action: 'evaluate-model',
  outputs: { metrics: (evidence) => metricsOf([evidence]) },
  page: 'docs/metrics.md',
  keys: { model: modelKeys, policy: policyKeys },
  problems,
  needs: 'contestants',
  enabled: () => true,
  required: () => true,
  inputs(model) {
    const file = trainingOf(model);
    return file === undefined ? [] : [{ file, key: 'training' }];
  },
  async prepare(model) {
    const { planOf } = await import('./plan.ts');
    planOf(policyOf(model), model.task);
  },
  async prepareOn(model, dataset, signal) {
    const { prepareOnData } = await import('./evaluate.ts');
    const { task, columns } = model;
    await prepareOnData({ policy: policyOf(model), task, columns, dataset, signal });
  },
  whereOf,
  anchor: (model) => policyOf(model).anchor?.version,
  lead: (model) => `evaluation/${policyOf(model).primary.metric}`,
  files: ['changed-rows.csv'],
  sections,
  repeatable: true,
  load: () => import('./run.ts'),
};

/** A slice that a metric is asked for twice would have two checks of one id, whatever bins it is cut into. */
function problems(model: Model): Problem[] {
  const { guardrails = [], anchor, primary } = policyOf(model);
  const seen = new Set<string>();
  return guardrails.flatMap(({ metric, slices = [] }, guardrail) =>
    slices.flatMap((slice, index) => {
      const [kind, what] =
        typeof slice === 'string'
          ? ['column', slice]
          : 'cross' in slice
            ? ['columns', slice.cross.join(' & ')]
            : 'sql' in slice
              ? ['name', slice.name]
              : ['column', slice.column];
      if (anchor !== undefined && metric === primary.metric && kind === 'name' && what === 'anchor') {
        const message = 'a slice is named anchor, as the comparison with the anchor is. Expected another name';
        return [{ pointer: `/policy/guardrails/${guardrail}/slices/${index}`, message }];
      }
      const key = JSON.stringify([metric, kind, what]);
      if (!seen.has(key)) {
        seen.add(key);
        return [];
      }
      const message = `${metric} is asked for by the ${kind} ${JSON.stringify(what)} twice. Expected each slice once for a metric`;
      return [{ pointer: `/policy/guardrails/${guardrail}/slices/${index}`, message }];
    }),
  );
}

function whereOf(name: string, model: Model): Path {
  const { primary, guardrails = [], fairness, anchor } = policyOf(model);
  if (anchor !== undefined && name === `${primary.metric}@anchor`) return ['policy', 'anchor'];
  if (name === 'training') return ['policy', 'training'];
  if (fairness !== undefined && name.startsWith('fairness')) return ['policy', 'fairness'];
  const gates = [
    { path: ['policy', 'primary'], metric: primary.metric },
    ...guardrails.map(({ metric }, index) => ({ path: ['policy', 'guardrails', index], metric })),
  ];
  const asking = gates.flatMap(({ path, metric }) => {
    const whole = ['', '-floor', '-ceiling'].some((what) => name === `${metric}${what}`);
    return whole || name.startsWith(`${metric}@`) ? [{ path, metric, whole }] : [];
  });
  // A name of a metric may itself hold an @: of ndcg and ndcg@10 the longer is meant.
  const longest = Math.max(...asking.map(({ metric }) => metric.length));
  const meant = asking.filter(({ metric }) => metric.length === longest);
  // A slice is asked for by a guardrail.
  return (meant.find(({ whole, path }) => whole || path[1] === 'guardrails') ?? meant[0])?.path ?? ['policy'];
}
