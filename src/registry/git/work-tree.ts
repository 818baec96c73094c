import { randomUUID } from 'node:crypto';
import { access, constants, copyFile, lstat, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RegistryError } from '../../errors.ts';
import { artifactsPath } from '../layout.ts';
import { blobOid, plainFile } from './objects.ts';
import type { Repository, WorkTree } from './repository.ts';
import { git, gitBytes, runGit } from './run.ts';

/** A file of the registry on its way from one committed state to the next. */
export interface FileChange {
  /** Relative to the top of the repository. */
  path: string;
  /** Object names the file and its entry in the index may have now; null: they may be absent. */
  before: readonly (string | null)[];
  after: string;
}

/** An uncommitted difference that a person made. */
export interface Edit {
  path: string;
  what: 'modified' | 'deleted' | 'not committed' | 'staged' | 'in conflict';
}

/** What differs at `paths` between the last commit, the index and the files. Files that git ignores do not count. */
export async function uncommittedEdits(workTree: Pick<WorkTree, 'folder'>, paths: readonly string[]): Promise<Edit[]> {
  const args = [
    'status',
    '--porcelain=v2',
    '-z',
    '--untracked-files=all',
    '--no-renames',
    '--ignore-submodules=none',
    '--',
    ...paths,
  ];
  const lines = (await gitBytes(workTree.folder, args)).toString('utf8').split('\0');
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const [kind, state = ''] = line.split(' ');
      if (kind === '?') return { path: line.slice(2), what: 'not committed' };
      if (kind === 'u') return { path: line.split(' ').slice(10).join(' '), what: 'in conflict' };
      const what = state.includes('D') ? 'deleted' : state[1] === '.' ? 'staged' : 'modified';
      return { path: line.split(' ').slice(8).join(' '), what };
    });
}

/**
 * @param artifactsYaml whether artifacts.yaml is kept too, which people may edit, but must commit
 * @throws RegistryError naming what a person changed in the registry and has not committed
 */
export async function refuseEdits(workTree: WorkTree, folder: string, artifactsYaml: boolean): Promise<void> {
  const edits = await uncommittedEdits(workTree, artifactsYaml ? [folder, artifactsPath] : [folder]);
  const [inRegistry, [edit]] = [edits.filter((each) => !isArtifacts(each)), edits.filter(isArtifacts)];
  if (inRegistry.length > 0) throw editsFault(inRegistry, folder);
  if (edit === undefined) return;
  throw new RegistryError({
    found: `${edit.path} is ${edit.what}`,
    expected: `${artifactsPath} as it is committed: a new champion is written to it`,
    where: artifactsPath,
    remedy: `Commit it first: git add ${artifactsPath} && git commit. Or undo it: git restore --staged --worktree -- ${artifactsPath}`,
  });
}

/** Whether a file of the work tree has the bytes of the blob `oid` (null: there is none), or is not there at all. */
export async function isAsCommitted(
  repository: Repository,
  workTree: WorkTree,
  path: string,
  oid: string | null,
): Promise<boolean> {
  const found = await fileName(repository, join(workTree.folder, path));
  return found === null || found === oid;
}

/** Or in a folder of that name. */
function isArtifacts({ path }: Edit): boolean {
  return path === artifactsPath || path.startsWith(`${artifactsPath}/`);
}

function editsFault(edits: readonly Edit[], folder: string): RegistryError {
  const shown = edits.slice(0, 5).map((edit) => `${edit.path} (${edit.what})`);
  const more = edits.length > shown.length ? ` and ${edits.length - shown.length} more` : '';
  const untracked = edits.some((edit) => edit.what === 'not committed');
  // An interrupted run may have left artifacts.yaml to be brought in line.
  const places = edits.some(isArtifacts) ? `${folder} ${artifactsPath}` : folder;
  return new RegistryError({
    found: `the registry has changes that are not committed: ${shown.join(', ')}${more}`,
    expected: 'only Contender to change it, one decision a commit',
    where: folder,
    remedy: `See them with git status -- ${places}. Undo them with git restore --staged --worktree -- ${places}${untracked ? `, and move files that are not committed out of ${folder}` : ''}`,
  });
}

/** @throws RegistryError when a folder on the way to a file is a symbolic link or a file: nothing is written through it */
export async function refuseLinks(workTree: WorkTree, paths: readonly string[]): Promise<void> {
  const folders = new Set(paths.flatMap((path) => parentsOf(path)));
  for (const folder of folders) {
    const found = await lstat(join(workTree.folder, folder)).catch(() => null);
    if (found === null || found.isDirectory()) continue;
    throw new RegistryError({
      found: found.isSymbolicLink() ? 'a symbolic link' : 'a file',
      expected: 'a folder of the registry',
      where: folder,
      remedy: 'Remove it, or set registry.path to another folder',
    });
  }
}

/** @throws RegistryError when files could not follow a branch that moved, since the folder they go into may not be written */
export async function refuseReadOnly(workTree: WorkTree, paths: readonly string[]): Promise<void> {
  for (let folder of new Set(paths.map((path) => dirname(path)))) {
    let fault = await writingFault(join(workTree.folder, folder));
    // What is not there yet is made in the folder above.
    for (; fault === 'ENOENT' && folder !== '.'; fault = await writingFault(join(workTree.folder, folder))) {
      folder = dirname(folder);
    }
    if (fault === null) continue;
    throw new RegistryError({
      found: `this folder cannot be written (${fault})`,
      expected: 'one that can: the files of the registry follow what is committed',
      where: folder,
      remedy:
        'Make it writable for this user, or keep the registry on a branch that is not checked out (registry.branch)',
    });
  }
}

function writingFault(folder: string): Promise<string | null> {
  return access(folder, constants.W_OK | constants.X_OK).then(
    () => null,
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  );
}

/**
 * Bring exactly these files, and their entries in the index, to their new state. The caller holds the index lock.
 * Idempotent: what an interrupted run did already is left as it is.
 *
 * @param contents bytes by object name
 * @throws RegistryError when a file or entry is neither in its old nor its new state: a person changed it meanwhile
 */
export async function bringInLine(
  repository: Repository,
  workTree: WorkTree,
  scratch: string,
  folder: string,
  changes: readonly FileChange[],
  contents: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  await refuseLinks(
    workTree,
    changes.map((change) => change.path),
  );
  const index = await indexEntries(
    workTree,
    changes.map((change) => change.path),
  );
  const files = new Map<string, string | null>();
  for (const { path } of changes) files.set(path, await fileName(repository, join(workTree.folder, path)));
  const strange = changes.filter(({ path, before, after }) =>
    [index.get(path)?.oid ?? null, files.get(path)].some((found) => found !== after && !before.includes(found ?? null)),
  );
  if (strange.length > 0)
    throw editsFault(
      strange.map(({ path }) => ({ path, what: 'modified' })),
      folder,
    );

  const hidden = new Set(changes.map((change) => change.path).filter((path) => index.get(path)?.hidden === true));
  for (const { path, after } of changes) {
    if (files.get(path) === after || hidden.has(path)) continue;
    await replaceFile(scratch, join(workTree.folder, path), contents.get(after) as Uint8Array);
  }
  const staged = changes.filter(({ path, after }) => index.get(path)?.oid !== after);
  if (staged.length > 0) await replaceIndex(workTree, scratch, staged, hidden);
}

/** Entries of the index by path, of those that have one. `hidden`: outside a sparse checkout, so there is no file. */
async function indexEntries(
  workTree: WorkTree,
  paths: readonly string[],
): Promise<Map<string, { oid: string; hidden: boolean }>> {
  const listing = await gitBytes(workTree.folder, ['ls-files', '-t', '--stage', '-z', '--', ...paths]);
  const lines = listing
    .toString('utf8')
    .split('\0')
    .filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [tag, , oid = ''] = line.slice(0, line.indexOf('\t')).split(' ');
      return [line.slice(line.indexOf('\t') + 1), { oid, hidden: tag === 'S' }];
    }),
  );
}

/**
 * Change entries in a copy of the index and put the copy in its place, as git does it. git itself never takes index.lock for us,
 * so a kill cannot leave one of git's behind.
 */
async function replaceIndex(
  workTree: WorkTree,
  scratch: string,
  staged: readonly FileChange[],
  hidden: ReadonlySet<string>,
): Promise<void> {
  const index = join(workTree.gitFolder, 'index');
  const copy = join(scratch, `index-${randomUUID()}`);
  const env = { GIT_INDEX_FILE: copy };
  try {
    await copyFile(index, copy).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    const entries = staged.map(({ path, after }) => `${plainFile} ${after}\t${path}\0`).join('');
    await gitBytes(workTree.folder, ['update-index', '-z', '--index-info'], { input: entries, env });
    const [absent, present] = [
      staged.filter(({ path }) => hidden.has(path)),
      staged.filter(({ path }) => !hidden.has(path)),
    ];
    const names = (changes: readonly FileChange[]): string => changes.map(({ path }) => `${path}\0`).join('');
    if (absent.length > 0)
      await git(workTree.folder, ['update-index', '--skip-worktree', '-z', '--stdin'], { input: names(absent), env });
    // Records size and time of the files, so that git need not read them again.
    await runGit(workTree.folder, ['update-index', '-z', '--stdin'], { input: names(present), env });
    await rename(copy, index);
  } finally {
    await rm(copy, { force: true });
    await rm(`${copy}.lock`, { force: true });
  }
}

/** A file appears whole or not at all. */
async function replaceFile(scratch: string, path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const whole = join(scratch, `file-${randomUUID()}`);
  await writeFile(whole, bytes);
  try {
    await rename(whole, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    // The git folder is on another file system than the work tree.
    await writeFile(path, bytes);
  } finally {
    await rm(whole, { force: true });
  }
}

async function fileName(repository: Repository, path: string): Promise<string | null> {
  const found = await lstat(path).catch(() => null);
  if (found === null) return null;
  return found.isFile() ? blobOid(await readFile(path), repository.objectFormat) : 'not a file';
}

function parentsOf(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(0, -1).map((_, index) => parts.slice(0, index + 1).join('/'));
}
