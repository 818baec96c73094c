import type { AnnotationProperties } from '@actions/core';
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { mendable } from '../errors.ts';
import { fromTopOf } from '../pipeline/gate/places.ts';
import type { Recording } from '../pipeline/workspace.ts';
import { withInputs } from './input-names.ts';
import { text } from './inputs.ts';

const bug = 'This is a bug in Contender, please report it';

/** What a person can mend, as one message; a bug of ours with its stack. */
export function faultText(error: unknown): string {
  const fault = mendable(error);
  if (fault !== null) return withInputs(fault.message);
  return `${bug}: ${error instanceof Error ? error.stack : String(error)}`;
}

/** The same for where secrets are not masked: nothing of what a bug of ours says. */
export function publicFaultText(error: unknown): string {
  return mendable(error) !== null ? faultText(error) : `${bug}; the log of the run has the details.`;
}

/** What a run that was cancelled leaves behind. @param missing what was yet to be done once the decision was recorded */
export function cancelledText(recording: Recording | null, missing: readonly string[]): string {
  if (recording === null) return 'Cancelled before the end; nothing was recorded.';
  const again = 'Run the job again: nothing is recorded twice';
  if (recording === 'begun') {
    return `Cancelled while the decision was being recorded: it may or may not be in the registry. ${again}.`;
  }
  const { status, commit, pullRequest } = recording;
  const place =
    status === 'pending'
      ? `put into pull request ${pullRequest?.url ?? ''}`
      : commit === null
        ? 'found not to need recording'
        : `recorded in commit ${commit}`;
  const rest = missing.length === 0 ? '' : `; missing: ${missing.join(', ')}`;
  return `Cancelled after the decision was ${place}${rest}. ${again}, and missing steps are completed.`;
}

/** Where in a file a fault is, if its message says so: `contender.yml:12:3: ...`, from the folder that the step works in. */
export async function placeIn(message: string): Promise<AnnotationProperties> {
  const { file, line, column } = /^(?<file>[^:\n]+):(?<line>\d+):(?<column>\d+): /mu.exec(message)?.groups ?? {};
  if (file === undefined) return {};
  const workspace = process.env['GITHUB_WORKSPACE'] ?? process.cwd();
  const root = await realpath(resolve(workspace, text('working-directory') ?? '.')).catch(() => workspace);
  const path = resolve(root, file);
  if (!existsSync(path)) return {};
  const shown = await fromTopOf({ root }, path);
  return { file: shown, startLine: Number(line), startColumn: Number(column) };
}
