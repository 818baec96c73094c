import { RegistryError } from '../../errors.ts';
import { entryAt } from './objects.ts';
import type { Repository } from './repository.ts';
import { gitBytes } from './run.ts';

/** A file that some commit of the history added or edited. */
export interface Addition {
  commit: string;
  /** Relative to the top of the repository. */
  path: string;
  oid: string;
  /** What was there before; null where there was no file. */
  edits: string | null;
}

/** A submodule: the name of a commit, and no file. */
export const linkMode = '160000';
const noMode = '000000';

/** Every file below `folder` as some commit of `head` and its history brought it, merged branches included, oldest first. */
export async function additions(repository: Repository, head: string, folder: string): Promise<Addition[]> {
  const output = await gitBytes(repository.folder, [
    'log',
    '-m',
    '--full-history',
    '--reverse',
    '--topo-order',
    '--no-renames',
    '--diff-filter=AMT',
    '--raw',
    '--no-abbrev',
    '-z',
    '--format=commit %H',
    head,
    '--',
    folder,
  ]);
  const found: Addition[] = [];
  let commit = '';
  const fields = output.toString('utf8').split('\0');
  for (let at = 0; at < fields.length; at++) {
    const field = (fields[at] as string).replace(/^\n/u, '');
    if (field.startsWith('commit ')) commit = field.slice('commit '.length).trim();
    else if (field.startsWith(':')) {
      const [before, mode, edited = '', oid = ''] = field.slice(1).split(' ');
      const path = fields[++at] ?? '';
      const edits = before === noMode || before === linkMode ? null : edited;
      if (mode !== linkMode && oid !== edits) found.push({ commit, path, oid, edits });
    }
  }
  return found;
}

/** The first commit of the history of `head` that added a file as it is there. @throws RegistryError when there is none */
export async function firstAddedIn(repository: Repository, head: string, path: string): Promise<string> {
  const commit = await addedIn(repository, head, path);
  if (commit !== null) return commit;
  throw new RegistryError({ found: 'no commit added this file', where: path, remedy: 'Run contender registry verify' });
}

/** The same, as far as this clone knows. A decision that was void may have had its name before. */
export async function addedIn(repository: Repository, head: string, path: string): Promise<string | null> {
  const [added, entry] = await Promise.all([additions(repository, head, path), entryAt(repository, head, path)]);
  return added.find(({ oid }) => oid === entry?.oid)?.commit ?? null;
}

/** The commit that gave a file the contents it has at `head`; null where it never had any. */
export async function lastChangedIn(repository: Repository, head: string, path: string): Promise<string | null> {
  const output = await gitBytes(repository.folder, ['log', '-1', '--format=%H', head, '--', path]);
  return output.toString('utf8').trim() || null;
}
