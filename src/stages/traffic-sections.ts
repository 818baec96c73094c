import type { Evidence } from '../evidence/index.ts';
import { checksSection } from '../report/checks.ts';
import { listOf, objectOf } from '../json.ts';
import { numberCell, textCell, type Section } from '../report/section.ts';
import { rounded, separated } from '../wording.ts';

/** The checks, and the steps over time. Details are plain JSON of any form. */
export function trafficSections(title: string, stepsTitle: string, evidence: Evidence): Section[] {
  return [checksSection(title, evidence), steps(stepsTitle, evidence)];
}

function steps(title: string, { details }: Evidence): Section {
  const all = listOf(details['steps']).map(objectOf);
  const names = [...new Set(all.flatMap((step) => Object.keys(objectOf(step['failures']))))];
  const means = [...new Set(all.flatMap((step) => Object.keys(objectOf(step['means']))))];
  const meansAt = (step: Record<string, unknown>, name: string): string => {
    const of = objectOf(objectOf(step['means'])[name]);
    const arms = ['candidate', 'champion'].map((arm) => objectOf(of[arm])['mean']);
    return arms.map((mean) => (typeof mean === 'number' ? rounded(mean) : '')).join(' / ');
  };
  const counts = (value: unknown): string => {
    const { champion, candidate } = objectOf(value);
    return `${number(candidate)} / ${number(champion)}`;
  };
  const timeOf = (ms: unknown): string => (typeof ms === 'number' ? new Date(ms).toISOString().slice(0, 19) : '');
  return {
    title,
    charts: [
      {
        kind: 'line',
        title: 'Traffic share of the candidate',
        x: { title: 'time', scale: 'time' },
        y: { title: 'weight', unit: '%' },
        series: [
          {
            name: 'weight',
            points: all.flatMap(({ weight, from, to }) =>
              typeof weight === 'number' && typeof from === 'number' && typeof to === 'number'
                ? [from, to].map((at) => ({ x: new Date(at).toISOString(), y: weight }))
                : [],
            ),
          },
        ],
      },
    ],
    columns: [
      'Weight',
      'From',
      'Until',
      'Requests',
      'Users',
      ...[...names, ...means].map((name) => name.replaceAll('_', ' ')),
      'Verdict',
    ],
    rows: all.map((step) => [
      numberCell(`${number(step['weight'])}%`),
      textCell(timeOf(step['from'])),
      textCell(timeOf(step['to'])),
      numberCell(counts(step['requests'])),
      numberCell(step['users'] === null ? '' : counts(step['users'])),
      ...names.map((name) => numberCell(counts(objectOf(step['failures'])[name]))),
      ...means.map((name) => numberCell(meansAt(step, name))),
      textCell(typeof step['verdict'] === 'string' ? step['verdict'] : ''),
    ]),
    legend:
      'Candidate / champion. Each user counts as one failure, at the first step with a failure; means are over users. Times are UTC.',
    importance: 4,
  };
}

function number(value: unknown): string {
  return typeof value === 'number' ? separated(value) : '';
}
