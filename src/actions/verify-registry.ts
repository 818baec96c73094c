import { gitHubAccess, openWorkspace, type Workspace } from '../pipeline/workspace.ts';
import { verify } from '../pipeline/auditing/verify-change.ts';
import { actionLog } from './action-log.ts';
import { runAction } from './action.ts';
import { tellFindings } from './findings.ts';
import { verifyRegistryInputs } from './inputs.ts';

const outputs = ['verified', 'headline', 'findings'] as const;

await runAction(outputs, async ({ signal, setOutputs }) => {
  const { root, config, model, out, token, base, pushed } = await verifyRegistryInputs(process.env);
  const github = gitHubAccess(process.env, token);
  const open = (): Promise<Workspace> =>
    openWorkspace({ root, config, model, out, anyModel: true, github, log: actionLog(), signal });
  const verified = await verify({ root, config, base, pushed, github }, open);
  const { findings, notes } = verified;
  const headline =
    findings.length === 0
      ? verified.sound
      : `The registry is not valid: ${findings.length} ${findings.length === 1 ? 'problem' : 'problems'} found.`;
  setOutputs({
    verified: String(findings.length === 0),
    headline,
    findings: JSON.stringify(findings),
  } satisfies Record<(typeof outputs)[number], string>);
  await tellFindings(headline, findings, notes);
});
