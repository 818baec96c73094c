import { digest, type Check, type Evidence, type RegistryHistory, type Verdict } from '../../evidence/index.ts';
import { DataError, RegistryError } from '../../errors.ts';
import { findingsOf, openFindings, type Finding } from '../../monitor/findings.ts';
import { observe, ratePerSignal, type Observation } from '../../monitor/judge.ts';
import type { ChampionBaseline, WindowRecord } from '../../monitor/record.ts';
import { day, dueWindows, type Window } from '../../monitor/windows.ts';
import type { StageResult } from '../../stages/stage.ts';
import { prepareOut, writeEvidence } from '../gate/output.ts';
import { withLines } from '../gate/places.ts';
import { registryView } from '../open-registry.ts';
import type { Workspace } from '../workspace.ts';
import { baselineOf } from './baseline.ts';
import { championNow, predictWithChampion } from './champion-predictions.ts';
import { kpiValues, type KpiValue } from './kpis.ts';
import { joinLabels } from './labels.ts';
import { withLogs } from './logs.ts';
import { lookAt, readProduction, windowRows, type Production, type Reign } from './production.ts';
import { monitorSettings, type MonitorSettings } from './settings.ts';
import { openMemory, type Memory, type Remembered } from './state.ts';
import { sum } from '../../statistics/sums.ts';
import { count, minuteOf } from '../../wording.ts';

export interface MonitorInput {
  now: Date;
  /** Keep what is seen, for the next run to go on from. */
  record: boolean;
}

export interface MonitorResult {
  evidence: Evidence;
  findings: Finding[];
  records: WindowRecord[];
  observations: Observation[][];
  settings: MonitorSettings;
  /** Windows that this run looked at first. */
  fresh: number;
  remembered: Remembered;
  memory: Memory;
  recorded: boolean;
}

/** How often a run starts anew because another one recorded first. */
const maximumAttempts = 5;

/**
 * Look at every window of production since the last recorded one, and judge all that is recorded. Overlapping, late and repeated runs
 * come to the same: a window is looked at once, and what follows from the windows is computed from them.
 */
export async function runMonitor(workspace: Workspace, input: MonitorInput): Promise<MonitorResult> {
  const settings = await withLines(workspace, () => Promise.resolve().then(() => monitorSettings(workspace)));
  await prepareOut(workspace);
  const memory = await openMemory(workspace);
  const view = await registryView(workspace, false);
  for (let attempt = 1; ; attempt++) {
    const remembered = await memory.read(input.now);
    const seen = await withLines(workspace, () => look(workspace, settings, view, remembered, input.now));
    await workspace.inputs.verify();
    workspace.signal?.throwIfAborted();
    const next = { state: { ...remembered.state, champions: seen.champions }, records: seen.records };
    const message = `Monitoring of ${workspace.model}: ${seen.fresh} new windows\n\nUntil ${seen.records.at(-1)?.end ?? 'now'}.\n`;
    if (input.record && !(await memory.write(remembered, next, message))) {
      workspace.log.debug('Another run recorded windows first; looking again');
      if (attempt < maximumAttempts) continue;
      throw new RegistryError({
        found: 'other runs kept writing to the branch of monitoring',
        remedy: 'Use one concurrency group for all monitoring runs of a model, and run again',
      });
    }
    const observations = observe(seen.records, seen.champions, settings.judge);
    const findings = findingsOf(seen.records, observations, settings.recoveredAfter);
    const found = { ...seen, observations, findings };
    const evidence = await writeEvidence(workspace, {
      kind: 'monitor',
      subjects: { datasets: {} },
      startedAt: input.now,
      ...resultOf(settings, found),
    });
    const after = input.record ? await memory.read(input.now) : { ...remembered, ...next };
    return { ...found, evidence, settings, remembered: after, memory, recorded: input.record };
  }
}

interface Seen {
  records: WindowRecord[];
  champions: ChampionBaseline[];
  fresh: number;
}

async function look(
  workspace: Workspace,
  settings: MonitorSettings,
  view: RegistryHistory,
  { state, records: known }: Remembered,
  now: Date,
): Promise<Seen> {
  const { files: uri, format } = settings.monitor.production;
  return withLogs(workspace, { name: 'production', uri, key: 'monitor.production.files', format }, async (datasets) => {
    const production = await readProduction(datasets, settings, now.getTime(), workspace.modelConfig.columns.id);
    const windows = refuseTooMany(
      dueWindows({
        length: settings.judge.length,
        delay: settings.delay,
        now: now.getTime(),
        recordedUntil: known.length === 0 ? null : Date.parse(known.at(-1)?.end ?? ''),
        first:
          production.times.length === 0
            ? null
            : production.times.reduce((low, time) => (time < low ? time : low), Infinity),
      }),
    );
    const reigns = await reignsOf(workspace, view);
    const champions = await withBaseline(workspace, settings, view, state.champions, reigns.at(-1) ?? null);
    const byDigest = new Map(champions.map((each) => [each.sha256, each]));
    const rows = await windowRows(production, windows, reigns, settings.monitor.production.model);
    const fresh = await lookAt(workspace, settings, production, rows, byDigest);
    await addValues(workspace, settings, windows, fresh);
    const records = [...known.map((record) => ({ ...record })), ...fresh];
    tellOdd(records, production, fresh, settings);
    await addPerformance(workspace, settings, production, { records, reigns, byDigest }, now);
    return { records, champions, fresh: fresh.length };
  });
}

function refuseTooMany(windows: Window[]): Window[] {
  if (windows.length <= 5000) return windows;
  throw new DataError({
    found: `${count(windows.length)} windows since the first row`,
    expected: 'at most 5,000 at once',
    where: 'monitor.window',
    remedy: 'Choose a longer window, or remove very old rows. A single row with a wrong time can be the cause too',
  });
}

/** Champions over time, as the registry has it; what contender.yml names was always champion. */
async function reignsOf(workspace: Workspace, view: RegistryHistory): Promise<Reign[]> {
  const named = workspace.modelConfig.champion ?? 'registry';
  if (named !== 'registry') {
    const now = await championNow(workspace, view);
    return now === null ? [] : [{ from: 0, ...now }];
  }
  const reigns: Reign[] = [];
  for (const { to, time } of view.decisions) {
    const artifact = to?.artifacts.find(({ role }) => role === 'model') ?? to?.artifacts[0];
    if (to === null || artifact === undefined || reigns.at(-1)?.sha256 === artifact.sha256) continue;
    reigns.push({ from: Date.parse(time), version: to.version, sha256: artifact.sha256 });
  }
  return reigns;
}

/** The champion of now is run on the evaluation set once; what came of it is kept. */
async function withBaseline(
  workspace: Workspace,
  settings: MonitorSettings,
  view: RegistryHistory,
  written: readonly ChampionBaseline[],
  champion: Reign | null,
): Promise<ChampionBaseline[]> {
  // One of an earlier version is made anew.
  const known = written.filter(({ decides }) => decides !== undefined);
  const needed = settings.judge.estimates || settings.judge.labels !== null;
  if (!needed || champion === null || known.some(({ sha256 }) => sha256 === champion.sha256)) return [...known];
  const { task, columns } = workspace.modelConfig;
  const predicted = await predictWithChampion(workspace, view);
  const baseline = baselineOf(predicted, task, String(columns.positive ?? 1));
  return baseline === null ? [...known] : [...known, { ...baseline, sha256: champion.sha256 }];
}

async function addValues(
  workspace: Workspace,
  settings: MonitorSettings,
  windows: readonly Window[],
  fresh: readonly WindowRecord[],
): Promise<void> {
  const { kpis = {}, cost, production } = settings.monitor;
  for (const [name, kpi] of Object.entries(kpis)) {
    const values = await kpiValues(workspace, name, kpi, windows, production);
    for (const [index, record] of fresh.entries()) {
      const key = `kpi/${name}`;
      const { value, rate = null, fault = null } = values[index] as KpiValue;
      record.values[key] = value;
      if (rate !== null) record.rates[key] = rate;
      if (fault !== null) record.faults[key] = fault;
    }
  }
  if (cost === undefined) return;
  const hours = settings.judge.length / 3_600_000;
  for (const record of fresh) {
    const served = servedIn(record);
    record.values['cost'] = served === 0 ? null : (cost.per_hour * hours) / served;
  }
}

/** Rows of the champion and of all others. */
function servedIn({ rows, others }: WindowRecord): number {
  return rows + sum(Object.values(others));
}

/** Rows that came after their window was recorded, and rows of the future. */
function tellOdd(
  records: readonly WindowRecord[],
  production: Production,
  fresh: readonly WindowRecord[],
  { judge: { length } }: MonitorSettings,
): void {
  const last = records.at(-1);
  if (last === undefined) return;
  if (production.future > 0 && fresh.includes(last)) {
    last.faults['future'] = `${count(production.future)} rows are dated in the future: they are not used until then`;
  }
  if (production.repeated > 0 && fresh.includes(last)) {
    last.faults['repeated'] =
      `${count(production.repeated)} rows occur more than once in the logs (same id and time): each counts once`;
  }
  const recorded = new Map(
    records.filter((record) => !fresh.includes(record)).map((record) => [Date.parse(record.start), record]),
  );
  if (recorded.size === 0) return;
  const now = new Map<number, number>();
  for (const time of production.times) {
    const start = Math.floor(time / length) * length;
    if (recorded.has(start)) now.set(start, (now.get(start) ?? 0) + 1);
  }
  for (const [start, rows] of now) {
    const record = recorded.get(start) as WindowRecord;
    const before = servedIn(record);
    if (rows > before) {
      record.faults['late'] =
        `${count(rows - before)} rows came after this window was recorded: the window is not evaluated again (monitor.delay sets how long to wait)`;
    }
  }
}

/** Real losses of windows whose labels are mature by now, each once. */
async function addPerformance(
  workspace: Workspace,
  settings: MonitorSettings,
  production: Production,
  seen: { records: readonly WindowRecord[]; reigns: readonly Reign[]; byDigest: ReadonlyMap<string, ChampionBaseline> },
  now: Date,
): Promise<void> {
  const { labels } = settings.judge;
  if (labels === null) return;
  const { records, byDigest } = seen;
  const due = [...records.keys()].filter((index) => {
    const { performance, end, rows, changed } = records[index] as WindowRecord;
    return performance === null && rows > 0 && !changed && Date.parse(end) + labels.maturity <= now.getTime();
  });
  if (due.length === 0) return;
  const { length } = settings.judge;
  const first = Date.parse((records[due[0] as number] as WindowRecord).start);
  const until = Date.parse((records[due.at(-1) as number] as WindowRecord).end);
  // Windows without a gap between them, as rows are found by their position.
  const all: Window[] = [];
  for (let start = first; start < until; start += length) all.push({ start, end: start + length });
  const rows = await windowRows(production, all, seen.reigns, settings.monitor.production.model);
  const asked = new Map<number, { rows: Uint32Array; baseline: ChampionBaseline; matureAt: number }>();
  for (const index of due) {
    const { start, end, champion } = records[index] as WindowRecord;
    const baseline = byDigest.get(champion?.sha256 ?? '');
    const here = rows[Math.round((Date.parse(start) - first) / length)];
    if (baseline === undefined || here === undefined || here.rows.length === 0) continue;
    asked.set(index, { rows: here.rows, baseline, matureAt: Date.parse(end) + labels.maturity });
  }
  const { performance, strangers, misdated, otherClasses } = await joinLabels(
    workspace,
    settings,
    production,
    asked,
    now.getTime(),
  );
  for (const [index, found] of performance) (records[index] as WindowRecord).performance = found;
  const newest = records.at(-1) as WindowRecord;
  if (otherClasses !== null) {
    newest.faults['labels'] = otherClasses;
    return;
  }
  if (strangers > 0 && performance.size > 0) {
    newest.faults['labels'] =
      `${count(strangers)} labels are of rows that are not in the logs${misdated > 0 ? `; ${count(misdated)} are dated in the future` : ''}`;
  }
}

function resultOf(
  settings: MonitorSettings,
  { records, champions, observations, findings, fresh }: Seen & { observations: Observation[][]; findings: Finding[] },
): StageResult {
  const open = openFindings(findings);
  const last = records.at(-1);
  const { signals, rate } = ratePerSignal(settings.judge);
  const champion = last?.champion ?? null;
  const checks = [...open.map(findingCheck), ...quietChecks(observations, open)];
  return {
    checks: checks.length > 0 ? checks : [nothing(settings)],
    details: {
      champion,
      windows: { recorded: records.length, new: fresh, from: records[0]?.start ?? null, until: last?.end ?? null },
      budget: {
        alarmsPerYear: settings.judge.alarmsPerYear,
        signals,
        perSignalAndYear: settings.judge.alarmsPerYear / signals.length,
        perWindow: rate,
        runLength: 1 / rate,
        days: (1 / rate) * (settings.judge.length / day),
      },
      baselines: champions.map(({ sha256, loss, rows }) => ({ sha256, loss, rows })),
      digest: digest({ records, champions }),
    },
  };
}

function findingCheck(finding: Finding): Check {
  const { level, message, opened, windows, healthy } = finding;
  return {
    ...signalCheck(finding, 'fail', { alarm: 'block', advice: 'warn', note: 'info' }[level] as Check['severity']),
    message: `${message}; since ${minuteOf(opened)}, ${windows} window${windows === 1 ? '' : 's'}${healthy > 0 ? `, healthy in the last ${healthy}` : ''}`,
  };
}

function signalCheck(
  { signal, title, message, value, limit, unit }: Finding | Observation,
  verdict: Verdict,
  severity: Check['severity'],
): Check {
  const found = { id: `monitor/${signal}`, title, verdict, severity, message, observed: value, required: limit };
  return unit === undefined ? found : { ...found, unit };
}

/** What did not alarm in the last window, the signals that may alarm first. */
function quietChecks(observations: readonly (readonly Observation[])[], open: readonly Finding[]): Check[] {
  const known = new Set(open.map(({ signal }) => signal));
  const last = new Map<string, Observation>();
  // Harm is known of an older window than the rest.
  for (const each of observations.slice(-60).flat()) last.set(each.signal, each);
  return [...last.values()]
    .filter(({ signal }) => !known.has(signal))
    .map((each) => {
      const ofAlarm = each.state === 'ok' ? 'block' : 'warn';
      return signalCheck(each, verdicts[each.state], each.level === 'alarm' ? ofAlarm : 'info');
    });
}

const verdicts: Record<Observation['state'], Verdict> = {
  ok: 'pass',
  // A finding that closed with this very window.
  alarm: 'pass',
  learning: 'skipped',
  inconclusive: 'inconclusive',
  missing: 'inconclusive',
};

function nothing({ monitor }: MonitorSettings): Check {
  return {
    id: 'monitor/data/windows',
    title: 'Complete windows',
    verdict: 'inconclusive',
    severity: 'block',
    message: `no window of ${monitor.window ?? '1d'} is complete yet`,
    observed: 0,
    required: 1,
    location: { file: monitor.production.files },
  };
}
