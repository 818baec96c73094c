import * as core from '@actions/core';
import { runContext } from '../github/context.ts';
import { eventPayload } from '../github/run-place.ts';
import type { PromoteResult } from '../pipeline/gate/promote.ts';
import { putBack, type TrafficInput } from '../pipeline/rollout/traffic-run.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import type { Stage } from '../stages/stage.ts';
import type { Traffic } from '../stages/traffic.ts';
import { openActionWorkspace, runAction } from './action.ts';
import { decisionAction } from './decision-action.ts';
import { decisionInputs, putBackInput } from './inputs.ts';

/** An action that lets a candidate out, or puts back what a killed run left. */
export async function trafficAction(
  stage: Stage,
  settings: (workspace: Workspace) => Traffic | undefined,
  run: (workspace: Workspace, input: TrafficInput) => Promise<PromoteResult>,
): Promise<void> {
  const asked = putBackInput();
  if (asked === 'no') return decisionAction((workspace, input) => run(workspace, { ...input, env: process.env }));
  await runAction(['outcome', 'headline'], async (context) => {
    const here = runContext(process.env, await eventPayload(process.env));
    const inputs = await decisionInputs(process.env, here);
    const workspace = await openActionWorkspace(inputs, context);
    const { message, result } = await putBack(workspace, {
      stage,
      settings: settings(workspace),
      record: inputs.record,
      actor: here.actor ?? 'unknown',
      source: here.source,
      env: process.env,
      onlyExpired: asked === 'expired',
    });
    core.info(message);
    context.setOutputs({ outcome: result?.decision.outcome ?? '', headline: message });
  });
}
