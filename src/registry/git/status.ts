import { gitBytes } from './run.ts';

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
  const lines = (await gitBytes(top, args)).toString('utf8').split('\0');
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
