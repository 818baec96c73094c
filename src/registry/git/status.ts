import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { git, gitBytes, partsOf } from './run.ts';

/** An uncommitted difference that a person made. */
export interface Edit {
  path: string;
  what: 'modified' | 'deleted' | 'not committed' | 'staged' | 'in conflict';
}

/** What differs at `paths` between the last commit, the index and the files below `top`. Files that git ignores do not count. */
export async function uncommittedEdits(top: string, paths: readonly string[]): Promise<Edit[]> {
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
  const edits = partsOf(await gitBytes(top, args)).map((line): Edit => {
    const [kind, state = ''] = line.split(' ');
    if (kind === '?') return { path: line.slice(2), what: 'not committed' };
    if (kind === 'u') return { path: line.split(' ').slice(10).join(' '), what: 'in conflict' };
    const what = state.includes('D') ? 'deleted' : state[1] === '.' ? 'staged' : 'modified';
    return { path: line.split(' ').slice(8).join(' '), what };
  });
  const hidden = await hiddenEdits(top, paths);
  return [...edits, ...hidden.filter(({ path }) => !edits.some((edit) => edit.path === path))];
}

/** Of files that git was told to take for unchanged (`update-index --assume-unchanged`, `--skip-worktree`), those that are not. */
async function hiddenEdits(top: string, paths: readonly string[]): Promise<Edit[]> {
  const listed = partsOf(await gitBytes(top, ['ls-files', '-v', '--stage', '-z', '--', ...paths]));
  const edits: Edit[] = [];
  for (const line of listed) {
    // Lower case: assumed to be unchanged; S: kept out of the work tree, as a sparse checkout does, and maybe there.
    const [, flag = '', mode, oid, path = ''] = /^(\S) (\d+) ([0-9a-f]+) \d\t(.*)$/su.exec(line) ?? [];
    if (!/[a-zS]/u.test(flag) || mode === '160000' || !existsSync(join(top, path))) continue;
    if ((await convertedOid(top, path)) !== oid) edits.push({ path, what: 'modified' });
  }
  return edits;
}

/** The object name that a file would be committed as, after git's conversions (line endings, filters). @param path from the top */
export async function convertedOid(top: string, path: string): Promise<string> {
  return git(top, ['hash-object', '--', path]);
}
