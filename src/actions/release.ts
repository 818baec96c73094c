import { openActionWorkspace, runAction } from './action.ts';
import { commonInputs, requiredToken, text } from './inputs.ts';
import { release } from './releasing.ts';

await runAction(['status', 'headline', 'version', 'tag', 'url'], async (context) => {
  const token = requiredToken('contents');
  const workspace = await openActionWorkspace(await commonInputs(process.env), context);
  const { action, headline, version, tag, url } = await release(workspace, { token, version: text('version') });
  context.setOutputs({ status: action, headline, version, tag, url });
});
