import type { Model } from '../config/index.ts';
import type { Approval, Reason } from '../evidence/index.ts';

/** The approvals that count under a policy: one of each person who may give one, the first. Without a policy all of them. Pure. */
export function countedApprovals({ policy }: Model, given: readonly Approval[]): Approval[] {
  if (policy.approvals === undefined) return [...given];
  const left = new Set(policy.approvals.from.map((login) => login.toLowerCase()));
  return given.filter(({ by }) => left.delete(by.toLowerCase()));
}

/** What is missing of the approvals that the policy asks for: who may still give one, and how. Pure. */
export function missingApprovals(config: Model, given: readonly Approval[]): Reason[] {
  const { approvals } = config.policy;
  const { required = 1, from = [] } = approvals ?? {};
  const counted = countedApprovals(config, given).map(({ by }) => by);
  if (approvals === undefined || counted.length >= required) return [];
  const have = new Set(counted.map((login) => login.toLowerCase()));
  const open = from.filter((login) => !have.has(login.toLowerCase()));
  const there = counted.length === 0 ? 'none' : `${counted.length} (${counted.join(', ')})`;
  return [
    {
      code: 'approval-missing',
      message: `The policy requires ${required} ${required === 1 ? 'approval' : 'approvals'}, but there ${counted.length > 1 ? 'are' : 'is'} ${there}. May approve: ${open.join(', ')}, in a review of the last commit of the pull request or for the environment of the job. Then run again.`,
    },
  ];
}
