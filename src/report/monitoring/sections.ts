import type { Evidence } from '../../evidence/index.ts';
import { textCell, type StageReport } from '../section.ts';

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
    const shown = champion === null ? 'none' : (champion.version ?? champion.sha256.slice(0, 12));
    const rows = [
      ['Champion', shown],
      ['Windows', `${windows.recorded} recorded, ${windows.new} of them new${windows.until === null ? '' : `, until ${windows.until}`}`],
      [
        'False alarms',
        `at most ${budget.alarmsPerYear} a year over ${budget.signals.length} signals: each is silent for ${Math.round(budget.days)} days on average`,
      ],
    ];
    return [
      {
        title: 'What is watched',
        columns: ['', ''],
        rows: rows.map(([name = '', text = '']) => [textCell(name), textCell(text)]),
        collapsed: false,
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
