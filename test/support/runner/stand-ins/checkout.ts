import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { StandIn, StandInStep } from '../action-source.ts';

const run = promisify(execFile);

/**
 * actions/checkout v6: fetches with real git, with the refs and the depth that it asks for, and keeps its credentials in a
 * file of the runner that the clone includes, until the job ends.
 */
export const checkout: StandIn = {
  inputs: {
    repository: '=github.repository',
    ref: '',
    token: '=github.token',
    'persist-credentials': 'true',
    path: '.',
    clean: 'true',
    'fetch-depth': '1',
    'fetch-tags': 'false',
    lfs: 'false',
  },
  async main(step) {
    const { folders } = step.job;
    const folder = resolve(folders.workspace, step.input('path'));
    if (!folder.startsWith(folders.workspace))
      throw new Error(`Repository path '${folder}' is not under the workspace`);
    await mkdir(folder, { recursive: true });
    const server = step.env['GITHUB_SERVER_URL'] ?? '';
    const credentials = join(folders.temp, `git-credentials-${randomUUID()}.config`);
    const basic = Buffer.from(`x-access-token:${step.input('token')}`).toString('base64');
    step.job.masks.add(basic);
    await writeFile(credentials, `[http "${server}/"]\n\textraheader = AUTHORIZATION: basic ${basic}\n`, {
      mode: 0o600,
    });
    const git = async (...args: string[]): Promise<string> => {
      step.log(`[command]git ${args.join(' ')}`);
      const { PATH = '', HOME = '' } = step.env;
      const env = { PATH, HOME, GIT_TERMINAL_PROMPT: '0' };
      try {
        return (await run('git', ['-C', folder, ...args], { env, signal: step.signal })).stdout.trim();
      } catch (error) {
        throw new Error(`The process 'git' failed: ${(error as { stderr?: string }).stderr ?? String(error)}`, {
          cause: error,
        });
      }
    };
    if (!existsSync(join(folder, '.git'))) {
      await git('init', '--quiet', '--initial-branch=main');
      await git('remote', 'add', 'origin', `${server}/${step.input('repository')}`);
    }
    const include = `includeIf.gitdir:${folder}/.git.path`;
    await git('config', '--local', include, credentials);
    step.state['folder'] = folder;
    step.state['include'] = include;
    step.state['credentials'] = credentials;

    const { ref, commit } = wanted(step);
    const depth = Number(step.input('fetch-depth'));
    const fetch = (...specs: string[]): Promise<string> =>
      git(
        'fetch',
        ...(step.input('fetch-tags') === 'true' || depth === 0 ? [] : ['--no-tags']),
        '--prune',
        ...(depth === 0 ? [] : [`--depth=${depth}`]),
        'origin',
        ...specs,
      );
    const target = await localRef(ref, commit, async (name) => {
      const listed = await git('ls-remote', 'origin', name);
      return listed !== '';
    });
    if (depth === 0) {
      await fetch('+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*');
      // The branch may have moved since the event: what is checked out is what the event is about.
      const there = commit === '' ? '' : await git('rev-parse', '--verify', '--quiet', target.local).catch(() => '');
      if (target.pull || there !== commit) await fetch(`+${commit || target.remote}:${target.local}`);
    } else await fetch(`+${commit || target.remote}:${target.local}`);
    if (target.branch === null) await git('checkout', '--quiet', '--force', '--detach', target.local);
    else await git('checkout', '--quiet', '--force', '-B', target.branch, target.local);
    if (target.branch !== null) await git('branch', '--quiet', '--set-upstream-to', `origin/${target.branch}`);
    if (step.input('lfs') === 'true' && /filter=lfs/u.test(await text(join(folder, '.gitattributes')))) {
      await git('lfs', 'pull');
    }
    step.output('ref', ref);
    step.output('commit', await git('rev-parse', 'HEAD'));
    if (step.input('persist-credentials') !== 'true') await forget(step);
  },
  post: forget,
};

async function forget({ state, env }: StandInStep): Promise<void> {
  const { folder, include, credentials } = state;
  if (credentials === undefined || !existsSync(credentials)) return;
  await rm(credentials);
  await run('git', ['-C', folder ?? '', 'config', '--local', '--unset', include ?? ''], {
    env: { PATH: env['PATH'] ?? '', HOME: env['HOME'] ?? '' },
  });
}

/** What the inputs ask for: without a ref, the commit of the event. */
function wanted(step: StandInStep): { ref: string; commit: string } {
  const ref = step.input('ref');
  if (ref !== '') return /^[0-9a-f]{40}$/u.test(ref) ? { ref: '', commit: ref } : { ref, commit: '' };
  if (step.input('repository') !== step.env['GITHUB_REPOSITORY']) return { ref: 'HEAD', commit: '' };
  return { ref: step.env['GITHUB_REF'] ?? '', commit: step.env['GITHUB_SHA'] ?? '' };
}

/** Where a ref is fetched to, and the branch it is checked out as. */
async function localRef(
  ref: string,
  commit: string,
  exists: (name: string) => Promise<boolean>,
): Promise<{ remote: string; local: string; branch: string | null; pull: boolean }> {
  const plain = (remote: string, local: string): Awaited<ReturnType<typeof localRef>> => ({
    remote,
    local,
    branch: null,
    pull: false,
  });
  if (ref === '') return plain(commit, 'refs/remotes/origin/wanted');
  if (ref === 'HEAD') return plain('HEAD', 'refs/remotes/origin/HEAD');
  if (ref.startsWith('refs/tags/')) return plain(ref, ref);
  if (ref.startsWith('refs/pull/')) {
    return { ...plain(ref, ref.replace('refs/', 'refs/remotes/')), pull: true };
  }
  if (!ref.startsWith('refs/heads/') && !(await exists(`refs/heads/${ref}`))) {
    if (await exists(`refs/tags/${ref}`)) return plain(`refs/tags/${ref}`, `refs/tags/${ref}`);
    throw new Error(`A branch or tag with the name '${ref}' could not be found`);
  }
  const branch = ref.replace('refs/heads/', '');
  return { remote: `refs/heads/${branch}`, local: `refs/remotes/origin/${branch}`, branch, pull: false };
}

async function text(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
