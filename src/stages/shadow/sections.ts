import type { Evidence } from '../../evidence/index.ts';
import { checksSection } from '../../report/checks.ts';
import { listOf, objectOf } from '../../json.ts';
import { numberCell, textCell, type Section } from '../../report/section.ts';
import { count } from '../../wording.ts';

/** The checks, and the differences as a whole and by slice. Details are plain JSON of any form. */
export function sections(evidence: Evidence): Section[] {
  const rows = listOf(evidence.details['comparisons']).map((each) => {
    const { of, pairs, disagreements, share, lower, upper, shift, latencyRatio } = objectOf(each);
    const percent = (value: unknown): string => (typeof value === 'number' ? `${(100 * value).toFixed(2)}%` : '');
    return [
      textCell(typeof of === 'string' ? of : ''),
      numberCell(typeof pairs === 'number' ? count(pairs) : ''),
      numberCell(typeof disagreements === 'number' ? count(disagreements) : ''),
      numberCell(percent(share)),
      numberCell(`${percent(lower)} to ${percent(upper)}`),
      numberCell(typeof shift === 'number' ? shift.toFixed(4) : ''),
      numberCell(typeof latencyRatio === 'number' ? latencyRatio.toFixed(2) : ''),
    ];
  });
  return [
    checksSection('Shadow', evidence),
    {
      title: 'Different answers of the candidate',
      columns: ['Requests', 'Pairs', 'Disagreements', 'Share', 'Bounds', 'Score shift', 'Latency ratio'],
      rows,
      legend:
        'A difference is not harm: only labels show which version is right. Bounds: one-sided, on each side. The champion against itself shows the noise.',
      importance: 3,
    },
  ];
}
