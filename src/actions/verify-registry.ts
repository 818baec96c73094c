import * as core from '@actions/core';
import { gitHubAccess, openWorkspace, type Workspace } from '../pipeline/index.ts';
import { verify } from '../pipeline/verify-change.ts';
import { markdownText, withoutWorkflowCommands } from '../report/escape.ts';
import { actionLog } from './action-log.ts';
import { runAction, writeSummary } from './action.ts';
import { verifyRegistryInputs } from './inputs.ts';

const outputs = ['verified', 'headline', 'findings'] as const;
/** Annotations GitHub keeps of a step. */
const shown = 10;

await runAction(outputs, async ({ signal, setOutputs }) => {
  const { root, config, model, out, token, base } = await verifyRegistryInputs(process.env);
  const github = gitHubAccess(process.env, token);
  const open = (): Promise<Workspace> =>
    openWorkspace({ root, config, model, out, anyModel: true, github, log: actionLog(), signal });
  const verified = await verify({ root, config, base }, open);
  const { findings } = verified;
  const sound = findings.length === 0;
  const headline = sound
    ? verified.sound
    : `The registry is not sound: ${findings.length} ${findings.length === 1 ? 'thing does' : 'things do'} not agree.`;
  setOutputs({
    verified: String(sound),
    headline,
    findings: JSON.stringify(findings),
  } satisfies Record<(typeof outputs)[number], string>);
  const lines = findings.map(({ path, found, expected, remedy }) => ({
    path,
    message: `${path}: ${found}. Expected ${expected}. ${remedy}`,
  }));
  for (const { path, message } of lines.slice(0, shown)) core.error(message, { file: path, title: 'Registry' });
  for (const { message } of lines.slice(shown)) core.info(withoutWorkflowCommands(message));
  const list = lines.slice(0, 100).map(({ message }) => `- ${markdownText(message)}\n`);
  await writeSummary(`## ${sound ? '✅' : '❌'} ${headline}\n\n${list.join('')}`);
  if (sound) core.info(headline);
  else core.setFailed(headline);
});
