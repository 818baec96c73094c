import * as core from '@actions/core';
import type { Finding } from '../pipeline/auditing/verify-change.ts';
import { markdownText, withoutWorkflowCommands } from '../report/escape.ts';
import { writeSummary } from './action.ts';

/** Annotations GitHub keeps of a step. */
const annotated = 10;
/** So many are listed in the summary. */
const listed = 100;

/** Tell what is wrong with a registry, or that nothing is: annotations, the log and the step summary. The step fails if something is. */
export async function tellFindings(
  headline: string,
  findings: readonly Finding[],
  notes: readonly string[] = [],
): Promise<void> {
  const sound = findings.length === 0;
  const lines = findings.map(({ path, found, expected, remedy }) => ({
    path,
    message: `${path}: ${found}. Expected ${expected}. ${remedy}`,
  }));
  for (const { path, message } of lines.slice(0, annotated)) core.error(message, { file: path, title: 'Registry' });
  for (const { message } of lines.slice(annotated)) core.info(withoutWorkflowCommands(message));
  const list = lines.slice(0, listed).map(({ message }) => `- ${markdownText(message)}\n`);
  for (const note of notes) core.notice(note, { title: 'Registry' });
  list.push(...notes.map((note) => `- ${markdownText(note)}\n`));
  await writeSummary(`## ${sound ? '✅' : '❌'} ${headline}\n\n${list.join('')}`);
  if (sound) core.info(headline);
  else core.setFailed(headline);
}
