import type { Evidence } from '../evidence/index.ts';
import { objectOf } from '../json.ts';
import { codeCell, textCell, type Cell, type Section } from './section.ts';

/** More parameters than a reader looks through. */
const most = 60;

/** What is known of the candidate's training. Details are plain JSON of any form. */
export function trainingSection(evidence: readonly Evidence[]): Section {
  const training = evidence.map(({ details }) => details['training']).find((each) => each !== undefined);
  const { data, parameters, code, framework, run, time, from } = objectOf(training);
  const { commit, repository } = objectOf(code);
  const row = (name: string, value: unknown, cell: (text: string) => Cell = textCell): Cell[][] =>
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
      ? [[textCell(name), cell(String(value))]]
      : [];
  return {
    title: 'Training',
    columns: ['What', 'Which'],
    rows: [
      ...row('Framework', framework),
      ...row('Code', commit === undefined ? undefined : [repository, commit].filter(Boolean).join(' '), codeCell),
      ...row('Run', run, codeCell),
      ...row('Trained', time),
      ...Object.entries(objectOf(data)).flatMap(([name, set]) => {
        const { uri, digest } = objectOf(set);
        return row(`Data ${name}`, [uri, digest].filter(Boolean).join(' '), codeCell);
      }),
      ...Object.entries(objectOf(parameters))
        .slice(0, most)
        .flatMap(([name, value]) => row(name, value ?? 'null')),
    ],
    ...(typeof from === 'string' ? { legend: `As stated in ${from}; not verified.` } : {}),
    collapsed: true,
    importance: 1,
  };
}
