import * as core from '@actions/core';
import { join } from 'node:path';
import { ContenderError } from '../errors.ts';
import { runContext } from '../github/context.ts';
import { warnOfExpiry } from '../pipeline/auditing/expiry.ts';
import { eventPayload } from '../github/run-place.ts';
import type { PromoteInput, PromoteResult } from '../pipeline/gate/promote.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import { headline, metricsOf } from '../report/index.ts';
import { openActionWorkspace, report, runAction } from './action.ts';
import { decisionInputs, modelInput, type DecisionInputs } from './inputs.ts';
import { openPublishing, publishError, publishReport } from './publishing.ts';
import { tellUnpushed } from './unpushed.ts';
import { uploadReport } from './upload-report.ts';

const outputs = [
  'outcome',
  'headline',
  'status',
  'pull-request',
  'version',
  'commit',
  'candidate-sha256',
  'decision',
  'evidence',
  'report',
  'report-html',
  'report-url',
  'metrics',
  'openmetrics',
  'badge',
] as const;

/** An action that decides, and records the decision where the event allows it. */
export function decisionAction(
  decide: (workspace: Workspace, input: PromoteInput, inputs: DecisionInputs) => Promise<PromoteResult>,
): Promise<void> {
  return runAction(outputs, async (context) => {
    const { setOutputs, onFault, remaining } = context;
    const publishing = await openPublishing(context.signal);
    onFault((message) => publishError(publishing, message, { model: modelInput(), configured: false }));
    const run = runContext(process.env, await eventPayload(process.env));
    const inputs = await decisionInputs(process.env, run);
    const workspace = await openActionWorkspace(inputs, context);
    const { model } = workspace;
    onFault((message) => publishError(publishing, message, { model, configured: true }));
    const input = { record: inputs.record, actor: run.actor ?? 'unknown', source: run.source, version: inputs.version };
    const result = await decide(workspace, input, inputs);
    const toRelease = inputs.record && mayBeReleased(result) ? inputs.release : undefined;
    const release = toRelease === undefined ? [] : ['the release'];
    remaining([...(inputs.check ? ['the check run'] : []), ...release]);
    const { decision, evidence } = result;
    const reportUrl = inputs.uploadReport ? await uploadReport(workspace) : undefined;
    const shown = { ...result, reportUrl };
    setOutputs({
      outcome: decision.outcome,
      headline: headline(result),
      status: result.status,
      'pull-request': result.pullRequest?.url ?? '',
      version: (result.status === 'pending' ? decision.from : decision.to)?.version ?? '',
      commit: result.commit ?? '',
      'candidate-sha256': decision.candidate?.artifacts[0]?.sha256 ?? '',
      decision: join(workspace.out, 'decision.json'),
      evidence: evidence.map(({ kind }) => join(workspace.out, 'evidence', `${kind}.json`)),
      report: join(workspace.out, 'report.md'),
      'report-html': join(workspace.out, 'report.html'),
      'report-url': reportUrl ?? '',
      metrics: metricsOf(evidence),
      openmetrics: join(workspace.out, 'metrics.prom'),
      badge: join(workspace.out, 'badge.json'),
    });
    const fail = await report(shown, workspace, inputs);
    await publishReport(publishing, workspace, shown);
    onFault(null);
    remaining(release);
    tellUnpushed(workspace, result);
    if (inputs.release === undefined) await warnOfExpiry(workspace, result);
    if (toRelease !== undefined) await releaseChampion(workspace, toRelease, result);
    const failed =
      (decision.outcome === 'reject' && inputs.failOnReject) || (decision.outcome === 'hold' && inputs.failOnHold);
    if (failed) fail(headline(result));
  });
}

/** A release of a champion that the registry has: also of the one it had, whose release may have been cut off. */
function mayBeReleased({ decision, status }: PromoteResult): boolean {
  const recorded = status === 'recorded' || status === 'already-recorded';
  return decision.to !== null && (status === 'no-change' || (recorded && decision.outcome === 'promote'));
}

/** The decision stands, whatever becomes of its release. */
async function releaseChampion(workspace: Workspace, token: string, result: PromoteResult): Promise<void> {
  const { release } = await import('./releasing.ts');
  try {
    await release(workspace, { token, version: result.decision.to?.version });
  } catch (error) {
    if (!(error instanceof ContenderError) || workspace.signal?.aborted === true) throw error;
    const standing = result.status === 'no-change' ? 'Nothing changed in the registry' : 'The decision is recorded';
    core.setFailed(`${standing}, but its release is not complete; run the job again to complete it. ${error.message}`);
  }
}
