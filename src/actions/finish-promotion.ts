import { openGitHub } from '../github/client.ts';
import { finishPromotions } from '../pipeline/publishing/finish-promotion.ts';
import { openActionWorkspace, runAction } from './action.ts';
import { tellFindings } from './findings.ts';
import { finishInputs } from './inputs.ts';

await runAction(['status', 'headline', 'promoted', 'tags', 'findings'], async (context) => {
  const { range, ...inputs } = await finishInputs(process.env);
  const workspace = await openActionWorkspace(inputs, context, true);
  const { repository = '', apiUrl } = workspace.github ?? {};
  const { log, signal } = workspace;
  const github = openGitHub({ repository, token: inputs.token, apiUrl, log, signal });
  const { findings, decisions, promoted, tags } = await finishPromotions(workspace, { github, range });
  const [status, headline] =
    findings.length > 0
      ? ['refused', 'What was merged is not what Contender decided: nothing was tagged or released.']
      : decisions === 0
        ? ['nothing', 'No decision came with this push.']
        : ['finished', finishedText(decisions, promoted)];
  context.setOutputs({
    status,
    headline,
    promoted: JSON.stringify(promoted),
    tags,
    findings: JSON.stringify(findings),
  });
  await tellFindings(headline, findings);
});

function finishedText(decisions: number, promoted: readonly { model: string; version: string }[]): string {
  const came = decisions === 1 ? 'The decision that was merged is' : `The ${decisions} decisions that were merged are`;
  const champions = promoted.map(({ model, version }) => `${model} ${version}`).join(', ');
  return `${came} what Contender wrote${champions === '' ? '' : `. In force: ${champions}`}.`;
}
