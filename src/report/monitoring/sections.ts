import type { Evidence } from '../../evidence/index.ts';
import type { Finding } from '../../monitor/findings.ts';
import { ranks, type Observation } from '../../monitor/judge.ts';
import type { WindowRecord } from '../../monitor/record.ts';
import { numberCell, textCell, type Section, type StageReport } from '../section.ts';
import { minuteOf } from '../../wording.ts';

/* How reports show what is judged after the promotion. */

export const batchReport: StageReport = {
  kind: 'batch',
  title: 'Batch of predictions',
  reportOrder: 10,
  sections: (_evidence: Evidence) => [],
};

export const monitorReport: StageReport = {
  kind: 'monitor',
  title: 'Production',
  reportOrder: 10,
  sections: ({ details }: Evidence) => {
    const { windows, budget, champion } = details as unknown as MonitorDetails;
    // Who was champion is told of windows: before the first there is one all the same.
    const nobody = windows.recorded === 0 ? 'not known before a window is complete' : 'none';
    const shown = champion === null ? nobody : (champion.version ?? champion.sha256.slice(0, 12));
    const rows = [
      ['Champion', shown],
      [
        'Windows',
        `${windows.recorded} recorded, ${windows.new} of them new${windows.until === null ? '' : `, until ${minuteOf(windows.until)} UTC`}`,
      ],
      [
        'False alarms',
        `at most ${budget.alarmsPerYear} a year over ${budget.signals.length} signals: each is silent for ${Math.round(budget.days)} days on average`,
      ],
    ];
    return [
      {
        title: 'Monitored signals',
        columns: ['What', 'Value'],
        rows: rows.map(([name = '', text = '']) => [textCell(name), textCell(text)]),
        brief: true,
        importance: 1,
      },
    ];
  },
};

interface MonitorDetails {
  champion: { version: string | null; sha256: string } | null;
  windows: { recorded: number; new: number; until: string | null };
  budget: { alarmsPerYear: number; signals: string[]; days: number };
}

/** Windows that a chart shows: half a year of days. */
const shownWindows = 180;

/** The same with what is recorded: findings, and a chart of each signal over time. */
export function dashboardReport(input: {
  records: readonly WindowRecord[];
  observations: readonly (readonly Observation[])[];
  findings: readonly Finding[];
}): StageReport {
  const from = Math.max(0, input.records.length - shownWindows);
  const records = input.records.slice(from);
  const observations = input.observations.slice(from);
  return {
    ...monitorReport,
    sections: (evidence) => [
      ...monitorReport.sections(evidence),
      findingsSection(input.findings),
      ...signalsOf(observations).map((signal) => chartSection(signal, records, observations)),
    ],
  };
}

function findingsSection(findings: readonly Finding[]): Section {
  const shown = findings
    .filter(({ level }) => level !== 'note')
    .toReversed()
    .slice(0, 50);
  return {
    title: 'Findings, newest first',
    columns: ['what', 'level', 'rank', 'last seen', 'since', 'windows', 'now'],
    rows: shown.map(({ title, level, rank, message, opened, windows, closed }) => [
      textCell(title),
      { kind: 'verdict', text: level, mood: closed !== null ? 'none' : level === 'alarm' ? 'bad' : 'open' },
      textCell(rank),
      textCell(message),
      textCell(minuteOf(opened)),
      numberCell(String(windows)),
      textCell(closed === null ? 'open' : `recovered ${closed.slice(0, 10)}`),
    ]),
    ...(shown.length === 0 ? { text: ['Nothing was found in any window.'] } : {}),
    importance: 2,
  };
}

/** Signals with values, the most harmful first; of columns only those that ever drifted. */
function signalsOf(observations: readonly (readonly Observation[])[]): Observation[] {
  const found = new Map<string, Observation>();
  const drifted = new Set<string>();
  for (const each of observations.flat()) {
    if (each.state === 'alarm') drifted.add(each.signal);
    if (each.value !== null) found.set(each.signal, each);
  }
  return [...found.values()]
    .filter(({ signal }) => signal !== 'data/missing' && (!signal.startsWith('drift/') || drifted.has(signal)))
    .sort((a, b) => ranks.indexOf(a.rank) - ranks.indexOf(b.rank) || a.signal.localeCompare(b.signal));
}

function chartSection(
  { signal, title, unit }: Observation,
  records: readonly WindowRecord[],
  observations: readonly (readonly Observation[])[],
): Section {
  const series = (of: (observation: Observation) => number | null): { x: string; y: number }[] =>
    observations.flatMap((all, index) => {
      const observation = all.find((each) => each.signal === signal);
      const y = observation === undefined ? null : of(observation);
      return y === null ? [] : [{ x: (records[index] as WindowRecord).start, y }];
    });
  const limits = series(({ limit }) => limit);
  return {
    title,
    columns: [],
    rows: [],
    charts: [
      {
        kind: 'line',
        title: `${title} by window`,
        x: { title: 'start of the window', scale: 'time' },
        y: { title: signal, ...(unit === undefined ? {} : { unit }) },
        series: [
          { name: 'seen', points: series(({ value }) => value) },
          ...(limits.length === 0 ? [] : [{ name: 'expected or limit', points: limits }]),
        ],
      },
    ],
    importance: 3,
  };
}
