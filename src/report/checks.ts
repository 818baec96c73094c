import type { Check, Evidence } from '../evidence/index.ts';
import { observedText, requiredText } from './numbers.ts';
import { codeCell, textCell, verdictCell, type Cell, type Section } from './section.ts';
import { deciding, isOpen, worstFirst, type ReportInput } from './standing.ts';

/** Checks that failed or could not say, and compare nothing: comparisons have a table of their own. */
export function openChecks(input: ReportInput): Section {
  const open = worstFirst(input.evidence, input.decision).filter(isOpen);
  const checks = open.filter((check) => check.comparison === undefined);
  const told = deciding(input).message;
  return {
    title: checks.length < open.length ? 'Other checks that did not pass' : 'Checks that did not pass',
    columns: ['Verdict', 'Check', 'Observed', 'Required'],
    rows: checks.map((check) => [
      verdictCell(check),
      codeCell(check.id),
      textCell(observedText(check)),
      textCell(requiredText(check)),
    ]),
    remarks: checks.map(({ id, message }) => (message === told ? null : { of: codeCell(id), text: message })),
    collapsed: false,
    importance: 6,
  };
}

/** Evaluation checks that compare nothing: floors, sanity, slices that were too small. */
export function otherChecks(evidence: readonly Evidence[]): Section {
  const checks = worstFirst(evidence.filter((each) => each.kind === 'evaluation')).filter(
    (check) => check.comparison === undefined && !isOpen(check),
  );
  return table('Other checks', checks, 2);
}

/** Every stage but the evaluation, which has sections of its own. What is about the candidate comes first. */
export function stages(evidence: readonly Evidence[]): Section[] {
  const order = ['behaviour', 'load', 'data'];
  return evidence
    .filter((each) => each.kind !== 'evaluation')
    .sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
    .map((each) => table(stageTitles.get(each.kind) ?? each.kind, worstFirst([each]), 4));
}

const stageTitles = new Map([
  ['data', 'Data'],
  ['load', 'Under load'],
  ['behaviour', 'Behaviour'],
]);

function table(title: string, checks: readonly Check[], importance: number): Section {
  const columns = ['Verdict', 'Check', 'Observed', 'Required'];
  return { title, columns, rows: checks.map(checkRow), collapsed: true, importance };
}

function checkRow(check: Check): Cell[] {
  const { title, message, verdict, observed, required } = check;
  // Where it passes in spite of what was observed, the message says why; and it says more than a number of which nothing is required.
  const inSpite =
    verdict === 'pass' && typeof observed === 'string' && typeof required === 'string' && observed !== required;
  const said =
    inSpite || verdict === 'skipped' || observed === null || required === null ? message : observedText(check);
  return [verdictCell(check, inSpite), textCell(title), textCell(said), textCell(requiredText(check))];
}
