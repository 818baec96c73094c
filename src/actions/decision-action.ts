import * as core from '@actions/core';
import { join } from 'node:path';
import { runContext } from '../github/context.ts';
import type { PromoteInput, PromoteResult } from '../pipeline/promote.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import { headline } from '../report/index.ts';
import { openActionWorkspace, report, runAction } from './action.ts';
import { decisionInputs } from './inputs.ts';

/** An action that decides, and records the decision where the event allows it. */
export function decisionAction(
  decide: (workspace: Workspace, input: PromoteInput) => Promise<PromoteResult>,
): Promise<void> {
  return runAction(async (signal) => {
    const run = runContext(process.env);
    const inputs = await decisionInputs(process.env, run);
    const workspace = await openActionWorkspace(inputs, signal);
    const result = await decide(workspace, {
      record: inputs.record,
      actor: run.actor ?? 'unknown',
      source: run.source,
      version: inputs.version,
    });
    const { decision, evidence } = result;
    // Before any failure: a later step may want them all the same.
    core.setOutput('outcome', decision.outcome);
    core.setOutput('headline', headline(result));
    core.setOutput('status', result.status);
    core.setOutput('version', decision.to?.version ?? '');
    core.setOutput('commit', result.commit ?? '');
    core.setOutput('candidate-sha256', decision.candidate?.artifacts[0]?.sha256 ?? '');
    core.setOutput('decision', join(workspace.out, 'decision.json'));
    core.setOutput(
      'evidence',
      evidence.map(({ kind }) => join(workspace.out, 'evidence', `${kind}.json`)),
    );
    core.setOutput('report', join(workspace.out, 'report.md'));
    core.setOutput('report-html', join(workspace.out, 'report.html'));
    await report(result, workspace);
    const failed =
      (decision.outcome === 'reject' && inputs.failOnReject) || (decision.outcome === 'hold' && inputs.failOnHold);
    if (failed) core.setFailed(headline(result));
  });
}
