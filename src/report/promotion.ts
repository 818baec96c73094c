import type { Decision, Promotion, RecordedDecision } from '../evidence/index.ts';
import { markdownCode, markdownText, oneLine } from './escape.ts';
import { renderMarkdown } from './markdown.ts';
import type { StageReport } from './section.ts';

/** So many decisions are listed one by one. */
const listed = 50;

/** Title and text of a promotion pull request: the verdict first, then what merging does. The body takes at most `limit` UTF-8 bytes. */
export function describePromotion(
  promotion: Promotion,
  limit: number,
  stages: readonly StageReport[],
): { title: string; body: string } {
  const { model, branch, base, decisions, lead, evidence } = promotion;
  const { seq: _seq, prev: _prev, ...decision } = lead;
  const rows = decisions
    .slice(-listed)
    .map(
      (each) =>
        `| ${each.seq} | ${each.action} | ${each.outcome} | ${markdownText(each.reasons[0]?.message ?? '', 300)} | ${markdownText(each.time)} |`,
    );
  const left = decisions.length - rows.length;
  const footer = [
    '\n### What merging does\n',
    `It records ${decisions.length === 1 ? 'this decision' : `these ${decisions.length} decisions`} about **${markdownText(model)}** on ${markdownCode(base)}. Merge, squash and rebase all keep the files unchanged.`,
    ...(left === 0 ? [] : [`The first ${left} are not listed here; the files have them all.`]),
    '',
    '| Decision | Action | Outcome | Why | Decided |',
    '| ---: | --- | --- | --- | --- |',
    ...rows,
    '',
    `<sub>${markdownCode(branch)} belongs to Contender: every decision rewrites it, and a commit pushed to it by anyone else is rejected after the merge. To decline, close this pull request.</sub>`,
    '',
  ].join('\n');
  const report = renderMarkdown(
    { decision, evidence, stages },
    { limit: Math.max(1000, limit - Buffer.byteLength(footer)) },
  );
  return { title: titleOf(lead), body: report + footer };
}

/** A comment below a promotion pull request: what became of decisions that waited in it. */
export function describeReplaced(replaced: readonly { decision: RecordedDecision; by: Decision | null }[]): string {
  const lines = replaced.slice(-listed).map(({ decision, by }) => {
    const what = `The decision (${decision.action === 'gate' ? decision.outcome : decision.action}) on ${candidateOf(decision)}`;
    return by === null
      ? `- ${what} was dropped: the champion or the registry has changed since. Repeat it if it is still wanted.`
      : `- ${what} is recorded as a ${by.outcome}: ${markdownText(by.reasons[0]?.message ?? '', 500)}`;
  });
  return `This pull request was rewritten.\n\n${lines.join('\n')}\n`;
}

function titleOf({ action, outcome, model, to, candidate, environment, waiver }: RecordedDecision): string {
  const version = (['assign', 'unassign', 'deprecate'].includes(action) ? candidate : to)?.version ?? '';
  if (action === 'deprecate') return oneLine(`Deprecate ${model} ${version}`);
  if (action === 'assign') return oneLine(`Assign ${model} ${version} to ${environment ?? ''}`);
  if (action === 'unassign') return oneLine(`Take ${model} ${version} out of ${environment ?? ''}`);
  if (action === 'waive') return oneLine(`Waive ${waiver?.check ?? ''} of ${model} until ${waiver?.until ?? ''}`);
  if (action === 'rollback') return oneLine(`Roll back ${model} to ${version}`);
  if (outcome === 'promote')
    return oneLine(`Promote ${model} ${version}${action === 'override' ? ' by override' : ''}`);
  return oneLine(`Record that a candidate for ${model} was ${outcome === 'reject' ? 'rejected' : 'held'}`);
}

function candidateOf({ candidate }: Decision): string {
  const sha256 = candidate?.artifacts[0]?.sha256.slice(0, 12);
  return sha256 === undefined ? 'a candidate' : `candidate ${markdownCode(sha256)}`;
}
