import * as core from '@actions/core';
import { writeHistory } from '../pipeline/auditing/history.ts';
import { gitHubAccess, insideRoot, openWorkspace } from '../pipeline/workspace.ts';
import { actionLog } from './action-log.ts';
import { runAction } from './action.ts';
import { historyInputs } from './inputs.ts';

const outputs = ['path', 'headline'] as const;

await runAction(outputs, async ({ setOutputs, signal }) => {
  const { root, config, model, out, pages, token } = await historyInputs(process.env);
  const github = gitHubAccess(process.env, token ?? process.env['GITHUB_TOKEN']);
  const workspace = await openWorkspace({ root, config, out, anyModel: true, github, log: actionLog(), signal });
  const folder = await insideRoot(workspace, pages);
  const files = await writeHistory(workspace, model, folder);
  const headline = `Wrote ${files.length} pages.`;
  setOutputs({ path: folder, headline } satisfies Record<(typeof outputs)[number], string>);
  core.info(headline);
});
