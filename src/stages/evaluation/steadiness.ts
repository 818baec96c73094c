import type { Check } from '../../evidence/check.ts';
import type { PredictionResult, Tolerance } from '../../model/predictions.ts';
import type { Stability } from '../../model/shards.ts';
import { counted } from '../../wording.ts';

/**
 * Whether each model has one answer to a row. Without one there is nothing to measure: the candidate's check blocks. A
 * champion is warned of, since a better candidate should replace it. Nothing is said of predictions from a file.
 */
export function steadinessChecks(candidate: PredictionResult, champion: PredictionResult | null): Check[] {
  return [
    ...checkOf('evaluation/deterministic', 'Same row, same answer', 'The candidate', 'block', candidate),
    ...(champion === null
      ? []
      : checkOf(
          'evaluation/champion-deterministic',
          'Same row, same answer (champion)',
          'The champion',
          'warn',
          champion,
        )),
  ];
}

function checkOf(
  id: string,
  title: string,
  who: string,
  severity: Check['severity'],
  result: PredictionResult,
): Check[] {
  if (!result.ok || result.stability === undefined) return [];
  const { stability } = result;
  const required = `the same within ${toleranceText(stability.tolerance)}`;
  if (stability.differs === null) {
    return [
      {
        id,
        title,
        verdict: 'pass',
        severity,
        message: `${who} gave the same answers for ${counted(stability.rows, 'rows')} in one batch, in two, in another order and one by one.`,
        observed: 'the same',
        required,
      },
    ];
  }
  return [
    {
      id,
      title,
      verdict: 'fail',
      severity,
      message: `${who} is not deterministic: ${findings[stability.differs](stability)}`,
      observed: observed[stability.differs],
      required,
    },
  ];
}

function toleranceText({ absolute, relative }: Tolerance): string {
  return absolute === relative
    ? `${absolute}, absolute or relative`
    : `${absolute}, or ${relative} of the larger score`;
}

const observed = {
  random: 'other answers when predicted again',
  order: 'other answers in another order',
  batch: 'other answers in smaller batches',
} as const;

const findings: Record<NonNullable<Stability['differs']>, (stability: Stability) => string> = {
  random: ({ rows, difference }) =>
    `of ${rows} rows predicted again, some got ${other(difference)}. The model is random: look for dropout in training mode, or another random operator, and export it for inference.`,
  order: ({ rows, difference }) =>
    `of ${rows} rows in another order, some got ${other(difference)}. The answer depends on the order of the rows in a batch: look for an operator that works along the first dimension (a cumulative sum, a recurrent layer).`,
  batch: ({ rows, difference }) =>
    `of ${rows} rows predicted in smaller batches, some got ${other(difference, ' than together')}. The answer depends on the other rows of a batch: look for a softmax or a normalisation over the first dimension, a batch normalisation left in training mode, or a dynamic quantisation, which scales by all rows of a batch (quantise statically instead).`,
};

function other(difference: number | null, than = ''): string {
  if (difference === null) return 'no answer, or none that can be read (such as NaN)';
  return `other answers${than} (by ${Number(difference.toPrecision(2))} at most)`;
}
