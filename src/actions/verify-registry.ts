import * as core from '@actions/core';
import { openRegistry, openWorkspace } from '../pipeline/index.ts';
import { markdownText, withoutWorkflowCommands } from '../report/escape.ts';
import { actionLog } from './action-log.ts';
import { runAction, writeSummary } from './action.ts';
import { commonInputs } from './inputs.ts';

const outputs = ['verified', 'headline', 'findings'] as const;
/** Annotations GitHub keeps of a step. */
const shown = 10;

await runAction(outputs, async ({ signal, setOutputs }) => {
  const { root, config, model, out } = await commonInputs(process.env);
  const workspace = await openWorkspace({ root, config, model, out, anyModel: true, log: actionLog(), signal });
  const findings = await (await openRegistry(workspace)).verify();
  const sound = findings.length === 0;
  const headline = sound
    ? 'The registry is sound: every chain, manifest and piece of evidence agrees.'
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
