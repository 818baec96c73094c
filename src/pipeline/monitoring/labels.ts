import { labelColumns } from '../../config/index.ts';
import { readTimes } from '../../data/times.ts';
import type { ChampionBaseline, WindowRecord } from '../../monitor/record.ts';
import { dataRowsOf } from './rows.ts';
import type { Workspace } from '../workspace.ts';
import { canonicalClass } from './baseline.ts';
import { idsIn, numbersOf, textsOf, withLogs } from './logs.ts';
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
  const found: JoinedLabels = { performance: new Map(), strangers: 0, misdated: 0 };
  if (labels === undefined || windows.size === 0) return found;
  const { columns, task } = workspace.modelConfig;
  const uri = labels.files;
  await withLogs(workspace, { name: 'labels', uri, key: 'monitor.labels.files' }, async (datasets) => {
    const label = labels.label ?? labelColumns(columns)[0] ?? '';
    const ids = await idsIn(datasets, labels.id ?? columns.id);
    const regression = task === 'regression';
    const texts = regression ? null : await textsOf(datasets, label);
    const numbers = regression ? await numbersOf(datasets, label) : null;
    const times = labels.time === undefined ? null : new Float64Array(ids.length);
    if (times !== null && labels.time !== undefined) {
      let start = 0;
      for (const dataset of datasets) {
        times.set(await readTimes(dataset, labels.time), start);
        start += dataset.rows;
      }
    }
    const byId = dataRowsOf(ids);
    const served = await idsOfProduction(workspace, production);
    const known = new Set(served);
    for (const id of byId.keys()) if (!known.has(id)) found.strangers += 1;
    if (times !== null) found.misdated = times.filter((each) => each > now).length;
    const answers = await answersOf(workspace, settings, production);
    const valueOf = (row: number): string | null => {
      if (numbers !== null) return Number.isNaN(numbers[row]) ? null : String(numbers[row]);
      const text = texts?.[row] ?? null;
      return text === null ? null : canonicalClass(text);
    };
    for (const [position, { rows, baseline, matureAt }] of windows) {
      let [loss, count, contradictions] = [0, 0, 0];
      const coverage = new Map<string, { labelled: number; all: number }>();
      for (const row of rows) {
        const predicted = regression ? '' : canonicalClass(answers.classes?.[row] ?? '');
        const share = coverage.get(predicted) ?? { labelled: 0, all: 0 };
        share.all += 1;
        coverage.set(predicted, share);
        const given = (byId.get(served[row] ?? '') ?? []).filter(
          (each) => valueOf(each) !== null && (times === null || (times[each] as number) <= matureAt),
        );
        if (given.length === 0) continue;
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
