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
      ? ['refused', 'The merged decision differs from the one that Contender made: nothing was tagged or released.']
      : decisions === 0
        ? ['nothing', 'This push contains no decision.']
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
  const came = decisions === 1 ? 'The merged decision is' : `The ${decisions} merged decisions are`;
  const champions = promoted.map(({ model, version }) => `${model} ${version}`).join(', ');
  return `${came} what Contender wrote${champions === '' ? '' : `. In force: ${champions}`}.`;
}
