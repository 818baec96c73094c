import { agreement } from './agreement.ts';
import { compareMetric } from './compare.ts';
import { cannotCompute, type Compared, type Gate } from './gate.ts';
import type { Labels } from './labels.ts';
import { binned, calibrationBins } from './metrics/calibration.ts';
import { confusionOf } from './metrics/confusion.ts';
import { addLabelCounts, perLabel } from './metrics/label-counts.ts';
import { metricValue, shownMetric, type Metric } from './metrics/metric.ts';
import { countQueries } from './metrics/ranking.ts';
import { curvePoints, rankScores } from './metrics/ranked.ts';
import { scoresOf, type Outputs, type Sample } from './sample.ts';
import type { SliceRows } from './slices.ts';

/** Above this many rows a metric that only a bootstrap over rows can bound is reported without bounds, unless it is gated. */
const boundedRows = 20_000;
/** Draws of a bootstrap over rows for a metric that is reported but not gated. */
const reportResamples = 400;
const curveLimit = 100;

interface DetailsInput extends Gate {
  champion: Outputs | null;
  labels: Labels;
  compared: readonly Compared[];
}

/** What a report draws: plain JSON, finite numbers or null, no rows of data. */
export function detailsOf(input: DetailsInput): Record<string, unknown> {
  const { sample, champion, candidate, labels, compared } = input;
  const sides = { ...(champion === null ? {} : { champion }), candidate };
  return {
    ...(labels.classes === null
      ? {}
      : { [sample.labels === undefined ? 'classes' : 'labels']: classCounts(sample, labels.classes) }),
    metrics: input.plan.reported.flatMap((metric) => metricRow(input, metric) ?? []),
    slices: compared.flatMap(({ check, slice, comparison }) =>
      slice === null
        ? []
        : [
            {
              // The metric may have an @ in its name, and the slice too.
              metric: check.id.slice('evaluation/'.length, -`@${slice.name}`.length),
              slice: slice.name,
              n: slice.rows.length,
              verdict: check.verdict,
              champion: finite(comparison?.champion),
              candidate: finite(comparison?.candidate),
              delta: finite(comparison?.interval.delta),
              lower: check.comparison?.lower ?? null,
              upper: check.comparison?.upper ?? null,
              margin: check.comparison?.margin ?? null,
              state: check.comparison?.state ?? null,
            },
          ],
    ),
    ...(champion === null ? {} : agreement(sample, champion, candidate, slicesOf(compared))),
    ...(sample.classes > 0 ? { confusion: eachSide(sides, (outputs) => confusionRows(sample, outputs)) } : {}),
    ...(sample.labels === undefined ? {} : { labelCounts: eachSide(sides, (outputs) => labelCounts(sample, outputs)) }),
    ...(input.plan.task === 'binary-classification' ? binaryDrawings(sample, sides) : {}),
    ...(input.plan.task === 'regression' ? { residuals: residualHistograms(sample, sides) } : {}),
    ...(sample.queries === undefined ? {} : { queries: countQueries(sample) }),
  };
}

/** Every slice that was looked at, once. */
function slicesOf(compared: readonly Compared[]): SliceRows[] {
  return [...new Map(compared.flatMap(({ slice }) => (slice === null ? [] : [[slice.name, slice] as const]))).values()];
}

function metricRow(
  { plan, sample, champion, candidate, compared }: DetailsInput,
  metric: Metric,
): Record<string, unknown> | null {
  if (cannotCompute(metric, sample, { candidate }) !== null) return null;
  const common = { metric: metric.name, title: metric.title, better: metric.better, scale: metric.scale };
  if (champion === null || cannotCompute(metric, sample, { candidate, champion }) !== null) {
    return { ...common, candidate: finite(metricValue(metric, sample, candidate)) };
  }
  const done = compared.find((each) => each.slice === null && each.comparison?.metric.name === metric.name)?.comparison;
  const computed = shownMetric(metric);
  const { kind } = computed;
  const bounded = kind !== 'statistic' || computed.influence !== undefined || sample.rows <= boundedRows;
  const row =
    done ??
    compareMetric(metric, sample, champion, candidate, {
      seed: plan.seed,
      ...(kind === 'statistic' || kind === 'calibration' || kind === 'counts'
        ? { resamples: bounded ? reportResamples : 0 }
        : {}),
    });
  const hasBounds = done !== undefined || bounded;
  return {
    ...common,
    champion: finite(row.champion),
    candidate: finite(row.candidate),
    delta: finite(row.interval.delta),
    lower: hasBounds ? finite(row.interval.lower(plan.alpha)) : null,
    upper: hasBounds ? finite(row.interval.upper(plan.alpha)) : null,
    ...(hasBounds ? { alpha: plan.alpha } : {}),
    standardError: hasBounds ? finite(row.interval.standardError) : null,
    method: row.interval.method,
    ...(row.interval.seed === undefined ? {} : { seed: row.interval.seed }),
    n: row.rows,
    counted: row.counted,
    ...(row.lowEvidence.length === 0 ? {} : { lowEvidence: row.lowEvidence }),
  };
}

function classCounts(sample: Sample, classes: readonly string[]): { name: string; rows: number }[] {
  const counts = classes.map((name) => ({ name, rows: 0 }));
  const { labels } = sample;
  for (const [at, value] of sample.truth.entries()) {
    if (labels === undefined) (counts[value] as { rows: number }).rows += 1;
    else (counts[at % labels] as { rows: number }).rows += value;
  }
  return counts;
}

function confusionRows(sample: Sample, outputs: Outputs): number[][] | null {
  if (outputs.decisions === null) return null;
  const { classes, cells } = confusionOf(sample, outputs, null);
  return Array.from({ length: classes }, (_, label) => [...cells.subarray(label * classes, (label + 1) * classes)]);
}

/** What was decided of each label. */
function labelCounts(sample: Sample, outputs: Outputs): Record<string, unknown>[] | null {
  if (outputs.decisions === null) return null;
  const { rows, names, labels = 1 } = sample;
  const counts = new Float64Array(labels * perLabel);
  for (let row = 0; row < rows; row += 1) addLabelCounts(sample, outputs, row, 1, counts, 0);
  return (names ?? []).map((label, number) => {
    const [hits, given, having] = counts.subarray(number * perLabel) as unknown as [number, number, number];
    return {
      label,
      truePositives: hits,
      falsePositives: given - hits,
      falseNegatives: having - hits,
      trueNegatives: rows - given - having + hits,
    };
  });
}

function binaryDrawings(sample: Sample, sides: Record<string, Outputs>): Record<string, unknown> {
  const scored = Object.fromEntries(Object.entries(sides).filter(([, outputs]) => outputs.scores !== null));
  const probable = Object.fromEntries(Object.entries(scored).filter(([, outputs]) => outputs.probabilities));
  return {
    curves: eachSide(scored, (outputs) => {
      const scores = scoresOf(outputs);
      const ranked = rankScores(scores, sample.truth);
      return curvePoints(ranked, scores, sample.weights, curveLimit);
    }),
    calibration: eachSide(probable, (outputs) =>
      calibrationBins(binned(scoresOf(outputs), sample.truth, 'width'), sample.weights),
    ),
    scoreHistogram: eachSide(probable, (outputs) => {
      const scores = scoresOf(outputs);
      const counts = new Float64Array(40);
      for (let row = 0; row < sample.rows; row += 1) {
        const bin = Math.min(19, Math.max(0, Math.floor((scores[row] as number) * 20)));
        counts[20 * (sample.truth[row] as number) + bin]! += 1;
      }
      return { negative: [...counts.subarray(0, 20)], positive: [...counts.subarray(20)] };
    }),
  };
}

/** Residuals (prediction - target) in twenty bins shared by both models, the outer ones open. */
function residualHistograms(sample: Sample, sides: Record<string, Outputs>): Record<string, unknown> {
  const residuals = eachSide(sides, (outputs) =>
    scoresOf(outputs).map((value, row) => value - (sample.truth[row] as number)),
  );
  const sorted = Float64Array.from(Object.values(residuals).flatMap((each) => [...each])).sort();
  const low = sorted[Math.floor(sorted.length * 0.01)] as number;
  const high = sorted[Math.floor(sorted.length * 0.99)] as number;
  const width = (high - low) / 20 || 1;
  return {
    from: low,
    to: high,
    ...eachSide(residuals, (values) => {
      const counts = new Array<number>(20).fill(0);
      for (const value of values) counts[Math.min(19, Math.max(0, Math.floor((value - low) / width)))]! += 1;
      return counts;
    }),
  };
}

function eachSide<From, To>(sides: Record<string, From>, draw: (side: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(sides).map(([name, side]) => [name, draw(side)]));
}

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}
