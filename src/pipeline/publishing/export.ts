import { basename, join } from 'node:path';
import { takenBackBy } from '../../decide/history.ts';
import { modelIdentity } from '../../evidence/index.ts';
import type { RecordedDecision, RegisteredVersion, RegistryHistory } from '../../evidence/index.ts';
import { withTemporaryFolder } from '../../data/temporary.ts';
import { ContenderError, RegistryError, UsageError } from '../../errors.ts';
import { localModel } from '../../model/artifact.ts';
import { fetchArtifact } from '../../registry/fetch-artifact.ts';
import type { Registry } from '../../registry/registry.ts';
import { drawing } from '../../report/draw.ts';
import { renderHtml, renderMarkdown, renderModelCard, renderReleaseNotes, statementOf } from '../../report/index.ts';
import type { ModelFiles, Published, Withdrawn } from '../../report/index.ts';
import { stages } from '../../stages/index.ts';
import { openRegistry } from '../open-registry.ts';
import { exportParts, type ExportPart } from '../typed.ts';
import type { Workspace } from '../workspace.ts';
import { writeWhole } from '../writing.ts';

export interface ExportInput {
  /** Default: the champion. */
  version?: string | undefined;
  /** A decision by its number, promotion or not, in place of a version. */
  decision?: number | undefined;
  parts: readonly ExportPart[];
  /** Address of the GitHub server, for links to runs. */
  server?: string | undefined;
}

/**
 * Write what the registry knows of a version into `<out>/<model>/export/<version>/`, or of a decision into
 * `<out>/<model>/export/decision-<number>/`.
 * @returns absolute paths of the files
 * @throws RegistryError when there is no such version or decision, or its evidence is damaged
 */
export async function exportVersion(workspace: Workspace, input: ExportInput): Promise<string[]> {
  const registry = await openRegistry(workspace);
  const { decision } = input;
  const published =
    decision === undefined
      ? await publishedVersion(registry, workspace.model, input.version)
      : await publishedDecision(registry, workspace.model, decision);
  const files = await exportedFiles(published, await publishedBefore(registry, published), {
    ...input,
    files: input.parts.includes('in-toto') ? await modelFiles(workspace, published) : undefined,
  });
  if (files.size === 0) throw await nothingOf(published, input.parts);
  const name = decision === undefined ? published.decision.to?.version : `decision-${decision}`;
  const folder = join(workspace.out, 'export', name ?? '');
  const paths: string[] = [];
  for (const [name, text] of files) {
    const path = join(folder, name);
    await writeWhole(path, text);
    paths.push(path);
  }
  return paths;
}

/** A rejection has no model card, and what was registered on a person's word no statements. */
async function nothingOf({ decision, evidence }: Published, parts: readonly ExportPart[]): Promise<UsageError> {
  const there: ExportPart[] = [];
  for (const part of exportParts) {
    if ((await exportedFiles({ decision, evidence }, null, { parts: [part] })).size > 0) there.push(part);
  }
  return new UsageError({
    found: `decision ${decision.seq} of ${decision.model} (${decision.action}, ${decision.outcome}) has no ${parts.join(', no ')}`,
    expected: `one of: ${there.join(', ')}`,
  });
}

/** The exported files by name: the same version gives the same bytes. Only what was promoted has a card and notes. */
export async function exportedFiles(
  published: Published,
  before: Published | null,
  { parts, server, files: known }: Pick<ExportInput, 'parts' | 'server'> & { files?: ModelFiles | undefined },
): Promise<Map<string, string>> {
  const { decision, evidence } = published;
  const files = new Map<string, string>();
  const json = (name: string, value: unknown): unknown => files.set(name, `${JSON.stringify(value, null, 2)}\n`);
  const promoted = decision.outcome === 'promote';
  if (promoted && parts.includes('model-card')) files.set('model-card.md', renderModelCard(published, stages));
  if (promoted && parts.includes('release-notes')) files.set('release-notes.md', renderReleaseNotes(published, before));
  if (parts.includes('report')) {
    files.set('report.md', renderMarkdown({ decision, evidence, server, stages }));
    files.set('report.html', renderHtml({ decision, evidence, server, stages }, await drawing()));
  }
  for (const each of evidence) {
    if (parts.includes('evidence')) json(`evidence/${each.kind}.json`, each);
    const statement = parts.includes('in-toto') ? statementOf(each, decision, server, known) : null;
    if (statement === null) continue;
    json(`in-toto/${each.kind}.json`, statement);
    // What GitHub's attest action takes: it makes the statement itself.
    json(`in-toto/${each.kind}.predicate.json`, statement.predicate);
  }
  if (parts.includes('evidence')) json('decision.json', decision);
  return files;
}

/** The files of the model that a decision is about. Where they cannot be had, statements name the digest that the registry has. */
async function modelFiles(workspace: Workspace, { decision }: Published): Promise<ModelFiles | undefined> {
  const artifact = decision.candidate?.artifacts.find(({ role }) => role === 'model');
  if (artifact === undefined) return undefined;
  return withTemporaryFolder('models', async (folder) => {
    try {
      const path = await fetchArtifact(workspace.repository, artifact, folder, workspace);
      const { files } = await localModel(path, artifact.uri);
      return { sha256: artifact.sha256, files: files.map((file) => ({ ...file, name: basename(file.path) })) };
    } catch (error) {
      if (!(error instanceof ContenderError)) throw error;
      workspace.log.warning(
        `${error.message}\nThe statements name the digest in the registry: for a model with external data it is not the digest of a single file.`,
      );
      return undefined;
    }
  });
}

/** The decision that first made a version champion, with its evidence. @throws RegistryError */
export async function publishedVersion(registry: Registry, model: string, version?: string): Promise<Published> {
  const view = await registry.view(model);
  const wanted = version ?? view.champion?.version;
  const known = view.registered.find((each) => each.version === wanted?.replace(/^v/u, ''));
  if (known === undefined) {
    throw new RegistryError({
      found: wanted === undefined ? `${model} has no champion` : `${model} has no version ${wanted}`,
      expected: view.decisions.length === 0 ? 'a model with recorded decisions' : `one of: ${view.versions.join(', ')}`,
      remedy: 'List the models and versions with contender registry show',
    });
  }
  const published = await withEvidence(registry, view.decisions[known.seq - 1] as RecordedDecision);
  return { ...published, withdrawn: withdrawnBy(known, view) };
}

/** What took a version out of use, if anything did. */
export function withdrawnBy(version: RegisteredVersion, view: RegistryHistory): Withdrawn | undefined {
  const how = version.status === 'deprecated' ? 'deprecated' : 'rolled back';
  const made =
    how === 'deprecated'
      ? view.decisions.find((each) => each.action === 'deprecate' && each.candidate?.version === version.version)
      : takenBackBy(modelIdentity(version) ?? '', view);
  return made === undefined ? undefined : { how, decision: made.seq, reason: made.approvals[0]?.reason ?? '' };
}

/** A decision with its evidence. @throws RegistryError */
async function publishedDecision(registry: Registry, model: string, seq: number): Promise<Published> {
  const decisions = await registry.log(model);
  const found = decisions.find((each) => each.seq === seq);
  if (found !== undefined) return withEvidence(registry, found);
  throw new RegistryError({
    found: `${model} has no decision ${seq}`,
    expected: decisions.length === 0 ? 'a model with recorded decisions' : `one of 1 to ${decisions.length}`,
    remedy: 'List the decisions with contender registry log',
  });
}

/** The version that was champion when this one came; null for the first. */
export async function publishedBefore(registry: Registry, published: Published): Promise<Published | null> {
  const { model, from } = published.decision;
  return from === null ? null : publishedVersion(registry, model, from.version);
}

/** A decision, and the evidence it refers to. @throws RegistryError */
export async function withEvidence(registry: Registry, decision: RecordedDecision): Promise<Published> {
  const evidence = await Promise.all(decision.evidence.map(({ sha256 }) => registry.evidence(decision.model, sha256)));
  return { decision, evidence };
}
