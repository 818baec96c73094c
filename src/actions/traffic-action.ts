import * as core from '@actions/core';
import { openGitHub } from '../github/client.ts';
import { runContext } from '../github/context.ts';
import { deployment } from '../github/deployment.ts';
import { eventPayload, runPlace } from '../github/run-place.ts';
import type { PromoteResult } from '../pipeline/gate/promote.ts';
import { putBack, type TrafficInput } from '../pipeline/rollout/traffic-run.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import type { Stage } from '../stages/stage.ts';
import { openActionWorkspace, runAction } from './action.ts';
import { decisionAction } from './decision-action.ts';
import { choice, decisionInputs, text } from './inputs.ts';

/** An action that lets a candidate out, or puts back what a killed run left. */
export async function trafficAction(
  stage: Stage,
  run: (workspace: Workspace, input: TrafficInput) => Promise<PromoteResult>,
): Promise<void> {
  // Whether a weight is put back in place of a rollout: any, or one whose time is over.
  const asked = choice('put-back', ['no', 'yes', 'expired']);
  if (asked === 'no')
    return decisionAction(async (workspace, input) =>
      run(workspace, { ...input, env: process.env, ...(await shown(workspace, stage, false)) }),
    );
  await runAction(['outcome', 'headline'], async (context) => {
    const here = runContext(process.env, await eventPayload(process.env));
    const inputs = await decisionInputs(process.env, here);
    const workspace = await openActionWorkspace(inputs, context);
    const { message, result } = await putBack(workspace, {
      stage,
      record: inputs.record,
      actor: here.actor ?? 'unknown',
      source: here.source,
      env: process.env,
      onlyExpired: asked === 'expired',
      ...(await shown(workspace, stage, true)),
    });
    core.info(message);
    context.setOutputs({ outcome: result?.decision.outcome ?? '', headline: message });
  });
}

/** Nobody waits long for what is only shown. */
const patience = { attempts: 2, longestMs: 10_000 };

/** The deployment on GitHub that shows the steps, where an environment is named. @param resume it is that of the run before */
async function shown(
  { model, log }: Workspace,
  { kind: task }: Stage,
  resume: boolean,
): Promise<Pick<TrafficInput, 'tell'>> {
  const [environment, token] = [text('environment'), text('token')];
  const place = environment === undefined ? null : await runPlace(process.env);
  if (environment === undefined || token === undefined || place === null) return {};
  const { repository, apiUrl, headSha: sha, run } = place;
  // Not stopped with the run: that it was put back is to be seen.
  const github = openGitHub({ repository, token, apiUrl, log, patience, timeoutMs: 10_000 });
  return { tell: deployment(github, { environment, model, task, sha, runUrl: run.url }, resume) };
}
