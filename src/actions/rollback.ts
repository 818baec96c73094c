import { runContext } from '../github/context.ts';
import { eventPayload } from '../github/run-place.ts';
import { rollBack } from '../pipeline/acts.ts';
import { headline } from '../report/index.ts';
import { openActionWorkspace, report, runAction } from './action.ts';
import { rollbackInputs } from './inputs.ts';

const outputs = ['status', 'headline', 'pull-request', 'version', 'from', 'sha256', 'uri', 'commit'] as const;

await runAction(outputs, async (context) => {
  const run = runContext(process.env, await eventPayload(process.env));
  const inputs = await rollbackInputs(process.env, run);
  const workspace = await openActionWorkspace(inputs, context);
  const { record, to, reason } = inputs;
  const result = await rollBack(workspace, { to, reason, record, actor: run.actor ?? 'unknown', source: run.source });
  const { decision } = result;
  const champion = result.status === 'pending' ? decision.from : decision.to;
  const artifact = champion?.artifacts[0];
  context.setOutputs({
    status: result.status,
    headline: headline(result),
    'pull-request': result.pullRequest?.url ?? '',
    version: champion?.version ?? '',
    from: decision.from?.version ?? '',
    sha256: artifact?.sha256 ?? '',
    uri: artifact?.uri ?? '',
    commit: result.commit ?? '',
  } satisfies Record<(typeof outputs)[number], string>);
  await report(result, workspace, inputs);
});
