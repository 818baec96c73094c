import * as core from '@actions/core';
import { writeHistory } from '../pipeline/auditing/history.ts';
import { insideRoot } from '../pipeline/workspace.ts';
import { openActionWorkspace, runAction } from './action.ts';
import { historyInputs } from './inputs.ts';

await runAction(['path', 'headline'], async (context) => {
  const inputs = await historyInputs(process.env);
  const workspace = await openActionWorkspace(inputs, context, true);
  const folder = await insideRoot(workspace, inputs.pages);
  const files = await writeHistory(workspace, inputs.model, folder);
  const headline = `Wrote ${files.length} pages.`;
  context.setOutputs({ path: folder, headline });
  core.info(headline);
});
