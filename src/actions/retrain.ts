import * as core from '@actions/core';
import { openGitHub } from '../github/client.ts';
import { registryView } from '../pipeline/open-registry.ts';
import { retrain } from '../pipeline/monitoring/retrain.ts';
import { markdownText } from '../report/escape.ts';
import { openActionWorkspace, runAction, writeSummary } from './action.ts';
import { commonInputs, requiredToken } from './inputs.ts';

/** Starts a training where what monitoring recorded asks for it. */
await runAction(['status', 'headline', 'run'], async (context) => {
  const token = requiredToken('actions (workflow_dispatch) or contents (repository_dispatch)');
  const workspace = await openActionWorkspace(await commonInputs(process.env), context);
  const repository = process.env['GITHUB_REPOSITORY'] ?? '';
  const { apiUrl } = workspace.github ?? {};
  const github = openGitHub({ repository, token, apiUrl, log: workspace.log, signal: context.signal });
  const view = await registryView(workspace, false);
  const result = await retrain(workspace, view, { github, now: new Date() });
  const headline = `${result.started === null ? 'No training' : 'Training started'}: ${result.reason}`;
  context.setOutputs({
    status: result.started === null ? 'not-due' : 'started',
    headline,
    run: result.started?.run ?? '',
  });
  core.info(headline);
  await writeSummary(`${markdownText(headline)}\n`);
});
