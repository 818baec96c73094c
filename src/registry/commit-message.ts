import type { RecordedDecision } from '../evidence/index.ts';

/** The message of the commit that records a decision: what happened, why, and where it is written down. */
export function commitMessage(decision: RecordedDecision, path: string): string {
  const why = decision.reasons[0]?.message.replace(/\s+/gu, ' ').trim().slice(0, 500) ?? '';
  return [
    `contender: ${deed(decision)}`,
    ...(why === '' ? [] : ['', why]),
    '',
    `Contender-Decision: ${path}`,
    `Contender-Outcome: ${decision.outcome}`,
    '',
  ].join('\n');
}

function deed({ action, outcome, model, to, candidate, stage }: RecordedDecision): string {
  if (action === 'deprecate') return `deprecate ${model} v${candidate?.version ?? ''}`;
  if (action === 'assign') return `assign ${model} v${candidate?.version ?? ''} to ${stage ?? ''}`;
  if (action === 'unassign') return `take ${model} v${candidate?.version ?? ''} out of ${stage ?? ''}`;
  if (action === 'override') return `promote ${model} v${to?.version ?? ''} by override`;
  if (outcome !== 'promote')
    return `${outcome} ${model} candidate ${candidate?.artifacts[0]?.sha256.slice(0, 12) ?? ''}`.trim();
  const verb = action === 'gate' ? 'promote' : action === 'rollback' ? 'roll back' : action;
  return `${verb} ${model}${action === 'rollback' ? ' to' : ''} v${to?.version ?? ''}`;
}
