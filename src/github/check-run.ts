import type { Endpoints } from '@octokit/types';
import type { GitHub } from './client.ts';

type Posted = NonNullable<Endpoints['POST /repos/{owner}/{repo}/check-runs']['parameters']['output']>;
type CheckAnnotation = NonNullable<Posted['annotations']>[number];

export interface CheckRunInput {
  name: string;
  /** The commit it is about: of a pull request its head, not the merge that GitHub tries out. */
  headSha: string;
  conclusion: 'success' | 'failure' | 'neutral' | 'action_required';
  output: { title: string; summary: string };
  /** In batches of at most 50, one for each request. */
  annotations: readonly CheckAnnotation[][];
  /** Where it leads: GitHub asks for it with `action_required`. */
  detailsUrl?: string | undefined;
}

/** No person reads more annotations than this, and each further 50 are a request. */
const mostBatches = 10;

/**
 * Make a completed check run. It stays in progress until the last annotation is there, so that a run that is cut off does not
 * stand as a verdict; the next one of the same name takes its place.
 *
 * @returns the address of the check run
 * @throws GitHubError
 */
export async function postCheckRun(github: GitHub, check: CheckRunInput): Promise<string> {
  const [first = [], ...others] = check.annotations.slice(0, mostBatches);
  const completed = { status: 'completed', conclusion: check.conclusion } as const;
  const output = (annotations: CheckAnnotation[]): CheckRunInput['output'] & { annotations: CheckAnnotation[] } => ({
    ...check.output,
    annotations,
  });
  const run = await github.request('POST /repos/{owner}/{repo}/check-runs', {
    name: check.name,
    head_sha: check.headSha,
    output: output(first),
    ...(check.detailsUrl === undefined ? {} : { details_url: check.detailsUrl }),
    ...(others.length === 0 ? completed : { status: 'in_progress' as const }),
  });
  for (const [index, batch] of others.entries()) {
    await github.request('PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}', {
      check_run_id: run.id,
      output: output(batch),
      ...(index === others.length - 1 ? completed : {}),
    });
  }
  return run.html_url ?? '';
}
