import * as core from '@actions/core';
import { modelOfTag, verifyArtifact } from '../pipeline/auditing/verify-artifact.ts';
import { markdownText } from '../report/escape.ts';
import { openActionWorkspace, runAction, writeSummary } from './action.ts';
import { choice, commonInputs, required, text } from './inputs.ts';

await runAction(['verified', 'headline', 'version', 'aliases', 'sha256'], async (context) => {
  const file = required('file', 'the model file');
  const inputs = await commonInputs(process.env);
  const { GITHUB_REF_TYPE: type, GITHUB_REF_NAME: pushed } = process.env;
  // The one that was pushed, if one was; it names the model where it may.
  const tag = text('tag') ?? (type === 'tag' ? pushed : undefined);
  const champion = choice('require', ['champion', 'version']) === 'champion';
  const workspace = await openActionWorkspace({ ...inputs, model: inputs.model ?? modelOfTag(tag) }, context);
  const found = await verifyArtifact(workspace, { file, tag, champion });
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
