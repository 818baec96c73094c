import type { Check, Comparison } from '../evidence/index.ts';
import { isNotJudged } from './headline.ts';
import { isOpen, worstFirst, type ReportInput } from './standing.ts';
import { count } from '../wording.ts';

/** What to do now, in a line with the command for it; empty where there is nothing to do. All text is raw. */
export function nextStep(input: ReportInput): string {
  const { decision, pullRequest } = input;
  if (decision === null) return afterChecks(input);
  const model = ` --model ${decision.model}`;
  if (pullRequest !== undefined) {
    return pullRequest.open
      ? `Merge pull request ${pullRequest.number} to make the decision active, or close it to decline.`
      : '';
  }
  if (decision.action !== 'gate') return '';
  switch (decision.outcome) {
    case 'promote':
      if ('seq' in decision) return `Nothing now. To go back: ${wayBack(input.evidence, model)}`;
      return decision.source.run === undefined
        ? `Open a pull request with this candidate: the run on the default branch records the promotion. Or record it here: contender gate${input.overriding ?? ''}`
        : 'Merge this change: the run on the default branch records the promotion.';
    case 'no-change':
      return 'Nothing to do: the candidate is already the champion.';
    case 'reject':
    case 'hold':
      return steps[decision.reasons[0]?.code ?? '']?.(input) ?? afterChecks(input);
  }
}

/** A rollback changes the registry; what moved the traffic moves it back. */
function wayBack(evidence: ReportInput['evidence'], model: string): string {
  const kinds = evidence.map(({ kind }) => kind);
  if (kinds.includes('switch')) return `contender switch --back${model} --reason "..."`;
  const rollback = `contender rollback${model} --reason "..."`;
  return kinds.includes('rollout') ? `${rollback} && contender rollout --put-back${model}` : rollback;
}

/** By the code of the first reason. */
const steps: Record<string, (input: ReportInput) => string> = {
  stale: () => 'Run the gate again: an old verdict is not reused.',
  superseded: () => 'Nothing to do: a newer candidate replaced this one.',
  'approval-missing': () => 'Ask for the missing approval, then run the gate again.',
  'first-model': () => 'Set policy.allow_first: true, or register the current champion: contender registry register.',
  'evidence-missing': runMissing,
};

/** What production must show is found after the gate: by a command that decides itself, or before the decision. */
function runMissing({ decision, stages }: ReportInput): string {
  const missing = (decision?.reasons ?? []).filter(({ code }) => code === 'evidence-missing');
  const stage = stages.find(({ kind }) => missing.some(({ message }) => message.includes(` ${kind} evidence`)));
  const name = stage?.command?.name;
  const model = ` --model ${decision?.model ?? ''}`;
  if (name !== undefined && stage?.needs === 'traffic') return `Let it out: contender ${name}${model}`;
  if (name !== undefined && stage?.needs === 'logs') {
    return `Run the stage that is missing: contender ${name}${model} && contender promote${model}`;
  }
  return 'Run the missing stage, then the gate again.';
}

function afterChecks({ decision, evidence, stages, overriding = '' }: ReportInput): string {
  const open = worstFirst(evidence, decision).filter((check) => isOpen(check) && check.severity === 'block');
  const [worst] = open;
  if (worst === undefined) return '';
  const from = evidence.find(({ checks }) => checks.includes(worst));
  const command = stages.find(({ kind }) => kind === from?.kind)?.command?.name;
  const model = evidence[0]?.model ?? '';
  const again = command === undefined ? '' : ` Check again: contender ${command} --model ${model}${overriding}`;
  const { comparison } = worst;
  if (comparison === undefined || isNotJudged(comparison)) {
    // What failed is not put down to the generator, however late it was.
    if (worst.verdict === 'fail') return `Correct the reported problem.${again}`;
    const late = from?.checks.some(({ id, verdict }) => id === 'load/generator' && verdict !== 'pass') === true;
    if (late)
      return `Measure again on a quieter machine, or at a lower rate: the load generator could not keep up.${again}`;
    if (worst.id === 'evaluation/champion')
      return `Correct the champion in contender.yml, such as its file of predictions: the candidate is compared with its predictions.${again}`;
    return `No harm is shown, but a check is inconclusive: see below.${again}`;
  }
  if (worst.verdict === 'fail') {
    return `Improve the candidate${comparison.slice === undefined ? '' : ` on ${comparison.slice}`}${from?.details['churn'] === undefined ? '' : '; changed-rows.csv lists the rows that got worse'}.${again}`;
  }
  return (
    rowsThatHelp(open, from?.kind) ?? `Improve the candidate: more rows are unlikely to help.${override(decision)}`
  );
}

/** Rows are suggested only where they are what is missing everywhere. */
function rowsThatHelp(open: readonly Check[], kind: string | undefined): string | null {
  const needed = open.map(({ verdict, comparison }) =>
    verdict === 'inconclusive' && comparison !== undefined ? missingRows(comparison) : null,
  );
  if (needed.some((rows) => rows === null)) return null;
  const more = count(Number(Math.max(...(needed as number[])).toPrecision(2)));
  // An experiment is about users, who come by themselves.
  if (kind === 'ab-test') return `Continue the experiment for about ${more} more users, or improve the candidate.`;
  return `Evaluate on about ${more} more labelled rows, or improve the candidate.`;
}

/** Null where more rows would more likely show the opposite of what is asked, or cannot help. */
function missingRows({ rowsNeeded, n, delta, margin, requirement }: Comparison): number | null {
  const opposed = requirement === 'superior' ? delta <= 0 : delta < -margin;
  return typeof rowsNeeded !== 'number' || rowsNeeded <= n || opposed ? null : rowsNeeded - n;
}

/** Only what is recorded can be overridden. */
function override(decision: ReportInput['decision']): string {
  return decision === null || !('seq' in decision)
    ? ''
    : ` A named person may accept it: contender registry override --model ${decision.model} --reason "..."`;
}
