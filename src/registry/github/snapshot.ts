import { RegistryError } from '../../errors.ts';
import type { GitHub } from '../../github/client.ts';
import { blobOid, plainFile, type TreeEntry } from '../git/objects.ts';
import { artifactsPath, attributesPath, isModelName, modelFolder } from '../layout.ts';
import { nothing } from './refs.ts';
import { modelState, type BlobReader, type ModelState } from '../model-state.ts';

/** A branch of a repository on GitHub, and the folder in it that is the registry. */
export interface GitHubBranch {
  github: GitHub;
  branch: string;
  folder: string;
  /** Blobs by object name. They never change, so what was read once is not read again. */
  cache: Map<string, Buffer>;
}

/** Everything one commit says about a model, read in one request and one more for contents that are new to us. */
export interface Snapshot {
  /** `nothing` (of refs.ts): the branch is not there yet. */
  head: string;
  tree: string;
  hasAttributes: boolean;
  /** artifacts.yaml at the top of the repository. */
  artifacts: TreeEntry | null;
  state: ModelState;
}

/** So many objects, and files of so many bytes, are asked for at once. */
const objectsAtOnce = 100;
const bytesAtOnce = 1024 * 1024;

const entry = 'name type mode oid size';
const commitFields = `oid
    tree { oid }
    attributes: file(path: $attributes) { oid }
    artifacts: file(path: "${artifactsPath}") { ${entry} }
    model: file(path: $model) {
      ${entry}
      object { ... on Tree { entries { ${entry}
        object { ... on Tree { entries { ${entry}
          object { ... on Tree { entries { ${entry} } } } } } } } } }
    }`;

interface Entry {
  name: string;
  type: string;
  mode: number;
  oid: string;
  size: number;
  object?: { entries?: Entry[] | null } | null;
}

interface CommitAnswer {
  oid: string;
  tree?: { oid: string };
  attributes: { oid: string } | null;
  artifacts: Entry | null;
  model: Entry | null;
}

interface FileAnswer {
  file?: Entry | null;
}

/** What there is before the first decision makes the branch. */
export async function emptySnapshot({ folder }: GitHubBranch, model: string): Promise<Snapshot> {
  const state = await modelState(() => Promise.resolve(new Map()), folder, model, []);
  return { head: nothing, tree: '', hasAttributes: false, artifacts: null, state };
}

/**
 * What GitHub says of a commit, by its name or, without one, of that at the end of the branch. Null: there is no such commit or branch.
 *
 * @param query its name
 * @param paths the variables that the fields take
 */
async function askCommit<T>(
  { github, branch }: GitHubBranch,
  oid: string | undefined,
  query: string,
  fields: string,
  paths: Record<string, string>,
): Promise<T | null> {
  const asked = `... on Commit { ${fields} }`;
  const [type, found] =
    oid === undefined
      ? ['String', `ref(qualifiedName: $at) { target { ${asked} } }`]
      : ['GitObjectID', `object(oid: $at) { ${asked} }`];
  const declared = Object.keys(paths).map((name) => `, $${name}: String!`);
  const { repository } = await github.graphql<{ repository: { ref?: { target: T } | null; object?: T | null } }>(
    `query ${query}($owner: String!, $name: String!, $at: ${type}!${declared.join('')}) {
      repository(owner: $owner, name: $name) { ${found} }
    }`,
    { owner: github.owner, name: github.repo, at: oid ?? `refs/heads/${branch}`, ...paths },
  );
  return repository.ref?.target ?? repository.object ?? null;
}

/**
 * Only what is below the model is asked for, so the cost does not grow with the other models.
 *
 * @param oid a commit, in place of that of the branch
 * @returns null where there is no such branch or commit
 */
export async function readSnapshot(place: GitHubBranch, model: string, oid?: string): Promise<Snapshot | null> {
  const { folder } = place;
  const target = await askCommit<CommitAnswer>(place, oid, 'Snapshot', commitFields, {
    model: `${folder}/${modelFolder(model)}`,
    attributes: `${folder}/${attributesPath}`,
  });
  if (target?.tree === undefined) return null;
  const entries = target.model === null ? [] : listed(target.model, modelFolder(model));
  return {
    head: target.oid,
    tree: target.tree.oid,
    hasAttributes: target.attributes !== null,
    artifacts: target.artifacts === null ? null : treeEntry(target.artifacts, artifactsPath),
    state: await modelState(blobReader(place), folder, model, entries),
  };
}

/**
 * The folder of each model at a commit, or that of the branch, by its tree; empty where the commit has no registry. Null: there is no
 * such branch or commit.
 */
export async function modelTrees(place: GitHubBranch, oid?: string): Promise<Map<string, string> | null> {
  const fields = 'file(path: $path) { object { ... on Tree { entries { name type oid } } } }';
  const paths = { path: `${place.folder}/models` };
  const found = await askCommit<FileAnswer>(place, oid, 'Models', fields, paths);
  if (found === null) return null;
  const trees = (found.file?.object?.entries ?? []).filter(({ name, type }) => type === 'tree' && isModelName(name));
  return new Map(trees.map(({ name, oid: tree }) => [name, tree]));
}

/** What GitHub says of each object, by the name or the expression it is asked by; null: it is not there. */
export async function objectsAt<T>(
  github: GitHub,
  by: 'oid' | 'expression',
  names: readonly string[],
  fields: string,
): Promise<Map<string, T | null>> {
  const type = by === 'oid' ? 'GitObjectID!' : 'String!';
  const found = new Map<string, T | null>();
  for (let first = 0; first < names.length; first += objectsAtOnce) {
    const some = names.slice(first, first + objectsAtOnce);
    const { repository } = await github.graphql<{ repository: Record<string, T | null> }>(
      `query Objects($owner: String!, $name: String!, ${some.map((_, index) => `$o${index}: ${type}`).join(', ')}) {
        repository(owner: $owner, name: $name) {
          ${some.map((_, index) => `o${index}: object(${by}: $o${index}) { ${fields} }`).join('\n')}
        }
      }`,
      {
        owner: github.owner,
        name: github.repo,
        ...Object.fromEntries(some.map((each, index) => [`o${index}`, each])),
      },
    );
    for (const [index, each] of some.entries()) found.set(each, repository[`o${index}`] ?? null);
  }
  return found;
}

/** The object names of files at a commit, by path; null: no such file there. */
export async function blobsAt(
  { github }: Pick<GitHubBranch, 'github'>,
  commit: string,
  paths: readonly string[],
): Promise<Map<string, string | null>> {
  const expression = (path: string): string => `${commit}:${path}`;
  const found = await objectsAt<{ oid: string }>(github, 'expression', paths.map(expression), 'oid');
  return new Map(paths.map((path) => [path, found.get(expression(path))?.oid ?? null]));
}

/** Names of the models, sorted. Null: there is no such branch. */
export async function listModels(place: GitHubBranch): Promise<string[] | null> {
  const trees = await modelTrees(place);
  return trees === null ? null : [...trees.keys()].sort();
}

/** The bytes of one file of the branch; null when it is not there. */
export async function readFile(place: GitHubBranch, path: string): Promise<Buffer | null> {
  const found = await findEntry(place, path);
  return found?.type === 'blob' ? readBlob(place.github, found.oid) : null;
}

/** What is at a path of the branch; null: nothing. */
export async function findEntry(place: GitHubBranch, path: string): Promise<TreeEntry | null> {
  const found = await askCommit<FileAnswer>(place, undefined, 'File', `file(path: $path) { ${entry} }`, { path });
  const file = found?.file ?? null;
  return file === null ? null : treeEntry(file, path);
}

/**
 * The commit that first added a file: the oldest that touched it. A file of a chain has one, unless somebody took it away and brought it
 * back, so that this is one request.
 */
export async function firstCommitOf(
  { github, branch }: Pick<GitHubBranch, 'github' | 'branch'>,
  path: string,
): Promise<string | null> {
  const commits = (await github.list('GET /repos/{owner}/{repo}/commits', { sha: branch, path })).map(({ sha }) => sha);
  const [last, ...before] = commits;
  // A decision that was made void had the name before it.
  const oidAt = async (commit: string): Promise<string | null> =>
    (await blobsAt({ github }, commit, [path])).get(path) ?? null;
  const oid = last === undefined || before.length === 0 ? null : await oidAt(last);
  for (const commit of oid === null ? [] : before.toReversed()) if ((await oidAt(commit)) === oid) return commit;
  return oid === null ? (commits.at(-1) ?? null) : (last ?? null);
}

/** The files below a folder, at any depth that was listed. */
function listed(folder: Entry, path: string): TreeEntry[] {
  const inside = folder.object?.entries;
  if (folder.type !== 'tree' || inside === undefined || inside === null) return [treeEntry(folder, path)];
  return inside.flatMap((each) => listed(each, `${path}/${each.name}`));
}

function treeEntry({ mode, type, oid, size }: Entry, path: string): TreeEntry {
  return { mode: mode.toString(8).padStart(6, '0'), type, oid, size, path };
}

/** Reads the blobs that the cache does not have, as few requests as can be. */
export function blobReader({ github, cache }: GitHubBranch): BlobReader {
  return async (entries) => {
    const missing = [...new Map(entries.map((each) => [each.oid, each])).values()].filter(({ oid }) => !cache.has(oid));
    for (const batch of batches(missing)) {
      for (const [oid, bytes] of await readTexts(github, batch)) cache.set(oid, bytes);
    }
    return cache;
  };
}

function batches(entries: readonly TreeEntry[]): TreeEntry[][] {
  const found: TreeEntry[][] = [];
  let room = 0;
  for (const each of entries) {
    const last = found.at(-1);
    if (last === undefined || last.length >= objectsAtOnce || room < each.size) {
      found.push([each]);
      room = bytesAtOnce - each.size;
    } else {
      last.push(each);
      room -= each.size;
    }
  }
  return found;
}

/** Many small files at once as text. What is not the text of those bytes (cut, not UTF-8) is read again as bytes. */
async function readTexts(github: GitHub, entries: readonly TreeEntry[]): Promise<Map<string, Buffer>> {
  const oids = entries.filter(({ mode }) => mode === plainFile).map(({ oid }) => oid);
  const texts = await objectsAt<{ text?: string | null }>(github, 'oid', oids, '... on Blob { text }');
  const found = new Map<string, Buffer>();
  for (const oid of oids) {
    const text = texts.get(oid)?.text;
    const bytes = typeof text === 'string' ? Buffer.from(text) : null;
    found.set(oid, bytes !== null && named(bytes, oid) ? bytes : await readBlob(github, oid));
  }
  return found;
}

/** The bytes of a blob, seen to be those of its name. @throws RegistryError, GitHubError */
export async function readBlob(github: GitHub, oid: string): Promise<Buffer> {
  const bytes = await github.bytes('GET /repos/{owner}/{repo}/git/blobs/{file_sha}', {
    file_sha: oid,
    headers: { accept: 'application/vnd.github.raw+json' },
  });
  if (named(bytes, oid)) return bytes;
  throw new RegistryError({
    found: `the content that GitHub sent for blob ${oid} does not match its hash`,
    remedy: 'Run again; if it happens again, check whether a proxy changes responses of GitHub',
  });
}

function named(bytes: Buffer, oid: string): boolean {
  return blobOid(bytes, oid.length === 64 ? 'sha256' : 'sha1') === oid;
}
