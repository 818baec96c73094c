import { gitHubAccess } from '../github/access.ts';
import { baseOfEvent } from '../github/run-place.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import { verify } from '../pipeline/auditing/verify-change.ts';
import { openActionWorkspace, runAction } from './action.ts';
import { tellFindings } from './findings.ts';
import { commonInputs, text } from './inputs.ts';

await runAction(['verified', 'headline', 'findings'], async (context) => {
  const named = text('base');
  const against = named === undefined ? await baseOfEvent(process.env) : { base: named, pushed: false };
  const inputs = await commonInputs(process.env);
  const { root, config, token } = inputs;
  const github = gitHubAccess(process.env, token);
  const open = (): Promise<Workspace> => openActionWorkspace(inputs, context, true);
  const { base, pushed = false } = against ?? {};
  const verified = await verify({ root, config, base, pushed, github }, open);
  const { findings, notes } = verified;
  const headline =
    findings.length === 0
      ? verified.sound
      : `The registry is not valid: ${findings.length} ${findings.length === 1 ? 'problem' : 'problems'} found.`;
  context.setOutputs({ verified: String(findings.length === 0), headline, findings: JSON.stringify(findings) });
  await tellFindings(headline, findings, notes);
});
