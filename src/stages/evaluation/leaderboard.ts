import { readColumns } from '../../data/dataset.ts';
import { ConfigError } from '../../errors.ts';
import { identityOf } from '../../evidence/decision.ts';
import type { Place, Selection } from '../stage.ts';
import { compareMetric } from './compare.ts';
import { contestantOutputs, type EvaluateInput, type Judged } from './evaluate.ts';
import { cannotCompute, type Gate } from './gate.ts';
import { comparisonOf, isUsable, marginOn, relativeMargin } from './judge.ts';
import { knownClasses, labelUses, readLabels } from './labels.ts';
import { metricValue } from './metrics/metric.ts';
import { alphaFor, planOf } from './plan.ts';
import { columnsAt, countingRows, sampleOf, sampleUses, usesOf } from './read-sample.ts';
import type { Outputs } from './sample.ts';

/**
 * Choose the best of several candidates by the primary metric, all on the same rows. Whoever is chosen is tested at a level that was
 * divided by how many there were (Bonferroni): that any of them passes wrongly is as rare as for one alone.
 *
 * @returns each candidate's place, in the order given
 * @throws ConfigError for a metric that only the database computes, and what reading labels throws
 */
export async function leaderboard({
  task,
  columns,
  dataset,
  policy,
  reuse,
  candidates,
  champion,
}: Omit<EvaluateInput, 'candidate'> & { candidates: readonly Judged[] }): Promise<Selection> {
  if (policy.metrics?.some(({ name }) => name === policy.primary.metric) === true) {
    throw new ConfigError({
      found: `${policy.primary.metric} is a metric in SQL, but there are ${candidates.length} candidates to choose from`,
      expected: 'a metric of docs/metrics.md as the primary one, or one candidate',
      where: 'policy.primary.metric',
    });
  }
  const plan = planOf(policy, task, reuse, undefined, candidates.length);
  const read = await readColumns(dataset, usesOf(labelUses(task, columns), sampleUses(task, columns)));
  const counting = countingRows(read, columns);
  const vectors = counting === null ? read : columnsAt(read, counting);
  const known = [champion, ...candidates].flatMap((each) =>
    each?.result.ok === true ? [each.result.predictions] : [],
  );
  const labels = readLabels(vectors, task, columns, knownClasses(known), dataset.uri);
  const sample = sampleOf({ task, columns, where: dataset.uri }, vectors, labels);
  const answersOf = (judged: Judged): Outputs | string => {
    const outputs = contestantOutputs(judged, task, labels, dataset.rows, counting);
    return outputs.ok ? outputs.outputs : outputs.message;
  };
  const rival = champion === null ? 'it has none' : answersOf(champion);
  const own = champion === null ? undefined : identityOf(champion.artifact);
  const answers = candidates.map((each) =>
    identityOf(each.artifact) === own ? 'it is the champion' : answersOf(each),
  );
  const places = ranked({ plan, sample }, typeof rival === 'string' ? null : rival, answers);
  return {
    metric: plan.primary.metric.name,
    alpha: plan.alpha,
    places: places.map((place, index) => {
      const { uri, sha256 } = (candidates[index] as Judged).artifact;
      return { uri, sha256, ...place };
    }),
  };
}

/** The same of what the models answer; a text says why a model cannot be judged. The first of equals is chosen, and the first of all where none can be. */
export function ranked(
  { plan, sample }: Omit<Gate, 'candidate'>,
  champion: Outputs | null,
  candidates: readonly (Outputs | string)[],
): Omit<Place, 'uri' | 'sha256'>[] {
  const { metric, comparison: planned } = plan.primary;
  const places = candidates.map((candidate): Omit<Place, 'uri' | 'sha256' | 'chosen'> => {
    if (typeof candidate === 'string') return { value: null, fault: candidate };
    const problem = cannotCompute(metric, sample, { candidate });
    if (problem !== null) return { value: null, fault: problem.reason };
    const value = metricValue(metric, sample, candidate);
    if (!Number.isFinite(value)) return { value: null, fault: `${metric.title} is not finite` };
    if (champion === null || planned === null) return { value };
    const alpha = alphaFor(plan, planned.requirement);
    const compared = compareMetric(metric, sample, champion, candidate, {
      seed: plan.seed,
      level: alpha,
      relative: relativeMargin(planned),
    });
    const margin = marginOn(planned, compared);
    return margin === null || !isUsable(compared.interval, alpha)
      ? { value }
      : { value, comparison: comparisonOf(compared, { margin, alpha }) };
  });
  const better = (a: number, b: number): boolean => (metric.better === 'higher' ? a > b : a < b);
  const best = places.reduce((top, { value }, index) => {
    const known = places[top]?.value ?? null;
    return value !== null && (known === null || better(value, known)) ? index : top;
  }, 0);
  return places.map((place, index) => ({ ...place, chosen: index === best }));
}
