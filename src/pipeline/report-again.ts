import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { EvidenceError, UsageError } from '../errors.ts';
import { evidenceDigest } from '../evidence/index.ts';
import { drawing } from '../report/draw.ts';
import {
  changesContents,
  evidenceChanges,
  htmlPage,
  markdownPage,
  renderHtml,
  renderMarkdown,
  type EvidenceChanges,
  type ReportInput,
  type Told,
} from '../report/index.ts';
import type { Contents } from '../report/contents.ts';
import { stages } from '../stages/index.ts';
import { readDecisionIn, readEvidenceFile, readEvidenceIn } from './gate/output.ts';
import { writeWhole } from './writing.ts';

/** What an output folder, or one file of evidence in it, says. */
export interface Kept extends ReportInput {
  /** Absolute path of the folder that reports are written to. */
  folder: string;
  /** The one stage whose evidence this is; absent: all that there is. */
  only?: string;
}

/**
 * Read what a run has left: an output folder such as `.contender/spam-filter`, one that holds a single such folder, or one file of evidence.
 * @param kind only the evidence of this stage, without the decision
 * @throws EvidenceError for files that are no evidence, or not those that the decision names; UsageError where there is nothing
 */
export async function readKept(path: string, kind?: string): Promise<Kept> {
  const info = await stat(path).catch(() => null);
  if (info === null) throw nothing(path, 'there is no such folder or file');
  if (info.isFile()) {
    const folder = basename(dirname(path)) === 'evidence' ? dirname(dirname(path)) : dirname(path);
    const evidence = await readEvidenceFile(path);
    return { folder, only: evidence.kind, decision: null, evidence: [evidence], stages };
  }
  const folder = await outputFolder(path);
  const all = await readEvidenceIn(join(folder, 'evidence'));
  if (kind !== undefined) {
    const evidence = all.filter((each) => each.kind === kind);
    if (evidence.length > 0) return { folder, only: kind, decision: null, evidence, stages };
    throw new UsageError({
      found: `there is no evidence of ${JSON.stringify(kind)}`,
      expected:
        all.length === 0 ? 'evidence of at least one stage' : `one of: ${all.map((each) => each.kind).join(', ')}`,
      where: folder,
    });
  }
  const decision = await readDecisionIn(folder);
  if (decision !== null) {
    const there = new Set(all.map(evidenceDigest));
    const missing = decision.evidence.find(({ sha256 }) => !there.has(sha256));
    if (missing !== undefined) {
      throw new EvidenceError({
        found: `the evidence of ${missing.kind} is not the evidence that the decision was made on`,
        expected: `evidence with the digest ${missing.sha256}`,
        where: join(folder, 'decision.json'),
        remedy: `Run contender promote again, or render the stage alone: --stage ${missing.kind}`,
      });
    }
  } else if (all.length === 0) throw nothing(path, 'there is no evidence here');
  return { folder, decision, evidence: all, stages };
}

/** The folder itself, or the one folder of a model in it. */
async function outputFolder(path: string): Promise<string> {
  const isOutput = async (folder: string): Promise<boolean> =>
    (await stat(join(folder, 'evidence')).catch(() => null))?.isDirectory() === true ||
    (await stat(join(folder, 'decision.json')).catch(() => null)) !== null;
  if (await isOutput(path)) return path;
  const entries = await readdir(path, { withFileTypes: true });
  const folders: string[] = [];
  for (const entry of entries) {
    if (entry.isDirectory() && (await isOutput(join(path, entry.name)))) folders.push(entry.name);
  }
  const [only, ...others] = folders.sort();
  if (only === undefined) throw nothing(path, 'there is no evidence here');
  if (others.length === 0) return join(path, only);
  throw new UsageError({
    found: `this folder holds the output of ${folders.length} models`,
    expected: `one of them: ${folders.slice(0, 10).join(', ')}`,
    where: path,
  });
}

function nothing(where: string, found: string): UsageError {
  return new UsageError({
    found,
    expected: 'the output folder of a model, such as .contender/spam-filter, or a file of its evidence',
    where,
    remedy: 'Run contender gate, or download the artifact of a run',
  });
}

/** Write HTML and Markdown; the report of one stage does not take the place of the whole. @returns absolute paths */
export async function writeAgain(kept: Kept, folder = kept.folder): Promise<string[]> {
  const name = kept.only === undefined ? 'report' : `report-${kept.only}`;
  return write(folder, name, renderHtml(kept, await drawing()), renderMarkdown(kept));
}

/** Two evaluations against each other. */
export function compareKept(before: Kept, now: Kept): { changes: EvidenceChanges; contents: Contents } {
  // Two folders of one name, of two runs, are told apart by what is above them.
  const alike = basename(before.folder) === basename(now.folder);
  const [old, current] = [before, now].map(({ folder, evidence }) => ({
    name: alike ? relative('.', folder) || '.' : basename(folder),
    evidence,
  })) as [Told, Told];
  const changes = evidenceChanges(old, current);
  return { changes, contents: changesContents(changes, current) };
}

/** Write a comparison as HTML and Markdown. @returns absolute paths */
export async function writeComparison(contents: Contents, folder: string): Promise<string[]> {
  return write(folder, 'comparison', htmlPage(contents, await drawing()), markdownPage(contents));
}

async function write(folder: string, name: string, html: string, markdown: string): Promise<string[]> {
  const paths = [join(folder, `${name}.html`), join(folder, `${name}.md`)] as const;
  await writeWhole(paths[0], html);
  await writeWhole(paths[1], markdown);
  return [...paths];
}
