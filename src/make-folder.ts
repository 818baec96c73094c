import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Make a folder, and the folders above it that are missing; one that is there is kept. `mkdir` with `recursive` goes round for ever
 * where the system says of the parent, which is there, that it is not, as in /proc.
 * @throws NodeJS.ErrnoException ENOENT where no folder can be made in the one above it
 */
export async function makeFolder(path: string, mode?: number): Promise<void> {
  try {
    await mkdir(path, mode);
  } catch (cause) {
    const above = dirname(path);
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT' && above !== path) {
      await makeFolder(above, mode);
      await mkdir(path, mode).catch((again: unknown) => requireFolder(path, again));
    } else await requireFolder(path, cause);
  }
}

async function requireFolder(path: string, cause: unknown): Promise<void> {
  const is = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!is) throw cause;
}
