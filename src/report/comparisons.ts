import { levelText, type Check, type Comparison } from '../evidence/index.ts';
import { intervalLevel } from './headline.ts';
import { metricName, metricValue, requiredText } from './numbers.ts';
import { differenceCells, numberCell, textCell, verdictCell } from './section.ts';
import type { Cell, Remark, Section, ShownCheck } from './section.ts';
import { badness, isOpen, worstFirst, type Result } from './standing.ts';
import { count } from '../wording.ts';

/** The paired comparisons on the whole evaluation set, and those on slices that did not pass: worst first. */
export function comparisons(input: Result): Section {
  const checks = compared(worstFirst(input.evidence, input.decision)).filter(
    ({ comparison, ...check }) => comparison.anchor === undefined && (comparison.slice === undefined || isOpen(check)),
  );
  return {
    title: 'Candidate against champion',
    columns: ['Verdict', 'Metric', ...numberColumns(checks), 'Required'],
    rows: checks.map((check) => judgedRow(check)),
    remarks: checks.map(remark),
    legend: legend(checks),
    importance: 6,
  };
}

/** How far the candidate is from the version that the policy holds every candidate against, and how far it may be in all. */
export function againstAnchor({ evidence }: Pick<Result, 'evidence'>): Section {
  const checks = compared(evidence.flatMap((each) => each.checks)).filter(
    ({ comparison }) => comparison.anchor !== undefined,
  );
  return {
    title: 'Candidate against the anchor',
    columns: ['Verdict', 'Metric', 'Version', ...numberColumns(checks).with(0, 'Anchor'), 'Required'],
    rows: checks.map((check) => judgedRow(check, textCell(check.comparison.anchor ?? ''))),
    remarks: checks.map(remark),
    legend: `The margin applies to the total loss over all promotions. ${legend(checks)}`,
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
    columns: ['Slice', 'Rows', ...numberColumns(checks), 'Shown'],
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

/** Two one-sided bounds make an interval of a lower level: each is named by its own. */
function numberColumns(checks: readonly Compared[]): string[] {
  const levels = [...new Set(checks.map(({ comparison }) => intervalLevel(comparison.alpha)))];
  return ['Champion', 'Candidate', 'Gain', levels.length === 1 ? `${levels[0]} interval` : 'Interval', 'In margins'];
}

function compared(checks: readonly Check[]): Compared[] {
  return checks.filter((check): check is Compared => check.comparison !== undefined);
}

function nameCell({ metric, slice }: Comparison): Cell {
  return textCell(`${metricName(metric)}${slice === undefined ? '' : ` on ${slice}`}`);
}

/** @param rival what stands between the name and the numbers */
function judgedRow(check: Compared, ...rival: Cell[]): Cell[] {
  const { comparison } = check;
  return [
    verdictCell(check),
    nameCell(comparison),
    ...rival,
    ...numberCells(comparison),
    textCell(requiredText(check)),
  ];
}

function numberCells(comparison: Comparison): Cell[] {
  return [
    numberCell(metricValue(comparison.champion)),
    numberCell(metricValue(comparison.candidate)),
    ...differenceCells(comparison),
  ];
}

/** What the numbers show and what would settle it, where the verdict does not suffice. */
function remark(check: Compared & ShownCheck): Remark | null {
  const { finding, outlook, worseWithinMargin, state } = check.comparison;
  const plain = check.verdict === 'pass' && state !== 'inconclusive' && worseWithinMargin !== true;
  if (plain) return null;
  const text =
    finding === undefined ? check.message : [finding, ...(outlook === undefined ? [] : [outlook])].join('; ');
  return {
    of: nameCell(check.comparison),
    text: check.waived === undefined || finding === undefined ? text : `${text}; ${check.waived}`,
  };
}

function legend(checks: readonly Compared[]): string {
  const levels = [...new Set(checks.map(({ comparison }) => levelText(comparison.alpha)))].join(' or ');
  const points = checks.some(({ comparison }) => comparison.scale === 'share') ? ' Points are percentage points.' : '';
  const drawn = checks.some(({ comparison }) => comparison.margin > 0)
    ? ' In margins: ┊ is the largest loss allowed, │ no difference, ● what was measured, ◂ and ▸ further than is drawn.'
    : '';
  return `Gain: above 0 the candidate is better, for every metric.${points} Interval: each end is a one-sided ${levels} bound.${drawn}`;
}
