import { levelText, shownDifference, type Check, type Comparison } from '../evidence/index.ts';
import { count, metricName, metricValue, requiredText } from './numbers.ts';
import { numberCell, textCell, verdictCell, type Cell, type Chart, type Remark, type Section } from './section.ts';
import { badness, deciding, isOpen, worstFirst, type Result } from './standing.ts';

/** The paired comparisons on the whole evaluation set, and those on slices that did not pass: worst first. */
export function comparisons(input: Result): Section {
  const checks = compared(worstFirst(input.evidence, input.decision)).filter(
    ({ comparison, ...check }) => comparison.anchor === undefined && (comparison.slice === undefined || isOpen(check)),
  );
  const headline = deciding(input).message;
  return {
    title: 'Candidate against champion',
    columns: ['Verdict', 'Metric', ...numberColumns, 'Required'],
    rows: checks.map((check) => [
      verdictCell(check),
      nameCell(check.comparison),
      ...numberCells(check.comparison),
      textCell(requiredText(check)),
    ]),
    remarks: checks.map((check) => remark(check, headline)),
    legend: legend(checks),
    charts: inMargins(checks),
    collapsed: false,
    importance: 6,
  };
}

/** Each gain with its bounds in units of its own margin: what reaches beyond -1 may be a loss of more than is allowed. */
function inMargins(checks: readonly Compared[]): Chart[] {
  const points = checks.flatMap(({ comparison }) => {
    const { margin, delta, lower, upper } = comparison;
    if (margin === undefined || !(margin > 0)) return [];
    return [{ x: nameCell(comparison).text, y: delta / margin, lower: lower / margin, upper: upper / margin }];
  });
  if (points.length === 0) return [];
  return [
    {
      kind: 'interval',
      title: 'Gain over the champion, in margins',
      x: { title: 'metric' },
      y: { title: 'gain divided by the margin: right of 0 is better, left of -1 is more than is allowed' },
      series: [{ name: 'candidate', points }],
      limits: [{ axis: 'y', at: -1, title: 'margin' }],
      repeatsTable: true,
    },
  ];
}

/** How far the candidate is from the version that the policy holds every candidate against, and how far it may be in all. */
export function againstAnchor({ evidence }: Pick<Result, 'evidence'>): Section {
  const checks = compared(evidence.flatMap((each) => each.checks)).filter(
    ({ comparison }) => comparison.anchor !== undefined,
  );
  return {
    title: 'Candidate against the anchor',
    columns: ['Verdict', 'Metric', 'Version', ...numberColumns.with(0, 'Anchor'), 'Required'],
    rows: checks.map((check) => [
      verdictCell(check),
      nameCell(check.comparison),
      textCell(check.comparison.anchor ?? ''),
      ...numberCells(check.comparison),
      textCell(requiredText(check)),
    ]),
    remarks: checks.map((check) => remark(check, '')),
    legend: `The margin holds for all promotions together. ${legend(checks)}`,
    collapsed: false,
    importance: 5,
  };
}

/** The comparisons on slices that passed: those come first in which the candidate looks worst. */
export function slices({ evidence }: Pick<Result, 'evidence'>): Section {
  const checks = compared(evidence.flatMap((each) => each.checks))
    .filter((check) => check.comparison.slice !== undefined && !isOpen(check))
    .sort((a, b) => badness(a) - badness(b) || a.comparison.delta - b.comparison.delta);
  const metrics = [...new Set(checks.map(({ comparison }) => metricName(comparison.metric)))];
  return {
    title: `Slices that passed, worst first${metrics.length === 1 ? `: ${metrics[0]}` : ''}`,
    columns: ['Slice', 'Rows', ...numberColumns, 'Shown'],
    rows: checks.map(({ comparison }) => [
      metrics.length === 1 ? textCell(comparison.slice ?? '') : nameCell(comparison),
      numberCell(count(comparison.n)),
      ...numberCells(comparison),
      textCell(comparison.finding ?? comparison.state),
    ]),
    collapsed: true,
    importance: 3,
  };
}

type Compared = Check & { comparison: Comparison };

const numberColumns = ['Champion', 'Candidate', 'Gain', 'Bounds'];

function compared(checks: readonly Check[]): Compared[] {
  return checks.filter((check): check is Compared => check.comparison !== undefined);
}

function nameCell({ metric, slice }: Comparison): Cell {
  return textCell(`${metricName(metric)}${slice === undefined ? '' : ` on ${slice}`}`);
}

function numberCells(comparison: Comparison): Cell[] {
  const { delta, lower, upper, unit } = shownDifference(comparison);
  return [
    numberCell(metricValue(comparison.champion)),
    numberCell(metricValue(comparison.candidate)),
    numberCell(`${delta}${unit}`),
    numberCell(`${lower} to ${upper}`),
  ];
}

/** What the numbers show and what would settle it, where the headline does not say so and the verdict does not suffice. */
function remark(check: Compared, headline: string): Remark | null {
  const { finding, outlook, worseWithinMargin, state } = check.comparison;
  const plain = check.verdict === 'pass' && state !== 'inconclusive' && worseWithinMargin !== true;
  if (plain || check.message === headline) return null;
  const text =
    finding === undefined ? check.message : [finding, outlook].filter((part) => part !== undefined).join('; ');
  return { of: nameCell(check.comparison), text };
}

function legend(checks: readonly Compared[]): string {
  const levels = [...new Set(checks.map(({ comparison }) => levelText(comparison.alpha)))].join(' or ');
  const points = checks.some(({ comparison }) => comparison.scale === 'share') ? ' Points are percentage points.' : '';
  return `Gain: positive is better, for losses too.${points} Bounds: one-sided ${levels}, each side.`;
}
