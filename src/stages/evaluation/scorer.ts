import { defaults } from '../../config/defaults.ts';
import type { Columns, Task } from '../../config/schema.ts';
import type { Policy } from './schema.ts';
import { readColumns, type Dataset } from '../../data/dataset.ts';
import { ConfigError } from '../../errors.ts';
import type { Predictions } from '../../model/predictions.ts';
import type { Scorer } from '../../model/scorer.ts';
import { cannotCompute } from './gate.ts';
import { knownClasses, labelUses, readLabels } from './labels.ts';
import { metricsOf } from './metrics/catalogue.ts';
import { evaluator, type Evaluator, type Metric } from './metrics/metric.ts';
import { outputsOf } from './outputs.ts';
import { metricOf } from './plan.ts';
import { sampleOf, sampleUses, usesOf } from './read-sample.ts';
import { sampleRows, type Sample } from './sample.ts';
import { bcaInterval } from './statistics/bootstrap.ts';
import { accelerationOf, jackknifeEffects } from './statistics/few.ts';
import { clusterUnits, groupJackknife, rowReplicates, rowUnits, type Units } from './statistics/resample.ts';

export interface ScorerInput {
  task: Task;
  columns: Columns;
  policy: Policy;
  /** Name of the metric (default: the primary one) and where the configuration asks for it; null where none is needed. */
  metric: { name: string | undefined; where: string } | null;
  dataset: Dataset;
  /** Predictions that say what classes there are. */
  known: readonly Predictions[];
  /** Score these rows alone; null: all. */
  rows: Uint32Array | null;
}

const resamples = 1000;
/** Row visits a bootstrap may cost; beyond it resamples become fewer, never under 200. */
const visitLimit = 1e8;

/** What the evaluation knows of rows and metric, for whoever has other predictions to score. @throws ConfigError, DataError */
export async function readScorer(input: ScorerInput): Promise<Scorer> {
  const { task, columns, policy, dataset, rows } = input;
  const seed = policy.seed ?? defaults.seed;
  const metric = chosenMetric(input);
  const vectors = await readColumns(dataset, usesOf(labelUses(task, columns), sampleUses(task, columns)));
  const labels = readLabels(vectors, task, columns, knownClasses(input.known), dataset.uri);
  const whole = sampleOf({ task, columns, where: dataset.uri }, vectors, labels);
  const sample = rows === null ? whole : sampleRows(whole, rows);
  return {
    rows: sample.rows,
    metric: { name: metric.name, title: metric.title, better: metric.better, scale: metric.scale },
    read(predictions) {
      const result = outputsOf(predictions, task, labels.classes, sample.rows);
      if (!result.ok) return result;
      const { outputs } = result;
      const problem = input.metric === null ? null : cannotCompute(metric, sample, { candidate: outputs });
      if (problem !== null) return { ok: false, message: `${metric.title}: ${problem.reason}` };
      let value: Evaluator | undefined;
      return {
        ok: true,
        scored: {
          value: (weights) => (value ??= evaluator(metric, sample, outputs))(weights ?? sample.weights),
          decisions: outputs.decisions,
          scores: outputs.scores,
        },
      };
    },
    bounds(statistic, alpha) {
      const units = unitsOf(sample);
      const resampled = {
        statistic,
        units,
        rows: sample.rows,
        base: sample.weights,
        seed,
      };
      const draws = Math.max(200, Math.min(resamples, Math.floor(visitLimit / sample.rows)));
      const values = rowReplicates({ ...resampled, resamples: draws });
      const acceleration = accelerationOf(jackknifeEffects(groupJackknife({ ...resampled, groups: 100 }), null));
      const method = sample.clusters === null ? 'bootstrap-rows' : 'bootstrap-clusters';
      const interval = bcaInterval({ delta: statistic(null), values, acceleration, method, seed });
      // What no draw moves is shown as it is.
      const { delta, unknown } = interval;
      return unknown === undefined
        ? { value: delta, lower: interval.lower(alpha), upper: interval.upper(alpha), method }
        : { value: delta, lower: delta, upper: delta, method };
    },
  };
}

function chosenMetric({ metric, policy, task }: ScorerInput): Metric {
  if (metric === null) return metricsOf(task)[0] as Metric;
  const { name = policy.primary.metric, where } = metric;
  if (policy.metrics?.some((custom) => custom.name === name) !== true) return metricOf(name, policy, task, where);
  throw new ConfigError({
    found: `${name} is a metric in SQL`,
    expected: 'a metric of docs/metrics.md: SQL cannot be run on the changed rows',
    where,
    remedy: 'Choose a metric for this task: docs/metrics.md lists them',
  });
}

/** What is drawn as a whole: a cluster, a query, or a row within its true class. */
function unitsOf(sample: Sample): Units {
  if (sample.clusters !== null) return clusterUnits(sample.clusters);
  if (sample.queries !== undefined) return clusterUnits(sample.queries.ofRow);
  return rowUnits(sample.rows, sample.classes > 0 ? sample.truth : null);
}
