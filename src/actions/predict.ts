import * as core from '@actions/core';
import { runPredict } from '../pipeline/contestants/predict.ts';
import { openActionWorkspace, runAction } from './action.ts';
import { choice, commonInputs, required, shardInput, text } from './inputs.ts';
import { count, counted } from '../wording.ts';

await runAction(['outcome', 'headline', 'file', 'rows', 'model-sha256'], async (context) => {
  const role = choice('role', ['candidate', 'champion']);
  const shard = shardInput(text('shard') ?? '1/1');
  const file = required('file', 'the .parquet or .csv file to write');
  const workspace = await openActionWorkspace(await commonInputs(process.env), context);
  const result = await runPredict(workspace, { role, shard, file });
  const headline = `Predicted ${count(result.rows)} of ${counted(result.of, 'rows')} with the ${role}.`;
  context.setOutputs({
    outcome: 'predicted',
    headline,
    file: result.file,
    rows: String(result.rows),
    'model-sha256': result.sha256,
  });
  core.info(headline);
});
