import type { RecordedDecision } from '../evidence/index.ts';

/** The message of the commit that records a decision: what happened, why, and where it is written down. */
export function commitMessage(decision: RecordedDecision, path: string): string {
  const why = singleLine(decision.reasons[0]?.message ?? '').slice(0, 500);
  return [
    `contender: ${singleLine(deed(decision))}`,
    ...(why === '' ? [] : ['', why]),
    '',
    `Contender-Decision: ${path}`,
    `Contender-Outcome: ${decision.outcome}`,
    '',
  ].join('\n');
}

/** One line that a terminal shows as it is: `git log` prints a message with all the escape sequences in it. */
function singleLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
}

function deed({ action, outcome, model, to, candidate, environment, waiver }: RecordedDecision): string {
  if (action === 'deprecate') return `deprecate ${model} v${candidate?.version ?? ''}`;
  if (action === 'assign') return `assign ${model} v${candidate?.version ?? ''} to ${environment ?? ''}`;
  if (action === 'unassign') return `take ${model} v${candidate?.version ?? ''} out of ${environment ?? ''}`;
  if (action === 'waive') return `waive ${waiver?.check ?? ''} of ${model} until ${waiver?.until ?? ''}`;
  if (action === 'override') return `promote ${model} v${to?.version ?? ''} by override`;
  if (outcome !== 'promote')
    return `${outcome} ${model} candidate ${candidate?.artifacts[0]?.sha256.slice(0, 12) ?? ''}`.trim();
  const verb = action === 'gate' ? 'promote' : action === 'rollback' ? 'roll back' : action;
  return `${verb} ${model}${action === 'rollback' ? ' to' : ''} v${to?.version ?? ''}`;
}
