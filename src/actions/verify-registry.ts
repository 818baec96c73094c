import * as core from '@actions/core';
import { openRegistry, openWorkspace } from '../pipeline/index.ts';
import { soundChange, verifyAgainst, type Finding } from '../pipeline/verify-change.ts';
import { markdownText, withoutWorkflowCommands } from '../report/escape.ts';
import { actionLog } from './action-log.ts';
import { runAction, writeSummary } from './action.ts';
import { verifyRegistryInputs, type VerifyRegistryInputs } from './inputs.ts';

const outputs = ['verified', 'headline', 'findings'] as const;
/** Annotations GitHub keeps of a step. */
const shown = 10;

await runAction(outputs, async ({ signal, setOutputs }) => {
  const inputs = await verifyRegistryInputs(process.env);
  const { findings, headline } = await verified(inputs, signal);
  const sound = findings.length === 0;
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

async function verified(
  inputs: VerifyRegistryInputs,
  signal: AbortSignal,
): Promise<{ findings: Finding[]; headline: string }> {
  const { root, config, base } = inputs;
  const told = (findings: Finding[], sound: string): { findings: Finding[]; headline: string } => ({
    findings,
    headline:
      findings.length === 0
        ? sound
        : `The registry is not sound: ${findings.length} ${findings.length === 1 ? 'thing does' : 'things do'} not agree.`,
  });
  if (base === undefined) {
    const { model, out } = inputs;
    const workspace = await openWorkspace({ root, config, model, out, anyModel: true, log: actionLog(), signal });
    const findings = await (await openRegistry(workspace)).verify();
    return told(findings, 'The registry is sound: every chain, manifest and piece of evidence agrees.');
  }
  const change = await verifyAgainst({ root, config, base });
  return told(change.findings, soundChange(change));
}
