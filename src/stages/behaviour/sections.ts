import { signed, type Evidence } from '../../evidence/index.ts';
import { checksSection } from '../../report/checks.ts';
import { listOf, objectOf } from '../../json.ts';
import { bytes, metricValue } from '../../report/numbers.ts';
import { numberCell, textCell, type Cell, type Section } from '../../report/section.ts';
import { rounded, separated } from '../../wording.ts';

/** The checks, and what was measured, as the details have it. Details are plain JSON of any form. */
export function sections(evidence: Evidence): Section[] {
  return [checksSection('Behaviour', evidence), cost(evidence), robustness(evidence), importance(evidence)];
}

/** What both models cost to run. */
function cost({ details }: Evidence): Section {
  const { efficiency } = objectOf(details['timings']);
  const { size, parameters } = objectOf(details['efficiency']);
  const fixed = [
    { title: 'Size', values: objectOf(size), text: bytes },
    { title: 'Parameters', values: objectOf(parameters), text: separated },
  ].flatMap(({ title, values: { champion, candidate }, text }) => {
    if (typeof candidate !== 'number') return [];
    const before = typeof champion === 'number' ? text(champion) : '';
    const ratio = typeof champion === 'number' && champion > 0 ? rounded(candidate / champion, 3) : '';
    return [[textCell(title), numberCell(before), numberCell(text(candidate)), numberCell(ratio), numberCell('')]];
  });
  const measured = Object.values(objectOf(efficiency)).flatMap((each) => {
    const { title, unit, champion, candidate, ratio, lower, upper, rowsPerSecond } = objectOf(each);
    if (typeof title !== 'string' || typeof candidate !== 'number') return [];
    const withUnit = (value: unknown): string =>
      typeof value === 'number' ? `${rounded(value, 3)} ${String(unit)}` : '';
    const rate = typeof rowsPerSecond === 'number' ? ` (${rounded(rowsPerSecond, 3)} rows/s)` : '';
    const bounds =
      typeof lower === 'number' && typeof upper === 'number' ? `${rounded(lower, 3)} to ${rounded(upper, 3)}` : '';
    return [
      [
        textCell(title),
        numberCell(withUnit(champion)),
        numberCell(withUnit(candidate) + rate),
        numberCell(typeof ratio === 'number' ? rounded(ratio, 3) : ''),
        numberCell(bounds),
      ],
    ];
  });
  const columns = ['What', 'Champion', 'Candidate', 'Ratio', 'Bounds'];
  return table('Running cost', columns, [...fixed, ...measured]);
}

/** What changed data do to both models. */
function robustness({ details }: Evidence): Section {
  const side = (value: unknown): Cell[] => {
    const { loss, flips, fault, skipped } = objectOf(value);
    if (typeof fault === 'string') return [textCell(`error: ${fault.slice(0, 120)}`), numberCell('')];
    if (typeof skipped === 'string') return [textCell(skipped), numberCell('')];
    return [
      numberCell(typeof loss === 'number' ? signed(-loss) : ''),
      numberCell(typeof flips === 'number' ? String(flips) : ''),
    ];
  };
  const rows = listOf(details['robustness']).flatMap((each) => {
    const { what, candidate, champion } = objectOf(each);
    return typeof what === 'string' ? [[textCell(what), ...side(champion), ...side(candidate)]] : [];
  });
  const columns = ['Data', 'Champion', 'Decisions changed', 'Candidate', 'Decisions changed'];
  return table('Changed data', columns, rows);
}

/** What both models look at. */
function importance({ details }: Evidence): Section {
  const drop = (value: unknown): Cell => {
    const { drop: lost, lower } = objectOf(value);
    if (typeof lost !== 'number') return numberCell('');
    return numberCell(`${metricValue(lost)}${typeof lower === 'number' && lower > 0 ? '' : ' (not shown)'}`);
  };
  const rows = listOf(objectOf(details['importance'])['features'])
    .slice(0, 20)
    .flatMap((each) => {
      const { feature, candidate, champion } = objectOf(each);
      return typeof feature === 'string' ? [[textCell(feature), drop(champion), drop(candidate)]] : [];
    });
  return table(
    'Permutation importance: loss of the metric without the feature',
    ['Feature', 'Champion', 'Candidate'],
    rows,
  );
}

function table(title: string, columns: readonly string[], rows: readonly Cell[][]): Section {
  return { title, columns, rows, collapsed: true, importance: 2 };
}
