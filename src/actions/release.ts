import { openActionWorkspace, runAction } from './action.ts';
import { releaseInputs } from './inputs.ts';
import { release } from './releasing.ts';

const outputs = ['status', 'headline', 'version', 'tag', 'url'] as const;

await runAction(outputs, async (context) => {
  const inputs = await releaseInputs(process.env);
  const { action, headline, version, tag, url } = await release(await openActionWorkspace(inputs, context), inputs);
  context.setOutputs({ status: action, headline, version, tag, url } satisfies Record<
    (typeof outputs)[number],
    string
  >);
});
