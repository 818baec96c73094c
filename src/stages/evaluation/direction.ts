import type { Check } from '../../evidence/check.ts';
import type { Outputs, Sample } from './sample.ts';
import { moments } from './scale.ts';

/** Standard errors beyond which no scores run against the relevance by chance. */
const beyondChance = 6;
/** And by how much, as a mean correlation. */
const clearly = 0.1;

/**
 * Scores of a ranking that run against the relevance: ranks (1 is the best) and distances are read upside down, and the worst of them looks
 * like the best. A warning, since a model may be just bad.
 */
export function directionChecks(
  { queries, truth }: Pick<Sample, 'queries' | 'truth'>,
  sides: { readonly [role in 'candidate' | 'champion']: Pick<Outputs, 'scores'> | null },
): Check[] {
  if (queries === undefined) return [];
  const { rows, starts } = queries;
  const against = Object.entries(sides).flatMap(([role, outputs]) => {
    const scores = outputs?.scores ?? null;
    if (scores === null) return [];
    let [sum, variance, count] = [0, 0, 0];
    for (let query = 0; query + 1 < starts.length; query += 1) {
      const own = rows.subarray(starts[query], starts[query + 1]);
      const pick = (values: Float64Array): Float64Array => Float64Array.from(own, (row) => values[row] as number);
      // Of a query of one relevance or one score there is none.
      const { correlation } = moments(pick(truth), pick(scores), null);
      if (!Number.isFinite(correlation)) continue;
      sum += correlation;
      count += 1;
      // Of all orders of the same scores: what the few correlations say of it themselves may be nothing, as of pairs, where each is 1 or -1.
      variance += 1 / (own.length - 1);
    }
    return sum < -Math.max(clearly * count, beyondChance * Math.sqrt(variance))
      ? [{ role, mean: sum / count, count }]
      : [];
  });
  const [first] = against;
  if (first === undefined) return [];
  return [
    {
      id: 'evaluation/direction',
      title: 'Higher scores for more relevant rows',
      verdict: 'fail',
      severity: 'warn',
      message: `${against.map(({ role, mean, count }) => `The scores of the ${role} run against the relevance (mean correlation ${mean.toFixed(2)} in ${count} queries).`).join(' ')} The highest score ranks first: if the scores are ranks (1 is the best) or distances, invert their sign.`,
      observed: first.mean,
      required: 0,
    },
  ];
}
