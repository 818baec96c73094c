import { openActionWorkspace, runAction } from './action.ts';
import { releaseInputs } from './inputs.ts';
import { release } from './releasing.ts';

await runAction(['status', 'headline', 'version', 'tag', 'url'], async (context) => {
  const inputs = await releaseInputs(process.env);
  const { action, headline, version, tag, url } = await release(await openActionWorkspace(inputs, context), inputs);
  context.setOutputs({ status: action, headline, version, tag, url });
});
