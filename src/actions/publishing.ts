import * as core from '@actions/core';
import { ContenderError } from '../errors.ts';
import { openGitHub } from '../github/client.ts';
import { runPlace, type RunPlace } from '../github/run-place.ts';
import {
  publishFault,
  publishResult,
  type PublishChoice,
  type Publishing,
  type Unpublished,
} from '../pipeline/publish.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import type { ReportInput } from '../report/index.ts';

/** A comment is not worth a job that waits for minutes. */
const patience = { attempts: 4, longestMs: 60_000 };

/** Null outside a workflow and without a token: there is nobody to tell. */
export async function openPublishing(
  workspace: Workspace,
  { token, ...choice }: PublishChoice & { token: string | undefined },
): Promise<Publishing | null> {
  const place = await runPlace(process.env);
  if (place === null || token === undefined) return null;
  const { repository, apiUrl } = place;
  return {
    github: openGitHub({ repository, token, apiUrl, log: workspace.log, signal: workspace.signal, patience }),
    place,
    choice,
  };
}

/** Publish a result; what could not be published is told and never fails the step. */
export async function publishReport(
  publishing: Publishing | null,
  workspace: Workspace,
  result: ReportInput,
): Promise<void> {
  if (publishing !== null) tell(await publishResult(workspace, result, publishing), publishing.place);
}

/** Run `work`, and publish its fault if it has one: an old verdict must not stay where a new commit has none. */
export async function publishingFaults<T>(
  publishing: Publishing | null,
  workspace: Workspace,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (publishing !== null && error instanceof ContenderError && workspace.signal?.aborted !== true) {
      tell(await publishFault(workspace, error.message, publishing), publishing.place);
    }
    throw error;
  }
}

const permissions = { comment: 'pull-requests: write', 'check run': 'checks: write' };

function tell(unpublished: readonly Unpublished[], { pullRequest }: RunPlace): void {
  for (const { what, error } of unpublished) {
    const refused = error.kind === 'permission' || error.kind === 'credentials' || error.kind === 'absent';
    if (refused && pullRequest?.fork === true) {
      core.notice(
        `No ${what}: the token of a pull request from a fork only reads. The summary of this run has the result.`,
      );
    } else if (refused) {
      core.notice(
        `No ${what}: the token may not write it. The summary of this run has the result. To have both, add to the job:\n\npermissions:\n  ${permissions[what]}\n\n(${error.fault.found})`,
      );
    } else {
      core.warning(`No ${what}; the summary of this run has the result. ${error.message}`);
    }
  }
}
