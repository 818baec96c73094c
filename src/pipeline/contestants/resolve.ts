import { join } from 'node:path';
import { partsOf } from '../../data/parts.ts';
import { anchorOf, best } from '../../decide/anchor.ts';
import { identityOf, modelDigest, sha256, workflowArtifact } from '../../evidence/index.ts';
import type { Artifact, RegistryHistory, RegistryView, Version } from '../../evidence/index.ts';
import { after, ConfigError, ContenderError, DataError, instead, ModelError } from '../../errors.ts';
import { localModel, type LocalArtifact } from '../../model/artifact.ts';
import { beforeHost, isAddress, isPinned, objectAddress, secretIn, shownAddress } from '../../object-address.ts';
import type { ReadingOptions } from '../../model/predictions.ts';
import { fetchArtifact, fetchData, fetchNamed, type FetchedModel } from '../../registry/fetch-artifact.ts';
import { versionTag } from '../../registry/tags.ts';
import { addressFault } from '../../config/elsewhere.ts';
import { mostCandidates, type ModelReference } from '../../config/index.ts';
import { readEvidence } from '../gate/output.ts';
import { stageFacts } from '../configuration.ts';
import { inside, type Workspace } from '../workspace.ts';

/** What the configuration or the registry names: an ONNX model on disk, or a file of predictions. */
export type ResolvedModel =
  | { kind: 'model'; artifact: LocalArtifact; reading: ReadingOptions }
  | {
      kind: 'predictions';
      artifact: Artifact;
      path: string;
      reference: Extract<ModelReference, { predictions: string }>;
    };

/** A model to compare with: one that can be read, or one that is there and cannot be. */
export type Rival = { resolved: ResolvedModel } | { artifact: Artifact; fault: { code: string; message: string } };

/** The candidate the configuration (or an override) names. @throws ModelError, UsageError */
export async function resolveCandidate(workspace: Workspace): Promise<ResolvedModel> {
  if (workspace.modelConfig.candidate === 'registry') {
    throw new ModelError({
      found: 'the candidate is "registry"',
      expected: 'a path, {uri, sha256} or {predictions: file}',
      where: `models.${workspace.model}.candidate`,
      remedy: 'Only the champion can come from the registry',
    });
  }
  const references = await candidatesOf(workspace);
  const [only] = references;
  if (only !== undefined && references.length === 1) return resolveReference(workspace, only, 'candidate');
  // Of several the one that was chosen when they were compared.
  const chosen = (await readEvidence(workspace)).find(({ kind }) => kind === 'evaluation')?.subjects.candidate;
  for (const reference of chosen === undefined ? [] : references) {
    const resolved = await resolveReference(workspace, reference, 'candidate');
    if (identityOf(resolved.artifact) === identityOf(chosen as Artifact)) return resolved;
  }
  throw new ModelError({
    found: `${references.length} candidates, but no evaluation has chosen one of them`,
    expected: 'one candidate',
    where: `models.${workspace.model}.candidate`,
    remedy: 'Run contender evaluate first with the same --out, or name one with --candidate',
  });
}

/** The candidates that the configuration names: itself, those of a list, or the files that a pattern matches. @throws ModelError */
export async function candidatesOf(workspace: Workspace): Promise<ModelReference[]> {
  const { candidate } = workspace.modelConfig;
  const named = [candidate].flat();
  const found: ModelReference[] = [];
  for (const each of named) {
    if (typeof each !== 'string' || !/[*?]/u.test(each) || isAddress(each)) found.push(each);
    else found.push(...(await matching(workspace, each)));
  }
  if (found.length <= mostCandidates) return found;
  throw new ModelError({
    found: `${found.length} candidates`,
    expected: `at most ${mostCandidates}: the significance level is divided by the number of candidates`,
    where: `models.${workspace.model}.candidate`,
  });
}

async function matching(workspace: Workspace, pattern: string): Promise<string[]> {
  const path = await inside(workspace, pattern, 'candidate');
  const parts = await partsOf(path, pattern).catch(instead(DataError, []));
  if (parts.length > 0) return parts.map(({ uri }) => uri);
  throw new ModelError({
    found: `no file matches ${JSON.stringify(pattern)}`,
    expected: 'one or more models that are not links',
    where: `models.${workspace.model}.candidate`,
  });
}

/** The champion the configuration names, or the registry's (the default). A champion that cannot be fetched is a fault, not an absence. */
export async function resolveChampion(workspace: Workspace, view: RegistryView): Promise<Rival | null> {
  const reference = workspace.modelConfig.champion ?? 'registry';
  if (reference !== 'registry') {
    return { resolved: await resolveReference(workspace, reference, 'champion') };
  }
  return view.champion === null ? null : resolveVersion(workspace, view.champion);
}

/**
 * The version that the policy holds candidates against beside the champion; null where it names none or nothing was promoted yet.
 * @param dataset digest of the evaluation set
 * @throws ConfigError for a version that the registry does not know
 */
export async function resolveAnchor(
  workspace: Workspace,
  view: RegistryHistory,
  dataset: string,
): Promise<{ version: string; rival: Rival } | null> {
  const { modelConfig } = workspace;
  const named = stageFacts(modelConfig).find(({ anchor }) => anchor !== undefined)?.anchor;
  if (named === undefined || view.registered.length === 0) return null;
  const found = anchorOf(named, modelConfig, view, dataset);
  const rival = found === undefined ? null : await resolveVersion(workspace, found);
  if (found !== undefined && rival !== null) return { version: found.version, rival };
  if (named === best) return null;
  throw new ConfigError({
    found: `the anchor is version ${named}, which is not in the registry`,
    expected: `${best}, or one of ${view.versions.slice(-10).join(', ')}`,
    where: 'policy.anchor.version',
  });
}

/** A version of the registry; null if it has no model. One that cannot be fetched is a fault, not an absence. */
async function resolveVersion(workspace: Workspace, version: Version): Promise<Rival | null> {
  const artifact = version.artifacts.find((each) => each.sha256 === modelDigest(version));
  if (artifact === undefined) return null;
  // Files of one name, of several versions, must not take each other's place. That there is no room for them is no fault of the version.
  const folder = await folderFor(workspace, artifact.sha256);
  const resolved = async (): Promise<Rival> => {
    const release = versionTag(workspace.model, version.version);
    const path = await fetchArtifact(workspace.repository, artifact, folder, { ...workspace, release });
    if (artifact.role === 'predictions') {
      const reference = { ...artifact.reading, predictions: artifact.uri };
      return { resolved: { kind: 'predictions', artifact, path, reference } };
    }
    const reading: ReadingOptions = artifact.reading ?? {};
    const model = { ...(await heldModel(workspace, path, artifact.uri)), uri: artifact.uri };
    return { resolved: { kind: 'model', artifact: withReading(model, reading), reading } };
  };
  return resolved().catch(after(ContenderError, ({ code, message }) => ({ artifact, fault: { code, message } })));
}

/** How the configuration says that the answers of a model are read. */
export function readingOf(reference: ModelReference): ReadingOptions {
  if (typeof reference === 'string' || 'predictions' in reference) return {};
  const { uri: _uri, sha256: _sha256, ...reading } = reference;
  return reading;
}

/** An artifact with how its answers are read, where that is said at all: the champion of tomorrow is read as it was judged. */
export function withReading<T extends Artifact>(artifact: T, reading: object): T {
  const said = Object.entries(reading).filter(([, value]) => value !== undefined);
  return said.length === 0 ? artifact : { ...artifact, reading: Object.fromEntries(said) };
}

/** A model or a file of predictions that the configuration names under `role`, its key. @throws ModelError, UsageError */
export async function resolveReference(
  workspace: Workspace,
  reference: ModelReference,
  role: string,
): Promise<ResolvedModel> {
  if (typeof reference === 'object' && 'predictions' in reference) {
    const { predictions, sha256: stated, ...columns } = reference;
    const { path, uri } = await predictionsPlace(workspace, predictions, stated, role);
    const { digestFiles } = await import('../../model/prediction-file.ts');
    const file = await digestFiles(path);
    refuseOtherBytes(workspace, role, predictions, file.sha256, stated);
    const { sha256: found, size } = file;
    const artifact: Artifact = { role: 'predictions', uri, sha256: found, size };
    return { kind: 'predictions', path, reference, artifact: withReading(artifact, columns) };
  }
  const { uri, ...rest } = typeof reference === 'string' ? { uri: reference } : reference;
  const { sha256: expected, ...reading } = rest as ReadingOptions & { sha256?: string };
  const artifact = await bytesOf(workspace, uri, expected, role);
  refuseOtherBytes(workspace, role, uri, artifact.sha256, expected);
  return { kind: 'model', artifact: withReading(artifact, reading), reading };
}

/** Where files of predictions lie: in the workspace, or fetched from an address. */
async function predictionsPlace(
  workspace: Workspace,
  predictions: string,
  expected: string | undefined,
  role: string,
): Promise<FetchedModel> {
  const key = `${role}.predictions`;
  if (!/^[a-z][a-z0-9+.-]*:\/\//iu.test(predictions)) {
    return { path: await inside(workspace, predictions, key), uri: `file:${predictions}` };
  }
  refuseUnread(workspace, predictions, key, 'predictions');
  if (expected === undefined) throw withoutDigest(workspace, predictions, key, '{predictions, sha256}');
  const folder = await folderFor(workspace, sha256(predictions));
  const fetched = await fetchData(workspace.repository, predictions, expected, folder, workspace);
  await workspace.inputs.hold(fetched.path);
  return fetched;
}

/** @throws ModelError for an address that is a secret: it would be recorded. @param where key of contender.yml */
export function refuseSecret(uri: string, where: string, what = 'a model'): void {
  const secret = secretIn(uri);
  if (secret === null) return;
  throw new ModelError({
    found: `${shownAddress(uri)} contains ${secret === beforeHost ? secret : `a secret (${secret}) in its query`}`,
    expected: `${what} at an address without a secret: the address is stored in evidence and registry, where every reader sees it, and signed addresses expire`,
    where,
    remedy:
      'Name the object of the store (s3://, gs://, hf:// or oci://, docs/stores.md), whose credentials come from the environment, or download the file in an earlier step',
  });
}

/** @throws ModelError for an address that only another program fetches, and for one that is a secret */
function refuseUnread(workspace: Workspace, uri: string, key: string, what: string): void {
  refuseSecret(uri, `models.${workspace.model}.${key}`, what);
  const elsewhere = addressFault(uri);
  if (elsewhere === null) return;
  throw new ModelError({
    found: `${JSON.stringify(shownAddress(uri))}: ${elsewhere.found}`,
    expected: `${what}, as a file or at a supported address (docs/models.md)`,
    where: `models.${workspace.model}.${key}`,
    remedy: elsewhere.remedy,
  });
}

function withoutDigest(workspace: Workspace, uri: string, key: string, form: string): ModelError {
  return new ModelError({
    found: `${shownAddress(uri)} has no digest`,
    expected: `${form}: the content at an address can change, its digest cannot`,
    where: `models.${workspace.model}.${key}`,
    remedy: 'Add the sha256 of the file',
  });
}

/** What is recorded under a digest must be those bytes. */
function refuseOtherBytes(
  workspace: Workspace,
  role: string,
  uri: string,
  found: string,
  expected: string | undefined,
): void {
  if (expected === undefined || found === expected) return;
  throw new ModelError({
    found: `${shownAddress(uri)} has sha256 ${found}`,
    expected: `sha256 ${expected}`,
    where: `models.${workspace.model}.${role}`,
    remedy: 'Fetch the file again, or correct the digest in the configuration',
  });
}

async function bytesOf(
  workspace: Workspace,
  uri: string,
  expected: string | undefined,
  role: string,
): Promise<LocalArtifact> {
  refuseUnread(workspace, uri, role, 'an ONNX model');
  if (!isAddress(uri)) return heldModel(workspace, await inside(workspace, uri, role), `file:${uri}`);
  if (expected === undefined && !vouchesForBytes(uri)) throw withoutDigest(workspace, uri, role, '{uri, sha256}');
  const folder = await folderFor(workspace, sha256(uri));
  const fetched = await fetchNamed(workspace.repository, { uri, sha256: expected }, folder, workspace);
  return heldModel(workspace, fetched.path, fetched.uri);
}

/** Where what is fetched is put. @param digest of what it is of */
async function folderFor(workspace: Workspace, digest: string): Promise<string> {
  return join(await workspace.downloads(), digest.slice(0, 16));
}

/** Whether what is at an address is told by the address itself: an archive of GitHub's, or a manifest by its digest. */
function vouchesForBytes(uri: string): boolean {
  const object = objectAddress(uri);
  return workflowArtifact(uri) !== null || (object?.store === 'oci' && isPinned(object));
}

/** Identify a model whose files, those beside it too, must stay as they are from here on. */
export async function heldModel({ inputs }: Workspace, path: string, uri: string): Promise<LocalArtifact> {
  await inputs.hold(path);
  const model = await localModel(path, uri);
  if (model.files.length === 1) return model;
  for (const file of model.files) await inputs.hold(file.path);
  // Which files lie beside it, it says itself: they are held now, and read once more.
  return localModel(path, uri);
}
