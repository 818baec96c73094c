import { openGitHub } from '../github/client.ts';
import { finishPromotions } from '../pipeline/publishing/finish-promotion.ts';
import { gitHubAccess, openWorkspace } from '../pipeline/workspace.ts';
import { actionLog } from './action-log.ts';
import { runAction } from './action.ts';
import { tellFindings } from './findings.ts';
import { finishInputs } from './inputs.ts';

const outputs = ['status', 'headline', 'promoted', 'tags', 'findings'] as const;

await runAction(outputs, async ({ signal, setOutputs }) => {
  const { root, config, model, out, token, range } = await finishInputs(process.env);
  const access = gitHubAccess(process.env, token);
  const log = actionLog();
  const workspace = await openWorkspace({ root, config, model, out, anyModel: true, github: access, log, signal });
  const { repository = '', apiUrl } = access;
  const github = openGitHub({ repository, token, apiUrl, log, signal });
  const { findings, decisions, promoted, tags } = await finishPromotions(workspace, { github, range });
  const [status, headline] =
    findings.length > 0
      ? ['refused', 'What was merged is not what Contender decided: nothing was tagged or released.']
      : decisions === 0
        ? ['nothing', 'No decision came with this push.']
        : ['finished', finishedText(decisions, promoted)];
  setOutputs({
    status,
    headline,
    promoted: JSON.stringify(promoted),
    tags,
    findings: JSON.stringify(findings),
  } satisfies Record<(typeof outputs)[number], string | string[]>);
  await tellFindings(headline, findings);
});

function finishedText(decisions: number, promoted: readonly { model: string; version: string }[]): string {
  const came = decisions === 1 ? 'The decision that was merged is' : `The ${decisions} decisions that were merged are`;
  const champions = promoted.map(({ model, version }) => `${model} ${version}`).join(', ');
  return `${came} what Contender wrote${champions === '' ? '' : `. In force: ${champions}`}.`;
}
