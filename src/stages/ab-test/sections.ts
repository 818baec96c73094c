import { shownDifference, type Evidence } from '../../evidence/index.ts';
import { checksSection } from '../../report/checks.ts';
import { listOf, objectOf } from '../../json.ts';
import { metricName, metricValue } from '../../report/numbers.ts';
import { numberCell, textCell, type Cell, type Section } from '../../report/section.ts';
import { count } from '../../wording.ts';

/** The checks, the table of all metrics, and the segments. Details are plain JSON of any form. */
export function sections(evidence: Evidence): Section[] {
  const others = evidence.checks.filter(({ comparison }) => comparison === undefined);
  return [checksSection('A/B test', { ...evidence, checks: others }), metrics(evidence), segments(evidence)];
}

const columns = ['Metric', 'Users', 'Champion', 'Candidate', 'Change', 'Gain', 'Bounds'];

function metrics({ details }: Evidence): Section {
  const rows = listOf(details['metrics']).map((each) => row(String(objectOf(each)['name']), objectOf(each)));
  const analysis = details['analysis'] === 'fixed' ? 'for one evaluation' : 'valid at every evaluation';
  return {
    title: 'Metrics of the experiment',
    columns,
    rows,
    legend: `Gain: positive is better. Bounds: one-sided, ${analysis}; guardrails share the level, and so do advisory metrics.`,
    importance: 4,
  };
}

function segments({ details }: Evidence): Section {
  const rows = listOf(details['segments']).flatMap((each) => {
    const { segment, metrics: of } = objectOf(each);
    return listOf(of).map((one) => row(`${String(objectOf(one)['name'])}, ${String(segment)}`, objectOf(one)));
  });
  return {
    title: 'Segments of the experiment (advice only)',
    columns,
    rows,
    legend: 'With many segments, some differ by chance. Bounds are corrected for the number of segments.',
    collapsed: true,
    importance: 2,
  };
}

function row(name: string, each: Record<string, unknown>): Cell[] {
  const { users, champion, candidate, delta, lower, upper, relative, unknown } = each;
  const [a, b] = listOf(users);
  const counts = numberCell(`${count(Number(a))} / ${count(Number(b))}`);
  if (
    typeof champion !== 'number' ||
    typeof candidate !== 'number' ||
    typeof delta !== 'number' ||
    typeof lower !== 'number' ||
    typeof upper !== 'number'
  ) {
    return [
      textCell(name),
      counts,
      ...Array.from({ length: 4 }, () => numberCell('')),
      textCell(typeof unknown === 'string' ? unknown : ''),
    ];
  }
  const shown = shownDifference({ delta, lower, upper, margin: 0 });
  return [
    textCell(metricName(name)),
    counts,
    numberCell(metricValue(champion)),
    numberCell(metricValue(candidate)),
    numberCell(typeof relative === 'number' ? `${relative > 0 ? '+' : ''}${(100 * relative).toFixed(1)}%` : ''),
    numberCell(shown.delta),
    numberCell(`${shown.lower} to ${shown.upper}`),
  ];
}
