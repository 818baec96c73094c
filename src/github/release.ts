import { openAsBlob } from 'node:fs';
import { GitHubError } from '../errors.ts';
import type { GitHub } from './client.ts';

export interface ReleaseAsset {
  /** Letters, digits and `._@+-`: GitHub changes any other. */
  name: string;
  type: string;
  content: { path: string } | { text: string };
  /** Bytes. */
  size: number;
  sha256: string;
  /** Whether a published release with another file of this name is an error, since the bytes are what it is about. */
  exact: boolean;
}

export interface ReleaseInput {
  /** It is there: GitHub would make one that says nothing. */
  tag: string;
  title: string;
  /** Markdown. */
  notes: string;
  assets: readonly ReleaseAsset[];
  prerelease: boolean;
  /** Whether the repository is to show it as its latest. */
  latest: boolean;
}

export interface MadeRelease {
  /** `completed`: some of it was there, of a run that was cut off. */
  action: 'created' | 'completed' | 'unchanged';
  url: string;
}

type Release = Awaited<ReturnType<typeof listReleases>>[number];

/** The most characters of notes GitHub takes. */
const noteCharacters = 125_000;
const marker = '<!-- contender release -->';

/**
 * Make a release, or complete one that was left half-made: a draft first, then its files, then it is published. Until then nobody
 * sees it, and whatever happens in between, running again ends in the same release: one, with every file once.
 *
 * @throws GitHubError `refused` when a published release of this tag holds another file
 */
export async function makeRelease(github: GitHub, input: ReleaseInput): Promise<MadeRelease> {
  const { release, isNew } = await draftOrPublished(github, input);
  const uploaded = await completeAssets(github, release, input.assets);
  if (!release.draft) return { action: uploaded === 0 ? 'unchanged' : 'completed', url: release.html_url };
  await github.request('PATCH /repos/{owner}/{repo}/releases/{release_id}', {
    release_id: release.id,
    tag_name: input.tag,
    name: input.title,
    body: notesOf(input),
    draft: false,
    // Left out it is the latest, whatever was released before ("Update a release", REST API docs).
    make_latest: input.latest ? 'true' : 'false',
  });
  const made = await github.request('GET /repos/{owner}/{repo}/releases/{release_id}', { release_id: release.id });
  const missing = input.assets.filter((asset) => !made.assets.some((there) => isSame(there, asset)));
  if (made.draft || missing.length > 0) {
    throw new GitHubError('unavailable', {
      found: made.draft ? 'the release is still a draft' : `the release lacks ${missing[0]?.name ?? ''}`,
      where: made.html_url,
      remedy: 'Run again: missing files are added',
    });
  }
  return { action: isNew ? 'created' : 'completed', url: made.html_url };
}

async function draftOrPublished(github: GitHub, input: ReleaseInput): Promise<{ release: Release; isNew: boolean }> {
  const known = await existing(github, input.tag);
  if (known !== null) return { release: known, isNew: false };
  const draft = {
    tag_name: input.tag,
    name: input.title,
    body: notesOf(input),
    draft: true,
    prerelease: input.prerelease,
  };
  try {
    await github.request('POST /repos/{owner}/{repo}/releases', draft);
  } catch (error) {
    if (!(error instanceof GitHubError) || !error.uncertain) throw error;
  }
  const release = await existing(github, input.tag);
  if (release !== null) return { release, isNew: true };
  throw new GitHubError('unavailable', {
    found: 'the release draft is missing after it was created',
    where: input.tag,
    remedy: 'Run again',
  });
}

/** The release of a tag: the published one, else the oldest draft of ours, whose doubles are removed. Drafts are found only by listing. */
async function existing(github: GitHub, tag: string): Promise<Release | null> {
  const all = (await listReleases(github)).filter((each) => each.tag_name === tag);
  const published = all.find((each) => !each.draft);
  const drafts = all.filter((each) => each.draft && each.body?.includes(marker) === true).sort((a, b) => a.id - b.id);
  const kept = published ?? drafts[0] ?? null;
  for (const each of drafts) {
    if (each.id !== kept?.id) {
      await github.find('DELETE /repos/{owner}/{repo}/releases/{release_id}', { release_id: each.id });
    }
  }
  return kept;
}

function listReleases(github: GitHub) {
  return github.list('GET /repos/{owner}/{repo}/releases', {});
}

/** Upload what is missing or was cut off, and take from a draft of ours what is not ours. @returns how many files were uploaded */
async function completeAssets(github: GitHub, release: Release, assets: readonly ReleaseAsset[]): Promise<number> {
  const present = await github.list('GET /repos/{owner}/{repo}/releases/{release_id}/assets', {
    release_id: release.id,
  });
  const foreign = release.draft ? present.filter(({ name }) => !assets.some((asset) => asset.name === name)) : [];
  for (const { id } of foreign) await removeAsset(github, id);
  let uploaded = 0;
  for (const asset of assets) {
    const there = present.find(({ name }) => name === asset.name);
    if (there !== undefined && (isSame(there, asset) || (!release.draft && !asset.exact && isWhole(there)))) continue;
    if (there !== undefined && !release.draft && isWhole(there)) {
      throw new GitHubError('refused', {
        found: `${asset.name} of the published release differs from the recorded file (it has ${there.size} bytes)`,
        expected: `${asset.size} bytes with sha256 ${asset.sha256}, as recorded in the registry`,
        where: release.html_url,
        remedy: 'Find out who changed the release; to create it again, delete it first',
      });
    }
    if (there !== undefined) await removeAsset(github, there.id);
    await upload(github, release, asset);
    uploaded += 1;
  }
  return uploaded;
}

async function upload(github: GitHub, release: Release, asset: ReleaseAsset): Promise<void> {
  const { name, type, content } = asset;
  const bytes = 'path' in content ? await openAsBlob(content.path) : new Blob([content.text]);
  try {
    await github.upload(release.upload_url, { name, type, bytes });
  } catch (error) {
    if (!(error instanceof GitHubError) || !(error.uncertain || error.kind === 'exists')) throw error;
    // It may have arrived, whole or in part.
    const found = (
      await github.list('GET /repos/{owner}/{repo}/releases/{release_id}/assets', { release_id: release.id })
    ).find((each) => each.name === name);
    if (found !== undefined && isSame(found, asset)) return;
    if (found !== undefined) await removeAsset(github, found.id);
    await github.upload(release.upload_url, { name, type, bytes });
  }
}

async function removeAsset(github: GitHub, id: number): Promise<void> {
  await github.find('DELETE /repos/{owner}/{repo}/releases/assets/{asset_id}', { asset_id: id });
}

interface PresentAsset {
  name: string;
  state: string;
  size: number;
  /** `sha256:...`; older servers have none. */
  digest?: string | null;
}

function isSame(there: PresentAsset, asset: ReleaseAsset): boolean {
  const { digest = null } = there;
  const alike = there.size === asset.size && (digest === null || digest === `sha256:${asset.sha256}`);
  return there.name === asset.name && isWhole(there) && alike;
}

/** An upload that was cut off leaves an asset in another state ("Upload a release asset", REST API docs). */
function isWhole({ state }: PresentAsset): boolean {
  return state === 'uploaded';
}

function notesOf({ notes }: ReleaseInput): string {
  const room = noteCharacters - marker.length - 1;
  const cut = notes.length <= room ? notes : `${notes.slice(0, room - 100)}\n\nThe rest is in the report.\n`;
  return `${cut}\n${marker}`;
}
