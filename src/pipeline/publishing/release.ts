import { basename } from 'node:path';
import { compare, prerelease } from 'semver';
import { sha256, workflowArtifact } from '../../evidence/index.ts';
import { withTemporaryFolder } from '../../data/temporary.ts';
import { RegistryError, UsageError } from '../../errors.ts';
import type { GitHub } from '../../github/client.ts';
import { makeRelease, type MadeRelease, type ReleaseAsset } from '../../github/release.ts';
import { localModel } from '../../model/artifact.ts';
import { fetchArtifact } from '../../registry/fetch-artifact.ts';
import { canonicalBytes } from '../../registry/chain.ts';
import { commitAt } from '../../registry/git/repository.ts';
import type { GitHubBranch } from '../../registry/github/snapshot.ts';
import { makeTags } from '../../registry/github/tags.ts';
import { decisionPath } from '../../registry/layout.ts';
import type { Manifest } from '../../registry/manifest.ts';
import type { Registry } from '../../registry/registry.ts';
import { assetName } from '../../registry/release-asset.ts';
import { gtoTags, versionTag } from '../../registry/tags.ts';
import { modelArtifact, publishedName, withdrawnText, type ModelFiles, type Published } from '../../report/index.ts';
import { exportParts } from '../typed.ts';
import { exportedFiles, publishedBefore, publishedVersion } from './export.ts';
import { openRegistry, registryPlace } from '../open-registry.ts';
import type { Workspace } from '../workspace.ts';

/** GitHub takes files below 2 GiB ("About releases", GitHub docs). */
const largestAsset = 2 * 1024 ** 3 - 1;

export interface ReleaseVersionInput {
  github: GitHub;
  /** Default: the champion. */
  version?: string | undefined;
  /** Address of the GitHub server, for links to runs. */
  server?: string | undefined;
}

export interface ReleasedVersion extends MadeRelease {
  version: string;
  tag: string;
}

/**
 * Make the GitHub release of a version, or complete one that was left half-made: the model or where it is, the model card, the
 * report, evidence and decision, the in-toto statements; the notes say what changed. Bytes come from the registry and are verified.
 *
 * @throws RegistryError, GitHubError
 */
export async function releaseVersion(workspace: Workspace, input: ReleaseVersionInput): Promise<ReleasedVersion> {
  const { github, server } = input;
  const registry = await openRegistry(workspace);
  const published = await publishedVersion(registry, workspace.model, input.version);
  const version = published.decision.to?.version ?? '';
  refuseDeprecated(published);
  const tag = versionTag(workspace.model, version);
  const place: GitHubBranch = { github, ...registryPlace(workspace.config), cache: new Map() };
  await requirePushed(place, published);
  await ensureTag(workspace, place, registry, tag);
  const before = await publishedBefore(registry, published);
  const latest = isLatest(await registry.manifest(workspace.model), version);
  return withTemporaryFolder('models', async (folder) => {
    const model = await modelAssets(workspace, published, tag, folder);
    const files = await exportedFiles(published, before, { parts: exportParts, server, files: model.files });
    const assets = [...model.assets, ...documents(files)];
    const made = await workspace.log.group(`Release ${tag}`, () =>
      makeRelease(github, {
        tag,
        title: publishedName(published),
        notes: files.get('release-notes.md') ?? '',
        assets,
        prerelease: prerelease(version) !== null,
        latest,
      }),
    );
    return { ...made, version, tag };
  });
}

/** @throws UsageError */
function refuseDeprecated(published: Published): void {
  if (published.withdrawn?.how !== 'deprecated') return;
  throw new UsageError({
    found: `${publishedName(published)} was ${withdrawnText(published.withdrawn)}`,
    expected: 'a version that is not withdrawn',
    remedy: 'Choose another with --of (contender registry show lists them)',
  });
}

/** A release of a decision that GitHub does not have would outlive the decision, if its push were refused. */
async function requirePushed({ github, branch, folder }: GitHubBranch, { decision }: Published): Promise<void> {
  const file = `${folder}/${decisionPath(decision.model, decision.seq)}`;
  const there = await github.find('GET /repos/{owner}/{repo}/contents/{path}', { path: file, ref: branch });
  const bytes =
    there !== null && 'content' in there && 'encoding' in there ? Buffer.from(there.content, 'base64') : null;
  if (bytes?.equals(canonicalBytes(decision)) === true) return;
  throw new RegistryError({
    found: `GitHub does not have decision ${decision.seq} of ${decision.model}, which made ${decision.to?.version ?? ''} champion`,
    expected: `it in ${file} of branch ${branch}`,
    remedy: 'Push the registry first (registry.push: origin, or git push), then make the release',
  });
}

/** What a rollback left behind, or an older version that is released today, is not what people should take. */
function isLatest(manifest: Manifest | null, version: string): boolean {
  if (manifest?.aliases['champion']?.version !== version || prerelease(version) !== null) return false;
  return manifest.versions.every((each) => compare(each.version, version) <= 0);
}

/**
 * The tag of the version, with the decision in it, as `registry.tags: gto` would make it: one that GitHub makes for a release says
 * nothing, and could not be replaced later without taking the release back.
 */
async function ensureTag(workspace: Workspace, place: GitHubBranch, registry: Registry, tag: string): Promise<void> {
  if ((await place.github.find('GET /repos/{owner}/{repo}/git/ref/{ref}', { ref: `tags/${tag}` })) !== null) return;
  const isLocal = workspace.config.registry?.store !== 'github';
  const local = isLocal ? await commitAt(await workspace.repository(), `refs/tags/${tag}`) : null;
  if (local !== null) {
    throw new RegistryError({
      found: `the tag ${tag} is in this clone but not on GitHub`,
      expected: 'a tag that is pushed: otherwise GitHub would create a conflicting one',
      remedy: `Push it first: git push origin refs/tags/${tag}`,
    });
  }
  const { model } = workspace;
  const links = (await registry.log(model)).map((decision) => ({ decision, sha256: sha256(canonicalBytes(decision)) }));
  const wanted = gtoTags(model, links).filter(({ name }) => name === tag);
  await makeTags(place, model, wanted);
}

/** The files of the model, fetched and verified; of one that lies elsewhere or is too large, where it is. */
async function modelAssets(
  workspace: Workspace,
  published: Published,
  release: string,
  folder: string,
): Promise<{ assets: ReleaseAsset[]; files?: ModelFiles }> {
  const artifact = modelArtifact(published);
  if (artifact === undefined) return { assets: [] };
  // A commit is for who has the repository, and GitHub deletes artifacts of workflow runs.
  const isCopied = artifact.uri.startsWith('git:') || workflowArtifact(artifact.uri) !== null;
  if (!isCopied || artifact.size > largestAsset) {
    const { uri, sha256, size } = artifact;
    return { assets: [textAsset('model.json', `${JSON.stringify({ uri, sha256, size }, null, 2)}\n`, true)] };
  }
  const path = await fetchArtifact(workspace.repository, artifact, folder, { ...workspace, release });
  const local = artifact.role === 'model' ? (await localModel(path, artifact.uri)).files : [{ ...artifact, path }];
  const files = local.map((file) => ({ ...file, name: assetName(basename(file.path)) }));
  const assets = files.map(({ name, path: from, size, sha256: bytes }) => ({
    name,
    type: 'application/octet-stream',
    content: { path: from },
    size,
    sha256: bytes,
    exact: true,
  }));
  return { assets, files: { sha256: artifact.sha256, files } };
}

/** Documents are rendered anew by every version of Contender; what they are rendered from is what it is. */
function documents(files: ReadonlyMap<string, string>): ReleaseAsset[] {
  return [...files]
    .filter(([name]) => name !== 'release-notes.md' && !name.endsWith('.predicate.json'))
    .map(([name, text]) => textAsset(assetName(name.replaceAll('/', '-')), text, name.endsWith('.json')));
}

function textAsset(name: string, text: string, exact: boolean): ReleaseAsset {
  const types: Record<string, string> = { json: 'application/json', md: 'text/markdown', html: 'text/html' };
  const type = types[name.split('.').at(-1) ?? ''] ?? 'text/plain';
  return { name, type, content: { text }, size: Buffer.byteLength(text), sha256: sha256(text), exact };
}
