import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { journalName, type LockPlace } from './lock.ts';
import { entriesAt, readBlobs } from './objects.ts';
import { commitAt, isAncestor, type Repository, type WorkTree } from './repository.ts';
import { bringInLine, type FileChange } from './work-tree.ts';

/*
 * What a writer is about to do, written down before the branch moves and removed after index and files followed. Only a journal makes
 * a difference between commit and work tree ours to mend: without one it is a person's, and an error.
 */
export interface Journal {
  ref: string;
  old: string;
  new: string;
  changes: FileChange[];
}

export async function writeJournal(place: LockPlace, journal: Journal): Promise<void> {
  const whole = join(place.scratch, `${journalName}.new`);
  // On disk before the branch moves: a power cut must not leave half a journal beside a moved branch.
  await writeFile(whole, JSON.stringify(journal), { flush: true });
  await rename(whole, join(place.scratch, journalName));
}

export async function removeJournal(place: LockPlace): Promise<void> {
  await rm(join(place.scratch, journalName), { force: true });
}

/**
 * Finish or forget what an interrupted run left. The caller holds the lock the interrupted run held, so it is not at work any more.
 * Returns whether there was something.
 *
 * @throws RegistryError when a person changed the same files since
 */
export async function finishInterrupted(
  repository: Repository,
  workTree: WorkTree | null,
  place: LockPlace,
  folder: string,
): Promise<boolean> {
  const journal = await readJournal(place);
  if (journal === null) return false;
  await removeLocksOfGit(repository, workTree, place, journal);
  const head = await commitAt(repository, journal.ref);
  const moved = head !== null && (await isAncestor(repository, journal.new, head));
  if (moved && workTree !== null) {
    const paths = journal.changes.map(({ path }) => path);
    const committed = new Map((await entriesAt(repository, head, paths)).map((entry) => [entry.path, entry]));
    const entries = journal.changes.flatMap(({ path }) => committed.get(path) ?? []);
    const changes = journal.changes.flatMap(({ path, before, after }) => {
      const entry = committed.get(path);
      return entry === undefined ? [] : [{ path, before: [...before, after], after: entry.oid }];
    });
    await bringInLine(repository, workTree, place.scratch, folder, changes, await readBlobs(repository, entries));
  }
  await removeJournal(place);
  return true;
}

/**
 * A git that was killed while it moved the branch leaves the lock files of the branch and of HEAD behind. They are known to be of that
 * git when they hold the commit it was moving to, or were created empty right after the journal was written.
 */
async function removeLocksOfGit(
  repository: Repository,
  workTree: WorkTree | null,
  place: LockPlace,
  journal: Journal,
): Promise<void> {
  const written = (await stat(join(place.scratch, journalName))).mtimeMs;
  const locks = [
    join(repository.commonFolder, `${journal.ref}.lock`),
    join(workTree?.gitFolder ?? repository.commonFolder, 'HEAD.lock'),
  ];
  for (const lock of locks) {
    const found = await stat(lock).catch(() => null);
    if (found === null || found.mtimeMs < written - 1000 || found.mtimeMs > written + 10_000) continue;
    // A git at work holds such a lock for an instant.
    await sleep(Math.max(0, found.mtimeMs + 1000 - Date.now()));
    const text = await readFile(lock, 'utf8').catch(() => null);
    if (text !== null && (text === '' || text.trim() === journal.new)) await rm(lock, { force: true });
  }
}

async function readJournal(place: LockPlace): Promise<Journal | null> {
  try {
    return JSON.parse(await readFile(join(place.scratch, journalName), 'utf8')) as Journal;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    // Not written to its end, so the branch had not moved yet: there is nothing to finish.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
