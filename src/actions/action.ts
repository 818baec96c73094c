import * as core from '@actions/core';
import { isAbsolute, relative } from 'node:path';
import { ContenderError } from '../errors.ts';
import { openWorkspace, type Workspace } from '../pipeline/workspace.ts';
import { annotations, renderConsole, renderMarkdown, summaryLimit, type ReportInput } from '../report/index.ts';
import { actionLog } from './action-log.ts';
import type { CommonInputs } from './inputs.ts';

/**
 * Run an action. What a person can mend is one message; anything else is a bug of ours and keeps its stack. A cancelled job
 * has seconds to end: `signal` tells the stages, which stop what they started.
 */
export async function runAction(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const abort = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => abort.abort(new Error(name)));
  try {
    await work(abort.signal);
  } catch (error) {
    if (abort.signal.aborted) core.setFailed('Cancelled before it was done; nothing was recorded.');
    else if (error instanceof ContenderError) core.setFailed(error.message);
    else {
      core.setFailed(
        `This is a bug in Contender, please report it: ${error instanceof Error ? error.stack : String(error)}`,
      );
    }
  }
}

/** The workspace the inputs describe. @throws ConfigError, UsageError */
export function openActionWorkspace(inputs: CommonInputs, signal: AbortSignal): Promise<Workspace> {
  const { root, config, model, out, candidate, champion } = inputs;
  return openWorkspace({ root, config, model, out, overrides: { candidate, champion }, log: actionLog(), signal });
}

/** Tell a person: the log, annotations on the run, and the step summary. */
export async function report(input: ReportInput, workspace: Workspace): Promise<void> {
  core.info(renderConsole(input, { colour: true, width: 120 }));
  for (const { level, message, title, file, line, column } of annotations(input)) {
    core[level](message, {
      title,
      ...(file === undefined ? {} : { file: isAbsolute(file) ? relative(workspace.root, file) : file }),
      ...(line === undefined ? {} : { startLine: line }),
      ...(column === undefined ? {} : { startColumn: column }),
    });
  }
  if ((process.env['GITHUB_STEP_SUMMARY'] ?? '') === '') return;
  await core.summary.addRaw(renderMarkdown(input, { limit: summaryLimit })).write();
}
