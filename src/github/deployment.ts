import type { GitHub } from './client.ts';

export interface DeploymentInput {
  environment: string;
  /** What is deployed, and what deploys it: `rollout` or `switch`. */
  model: string;
  task: string;
  /** The commit whose workflow runs. */
  sha: string;
  runUrl: string;
}

/** What becomes of a run: it goes on, or ended as it should, with harm, or for anything else. */
export interface DeploymentStatus {
  state: 'in_progress' | 'success' | 'failure' | 'error';
  text: string;
}

/** Of a status. */
const longestText = 140;

/**
 * A deployment on GitHub with a status for each step: made with the first of them. GitHub is not asked to merge the default branch into what
 * is deployed, nor to wait for checks.
 * @param resume it is of an earlier run: the last one of this model; where there is none, nothing is shown
 * @returns shows a status @throws GitHubError
 */
export function deployment(
  github: GitHub,
  { environment, model, task, sha, runUrl }: DeploymentInput,
  resume: boolean,
): (status: DeploymentStatus) => Promise<void> {
  let id: number | null = null;
  const find = async (): Promise<number | null> => {
    const all = await github.request('GET /repos/{owner}/{repo}/deployments', { environment, task, per_page: 30 });
    const earlier = all.find(({ payload }) => typeof payload === 'object' && payload['model'] === model);
    return earlier === undefined ? null : Number(earlier.id);
  };
  const make = async (): Promise<number | null> => {
    const made = await github.request('POST /repos/{owner}/{repo}/deployments', {
      ref: sha,
      task,
      environment,
      description: `${task} of ${model}`.slice(0, longestText),
      payload: { model },
      auto_merge: false,
      required_contexts: [],
    });
    return 'id' in made ? Number(made.id) : null;
  };
  return async ({ state, text }) => {
    id ??= await (resume ? find() : make());
    if (id === null) return;
    await github.request('POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses', {
      deployment_id: id,
      state,
      environment,
      description: text.length > longestText ? `${text.slice(0, longestText - 1)}…` : text,
      log_url: runUrl,
    });
  };
}
