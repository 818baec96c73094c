import type { Comparison, Evidence } from '../../evidence/index.ts';
import { listOf, objectOf } from '../../json.ts';
import { intervalLevel } from '../../report/headline.ts';
import { metricName, metricValue } from '../../report/numbers.ts';
import { codeCell, differenceCells, numberCell, textCell, type Section } from '../../report/section.ts';
import type { Place } from '../stage.ts';

/** The candidates there were, the best first, and which of them was judged. Details are plain JSON of any form. */
export function leaderboardSection({ details }: Pick<Evidence, 'details'>): Section {
  const { metric, places } = objectOf(details['selection']);
  const known = listOf(places).filter(isPlace);
  const compared = known.flatMap(({ comparison }) => (isComparison(comparison) ? [comparison] : []));
  const gain = (place: Place): number => (isComparison(place.comparison) ? place.comparison.delta : -Infinity);
  const rows = known.toSorted(
    (a, b) =>
      Number(b.chosen) - Number(a.chosen) ||
      Number(a.value === null) - Number(b.value === null) ||
      (gain(a) === gain(b) ? 0 : gain(b) - gain(a)),
  );
  const [first] = compared;
  const level = first === undefined ? 'Interval' : `${intervalLevel(first.alpha)} interval`;
  return {
    title: 'Leaderboard',
    columns: [
      '',
      'Candidate',
      metricName(typeof metric === 'string' ? metric : 'metric'),
      'Gain',
      level,
      'In margins',
      'SHA-256',
    ],
    rows: rows.map(({ chosen, uri, value, fault, comparison, sha256 }) => [
      textCell(chosen ? 'chosen' : 'passed over'),
      codeCell(uri.replace(/^file:/u, '')),
      value === null ? textCell(fault ?? '') : numberCell(metricValue(value)),
      ...differenceCells(isComparison(comparison) ? comparison : undefined),
      codeCell(sha256.slice(0, 12)),
    ]),
    legend: `All on the same rows. The best one is evaluated further; intervals are corrected for the comparison of ${known.length} candidates.`,
    brief: true,
    importance: 5,
  };
}

function isPlace(value: unknown): value is Place {
  const { uri, sha256, value: number } = objectOf(value);
  return typeof uri === 'string' && typeof sha256 === 'string' && (number === null || typeof number === 'number');
}

/** All of it that is shown. */
function isComparison(value: unknown): value is Comparison {
  const { delta, lower, upper, margin, alpha } = objectOf(value);
  return [delta, lower, upper, margin, alpha].every((number) => Number.isFinite(number));
}
