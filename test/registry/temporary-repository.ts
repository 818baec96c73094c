import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { silentLog } from '../../src/log.ts';
import { openGitRegistry } from '../../src/registry/git-registry.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { copyPrepared } from '../support/prepared.ts';
import { inTemporaryFolder } from '../support/project.ts';

const run = promisify(execFile);

export interface TemporaryRepository {
  folder: string;
  git(...args: string[]): Promise<string>;
  write(path: string, text: string | Uint8Array): Promise<void>;
  commit(message: string): Promise<string>;
  registry(path?: string, branch?: string): Promise<Registry>;
  /** Record on the branch that is checked out, which Contender alone does not: on another one, which is merged. */
  onHead(work: (registry: Registry) => Promise<unknown>, more?: { tags: 'gto'; artifactsYaml: boolean }): Promise<void>;
  /** Check the branch of the registry out, for a person to edit it: until it is left again nothing can be recorded here. */
  visit(): Promise<void>;
  /** Everything that a person has: what is checked out, index and files. */
  tree(): Promise<string>;
  /** What a person sees in `git status`; empty when index and files agree with the last commit. */
  status(): Promise<string>;
}

/**
 * Run `work` on a real repository with one commit on branch main.
 *
 * @param more what `make` adds to it once, by a name as of `copyPrepared`
 */
export function inRepository<T>(
  work: (repository: TemporaryRepository) => Promise<T>,
  more?: { name: string; make(repository: TemporaryRepository): Promise<unknown> },
): Promise<T> {
  return inTemporaryFolder(async (folder) => {
    if (more === undefined) await start(folder);
    else {
      await copyPrepared(more.name, folder, async (prepared) => {
        await start(prepared);
        await more.make(repositoryAt(prepared));
      });
    }
    return work(repositoryAt(folder));
  });
}

function start(folder: string): Promise<void> {
  return copyPrepared('small-repository', folder, async (prepared) => {
    await run('git', ['init', '--quiet', '--template=', '--initial-branch=main', prepared]);
    const repository = repositoryAt(prepared);
    await repository.git('config', 'user.name', 'Ada');
    await repository.git('config', 'user.email', 'ada@example.invalid');
    // Otherwise each commit starts a process that finds nothing to tidy.
    await repository.git('config', 'maintenance.auto', 'false');
    await repository.write('README.md', 'A model.\n');
    await repository.commit('Start');
  });
}

export function repositoryAt(folder: string): TemporaryRepository {
  const git = async (...args: string[]): Promise<string> =>
    (await run('git', ['-C', folder, ...args], { encoding: 'utf8', maxBuffer: 1e8 })).stdout.trimEnd();
  return {
    folder,
    git,
    async write(path, text) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    },
    async commit(message) {
      await git('add', '--all');
      await git('commit', '--quiet', '--allow-empty', '-m', message);
      return git('rev-parse', 'HEAD');
    },
    visit: () => git('switch', '--quiet', 'model-registry').then(() => undefined),
    async tree() {
      const [head, index, files] = await Promise.all([
        git('symbolic-ref', '-q', 'HEAD').catch(() => git('rev-parse', 'HEAD')),
        git('ls-files', '--stage'),
        git('status', '--porcelain', '--untracked-files=all', '--ignored'),
      ]);
      return [head, index, files].join('\n');
    },
    registry: (path = 'registry', branch) =>
      openGitRegistry({
        repository: folder,
        path,
        log: silentLog,
        ...(branch === undefined ? {} : { branch }),
      }),
    async onHead(work, more) {
      await git('branch', 'recording');
      await work(
        await openGitRegistry({ repository: folder, path: 'registry', branch: 'recording', log: silentLog, ...more }),
      );
      await git('merge', '--quiet', '--ff-only', 'recording');
      await git('branch', '--quiet', '-D', 'recording');
    },
    status: () => git('status', '--porcelain', '--untracked-files=all'),
  };
}
