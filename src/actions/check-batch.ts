import { checkBatch } from '../pipeline/monitoring/check-batch.ts';
import { registryView } from '../pipeline/open-registry.ts';
import { batchReport } from '../report/monitoring/sections.ts';
import { openActionWorkspace, runAction, tellEvidence } from './action.ts';
import { stageInputs, text } from './inputs.ts';

/** Judges predictions that were computed before they are asked for. */
await runAction(['verdict', 'headline', 'evidence', 'evidence-sha256'], async (context) => {
  const inputs = await stageInputs(process.env);
  const workspace = await openActionWorkspace(inputs, context);
  const view = await registryView(workspace, false);
  const evidence = await checkBatch(workspace, view, { now: new Date(), modelDigest: text('model-digest') });
  await tellEvidence(evidence, workspace, inputs, context, [batchReport]);
});
