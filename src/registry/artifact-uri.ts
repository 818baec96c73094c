import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, relative, sep } from 'node:path';
import { RegistryError } from '../errors.ts';
import { workflowArtifact, type Artifact } from '../evidence/index.ts';
import { fileDigest } from '../file-digest.ts';
import { shellWord } from '../wording.ts';
import { isPinned, objectAddress, secretIn } from '../object-address.ts';
import { pointerIn } from './committed-file.ts';
import { entryAt } from './git/objects.ts';
import { commitAt, openRepository, type Repository } from './git/repository.ts';
import { convertedOid } from './git/status.ts';

/**
 * The address under which a model's bytes can be found for as long as the repository lives: `git:<commit>:<path>`.
 *
 * @param repository the repository, or a folder in it
 * @param path absolute path of the model file
 * @param beside absolute paths of its external data files, which must be committed too
 * @throws RegistryError when a file is not committed as it is
 */
export async function immutableModelUri(
  repository: string | Repository,
  path: string,
  beside: readonly string[] = [],
): Promise<string> {
  const opened = await openRepository(repository);
  const commit = await commitAt(opened, 'HEAD');
  for (const each of beside) await committedPath(opened, commit, each);
  return `git:${commit}:${await committedPath(opened, commit, path)}`;
}

/** The path of a file from the top of its repository, as git has it. @param path absolute */
export async function pathFromTop({ folder }: Repository, path: string): Promise<string> {
  return relative(folder, await realpath(path))
    .split(sep)
    .join('/');
}

/** The path of a file in a commit that holds it as it is. @throws RegistryError */
async function committedPath(opened: Repository, commit: string | null, path: string): Promise<string> {
  const inside = await pathFromTop(opened, path);
  const remedy = `Commit it first: git add ${shellWord(inside)} && git commit`;
  if (inside.startsWith('../') || isAbsolute(inside)) {
    throw new RegistryError({
      found: `${path} is outside the repository`,
      expected: 'a committed file, so that the recorded model cannot change',
      remedy: 'Copy it into the repository and commit it, or name an https URL with its sha256',
    });
  }
  const entry = commit === null ? null : await entryAt(opened, commit, inside);
  if (commit !== null && entry?.type !== 'blob') await refuseSubmodule(opened, commit, inside);
  if (commit === null || entry?.type !== 'blob') {
    throw new RegistryError({
      found: 'this file is not committed',
      expected: 'a committed file, so that the recorded model cannot change',
      where: inside,
      remedy,
    });
  }
  const { size } = await stat(path);
  const named = await fileDigest(path, opened.objectFormat, `blob ${size}\0`);
  if (named !== entry.oid) {
    const pointer = await pointerIn(opened, entry);
    if (pointer === null && (await convertedOid(opened.folder, inside)) === entry.oid) {
      throw new RegistryError({
        found:
          'git converts this file between the commit and the work tree (line endings or a filter), so its bytes here are not the committed ones',
        expected: 'the same bytes in both: the file here is evaluated, but others fetch the committed one',
        where: inside,
        remedy: keptAsCommitted(inside),
      });
    }
    if (pointer === null || pointer.oid !== (await fileDigest(path))) {
      throw new RegistryError({
        found: 'this file differs from the committed one',
        expected: `its content as in commit ${commit.slice(0, 12)}`,
        where: inside,
        remedy,
      });
    }
  }
  return inside;
}

/** How git is told to keep the bytes of a file as they are. @param path from the top of the repository */
export function keptAsCommitted(path: string): string {
  return `Add the line '${/[\s"\\]/u.test(path) ? JSON.stringify(path) : path} -text -filter -ident -working-tree-encoding' to .gitattributes, then: git add --renormalize .gitattributes ${shellWord(path)} && git commit`;
}

/** @throws RegistryError where a file lies in a submodule, whose files are committed in another repository */
async function refuseSubmodule(opened: Repository, commit: string, path: string): Promise<void> {
  const parts = path.split('/');
  const above = parts.slice(0, -1).map((_, index) => parts.slice(0, index + 1).join('/'));
  for (const folder of above) {
    if ((await entryAt(opened, commit, folder))?.type !== 'commit') continue;
    throw new RegistryError({
      found: `this file is in the submodule ${folder}`,
      expected: 'a file of this repository, because decisions refer to commits of this repository',
      where: path,
      remedy:
        'Keep the model in this repository (or in its Git LFS), name an https address with its sha256, or run Contender in the repository of the submodule',
    });
  }
}

/** Where `git:<commit>:<path>` points; null for any other address. */
export function committedPlace(uri: string): { commit: string; path: string } | null {
  const git = /^git:([0-9a-f]{40}|[0-9a-f]{64}):(.+)$/su.exec(uri);
  return git === null ? null : { commit: git[1] as string, path: git[2] as string };
}

/** What `isFetchable` asks for, for messages. */
export const fetchable =
  'an address that can be fetched and does not change: git:<commit>:<path>, https without a secret, an object of a store (gs by its generation, hf by its commit, oci by its digest), or an image by its digest';

/** Whether bytes can be had at an address, and stay the same. */
export function isFetchable(uri: Artifact['uri']): boolean {
  const committed = committedPlace(uri);
  if (committed !== null) {
    const parts = committed.path.split('/');
    // eslint-disable-next-line no-control-regex
    const plain = !/[\u0000-\u001f\u007f\\]/u.test(committed.path);
    return plain && !/^0+$/u.test(committed.commit) && parts.every((part) => !['', '.', '..', '.git'].includes(part));
  }
  if (workflowArtifact(uri) !== null) return true;
  const object = objectAddress(uri);
  if (object !== null) {
    if (object.store === 'oci' && !isPublicName(object.host.replace(/:\d+$/u, ''))) return false;
    // Not every bucket keeps versions: the digest tells, as it does of what is at an https address.
    return object.store === 's3' || isPinned(object);
  }
  if (/^[a-z0-9][a-z0-9._/:-]*@sha256:[0-9a-f]{64}$/u.test(uri)) return true;
  if (!uri.startsWith('https://') || !URL.canParse(uri)) return false;
  return secretIn(uri) === null && isPublicName(new URL(uri).hostname);
}

function isPublicName(host: string): boolean {
  return /\.[a-z]{2,}$/iu.test(host);
}
