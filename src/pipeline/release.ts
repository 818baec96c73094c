import { basename } from 'node:path';
import { prerelease } from 'semver';
import { defaults } from '../config/index.ts';
import { sha256, workflowArtifact, type Artifact } from '../evidence/index.ts';
import { RegistryError, UsageError } from '../errors.ts';
import type { GitHub } from '../github/client.ts';
import { makeRelease, type MadeRelease, type ReleaseAsset } from '../github/release.ts';
import { localModel } from '../model/artifact.ts';
import { fetchArtifact } from '../registry/fetch-artifact.ts';
import { canonicalBytes } from '../registry/chain.ts';
import { commitAt, openRepository, registryFolder, resolveBranch } from '../registry/git/repository.ts';
import { decisionPath } from '../registry/layout.ts';
import { assetName } from '../registry/release-asset.ts';
import { versionTag } from '../registry/tags.ts';
import { modelArtifact, publishedName, withdrawnText, type Published } from '../report/index.ts';
import { exportedFiles, exportParts, publishedBefore, publishedVersion } from './export.ts';
import { withModelFolder } from './models.ts';
import { openRegistry } from './promote.ts';
import type { Workspace } from './workspace.ts';

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
  await requirePushed(workspace, github, published);
  const target = await targetOf(workspace, github, published, tag);
  const files = exportedFiles(published, await publishedBefore(registry, published), { parts: exportParts, server });
  return withModelFolder(async (folder) => {
    const assets = [...(await modelAssets(workspace, published, tag, folder)), ...documents(files)];
    const made = await workspace.log.group(`Release ${tag}`, () =>
      makeRelease(github, {
        tag,
        target,
        title: publishedName(published),
        notes: files.get('release-notes.md') ?? '',
        assets,
        prerelease: prerelease(version) !== null,
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
    expected: 'a version that may be used',
    remedy: 'Choose another with --of (contender registry show says which there are)',
  });
}

/** A release of a decision that GitHub does not have would outlive the decision, if its push were refused. */
async function requirePushed(workspace: Workspace, github: GitHub, { decision }: Published): Promise<void> {
  const { path = defaults.registryPath, branch } = workspace.config.registry ?? {};
  const { ref } = await resolveBranch(await openRepository(workspace.root), branch);
  const file = `${registryFolder(path)}/${decisionPath(decision.model, decision.seq)}`;
  const there = await github.find('GET /repos/{owner}/{repo}/contents/{path}', {
    path: file,
    ...(ref === null ? {} : { ref: ref.replace('refs/heads/', '') }),
  });
  const bytes =
    there !== null && 'content' in there && 'encoding' in there ? Buffer.from(there.content, 'base64') : null;
  if (bytes?.equals(canonicalBytes(decision)) === true) return;
  throw new RegistryError({
    found: `GitHub does not have decision ${decision.seq} of ${decision.model}, which made ${decision.to?.version ?? ''} champion`,
    expected: `it in ${file}${ref === null ? '' : ` of branch ${ref.replace('refs/heads/', '')}`}`,
    remedy: 'Push the registry first (registry.push: origin, or git push), then make the release',
  });
}

/** The commit the tag is made on where GitHub does not have the tag: the one that was judged. */
async function targetOf(workspace: Workspace, github: GitHub, { decision }: Published, tag: string): Promise<string> {
  const { sha } = decision.source;
  if ((await github.find('GET /repos/{owner}/{repo}/git/ref/{ref}', { ref: `tags/${tag}` })) !== null) return sha ?? '';
  const local = await commitAt(await openRepository(workspace.root), `refs/tags/${tag}`);
  if (local !== null) {
    throw new RegistryError({
      found: `the tag ${tag} is here and not on GitHub`,
      expected: 'a tag that was pushed: a release makes its own otherwise, and the two would collide',
      remedy: `Push it first: git push origin refs/tags/${tag}`,
    });
  }
  const known =
    sha === undefined
      ? null
      : await github.find('GET /repos/{owner}/{repo}/git/commits/{commit_sha}', { commit_sha: sha });
  if (sha !== undefined && known !== null) return sha;
  throw new RegistryError({
    found: `GitHub has neither the tag ${tag} nor the commit ${sha?.slice(0, 12) ?? 'it was made of'}`,
    expected: 'a version that was promoted in a workflow of this repository, or its tag',
    remedy: `Push a tag for it: git tag --annotate ${tag} && git push origin refs/tags/${tag}`,
  });
}

/** The files of the model, fetched and verified; of one that lies elsewhere or is too large, where it is. */
async function modelAssets(
  workspace: Workspace,
  published: Published,
  release: string,
  folder: string,
): Promise<ReleaseAsset[]> {
  const artifact = modelArtifact(published);
  if (artifact === undefined) return [];
  // A commit is for who has the repository, and GitHub deletes artifacts of workflow runs.
  const isCopied = artifact.uri.startsWith('git:') || workflowArtifact(artifact.uri) !== null;
  if (!isCopied || artifact.size > largestAsset) {
    return [textAsset('model.json', `${JSON.stringify(pointerTo(artifact), null, 2)}\n`, true)];
  }
  const path = await fetchArtifact(workspace.root, artifact, folder, { ...workspace, release });
  const files = artifact.role === 'model' ? (await localModel(path, artifact.uri)).files : [{ ...artifact, path }];
  return files.map((file) => ({
    name: assetName(basename(file.path)),
    type: 'application/octet-stream',
    content: { path: file.path },
    size: file.size,
    sha256: file.sha256,
    exact: true,
  }));
}

function pointerTo({ uri, sha256: digest, size }: Artifact): object {
  return { uri, sha256: digest, size };
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
