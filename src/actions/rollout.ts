import * as core from '@actions/core';
import { runContext } from '../github/context.ts';
import { eventPayload } from '../github/run-place.ts';
import { putBack, runRollout } from '../pipeline/rollout/run-rollout.ts';
import { openActionWorkspace, runAction } from './action.ts';
import { decisionAction } from './decision-action.ts';
import { decisionInputs, putBackInput } from './inputs.ts';

const asked = putBackInput();
if (asked === 'no') {
  await decisionAction((workspace, input) => runRollout(workspace, { ...input, env: process.env }));
} else {
  await runAction(['outcome', 'headline'], async (context) => {
    const run = runContext(process.env, await eventPayload(process.env));
    const inputs = await decisionInputs(process.env, run);
    const workspace = await openActionWorkspace(inputs, context);
    const { message, result } = await putBack(workspace, {
      record: inputs.record,
      actor: run.actor ?? 'unknown',
      source: run.source,
      env: process.env,
      onlyExpired: asked === 'expired',
    });
    core.info(message);
    context.setOutputs({ outcome: result?.decision.outcome ?? '', headline: message });
  });
}
