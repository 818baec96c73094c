import * as core from '@actions/core';
import { verifyArtifact } from '../pipeline/auditing/verify-artifact.ts';
import { markdownText } from '../report/escape.ts';
import { openActionWorkspace, runAction, writeSummary } from './action.ts';
import { verifyInputs } from './inputs.ts';

await runAction(['verified', 'headline', 'version', 'aliases', 'sha256'], async (context) => {
  const inputs = await verifyInputs(process.env);
  const workspace = await openActionWorkspace(inputs, context);
  const { file, tag } = inputs;
  const found = await verifyArtifact(workspace, { file, tag, champion: inputs.require === 'champion' });
  context.setOutputs({
    verified: String(found.verified),
    headline: found.message,
    version: found.version ?? '',
    aliases: JSON.stringify(found.aliases),
    sha256: found.sha256,
  });
  await writeSummary(`## ${found.verified ? '✅' : '❌'} ${markdownText(found.message)}\n`);
  if (found.verified) core.info(found.message);
  else core.setFailed(found.message);
});
