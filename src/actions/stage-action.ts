import { join } from 'node:path';
import { evidenceDigest, type Evidence } from '../evidence/index.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import { headline } from '../report/index.ts';
import { openActionWorkspace, report, runAction } from './action.ts';
import { stageInputs } from './inputs.ts';

const outputs = ['verdict', 'headline', 'evidence', 'evidence-sha256', 'candidate-sha256'] as const;

/** An action that runs one stage and gives its evidence. @param further outputs that this stage alone has */
export function stageAction(
  stage: (workspace: Workspace) => Promise<Evidence>,
  further: Record<string, (evidence: Evidence) => string> = {},
): Promise<void> {
  return runAction([...outputs, ...Object.keys(further)], async (context) => {
    const inputs = await stageInputs(process.env);
    const workspace = await openActionWorkspace(inputs, context);
    const evidence = await stage(workspace);
    const said = { decision: null, evidence: [evidence] };
    context.setOutputs({
      verdict: evidence.verdict,
      headline: headline(said),
      evidence: join(workspace.out, 'evidence', `${evidence.kind}.json`),
      'evidence-sha256': evidenceDigest(evidence),
      'candidate-sha256': evidence.subjects.candidate?.sha256 ?? '',
    } satisfies Record<(typeof outputs)[number], string>);
    for (const [name, of] of Object.entries(further)) context.setOutputs({ [name]: of(evidence) });
    const fail = await report(said, workspace, inputs);
    const failed =
      evidence.verdict === 'fail' ? inputs.failOnFailure : evidence.verdict !== 'pass' && inputs.failOnInconclusive;
    if (failed) fail(headline(said));
  });
}
