import { canonicalClass } from '../../data/class-text.ts';
import { alphaOf, labelColumns, milliseconds } from '../../config/index.ts';
import { shareOf } from '../../config/quantity.ts';
import type { Dataset } from '../../data/dataset.ts';
import { ConfigError, DataError, UsageError } from '../../errors.ts';
import { millisecondsIn } from '../../iso-time.ts';
import { backtest, type BacktestResult, type PastModel } from '../../monitor/backtest.ts';
import { monitoredOf } from '../../monitor/schema.ts';
import { inUnitInterval } from '../../probabilities.ts';
import { firstOf, quoted } from '../../wording.ts';
import { readWeights } from '../../stages/evaluation/read-sample.ts';
import type { Workspace } from '../workspace.ts';
import { otherClasses } from './labels.ts';
import { categoriesIn, hasColumn, idsIn, idsToJoin, labelsIn, numbersOf, rowsById, timesIn, withLogs } from './logs.ts';

/** Judge the models of the past that the configuration names, as they could have been judged then. @throws UsageError, DataError */
export async function runBacktest(workspace: Workspace): Promise<BacktestResult & { window: number; maxLoss: number }> {
  const { modelConfig } = workspace;
  const { backtest: settings } = monitoredOf(modelConfig);
  const { task, columns, policy } = modelConfig;
  if (settings === undefined) {
    throw new UsageError({
      found: 'there is no backtest section',
      expected: 'backtest: { data, time, models }',
      where: `models.${workspace.model}`,
      remedy: 'See docs/monitoring.md',
    });
  }
  if (task === 'multilabel-classification' || task === 'ranking') {
    throw new ConfigError({
      found: `a backtest of a ${task} model`,
      expected: 'classification or regression: only these have a loss for each row',
      where: 'backtest',
    });
  }
  const window = milliseconds(settings.window ?? '7d');
  const maturity = milliseconds(settings.maturity ?? '0m');
  const maxLoss =
    settings.max_loss === undefined ? 0.02 : shareOf(settings.max_loss, 'max loss', 'bound', 'backtest.max_loss');
  return withLogs(workspace, { name: 'history', uri: settings.data, key: 'backtest.data' }, async (history) => {
    const ids = await idsIn(history, columns.id);
    const different = rowsById(ids).size;
    if (different < ids.length) {
      throw new DataError({
        found: `${ids.length - different} rows of the history have no ${columns.id}, or share it with another row`,
        expected: 'each id once, to join predictions',
        where: settings.data,
      });
    }
    const label = labelColumns(columns)[0] ?? '';
    const regression = task === 'regression';
    const truth = regression ? await numbersOf(history, label) : await labelsIn(history, label);
    const { weight: name } = columns;
    const weights =
      typeof name === 'string' && hasColumn(history, name)
        ? readWeights({ name, kind: 'number', values: await numbersOf(history, name) }, settings.data)
        : null;
    const times = await timesIn(history, settings.time);
    const known =
      settings.known === undefined
        ? times.map((time) => time + maturity)
        : await timesIn(history, settings.known, label);
    const models: PastModel[] = [];
    for (const [name, { trained_until: until, predictions }] of Object.entries(settings.models)) {
      const trainedUntil = endOf(until, `backtest.models.${name}.trained_until`);
      const key = `backtest.models.${name}.predictions`;
      const losses = await withLogs(workspace, { name, uri: predictions, key }, async (datasets) => {
        const found = new Float64Array(ids.length).fill(Number.NaN);
        const predicted = await predictedIn(workspace, datasets, predictions, truth);
        requireOneSetOfClasses(truth, predicted, predictions);
        const { id } = columns;
        const [past, predictedIds] = await idsToJoin({ datasets: history, id }, { datasets, id });
        requireEachIdOnce(past, settings.data);
        requireEachIdOnce(predictedIds, predictions);
        const rowsOfPast = rowsById(past);
        for (const [row, id] of predictedIds.entries()) {
          const at = rowsOfPast.get(id ?? '')?.[0];
          const [is, says] = [at === undefined ? null : truth[at], predicted[row]];
          if (at === undefined || is === null || is === undefined || says === null || says === undefined) continue;
          // As everywhere, a row of weight 0 is none.
          if (weights?.[at] === 0) continue;
          found[at] = regression ? Math.abs(Number(is) - Number(says)) : Number(is !== says);
        }
        return found;
      });
      if (losses.every(Number.isNaN)) {
        throw new DataError({
          found: 'no prediction belongs to a labelled row of the history',
          expected: `ids (${columns.id}) of ${settings.data}`,
          where: predictions,
        });
      }
      models.push({ name, trainedUntil, losses });
    }
    models.sort((a, b) => a.trainedUntil - b.trainedUntil);
    return { ...backtest({ times, known, weights, models, window, maxLoss, alpha: alphaOf(policy) }), window, maxLoss };
  });
}

/** The last moment that a time names: of a day its end. @throws ConfigError */
function endOf(text: string, where: string): number {
  const time = millisecondsIn(text);
  if (time !== null) return text.length === 10 ? time + 86_400_000 - 1 : time;
  throw new ConfigError({
    found: JSON.stringify(text.slice(0, 100)),
    expected: 'a day such as 2026-01-31, or a time such as 2026-01-31T18:00:00Z',
    where,
  });
}

/** @throws DataError for two rows of one id, of which nobody has said which counts */
function requireEachIdOnce(ids: readonly (string | null)[], uri: string): void {
  const seen = new Set<string>();
  for (const id of ids) {
    if (id === null) continue;
    if (seen.has(id)) {
      throw new DataError({
        found: `id ${JSON.stringify(id.slice(0, 80))} stands in two rows`,
        expected: 'each id once, to join history and predictions',
        where: uri,
        remedy: 'Keep one row for each id',
      });
    }
    seen.add(id);
  }
}

/** @throws DataError where no label is a class that the model predicts: everything would be wrong */
function requireOneSetOfClasses(
  truth: ArrayLike<string | number | null>,
  predicted: ArrayLike<string | number | null>,
  uri: string,
): void {
  const textsIn = (values: ArrayLike<string | number | null>): string[] =>
    Array.from(values).filter((value) => typeof value === 'string');
  const other = otherClasses(textsIn(truth), new Set(textsIn(predicted)));
  if (other === null) return;
  throw new DataError({
    found: other,
    expected: 'the same class names in labels and predictions',
    where: uri,
    remedy: 'Write the labels in the spelling of the model, or name the positive class in columns.positive',
  });
}

/** The predicted class or value of each row: of the column prediction, or of a score at 0.5. */
async function predictedIn(
  { modelConfig: { task, columns } }: Workspace,
  datasets: readonly Dataset[],
  uri: string,
  truth: ArrayLike<string | number | null>,
): Promise<ArrayLike<string | number | null>> {
  const column = ['prediction', 'score'].find((name) => hasColumn(datasets, name));
  if (task === 'regression' && column !== undefined) return numbersOf(datasets, column);
  if (column === 'prediction') return categoriesIn(datasets, { name: column, as: 'classes' });
  if (column === 'score' && task === 'binary-classification') {
    const positive = canonicalClass(String(columns.positive ?? 1));
    const negative = onlyOther(truth, positive);
    const scores = await numbersOf(datasets, column);
    const outside = scores.find((score) => !Number.isNaN(score) && !inUnitInterval(score));
    if (outside !== undefined) {
      throw new DataError({
        found: `column score has the value ${outside}`,
        expected: 'probabilities of the positive class, from 0 to 1',
        where: uri,
        remedy: 'Write probabilities (the sigmoid of raw scores), or the predicted classes in a column prediction',
      });
    }
    return Array.from(scores, (score) => (Number.isNaN(score) ? null : score >= 0.5 ? positive : negative));
  }
  throw new DataError({
    found: 'no column prediction',
    expected: task === 'binary-classification' ? 'a column prediction or score' : 'a column prediction',
    where: uri,
  });
}

/** The class of the labels that is not the positive one. @throws DataError where there are two of them */
function onlyOther(truth: ArrayLike<string | number | null>, positive: string): string {
  const others = [...new Set(Array.from(truth))].filter(
    (each) => typeof each === 'string' && each !== positive,
  ) as string[];
  if (others.length <= 1) return others[0] ?? '';
  throw new DataError({
    found: `labels are ${firstOf(others.map(quoted), 5)}, besides the positive class ${quoted(positive)}`,
    expected: 'two classes, of which a score is that of the positive one',
    where: 'columns.positive',
    remedy: 'Name the positive class in columns.positive',
  });
}
