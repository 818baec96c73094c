import * as core from '@actions/core';
import { UsageError } from '../errors.ts';
import { openGitHub } from '../github/client.ts';
import { commentedModels, postComment } from '../github/comment.ts';
import { eventPayload, runPlace } from '../github/run-place.ts';
import { followedRun, pullRequestsOf } from '../github/workflow-run.ts';
import { readUntrustedReports } from '../pipeline/publishing/untrusted-reports.ts';
import { renderComment, renderFaultComment } from '../report/index.ts';
import { actionLog } from './action-log.ts';
import { runAction } from './action.ts';
import { commentInputs } from './inputs.ts';

const noResult = 'The gate of this commit produced no result; see its run for the reason.';
/*
 * Follows a gate whose own token may not write, such as that of a pull request from a fork. It runs no code and reads no
 * configuration of the pull request: decision and evidence are data, checked and rendered here.
 */
await runAction(['status', 'headline', 'pull-requests', 'models'], async ({ signal, setOutputs }) => {
  const inputs = await commentInputs(process.env);
  const place = await runPlace(process.env);
  const run = followedRun(await eventPayload(process.env));
  if (place === null || run === null) {
    throw new UsageError({
      found: 'this run was not triggered by a workflow run of a pull request',
      expected: 'the event workflow_run, after a workflow of event pull_request',
      remedy: "Add if: github.event.workflow_run.event == 'pull_request' to the job",
    });
  }
  const { repository, apiUrl } = place;
  const github = openGitHub({ repository, token: inputs.token, apiUrl, log: actionLog(), signal });
  const left = inputs.path === null ? [] : await readUntrustedReports(inputs.path);
  // What an earlier attempt left says nothing of the one that ended now.
  const reports = left.filter(({ input }) => Number(input.decision?.source.attempt ?? 1) === run.attempt);
  const strange = left.find(({ input }) => input.decision?.source.run !== String(run.id));
  if (strange !== undefined) {
    throw new UsageError({
      found: `the decision on ${strange.model} belongs to another run`,
      expected: `run ${run.id}, which triggered this one`,
      remedy: 'Download the artifact with run-id: ${{ github.event.workflow_run.id }}',
    });
  }
  const pullRequests = await pullRequestsOf(github, run);
  const server = process.env['GITHUB_SERVER_URL'] ?? 'https://github.com';
  const about = {
    commit: run.headSha,
    runUrl: `${server}/${repository}/actions/runs/${run.id}`,
    untrusted: run.headRepository !== repository,
  };
  const models = new Set<string>();
  const commented: number[] = [];
  for (const pullRequest of pullRequests) {
    const comments =
      reports.length > 0
        ? // Of several with the same head, a report is on the one it was made for.
          reports
            .filter(({ input }) => (input.decision?.source.pullRequest ?? pullRequest) === pullRequest)
            .map(({ model, input }) => ({ model, body: (limit: number) => renderComment(input, about, limit) }))
        : // An old verdict must not stand beside a commit that has none.
          (await commentedModels(github, { pullRequest, run })).map((model) => ({
            model,
            // Our own words, whoever's gate it was.
            body: (limit: number) => renderFaultComment(model, noResult, { ...about, untrusted: false }, limit),
            onlyUpdate: true,
          }));
    for (const comment of comments) {
      const { action, url } = await postComment(github, { pullRequest, run, ...comment });
      core.info(`${comment.model}: ${action} ${url}`);
      models.add(comment.model);
    }
    if (comments.length > 0) commented.push(pullRequest);
  }
  const headline =
    pullRequests.length === 0
      ? `No open pull request has ${run.headSha} as its head: it was closed or has newer commits.`
      : commented.length === 0
        ? 'No comment was posted: no model needs one.'
        : `Commented on pull request ${commented.join(', ')} for ${models.size} ${models.size === 1 ? 'model' : 'models'}.`;
  setOutputs({
    status: commented.length === 0 ? 'none' : 'posted',
    headline,
    'pull-requests': JSON.stringify(commented),
    models: JSON.stringify([...models]),
  });
  core.info(headline);
});
