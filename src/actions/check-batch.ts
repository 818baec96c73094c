import { join } from 'node:path';
import { evidenceDigest } from '../evidence/index.ts';
import { checkBatch } from '../pipeline/monitoring/check-batch.ts';
import { registryView } from '../pipeline/open-registry.ts';
import { headline } from '../report/index.ts';
import { batchReport } from '../report/monitoring/sections.ts';
import { openActionWorkspace, report, runAction } from './action.ts';
import { stageInputs, text } from './inputs.ts';

/** Judges predictions that were computed before they are asked for. */
await runAction(['verdict', 'headline', 'evidence', 'evidence-sha256'], async (context) => {
  const inputs = await stageInputs(process.env);
  const workspace = await openActionWorkspace(inputs, context);
  const view = await registryView(workspace, false);
  const evidence = await checkBatch(workspace, view, { now: new Date(), modelDigest: text('model-digest') });
  const said = { decision: null, evidence: [evidence] };
  context.setOutputs({
    verdict: evidence.verdict,
    headline: headline(said),
    evidence: join(workspace.out, 'evidence', 'batch.json'),
    'evidence-sha256': evidenceDigest(evidence),
  });
  const fail = await report(said, workspace, inputs, [batchReport]);
  const failed =
    evidence.verdict === 'fail' ? inputs.failOnFailure : evidence.verdict !== 'pass' && inputs.failOnInconclusive;
  if (failed) fail(headline(said));
});
