import { canonicalClass } from '../../data/class-text.ts';
import { labelColumns } from '../../config/index.ts';
import type { ChampionBaseline, WindowRecord } from '../../monitor/record.ts';
import type { Workspace } from '../workspace.ts';
import { idsToJoin, labelsIn, numbersOf, rowsById, timesIn, withLogs } from './logs.ts';
import { answersOf, idsOfProduction, type Production } from './production.ts';
import type { MonitorSettings } from './settings.ts';

/** What was found of labels beside the losses. */
export interface JoinedLabels {
  /** By position of the window. */
  performance: Map<number, NonNullable<WindowRecord['performance']>>;
  /** Labels of rows that nobody served, as far as the logs tell. */
  strangers: number;
  /** Labels that are dated before their row was served, or after now. */
  misdated: number;
  /** What is wrong with labels that name none of the classes of the model: they tell no loss. */
  otherClasses: string | null;
}

/**
 * Real losses of windows whose labels are mature, joined by id. A label counts that was known when the window became mature, so that
 * a late run finds what a run in time had found.
 * @param windows rows of each window, by its position among `records`
 */
export async function joinLabels(
  workspace: Workspace,
  settings: MonitorSettings,
  production: Production,
  windows: ReadonlyMap<number, { rows: Uint32Array; baseline: ChampionBaseline; matureAt: number }>,
  now: number,
): Promise<JoinedLabels> {
  const { labels } = settings.monitor;
  const found: JoinedLabels = { performance: new Map(), strangers: 0, misdated: 0, otherClasses: null };
  if (labels === undefined || windows.size === 0) return found;
  const { columns, task } = workspace.modelConfig;
  const uri = labels.files;
  await withLogs(workspace, { name: 'labels', uri, key: 'monitor.labels.files' }, async (datasets) => {
    const label = labels.label ?? labelColumns(columns)[0] ?? '';
    const [ids, served] = await idsToJoin(
      { datasets, id: labels.id ?? columns.id },
      idsOfProduction(workspace, production),
    );
    const regression = task === 'regression';
    const texts = regression ? null : await labelsIn(datasets, label);
    const numbers = regression ? await numbersOf(datasets, label) : null;
    const times = labels.time === undefined ? null : await timesIn(datasets, labels.time, label);
    const byId = rowsById(ids);
    const known = new Set(served);
    for (const id of byId.keys()) if (!known.has(id)) found.strangers += 1;
    if (times !== null) found.misdated = times.filter((each) => each > now).length;
    const answers = await answersOf(workspace, settings, production);
    const valueOf = (row: number): string | null => {
      if (numbers !== null) return Number.isNaN(numbers[row]) ? null : String(numbers[row]);
      return texts?.[row] ?? null;
    };
    const classes = new Set<string>();
    for (const { rows, baseline } of windows.values()) {
      for (const name of Object.keys(baseline.classes)) classes.add(name);
      for (const row of rows) classes.add(answers.classOf?.(row, baseline) ?? '');
    }
    classes.delete('');
    found.otherClasses = texts === null ? null : otherClasses(texts, classes);
    for (const [position, { rows, baseline, matureAt }] of windows) {
      let [loss, count, contradictions] = [0, 0, 0];
      const coverage = new Map<string, { labelled: number; all: number }>();
      for (const row of rows) {
        const predicted = answers.classOf === null ? '' : answers.classOf(row, baseline);
        // Where nothing was predicted, nothing is wrong.
        if (predicted === null) continue;
        const share = coverage.get(predicted) ?? { labelled: 0, all: 0 };
        share.all += 1;
        coverage.set(predicted, share);
        const given = (byId.get(served[row] ?? '') ?? []).filter(
          (each) => valueOf(each) !== null && (times === null || (times[each] as number) <= matureAt),
        );
        if (given.length === 0 || found.otherClasses !== null) continue;
        const values = new Set(given.map(valueOf));
        if (values.size > 1) {
          contradictions += 1;
          continue;
        }
        const truth = valueOf(given[0] as number) as string;
        const own = regression
          ? Math.min(1, Math.abs(Number(truth) - (answers.scores?.[row] ?? Number.NaN)) / baseline.scale)
          : Number(truth !== predicted);
        if (Number.isNaN(own)) continue;
        share.labelled += 1;
        loss += own;
        count += 1;
      }
      found.performance.set(position, {
        rows: count,
        loss: count === 0 ? 0 : loss / count,
        coverage: Object.fromEntries([...coverage].map(([name, { labelled, all }]) => [name, labelled / all])),
        contradictions,
      });
    }
  });
  return found;
}

/** Labels that name none of the classes are of another model, or in other words: everything would be wrong. @returns null: they do */
export function otherClasses(labels: readonly (string | null)[], classes: ReadonlySet<string>): string | null {
  const named = new Set(labels.flatMap((each) => (each === null ? [] : [canonicalClass(each)])));
  if (named.size === 0 || classes.size === 0 || [...named].some((each) => classes.has(each))) return null;
  const shown = (names: Iterable<string>): string =>
    [...names]
      .slice(0, 3)
      .map((each) => JSON.stringify(each))
      .join(', ');
  return `labels are ${shown(named)}, and the model predicts ${shown(classes)}: none of them is a class of the model, so its losses cannot be computed`;
}
