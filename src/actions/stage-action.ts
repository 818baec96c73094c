import * as core from '@actions/core';
import { join } from 'node:path';
import { evidenceDigest, type Evidence } from '../evidence/index.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import { headline } from '../report/index.ts';
import { openActionWorkspace, report, runAction } from './action.ts';
import { stageInputs } from './inputs.ts';

/** An action that runs one stage and gives its evidence. */
export function stageAction(stage: (workspace: Workspace) => Promise<Evidence>): Promise<void> {
  return runAction(async (signal) => {
    const inputs = await stageInputs(process.env);
    const workspace = await openActionWorkspace(inputs, signal);
    const evidence = await stage(workspace);
    const said = { decision: null, evidence: [evidence] };
    // Before any failure: a later step may want them all the same.
    core.setOutput('verdict', evidence.verdict);
    core.setOutput('headline', headline(said));
    core.setOutput('evidence', join(workspace.out, 'evidence', `${evidence.kind}.json`));
    core.setOutput('evidence-sha256', evidenceDigest(evidence));
    core.setOutput('candidate-sha256', evidence.subjects.candidate?.sha256 ?? '');
    await report(said, workspace);
    const failed =
      evidence.verdict === 'fail' ? inputs.failOnFailure : evidence.verdict !== 'pass' && inputs.failOnInconclusive;
    if (failed) core.setFailed(headline(said));
  });
}
