import * as core from '@actions/core';
import { openGitHub } from '../github/client.ts';
import { runPlace, type RunPlace } from '../github/run-place.ts';
import { publishFault, publishResult, type Publishing, type Unpublished } from '../pipeline/publishing/publish.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import type { Result } from '../report/index.ts';
import { actionLog } from './action-log.ts';
import { publishInputs } from './inputs.ts';

/** A comment is not worth a job that waits for minutes. */
const patience = { attempts: 4, longestMs: 60_000 };

/** Null outside a workflow and without a token: there is nobody to tell. */
export async function openPublishing(signal: AbortSignal): Promise<Publishing | null> {
  const { token, ...choice } = publishInputs();
  const place = await runPlace(process.env);
  if (place === null || token === undefined) return null;
  const { repository, apiUrl } = place;
  return { github: openGitHub({ repository, token, apiUrl, log: actionLog(), signal, patience }), place, choice };
}

/** Publish a result; what could not be published is told and never fails the step. */
export async function publishReport(
  publishing: Publishing | null,
  workspace: Workspace,
  result: Result,
): Promise<void> {
  if (publishing !== null) tell(await publishResult(workspace, result, publishing), publishing.place);
}

/** Publish that there is no result. @param model what is judged, or what was asked for where `configured` is false */
export async function publishError(
  publishing: Publishing | null,
  message: string,
  about: { model: string | undefined; configured: boolean },
): Promise<void> {
  if (publishing !== null) tell(await publishFault(message, publishing, about), publishing.place);
}

const permissions = { comment: 'pull-requests: write', 'check run': 'checks: write' };

function tell(unpublished: readonly Unpublished[], { pullRequest }: RunPlace): void {
  for (const { what, error } of unpublished) {
    const refused = error.kind === 'permission' || error.kind === 'absent';
    if (refused && pullRequest?.fork === true) {
      core.notice(
        `No ${what}: the token of a pull request from a fork is read-only. The summary of this run has the result.`,
      );
    } else if (refused) {
      core.notice(
        `No ${what}: the token has no permission to write it. The summary of this run has the result. To get both, add to the job:\n\npermissions:\n  ${permissions[what]}\n\n(${error.fault.found})`,
      );
    } else {
      core.warning(`No ${what}; the summary of this run has the result. ${error.message}`);
    }
  }
}
