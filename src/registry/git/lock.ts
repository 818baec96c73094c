import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RegistryError } from '../../errors.ts';
import { isGone, thisProcess, type Owner } from '../../process-owner.ts';
import { pause } from './pause.ts';

/*
 * One writer at a time. Where the branch is checked out the lock is git's own index.lock, so that git and Contender keep out of each
 * other's way; elsewhere it is a file of ours. It appears whole (hard link), and says who holds it. So a lock that a killed run left
 * can be told from a live one and from one of git's, and only the first is ever taken over.
 */

interface LockText {
  contender: 'lock';
  nonce: string;
  owner: Owner;
}

/** How long to wait before giving up, in milliseconds. */
export interface Patience {
  /** For one and the same holder. */
  holderMs: number;
  /** For one and the same lock of git's. */
  gitMs: number;
  /** For all holders together: a queue of writers that moves on is no lock that hangs. */
  queueMs: number;
}

const defaultPatience: Patience = { holderMs: 60_000, gitMs: 10_000, queueMs: 600_000 };

/** A file on its way to becoming a lock is there for an instant; one this old was left by a dead run. */
const leftBehindMs = 60_000;

export interface LockPlace {
  /** The lock file. */
  path: string;
  /** A folder of ours that belongs to this lock, on the same file system, for files on their way. */
  scratch: string;
}

/** The one file in the scratch folder that outlives a lock: what its holder was about to do. */
export const journalName = 'journal.json';

/** Run `work` while holding the lock. @throws RegistryError when it cannot be had in time */
export async function withLock<T>(
  place: LockPlace,
  work: () => Promise<T>,
  patience: Patience = defaultPatience,
): Promise<T> {
  const text: LockText = { contender: 'lock', nonce: randomUUID(), owner: await thisProcess() };
  const started = performance.now();
  let holder: string | null = null;
  let held = started;
  for (let attempt = 0; !(await acquire(place, text)); attempt++) {
    const found = (await readLock(place.path))?.nonce ?? null;
    const now = performance.now();
    if (found !== holder) [holder, held] = [found, now];
    const foreign = found === null && now - started > patience.gitMs && (await ageOf(place.path)) > patience.gitMs;
    if (attempt > 0 && (foreign || now - held > patience.holderMs || now - started > patience.queueMs)) {
      throw await heldFault(place.path);
    }
    await pause(attempt);
  }
  try {
    await clearScratch(place);
    return await work();
  } finally {
    await rm(place.path, { force: true });
  }
}

async function acquire(place: LockPlace, text: LockText): Promise<boolean> {
  if (await createWhole(place.scratch, place.path, text)) return true;
  const held = await readLock(place.path);
  if (held === null || !(await isGone(held.owner))) return false;
  return takeOver(place, held, text);
}

/**
 * Replace the lock of a dead run. Only who holds the claim on that very lock may do it, so a lock that was taken over by
 * another meanwhile is never replaced; the claim of a taker that died too is followed by the next claim.
 */
async function takeOver(place: LockPlace, dead: LockText, text: LockText): Promise<boolean> {
  for (let level = 0; ; level++) {
    const claim = join(place.scratch, `claim-${dead.nonce}-${level}`);
    if (await createWhole(place.scratch, claim, text)) {
      const current = await readLock(place.path);
      if (current?.nonce !== dead.nonce) {
        await rm(claim, { force: true });
        return false;
      }
      const mine = await writeScratch(place.scratch, text);
      await rename(mine, place.path);
      return true;
    }
    const other = await readLock(claim);
    if (other === null || !(await isGone(other.owner))) return false;
  }
}

/** Once the lock is held, what else lies in its scratch folder was left by dead runs; only waiting writers may be at work there. */
async function clearScratch(place: LockPlace): Promise<void> {
  for (const name of await readdir(place.scratch)) {
    const path = join(place.scratch, name);
    if (name === journalName || (name.startsWith('new-') && (await ageOf(path)) < leftBehindMs)) continue;
    await rm(path, { force: true });
  }
}

/** Create a file with its whole content, or not at all when it is there already. */
async function createWhole(scratch: string, path: string, text: LockText): Promise<boolean> {
  const whole = await writeScratch(scratch, text);
  try {
    await link(whole, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    throw new RegistryError({
      found: `${path} cannot be created (${code ?? String(error)})`,
      remedy: 'Check that the repository is writable and its file system has hard links',
      cause: error,
    });
  } finally {
    await rm(whole, { force: true });
  }
}

async function writeScratch(scratch: string, text: LockText): Promise<string> {
  const path = join(scratch, `new-${randomUUID()}`);
  try {
    await mkdir(scratch, { recursive: true });
    await writeFile(path, `${JSON.stringify(text)}\n`);
    return path;
  } catch (error) {
    throw new RegistryError({
      found: `${scratch} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
      remedy: 'Check that the repository is writable by this user',
      cause: error,
    });
  }
}

async function readLock(path: string): Promise<LockText | null> {
  try {
    const value = JSON.parse(await readFile(path, 'utf8')) as Partial<LockText>;
    return value.contender === 'lock' ? (value as LockText) : null;
  } catch {
    // Gone meanwhile, or a lock of git's.
    return null;
  }
}

async function heldFault(path: string): Promise<RegistryError> {
  const held = await readLock(path);
  return new RegistryError({
    found:
      held === null
        ? 'another git process seems to be at work: its lock does not go away'
        : `process ${held.owner.pid} on ${held.owner.host} holds the lock and does not let go`,
    where: path,
    remedy: 'If no git and no contender is at work in this repository, remove that file and run again',
  });
}

async function ageOf(path: string): Promise<number> {
  return Date.now() - ((await stat(path).catch(() => null))?.mtimeMs ?? Date.now());
}
