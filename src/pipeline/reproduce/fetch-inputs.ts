import { copyFile, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import type { ModelReference } from '../../config/index.ts';
import { ContenderError, UsageError } from '../../errors.ts';
import { fileDigest } from '../../file-digest.ts';
import type { Artifact, RecordedDecision } from '../../evidence/index.ts';
import { extractCommitted } from '../../registry/committed-file.ts';
import { fetchArtifact } from '../../registry/fetch-artifact.ts';
import type { Repository } from '../../registry/git/repository.ts';
import { git, runGit, textOf } from '../../registry/git/run.ts';
import { versionTag } from '../../registry/tags.ts';
import type { Workspace } from '../workspace.ts';

/** A file that a decision was made on, and where its bytes came from. */
export interface FetchedInput {
  what: string;
  /** Where it was: its name in the configuration, or its address. */
  name: string;
  from: string;
  /** Whether its digest is the recorded one; null: none is recorded. */
  verified: boolean | null;
}

/** A place where a decision is made again: a repository of its own that sees the objects of this one. */
export interface Place {
  root: string;
  /** Where contender.yml is in it. */
  folder: string;
  repository: Repository;
  /** The commit the decision was made in. */
  commit: string | undefined;
}

/**
 * Make the place: its commits are those of this clone, so that addresses of committed files hold there too. Nothing of this clone changes.
 * @param root an empty folder
 */
export async function makePlace(workspace: Workspace, decision: RecordedDecision, root: string): Promise<Place> {
  const repository = await workspace.repository();
  const format = repository.objectFormat;
  await git(root, ['init', '--quiet', '--template=', `--object-format=${format}`, root]);
  await mkdir(join(root, '.git', 'objects', 'info'), { recursive: true });
  await writeFile(join(root, '.git', 'objects', 'info', 'alternates'), `${join(repository.commonFolder, 'objects')}\n`);
  const origin = await runGit(workspace.root, ['remote', 'get-url', 'origin']);
  const url = textOf(origin);
  // A path is relative to the repository that has it.
  if (origin.code === 0)
    await git(root, ['remote', 'add', 'origin', /^\.\.?(?:\/|$)/u.test(url) ? resolve(repository.folder, url) : url]);
  const folder = join(root, relative(workspace.root, workspace.folder));
  await mkdir(folder, { recursive: true });
  return { root, folder, repository, commit: decision.source.sha };
}

/**
 * Bring a file that the configuration names to its place: from the commit of the decision, else from the work tree, where it has the
 * recorded digest. @throws UsageError where neither has it
 */
export async function bringFile(
  workspace: Workspace,
  place: Place,
  { what, path, sha256 }: { what: string; path: string; sha256: string | undefined },
): Promise<FetchedInput> {
  const to = resolve(place.folder, path);
  const way = relative(place.root, to);
  if (way.startsWith('..') || resolve(place.root, way) !== to) {
    throw new UsageError({
      found: `${what} is ${JSON.stringify(path)}, outside the repository`,
      remedy: 'It cannot be reproduced from here',
    });
  }
  await mkdir(dirname(to), { recursive: true });
  const tried: string[] = [];
  if (place.commit !== undefined) {
    const fromTop = relative(place.repository.folder, resolve(workspace.folder, path)).split(sep).join('/');
    const from = `commit ${place.commit.slice(0, 12)}`;
    try {
      await extractCommitted(place.repository, fromTop, place.commit, fromTop, to, workspace);
      const verified = sha256 === undefined ? null : (await fileDigest(to)) === sha256;
      if (verified !== false) return { what, name: path, from, verified };
      tried.push(`${from} has a different file`);
    } catch (error) {
      if (!(error instanceof ContenderError)) throw error;
      tried.push(error.fault.found);
    }
  }
  const here = resolve(workspace.folder, path);
  const found = sha256 === undefined ? null : await fileDigest(here).catch(() => null);
  if (found !== null && found === sha256) {
    await copyFile(here, to);
    return { what, name: path, from: 'the work tree', verified: true };
  }
  tried.push(found === null ? 'the work tree does not have it' : 'the work tree has a different file');
  throw new UsageError({
    found: `${what} is not available: ${tried.join('; ')}`,
    expected: sha256 === undefined ? `${path} as it was at the decision` : `${path} with sha256 ${sha256}`,
    where: path,
    remedy: 'Fetch it (git fetch, git lfs pull, dvc pull, or from its store), put it there and run again',
  });
}

/**
 * Bring the bytes of a recorded model or file of predictions, and name them as contender.yml would.
 * @throws ContenderError where they cannot be had
 */
export async function bringArtifact(
  workspace: Workspace,
  place: Place,
  { what, artifact, version }: { what: 'candidate' | 'champion'; artifact: Artifact; version?: string | undefined },
): Promise<{ input: FetchedInput; reference: ModelReference }> {
  const reading = artifact.reading ?? {};
  const local = /^file:(.+)$/su.exec(artifact.uri)?.[1];
  if (local !== undefined) {
    const input = await bringFile(workspace, place, { what, path: local, sha256: artifact.sha256 });
    return { input, reference: named(artifact, local, reading) };
  }
  const release = version === undefined ? undefined : versionTag(workspace.model, version);
  // A folder of its own inside the place: the configuration may name nothing outside, and candidate and champion may share a name.
  const folder = await mkdtemp(join(place.root, `${what}-`));
  const path = await fetchArtifact(workspace.repository, artifact, folder, {
    ...workspace,
    ...(release === undefined ? {} : { release }),
  });
  const input = { what, name: artifact.uri, from: 'its address', verified: true };
  const inside = await within(folder, path);
  return { input, reference: named(artifact, relative(place.folder, inside).split(sep).join('/'), reading) };
}

/** A cached download lies elsewhere: it is copied, with the files beside it that belong to it. */
async function within(folder: string, path: string): Promise<string> {
  if (!relative(folder, path).startsWith('..')) return path;
  const { localModel } = await import('../../model/artifact.ts');
  const to = join(folder, path.slice(dirname(path).length + 1));
  const files = /\.onnx$/iu.test(path) ? (await localModel(path, path)).files.map((each) => each.path) : [path];
  for (const file of files) {
    const target = join(folder, relative(dirname(path), file));
    await mkdir(dirname(target), { recursive: true });
    await copyFile(file, target);
  }
  return to;
}

function named(artifact: Artifact, path: string, reading: Record<string, unknown>): ModelReference {
  return artifact.role === 'predictions' ? { ...reading, predictions: path } : { ...reading, uri: path };
}
