import type { Check, Evidence } from '../evidence/index.ts';
import { shortened } from './headline.ts';
import { observedText, requiredText } from './numbers.ts';
import { textCell, verdictCell, type Cell, type Section } from './section.ts';
import { deciding, isOpen, worstFirst, type Result } from './standing.ts';

/** Checks that failed or could not say, and compare nothing: comparisons have a table of their own. */
export function openChecks(input: Result): Section {
  const open = worstFirst(input.evidence, input.decision).filter(isOpen);
  const checks = open.filter((check) => check.comparison === undefined);
  const decided = deciding(input).message;
  const isTold = (message: string): boolean => message === decided && shortened(message) === message;
  return {
    title: checks.length < open.length ? 'Other checks that did not pass' : 'Checks that did not pass',
    columns: ['Verdict', 'Check', 'Observed', 'Required'],
    rows: checks.map((check) => [
      verdictCell(check),
      textCell(check.title),
      textCell(observedText(check)),
      textCell(requiredText(check)),
    ]),
    remarks: checks.map((check) =>
      isTold(check.message) ? null : { of: textCell(check.title), text: withoutTitle(check) },
    ),
    importance: 6,
  };
}

/** All checks of a piece of evidence, worst first. */
export function checksSection(title: string, evidence: Evidence): Section {
  return { ...checkTable(title, worstFirst([evidence]), 4), brief: true };
}

export function checkTable(title: string, checks: readonly Check[], importance: number): Section {
  const columns = ['Verdict', 'Check', 'Observed', 'Required'];
  return { title, columns, rows: checks.map(checkRow), collapsed: true, importance };
}

/** The message, where the title stands beside it already. */
function withoutTitle({ title, message }: Check): string {
  return message.startsWith(`${title}: `) ? message.slice(title.length + 2) : message;
}

function checkRow(check: Check): Cell[] {
  const { title, verdict, observed, required } = check;
  // Where it passes in spite of what was observed, the message says why; and it says more than a number of which nothing is required.
  const inSpite =
    verdict === 'pass' &&
    typeof observed === 'string' &&
    typeof required === 'string' &&
    !required.startsWith(observed);
  const said =
    inSpite || verdict === 'skipped' || observed === null || required === null
      ? withoutTitle(check)
      : observedText(check);
  return [verdictCell(check, inSpite), textCell(title), textCell(said), textCell(requiredText(check))];
}
