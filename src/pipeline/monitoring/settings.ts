import { milliseconds } from '../../config/index.ts';
import { shareOf } from '../../config/quantity.ts';
import { ConfigError, UsageError } from '../../errors.ts';
import type { JudgeSettings } from '../../monitor/judge.ts';
import { monitoredOf, type Monitor } from '../../monitor/schema.ts';
import { day } from '../../monitor/windows.ts';
import { defaultDriftLimits } from '../../profile/drift.ts';
import type { Workspace } from '../workspace.ts';

/** What contender.yml says of monitoring, with the defaults. */
export interface MonitorSettings {
  monitor: Monitor;
  delay: number;
  recoveredAfter: number;
  judge: JudgeSettings;
  /** Columns of scores of production. */
  scores: string[];
}

/** @throws UsageError where the configuration asks for none; ConfigError for what cannot be watched */
export function monitorSettings({ model, modelConfig }: Workspace): MonitorSettings {
  const { monitor } = monitoredOf(modelConfig);
  if (monitor === undefined) {
    throw new UsageError({
      found: 'there is no monitor section',
      expected: 'monitor: { production: { files, time, ... } }',
      where: `models.${model}`,
      remedy: 'See docs/monitoring.md',
    });
  }
  const length = milliseconds(monitor.window ?? '1d');
  if (day % length !== 0 && length % day !== 0) {
    throw new ConfigError({
      found: `${monitor.window}, which is neither a divisor nor a multiple of a day`,
      expected: 'a window such as 1h, 6h, 1d or 7d, so that windows of different weeks can be compared',
      where: 'monitor.window',
    });
  }
  const { task } = modelConfig;
  const classification = task === 'binary-classification' || task === 'multiclass-classification';
  const judged = classification || task === 'regression';
  const { labels, production, drift, kpis = {}, cost } = monitor;
  if (labels !== undefined && !judged) {
    throw new ConfigError({
      found: `labels of a ${task} model`,
      expected: 'classification or regression: losses of other tasks are not monitored; monitor a KPI instead',
      where: 'monitor.labels',
    });
  }
  const share = (stated: number | string | undefined, key: string, fallback: number): number =>
    stated === undefined ? fallback : shareOf(stated, key.replaceAll('_', ' '), 'bound', `monitor.${key}`);
  const scores = [production.score ?? []].flat();
  if (
    scores.length > 1 &&
    task === 'multiclass-classification' &&
    (modelConfig.columns.classes?.length ?? 0) !== scores.length
  ) {
    throw new ConfigError({
      found: `${scores.length} score columns, but ${modelConfig.columns.classes?.length ?? 'no'} columns.classes`,
      expected: 'a score column for each class, in the order of columns.classes',
      where: 'monitor.production.score',
    });
  }
  const binary = task === 'binary-classification' || task === 'regression';
  return {
    monitor,
    delay: milliseconds(monitor.delay ?? '0m'),
    recoveredAfter: monitor.recovered_after ?? 3,
    scores,
    judge: {
      length,
      alarmsPerYear: monitor.alarms_per_year ?? 12,
      learning: monitor.baseline ?? 56,
      minRows: monitor.min_rows ?? 100,
      inconclusiveAfter: monitor.inconclusive_after ?? 3,
      maxLoss: share(monitor.max_loss, 'max_loss', 0.02),
      regression: task === 'regression',
      labels:
        labels === undefined
          ? null
          : { maturity: milliseconds(labels.maturity), minCoverage: labels.min_coverage ?? 0.8 },
      drift: {
        maxPsi: drift?.max_psi ?? defaultDriftLimits.maxPsi,
        maxMissing: share(drift?.max_missing_change, 'drift.max_missing_change', defaultDriftLimits.maxMissing),
        maxNewCategories: share(
          drift?.max_new_categories,
          'drift.max_new_categories',
          defaultDriftLimits.maxNewCategories,
        ),
      },
      kpis,
      cost: cost === undefined ? null : { max: cost.max, unit: cost.unit },
      reference: monitor.reference !== undefined || modelConfig.data.reference !== undefined,
      estimates: judged && (binary ? scores.length === 1 : scores.length > 0),
    },
  };
}
