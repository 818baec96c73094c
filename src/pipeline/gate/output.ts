import { firstFault, validatorOf, type LazyValidator } from '../../validator.ts';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { defaults } from '../../config/index.ts';
import {
  buildEvidence,
  Decision as DecisionSchema,
  Evidence as EvidenceSchema,
  type Decision,
  type Evidence,
  type EvidenceInput,
  type RecordedDecision,
} from '../../evidence/index.ts';
import { EvidenceError } from '../../errors.ts';
import { makeFolder } from '../../make-folder.ts';
import { drawing } from '../../report/draw.ts';
import { renderHtml } from '../../report/html.ts';
import { renderJunit } from '../../report/junit.ts';
import { renderMarkdown } from '../../report/markdown.ts';
import { badge, openMetrics } from '../../report/openmetrics.ts';
import { renderSarif } from '../../report/sarif.ts';
import type { Result } from '../../report/standing.ts';
import { stages } from '../../stages/index.ts';
import type { Stage, StageResult } from '../../stages/stage.ts';
import { version } from '../../version.ts';
import type { Workspace } from '../workspace.ts';
import { requireWritable, writeWhole, writing } from '../writing.ts';

/** Write one piece of evidence to `<out>/<model>/evidence/<kind>.json`, whole or not at all. @param files beside it */
export async function writeEvidence(
  workspace: Workspace,
  { files = [], ...found }: Pick<EvidenceInput, 'kind' | 'subjects' | 'startedAt'> & StageResult,
): Promise<Evidence> {
  const { model, policyDigest } = workspace;
  const evidence = buildEvidence({ ...found, model, policyDigest, toolVersion: version, finishedAt: new Date() });
  await keepOutOfGit(workspace);
  for (const { name, content } of files) await writeWhole(join(workspace.out, name), content);
  return keepEvidence(workspace, evidence);
}

/** Keep evidence as it was made. */
export async function keepEvidence(workspace: Workspace, evidence: Evidence): Promise<Evidence> {
  await keepOutOfGit(workspace);
  await writeWhole(evidencePath(workspace, evidence.kind), `${JSON.stringify(evidence, null, 2)}\n`);
  return evidence;
}

/** A stage that starts removes what it said before, so that a failed run never leaves an old verdict behind. */
export async function discardEvidence(workspace: Workspace, { kind, files = [] }: Stage): Promise<void> {
  await prepareOut(workspace);
  const said = ['decision.json', 'report.md', 'report.html', 'metrics.prom', 'badge.json', ...files];
  for (const path of [evidencePath(workspace, kind), ...said.map((name) => join(workspace.out, name))]) {
    await writing(path, () => rm(path, { force: true }));
  }
}

/** Make the output folder. Asked before the long work: what could not be written is known at once. @throws UsageError */
export async function prepareOut(workspace: Workspace): Promise<void> {
  await keepOutOfGit(workspace);
  await requireWritable(join(workspace.out, 'evidence'));
}

/** The same for every stage. */
export async function discardAllEvidence(workspace: Workspace): Promise<void> {
  for (const stage of stages) await discardEvidence(workspace, stage);
}

const isEvidence = validatorOf<Evidence>(EvidenceSchema);
const isDecision = validatorOf<Decision>(DecisionSchema);

/** All evidence in the output folder, by kind. @throws EvidenceError for a file that is not evidence */
export async function readEvidence(workspace: Workspace): Promise<Evidence[]> {
  return readEvidenceIn(join(workspace.out, 'evidence'));
}

/** The same of any folder of evidence files. */
export async function readEvidenceIn(folder: string): Promise<Evidence[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json')).sort();
  return Promise.all(names.map((name) => readEvidenceFile(join(folder, name))));
}

/** One file of evidence. @throws EvidenceError for one that is not */
export async function readEvidenceFile(path: string): Promise<Evidence> {
  const value = parse(await readFile(path, 'utf8'), path);
  if (isEvidence(value)) return value;
  throw refused('evidence', isEvidence, path);
}

/** The decision in an output folder; null where there is none. @throws EvidenceError for a file that is not one */
export async function readDecisionIn(folder: string): Promise<Decision | RecordedDecision | null> {
  const path = join(folder, 'decision.json');
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null;
    throw cause;
  });
  if (text === null) return null;
  const value = parse(text, path);
  if (isDecision(value)) return value;
  throw refused('a decision', isDecision, path);
}

function refused(what: string, validator: LazyValidator<unknown>, where: string): EvidenceError {
  return new EvidenceError({
    found: `this is not ${what}: ${firstFault(validator)}`,
    where,
    remedy: 'Run the stage again to rewrite it',
  });
}

/** Write the decision and its report: `decision.json`, `report.md`, `report.html`, `metrics.prom` and `badge.json`. */
export async function writeDecision(workspace: Workspace, result: Result & { decision: Decision }): Promise<void> {
  const input = { ...result, stages };
  await keepOutOfGit(workspace);
  await writeWhole(join(workspace.out, 'decision.json'), `${JSON.stringify(input.decision, null, 2)}\n`);
  await writeWhole(join(workspace.out, 'report.md'), renderMarkdown(input));
  await writeWhole(join(workspace.out, 'report.html'), renderHtml(input, await drawing()));
  await writeWhole(join(workspace.out, 'metrics.prom'), openMetrics(input));
  await writeWhole(join(workspace.out, 'badge.json'), `${JSON.stringify(badge(input))}\n`);
}

/** Write the checks as JUnit XML to a file named from the root of the workspace. */
export async function writeJunit(workspace: Workspace, input: Result, file: string): Promise<void> {
  await writeWhole(resolve(workspace.root, file), renderJunit(input));
}

/** Write the checks that did not pass as SARIF to a file named from the root of the workspace. */
export async function writeSarif(workspace: Workspace, input: Result, file: string): Promise<void> {
  await writeWhole(resolve(workspace.root, file), renderSarif(input));
}

function evidencePath(workspace: Workspace, kind: string): string {
  return join(workspace.out, 'evidence', `${kind}.json`);
}

/** The default folder is ours alone: git need not see it. What a person chose, they may want to commit. */
async function keepOutOfGit(workspace: Workspace): Promise<void> {
  const folder = dirname(workspace.out);
  if (basename(folder) !== defaults.out) return;
  await writing(folder, async () => {
    await makeFolder(folder);
    await writeFile(join(folder, '.gitignore'), '*\n', { flag: 'wx' }).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'EEXIST') throw cause;
    });
  });
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new EvidenceError({
      found: `not JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
      where: path,
      remedy: 'Run the stage again to rewrite it',
      cause,
    });
  }
}
