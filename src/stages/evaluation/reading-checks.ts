import { classPosition, classText } from '../../data/class-text.ts';
import { reported, type Check } from '../../evidence/check.ts';
import { unknownText } from '../../model/unknown-values.ts';
import type { PredictionResult, Predictions } from '../../model/predictions.ts';
import { listed, type Labels } from './labels.ts';
import type { Metric } from './metrics/metric.ts';
import type { Sample } from './sample.ts';

/** A model's predictions as they were read. */
export interface ReadSide {
  predictions: Predictions;
  /** Decisions that its own labels made, its scores being tied. */
  tied: number;
}

/** What a reader must know of how the predictions were read. The candidate first; the champion where there is one. */
export function readingChecks(
  sample: Sample,
  labels: Labels,
  sides: { readonly [role in 'candidate' | 'champion']: ReadSide | undefined },
): Check[] {
  return [...unknownClasses(sample, labels, sides), ...ties(sample, sides)];
}

/** Scores that are all 0 or 1, under a metric of scores: labels in the place of probabilities lose what the metric measures. */
export function labelScoreChecks(
  { needs, title }: Pick<Metric, 'needs' | 'title'>,
  sides: { readonly [role in 'candidate' | 'champion']: ReadSide | undefined },
): Check[] {
  if (needs === 'decisions') return [];
  const found = Object.entries(sides).flatMap(([role, side]) => {
    const { kind, scores } = side?.predictions ?? {};
    const areLabels = kind === 'probability' && scores?.every((score) => score === 0 || score === 1);
    return areLabels === true ? [role] : [];
  });
  if (found.length === 0) return [];
  return [
    {
      id: 'evaluation/label-scores',
      title: 'Scores that are all 0 or 1',
      verdict: 'fail',
      severity: 'warn',
      message: `All scores of the ${found.join(' and of the ')} are 0 or 1. These look like labels, for which ${title} means little: use probabilities (scikit-learn: predict_proba, not predict).`,
      observed: 'only 0 and 1',
      required: 'probabilities',
    },
  ];
}

/** Columns with values that a model has no code for: to it they are all the same, or like those it knows. */
export function unknownValueChecks(
  rows: number,
  results: { readonly [role in 'candidate' | 'champion']: PredictionResult | null },
): Check[] {
  const found = Object.entries(results).flatMap(([role, result]) =>
    result?.ok === true ? (result.unknownValues ?? []).map((each) => ({ ...each, role })) : [],
  );
  const columns = [...new Set(found.map(({ column }) => column))];
  return columns.map((column) => {
    const own = found.filter((each) => each.column === column);
    const candidate = own.find(({ role }) => role === 'candidate');
    return {
      id: `evaluation/unknown-values(${column})`,
      title: `Values of ${column} that a model does not know`,
      verdict: candidate === undefined ? 'pass' : 'fail',
      severity: candidate === undefined ? 'info' : 'warn',
      message: own
        .map((each) => `The ${each.role} does not know ${each.rows} of ${rows} values: ${unknownText(each)}.`)
        .join(' '),
      observed: candidate?.rows ?? 0,
      required: 0,
    };
  });
}

/** Classes that rows are of and a model does not have: it cannot but be wrong there. */
function unknownClasses(sample: Sample, { classes }: Labels, sides: Parameters<typeof readingChecks>[2]): Check[] {
  if (classes === null || sample.labels !== undefined || sample.classes <= 2) return [];
  const counts = new Float64Array(classes.length);
  for (const value of sample.truth) counts[value]! += 1;
  const found = Object.entries(sides).flatMap(([role, side]) => {
    const { predictions } = side ?? {};
    if (predictions === undefined || predictions.classes === null || predictions.classesFrom === 'predicted') return [];
    const known = predictions.classes.map(classText);
    const unknown = classes.filter((name, number) => (counts[number] as number) > 0 && classPosition(name, known) < 0);
    if (unknown.length === 0) return [];
    const rows = unknown.reduce((sum, name) => sum + (counts[classes.indexOf(name)] as number), 0);
    const each =
      unknown.length === 1
        ? ''
        : ` (${unknown
            .slice(0, 10)
            .map((name) => `${counts[classes.indexOf(name)]} of ${JSON.stringify(name)}`)
            .join(', ')})`;
    return [
      {
        role,
        rows,
        text: `The ${role} does not know ${unknown.length === 1 ? 'the class' : 'the classes'} ${listed(unknown)}: ${rows} of ${sample.rows} rows are of ${unknown.length === 1 ? 'it' : 'them'}${each}, and it is wrong on all of them.`,
      },
    ];
  });
  if (found.length === 0) return [];
  const candidate = found.find(({ role }) => role === 'candidate');
  return [
    {
      id: 'evaluation/unknown-classes',
      title: 'Classes that a model does not know',
      verdict: candidate === undefined ? 'pass' : 'fail',
      severity: candidate === undefined ? 'info' : 'warn',
      message: found.map(({ text }) => text).join(' '),
      observed: candidate?.rows ?? 0,
      required: 0,
    },
  ];
}

function ties(sample: Sample, sides: Parameters<typeof readingChecks>[2]): Check[] {
  const tied = Object.entries(sides).flatMap(([role, side]) =>
    side === undefined || side.tied === 0 ? [] : [{ role, tied: side.tied }],
  );
  if (tied.length === 0) return [];
  const what =
    sample.labels !== undefined || sample.classes === 2 ? 'exactly at the threshold' : 'tied for the highest score';
  const of = sample.rows * (sample.labels ?? 1);
  return [
    reported(
      'evaluation/ties',
      "Ties decided by the model's own labels",
      `${tied.map((side) => `${side.tied} of ${of} decisions of the ${side.role}`).join(' and ')} are ${what}: for these, the model's own label is used.`,
      sides.candidate?.tied ?? 0,
    ),
  ];
}
