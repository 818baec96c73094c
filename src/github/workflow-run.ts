import type { GitHub } from './client.ts';
import { objectAt } from './run-place.ts';

/** The run of another workflow that this one follows (event `workflow_run`). */
export interface FollowedRun {
  id: number;
  attempt: number;
  headSha: string;
  headBranch: string;
  /** `owner/name` of the repository the commit is in. */
  headRepository: string;
}

/** The followed run, from the event's payload; null when it is not one of a pull request. */
export function followedRun(payload: Record<string, unknown>): FollowedRun | null {
  const run = objectAt(payload, 'workflow_run');
  if (run?.['event'] !== 'pull_request') return null;
  const { id, run_attempt: attempt, head_sha: headSha, head_branch: headBranch } = run;
  const headRepository = objectAt(run, 'head_repository')?.['full_name'];
  if (typeof id !== 'number' || typeof headSha !== 'string') return null;
  if (typeof headBranch !== 'string' || typeof headRepository !== 'string') return null;
  return { id, attempt: typeof attempt === 'number' ? attempt : 1, headSha, headBranch, headRepository };
}

/**
 * The open pull requests whose head is the very commit the run was of. Nothing the run left behind is asked: the payload
 * names none for a fork, and the run itself would be a stranger's word.
 */
export async function pullRequestsOf(github: GitHub, run: FollowedRun): Promise<number[]> {
  const [owner = ''] = run.headRepository.split('/');
  const found = await github.list('GET /repos/{owner}/{repo}/pulls', {
    state: 'open',
    head: `${owner}:${run.headBranch}`,
  });
  return found
    .filter(({ head }) => head.sha === run.headSha && head.repo?.full_name === run.headRepository)
    .map((pull) => pull.number);
}
