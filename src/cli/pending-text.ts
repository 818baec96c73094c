import type { PromoteResult } from '../pipeline/gate/promote.ts';

/** What became of a decision: whether and where it is recorded. */
export function recordedText(result: Pick<PromoteResult, 'status' | 'commit' | 'pullRequest'>): string {
  return {
    recorded: `Recorded in commit ${result.commit?.slice(0, 12) ?? ''}.`,
    'already-recorded': 'This decision is already in the registry; nothing was added.',
    'no-change': 'Nothing to record.',
    'not-recorded': 'Not recorded.',
    pending: pendingText(result),
  }[result.status];
}

/** Where a decision waits that is not in force yet; empty for any other. */
function pendingText({ pullRequest }: Pick<PromoteResult, 'pullRequest'>): string {
  if (pullRequest === undefined) return '';
  return pullRequest.open
    ? `Not active until pull request ${pullRequest.number} is merged: ${pullRequest.url}`
    : `Not active: pull request ${pullRequest.number} was closed without being merged: ${pullRequest.url}`;
}
