import * as core from '@actions/core';
import { defaults } from '../config/defaults.ts';
import { writeHistory } from '../pipeline/auditing/history.ts';
import { insideRoot } from '../pipeline/workspace.ts';
import { counted } from '../wording.ts';
import { openActionWorkspace, runAction } from './action.ts';
import { commonInputs, text } from './inputs.ts';

await runAction(['path', 'headline'], async (context) => {
  const inputs = await commonInputs(process.env);
  const workspace = await openActionWorkspace(inputs, context, true);
  const folder = await insideRoot(workspace, text('path') ?? `${defaults.out}/history`);
  const files = await writeHistory(workspace, inputs.model, folder);
  const headline = `Wrote ${counted(files.length, 'pages')}.`;
  context.setOutputs({ path: folder, headline });
  core.info(headline);
});
