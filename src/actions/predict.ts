import * as core from '@actions/core';
import { runPredict } from '../pipeline/predict.ts';
import { openActionWorkspace, runAction } from './action.ts';
import { predictInputs } from './inputs.ts';

await runAction(['outcome', 'headline', 'file', 'rows', 'model-sha256'], async ({ signal, setOutputs }) => {
  const inputs = await predictInputs(process.env);
  const { role, shard, file } = inputs;
  const workspace = await openActionWorkspace(inputs, signal);
  const result = await runPredict(workspace, { role, shard, file });
  const headline = `Predicted ${result.rows} of ${result.of} rows with the ${role}.`;
  setOutputs({
    outcome: 'predicted',
    headline,
    file: result.file,
    rows: String(result.rows),
    'model-sha256': result.sha256,
  });
  core.info(headline);
});
