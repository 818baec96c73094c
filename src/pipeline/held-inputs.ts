import { readdir, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UsageError } from '../errors.ts';

/**
 * The files that a run reads, held to what they were before the first of them was opened. The system stamps every change of a file with
 * a time that no program sets (ctime), and a file that takes the place of another has another number: two equal stamps say that
 * whatever was read in between was one and the same, also of a file that was replaced and put back.
 */
export interface HeldInputs {
  /** Hold a file, before it is opened; of a folder or a name with wildcards, every file below. What is not there is held to be absent. */
  hold(path: string): Promise<void>;
  /** @throws UsageError naming a file that was changed, replaced, added or removed since it was held */
  verify(): Promise<void>;
}

/** Two changes within one tick of the clock that stamps files look alike (a few milliseconds): what is newer is waited for. */
const tickMs = 50;

/** @param root what messages name files relative to */
export function holdInputs(root: string): HeldInputs {
  const held = new Map<string, string>();
  return {
    async hold(path) {
      if (!held.has(path)) held.set(path, await stampOf(path, true));
    },
    async verify() {
      for (const [path, before] of held) {
        if ((await stampOf(path, false)) === before) continue;
        throw new UsageError({
          found: 'this file was changed while it was being read',
          expected: 'files that do not change until the run ends, so that the recorded file is the measured one',
          where: relative(root, path).split(sep).join('/'),
          remedy: 'Nothing was recorded. Run again when no other process writes to it',
        });
      }
    },
  };
}

async function stampOf(path: string, settle: boolean): Promise<string> {
  const folder = await folderOf(path);
  if (folder === null) return fileStamp(path, settle);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
  const stamps = await Promise.all(files.toSorted().map(async (file) => `${file} ${await fileStamp(file, settle)}`));
  return stamps.join('\n');
}

/** What a name with wildcards, or a folder, stands for; null: for itself. What there is may have any characters in its name. */
async function folderOf(path: string): Promise<string | null> {
  const kind = async (name: string): Promise<'folder' | 'file' | null> => {
    const found = await stat(name).catch(() => null);
    return found === null ? null : found.isDirectory() ? 'folder' : 'file';
  };
  const found = await kind(path);
  if (found !== null) return found === 'folder' ? path : null;
  let folder = dirname(path);
  while ((await kind(folder)) !== 'folder' && folder !== dirname(folder)) folder = dirname(folder);
  return /[*?[{]/u.test(relative(folder, path)) ? folder : null;
}

async function fileStamp(path: string, settle: boolean): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => null);
  if (found === null) return 'absent';
  const { dev, ino, size, mtimeNs, ctimeNs } = found;
  const age = Date.now() - Number(ctimeNs / 1_000_000n);
  if (settle && age >= 0 && age < tickMs) {
    await sleep(tickMs - age);
    return fileStamp(path, true);
  }
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}
