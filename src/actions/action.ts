import * as core from '@actions/core';
import { join } from 'node:path';
import { evidenceDigest, type Evidence } from '../evidence/index.ts';
import { writeJunit } from '../pipeline/gate/output.ts';
import { withPlaces } from '../pipeline/gate/places.ts';
import { gitHubAccess } from '../github/access.ts';
import { openWorkspace, type Recording, type Workspace } from '../pipeline/workspace.ts';
import {
  annotations,
  headline,
  renderConsole,
  renderFault,
  renderMarkdown,
  summaryLimit,
  withoutWorkflowCommands,
  type Result,
} from '../report/index.ts';
import type { StageReport } from '../report/section.ts';
import { stages } from '../stages/index.ts';
import { actionLog } from './action-log.ts';
import { cancelledText, faultText, placeIn, publicFaultText } from './fault-text.ts';
import type { CommonInputs, stageInputs } from './inputs.ts';

/** What an action gets from the process it runs in. */
export interface ActionContext<Output extends string = string> {
  /** A cancelled job has seconds to end: this tells the stages, which stop what they started. */
  signal: AbortSignal;
  /** Give every output, before any failure: a later step may want them all the same. */
  setOutputs(outputs: Record<Output, string | readonly string[]>): void;
  /** From now on, where an error is posted in addition to log and summary; null: nowhere. */
  onFault(tell: ((message: string) => Promise<void>) | null): void;
  /** What becomes of a decision that is recorded. */
  onRecord(recording: Recording): void;
  /** What is yet to be done once the decision is recorded: a run that is cancelled says that it is missing. */
  remaining(what: readonly string[]): void;
}

/**
 * Run an action. What a person can mend is one message; anything else is a bug of ours and keeps its stack. Where it ends
 * before the outputs are set they are set all the same: `error` for the verdict, the message for the headline.
 *
 * @param outputs the names of all outputs, the verdict first
 */
export async function runAction<const Outputs extends readonly [verdict: string, ...others: string[]]>(
  outputs: Outputs,
  work: (context: ActionContext<Outputs[number]>) => Promise<void>,
): Promise<void> {
  const abort = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => abort.abort(new Error(name)));
  let outputsSet = false;
  let postError: ((message: string) => Promise<void>) | null = null;
  let recording: Recording | null = null;
  let missing: readonly string[] = [];
  try {
    await work({
      signal: abort.signal,
      setOutputs(values) {
        outputsSet = true;
        for (const [name, value] of Object.entries<string | readonly string[]>(values)) core.setOutput(name, value);
      },
      onFault: (post) => (postError = post),
      onRecord: (now) => (recording = now),
      remaining: (what) => (missing = what),
    });
  } catch (error) {
    const message = abort.signal.aborted ? cancelledText(recording, missing) : faultText(error);
    process.exitCode = core.ExitCode.Failure;
    core.error(message, await placeIn(message));
    if (!outputsSet) {
      const values: Record<string, string> = { [outputs[0]]: 'error', headline: message };
      for (const name of outputs) core.setOutput(name, values[name] ?? '');
      await writeSummary(renderFault(message));
    }
    if (!abort.signal.aborted) await publish(postError, publicFaultText(error));
  }
}

async function publish(post: ((message: string) => Promise<void>) | null, message: string): Promise<void> {
  try {
    await post?.(message);
  } catch (fault) {
    core.warning(`Could not post the error to GitHub: ${faultText(fault)}`);
  }
}

/** The workspace the inputs describe. @param anyModel what is done concerns all models @throws ConfigError, UsageError */
export function openActionWorkspace(
  { candidate, champion, token, ...inputs }: CommonInputs,
  { signal, onRecord }: Pick<ActionContext, 'signal' | 'onRecord'>,
  anyModel = false,
): Promise<Workspace> {
  const overrides = { candidate, champion };
  const github = gitHubAccess(process.env, token ?? process.env['GITHUB_TOKEN']);
  return openWorkspace({ ...inputs, anyModel, overrides, github, onRecord, log: actionLog(), signal });
}

/**
 * Tell a person: the log, annotations on the run, the step summary, and a JUnit file where one is asked for.
 *
 * @returns how to fail the step: what an annotation says already is not said in a second one
 */
export async function report(
  result: Result,
  workspace: Workspace,
  { junit }: CommonInputs,
  shown: readonly StageReport[] = stages,
): Promise<(message: string) => void> {
  const input = { ...result, stages: shown };
  core.info(renderConsole(input, { colour: true, width: 120 }));
  const placed = { ...input, evidence: await withPlaces(workspace, input.evidence) };
  const given = annotations(placed);
  for (const { level, message, title, file, line, column } of given) {
    core[level](message, {
      title,
      ...(file === undefined ? {} : { file }),
      ...(line === undefined ? {} : { startLine: line }),
      ...(column === undefined ? {} : { startColumn: column }),
    });
  }
  if (junit !== undefined) await writeJunit(workspace, placed, junit);
  await writeSummary(renderMarkdown(input, { limit: summaryLimit }));
  if (!given.some(({ level }) => level === 'error')) return (message) => core.setFailed(message);
  return (message) => {
    process.exitCode = core.ExitCode.Failure;
    core.info(withoutWorkflowCommands(message));
  };
}

/** Outputs and report of an action that judges and decides nothing, and its failure where the inputs ask for it. */
export async function tellEvidence(
  evidence: Evidence,
  workspace: Workspace,
  inputs: Awaited<ReturnType<typeof stageInputs>>,
  context: Pick<ActionContext<'verdict' | 'headline' | 'evidence' | 'evidence-sha256'>, 'setOutputs'>,
  shown: readonly StageReport[] = stages,
): Promise<void> {
  const { verdict, kind } = evidence;
  const said = { decision: null, evidence: [evidence], overriding: workspace.overriding };
  context.setOutputs({
    verdict,
    headline: headline(said),
    evidence: join(workspace.out, 'evidence', `${kind}.json`),
    'evidence-sha256': evidenceDigest(evidence),
  });
  const fail = await report(said, workspace, inputs, shown);
  const failed = verdict === 'fail' ? inputs.failOnFailure : verdict !== 'pass' && inputs.failOnInconclusive;
  if (failed) fail(headline(said));
}

export async function writeSummary(text: string): Promise<void> {
  if ((process.env['GITHUB_STEP_SUMMARY'] ?? '') !== '') await core.summary.addRaw(text).write();
}
