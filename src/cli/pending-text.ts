import type { PromoteResult } from '../pipeline/gate/promote.ts';

/** Where a decision waits that is not in force yet; empty for any other. */
export function pendingText({ pullRequest }: Pick<PromoteResult, 'pullRequest'>): string {
  if (pullRequest === undefined) return '';
  return pullRequest.open
    ? `Not in force until pull request ${pullRequest.number} is merged: ${pullRequest.url}`
    : `Not in force: pull request ${pullRequest.number} was closed without being merged: ${pullRequest.url}`;
}
