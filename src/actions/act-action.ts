import { runContext, type RunContext } from '../github/context.ts';
import { eventPayload } from '../github/run-place.ts';
import type { PromoteResult } from '../pipeline/gate/promote.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import { headline } from '../report/index.ts';
import { openActionWorkspace, report, runAction } from './action.ts';
import type { ActInputs } from './inputs.ts';
import { tellUnpushed } from './unpushed.ts';

/** An action that does to the registry what a person asks for, who is the one that started the run. */
export function actAction<I extends ActInputs>(
  read: (env: NodeJS.ProcessEnv, run: RunContext) => Promise<I>,
  perform: (workspace: Workspace, input: I & Pick<RunContext, 'source'> & { actor: string }) => Promise<PromoteResult>,
): Promise<void> {
  return runAction(
    ['status', 'headline', 'pull-request', 'version', 'from', 'sha256', 'uri', 'commit'],
    async (context) => {
      const run = runContext(process.env, await eventPayload(process.env));
      const inputs = await read(process.env, run);
      const workspace = await openActionWorkspace(inputs, context);
      const result = await perform(workspace, { ...inputs, actor: run.actor ?? 'unknown', source: run.source });
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
      });
      await report(result, workspace, inputs);
      tellUnpushed(workspace, result);
    },
  );
}
