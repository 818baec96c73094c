import * as core from '@actions/core';
import { runPredict } from '../pipeline/contestants/predict.ts';
import { openActionWorkspace, runAction } from './action.ts';
import { predictInputs } from './inputs.ts';
import { counted } from '../wording.ts';

await runAction(['outcome', 'headline', 'file', 'rows', 'model-sha256'], async (context) => {
  const inputs = await predictInputs(process.env);
  const { role, shard, file } = inputs;
  const workspace = await openActionWorkspace(inputs, context);
  const result = await runPredict(workspace, { role, shard, file });
  const headline = `Predicted ${result.rows.toLocaleString('en-US')} of ${counted(result.of, 'rows')} with the ${role}.`;
  context.setOutputs({
    outcome: 'predicted',
    headline,
    file: result.file,
    rows: String(result.rows),
    'model-sha256': result.sha256,
  });
  core.info(headline);
});
