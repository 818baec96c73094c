import { canonicalClass, classText } from '../../data/class-text.ts';
import { requireColumns, type Dataset } from '../../data/dataset.ts';
import { clockTolerance } from '../../config/units.ts';
import { DataError } from '../../errors.ts';
import { estimateLoss, binOf } from '../../monitor/loss-table.ts';
import type { ChampionBaseline, DriftSeen, WindowRecord } from '../../monitor/record.ts';
import { positionsIn, type Window } from '../../monitor/windows.ts';
import { onGrid } from '../../profile/profile-values.ts';
import { compareColumn, defaultDriftLimits } from '../../profile/drift.ts';
import { categoricalValues, numericValues, type ColumnValues } from '../../profile/column-drift.ts';
import { comparableColumns } from '../../stages/data/drift-columns.ts';
import type { Workspace } from '../workspace.ts';
import { confidenceOf } from './baseline.ts';
import { categoriesIn, hasColumn, idsIn, numbersOf, textsOf, timesIn, type IdColumn } from './logs.ts';
import { withReference } from './reference.ts';
import type { MonitorSettings } from './settings.ts';

/** Production as it is read: the time of each row, in the order of the files. */
export interface Production {
  datasets: Dataset[];
  times: Float64Array;
  /** Rows that are dated later than now. */
  future: number;
  /** Rows that were logged again, with one id and time: their times are NaN, so that they are in no window. */
  repeated: number;
}

export async function readProduction(
  datasets: Dataset[],
  { monitor }: MonitorSettings,
  now: number,
  id: string,
): Promise<Production> {
  const { time, score, prediction, model } = monitor.production;
  for (const dataset of datasets)
    requireColumns(dataset, [time, ...[score ?? [], prediction ?? [], model ?? []].flat()]);
  const times = await timesIn(datasets, time);
  const repeated = hasColumn(datasets, id) ? leaveOutRepeats(await idsIn(datasets, id), times) : 0;
  return { datasets, times, future: times.filter((each) => each > now + clockTolerance).length, repeated };
}

/** Logs are delivered at least once. One id at another time is another request, as of a customer who is scored every day. */
function leaveOutRepeats(ids: readonly (string | null)[], times: Float64Array): number {
  const seen = new Set<string>();
  let repeated = 0;
  for (const [row, id] of ids.entries()) {
    if (id === null) continue;
    const key = `${times[row]} ${id}`;
    if (seen.has(key)) {
      times[row] = Number.NaN;
      repeated += 1;
    } else seen.add(key);
  }
  return repeated;
}

/** Who was champion when. */
export interface Reign {
  from: number;
  version: string | null;
  sha256: string;
}

/** Who was champion at a time: the first reign also holds before it began, since nobody knows better. */
function championAt(reigns: readonly Reign[], at: number): Reign | null {
  return reigns.findLast(({ from }) => from <= at) ?? reigns[0] ?? null;
}

/** Rows of each window that are of its champion, by position in the files, and what else the window is about. */
interface WindowRows {
  window: Window;
  champion: Reign | null;
  changed: boolean;
  rows: Uint32Array;
  others: Record<string, number>;
}

export async function windowRows(
  { datasets, times }: Production,
  windows: readonly Window[],
  reigns: readonly Reign[],
  modelColumn: string | undefined,
): Promise<WindowRows[]> {
  const positions = positionsIn(windows, times);
  const models = modelColumn === undefined ? null : await textsOf(datasets, modelColumn);
  const found = windows.map((window): Omit<WindowRows, 'rows'> & { rows: number[] } => {
    const champion = championAt(reigns, window.end - 1);
    const changed = models === null && championAt(reigns, window.start) !== champion;
    return { window, champion, changed, rows: [], others: {} };
  });
  for (const [row, position] of positions.entries()) {
    const here = found[position];
    if (here === undefined) continue;
    const said = models?.[row];
    if (said === undefined || said === null || here.champion === null || isModel(said, here.champion))
      here.rows.push(row);
    else {
      const name = said.slice(0, 80);
      here.others[name] = (here.others[name] ?? 0) + 1;
    }
  }
  return found.map((each) => ({ ...each, rows: Uint32Array.from(each.rows) }));
}

function isModel(said: string, { version, sha256 }: Reign): boolean {
  return said === sha256 || (version !== null && (said === version || said === `v${version}`));
}

/** The records of new windows, without KPIs and labels. */
export async function lookAt(
  workspace: Workspace,
  settings: MonitorSettings,
  production: Production,
  rows: readonly WindowRows[],
  baselines: ReadonlyMap<string, ChampionBaseline>,
): Promise<WindowRecord[]> {
  const records = rows.map(({ window, champion, changed, rows: own, others }): WindowRecord => ({
    start: new Date(window.start).toISOString(),
    end: new Date(window.end).toISOString(),
    champion: champion === null ? null : { version: champion.version, sha256: champion.sha256 },
    rows: own.length,
    others,
    changed,
    values: {},
    rates: {},
    faults: {},
    drift: [],
    alone: { reference: [], production: [] },
    estimate: null,
    performance: null,
  }));
  if (settings.judge.reference) await compareWithReference(workspace, settings, production, rows, records);
  await compareScores(workspace, settings, production, rows, records, baselines);
  return records;
}

async function compareWithReference(
  workspace: Workspace,
  { monitor, judge }: MonitorSettings,
  { datasets }: Production,
  rows: readonly WindowRows[],
  records: readonly WindowRecord[],
): Promise<void> {
  const { columns: roles, task, data } = workspace.modelConfig;
  const uri = monitor.reference ?? data.reference ?? '';
  const key = monitor.reference === undefined ? 'data.reference' : 'monitor.reference';
  await withReference(workspace, { uri, key }, async ({ side, valuesOf }) => {
    const first = datasets[0] as Dataset;
    const { time, score, prediction, model } = monitor.production;
    const own = new Set([time, model, ...[score ?? []].flat(), prediction]);
    const asked = monitor.drift?.columns ?? '*';
    const { compared, alone } = comparableColumns(side, first, asked, { columns: roles, task, labels: false });
    const features = roles.features === undefined ? null : new Set(roles.features);
    const missing = alone.reference.filter((name) => !own.has(name) && (features === null || features.has(name)));
    // Logs of scores alone are what they are meant to be.
    const logged = compared.some(({ name }) => !own.has(name) && (features === null || features.has(name)));
    for (const record of records) {
      record.alone = { reference: logged ? missing : [], production: alone.current.filter((name) => !own.has(name)) };
    }
    const limits = { ...defaultDriftLimits, minRows: judge.minRows };
    for (const column of compared) {
      if (own.has(column.name)) continue;
      workspace.signal?.throwIfAborted();
      const before = await valuesOf(column);
      if (before === null) continue;
      const now =
        column.as === 'numbers'
          ? onGrid(await numbersOf(datasets, column.name), before.shift)
          : await categoriesIn(datasets, column);
      for (const [index, { rows: window }] of rows.entries()) {
        if (window.length === 0) continue;
        const current = valuesAt(now, window);
        const { name, values, tests, tooFew } = compareColumn(column.name, before.values, current, limits);
        const feature = features === null || features.has(name);
        records[index]?.drift.push({ column: name, feature, values, tooFew, tests });
      }
    }
  });
}

function valuesAt(values: Float64Array | readonly (string | null)[], rows: Uint32Array): ColumnValues {
  if (values instanceof Float64Array) return numericValues(Float64Array.from(rows, (row) => values[row] as number));
  return categoricalValues(Array.from(rows, (row) => values[row] ?? null));
}

/** What the model said in production: drift of its scores and classes, and performance without labels. */
async function compareScores(
  workspace: Workspace,
  settings: MonitorSettings,
  production: Production,
  rows: readonly WindowRows[],
  records: readonly WindowRecord[],
  baselines: ReadonlyMap<string, ChampionBaseline>,
): Promise<void> {
  const answers = await answersOf(workspace, settings, production);
  const limits = { ...defaultDriftLimits, minRows: settings.judge.minRows };
  for (const [index, { rows: own, champion, changed }] of rows.entries()) {
    const baseline = champion === null || changed ? undefined : baselines.get(champion.sha256);
    const record = records[index] as WindowRecord;
    if (baseline === undefined || own.length === 0) continue;
    const { scores, classOf } = answers;
    const add = (name: string, reference: ColumnValues, current: ColumnValues): void => {
      const { values, tests, tooFew } = compareColumn(name, reference, current, limits);
      // Scores were thinned, so that their test says less than it could.
      record.drift.push({ column: name, feature: true, values, tooFew, tests } satisfies DriftSeen);
    };
    if (scores !== null && baseline.scores.length > 0) {
      add(settings.scores.join('+'), numericValues(Float64Array.from(baseline.scores)), valuesAt(scores, own));
    }
    if (classOf !== null && Object.keys(baseline.classes).length > 0) {
      const reference = { kind: 'category' as const, counts: new Map(Object.entries(baseline.classes)), missing: 0 };
      const named = Array.from(own, (row) => classOf(row, baseline));
      add(settings.monitor.production.prediction ?? 'predicted class', reference, categoricalValues(named));
    }
    record.estimate = estimateOf(workspace.modelConfig, baseline, answers, own);
  }
}

/** What production says of each row. */
interface ProductionAnswers {
  /** Of the positive class, of the predicted class where there are several, or the predicted value. */
  scores: Float64Array | null;
  /** The predicted class by its one name: the one that is logged, or the one that the score says. */
  classOf: ((row: number, baseline: ChampionBaseline) => string | null) | null;
}

export async function answersOf(
  { modelConfig: { task, columns } }: Workspace,
  { monitor, scores: names }: MonitorSettings,
  { datasets }: Production,
): Promise<ProductionAnswers> {
  const { prediction } = monitor.production;
  if (task === 'regression' || task === 'ranking') {
    const name = names[0] ?? prediction;
    return { scores: name === undefined ? null : await numbersOf(datasets, name), classOf: null };
  }
  const given = prediction === undefined ? null : byRow(await textsOf(datasets, prediction));
  if (names.length === 0) return { scores: null, classOf: given };
  const read = [];
  for (const name of names) read.push(await numbersOf(datasets, name));
  const [first] = read as [Float64Array];
  if (names.length === 1) {
    if (given !== null || task !== 'binary-classification') return { scores: first, classOf: given };
    const positive = positiveOf(columns);
    const classOf: ProductionAnswers['classOf'] = (row, { decides }) => {
      const score = first[row] as number;
      if (Number.isNaN(score) || decides === null || decides === undefined) return null;
      return score >= decides.threshold ? positive : decides.negative;
    };
    return { scores: first, classOf };
  }
  const classes = (columns.classes ?? []).map(classText);
  const highest = new Float64Array(first.length);
  const decided: (string | null)[] = [];
  for (let row = 0; row < first.length; row++) {
    let best = 0;
    for (const [index, each] of read.entries()) if ((each[row] as number) > (read[best]?.[row] as number)) best = index;
    highest[row] = read[best]?.[row] as number;
    decided.push(Number.isNaN(highest[row]) ? null : (classes[best] ?? null));
  }
  return { scores: highest, classOf: given ?? byRow(decided) };
}

function positiveOf({ positive = 1 }: Workspace['modelConfig']['columns']): string {
  return canonicalClass(String(positive));
}

function byRow(classes: readonly (string | null)[]): (row: number) => string | null {
  const names = classes.map((each) => (each === null ? null : canonicalClass(each)));
  return (row) => names[row] ?? null;
}

function estimateOf(
  { task, columns }: Workspace['modelConfig'],
  baseline: ChampionBaseline,
  { scores, classOf }: ProductionAnswers,
  rows: Uint32Array,
): WindowRecord['estimate'] {
  if (scores === null) return null;
  const known = rows.filter((row) => Number.isFinite(scores[row]));
  if (known.length === 0) return null;
  if (baseline.table !== null) {
    const counts = baseline.table.rows.map(() => 0);
    for (const row of known) {
      const bin = binOf(scores[row] as number, baseline.table.edges);
      counts[bin] = (counts[bin] as number) + 1;
    }
    const { loss, se, unknown } = estimateLoss(baseline.table, counts);
    return Number.isFinite(loss) ? { value: loss, se, unknown } : null;
  }
  const { calibration } = baseline;
  if (calibration === null || classOf === null) return null;
  const positive = task === 'binary-classification' ? positiveOf(columns) : null;
  let [sum, squares] = [0, 0];
  for (const row of known) {
    const isPositive = positive === null || classOf(row, baseline) === positive;
    const q = confidenceOf(calibration, scores[row] as number, isPositive);
    sum += q;
    squares += q * q;
  }
  const mean = sum / known.length;
  const variance = Math.max(0, squares / known.length - mean * mean);
  return { value: 1 - mean, se: Math.sqrt(variance / known.length), unknown: 1 - known.length / rows.length };
}

/** The ids of the rows, to be joined with labels. @throws DataError where a file has none */
export function idsOfProduction({ modelConfig }: Workspace, { datasets }: Production): IdColumn {
  const { id } = modelConfig.columns;
  for (const dataset of datasets) {
    if (dataset.columns.some(({ name }) => name === id)) continue;
    throw new DataError({
      found: `there is no column ${JSON.stringify(id)}`,
      expected: 'the id of each row, to join labels',
      where: dataset.uri,
      remedy: 'Log the id of each request, or leave monitor.labels out',
    });
  }
  return { datasets, id };
}
