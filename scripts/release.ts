/*
 * Publishes the version in package.json from the bundles in dist, in a workflow: a commit that holds them beside the branch, its tag,
 * the moving tag of the major version, and the release. What is there already is left as it is, so that a run that was cut off is
 * completed by the next. Only a commit that passed its tests is released, and never other bytes under a version that is out.
 * With --check it only says whether the commit passed. It runs as it is, on Node 24 with nothing installed.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ContenderError, UsageError } from '../src/errors.ts';
import { fileDigest } from '../src/file-digest.ts';
import type { GitHub } from '../src/github/client.ts';
import { makeRelease } from '../src/github/release.ts';
import { plainGitHub } from './plain-github.ts';

const bot = 'github-actions[bot]';
const botEmail = '41898282+github-actions[bot]@users.noreply.github.com';
const checksums = 'dist/SHA256SUMS';

try {
  await release(process.argv.includes('--check'));
} catch (error) {
  if (!(error instanceof ContenderError)) throw error;
  console.error(`::error::${error.message}`);
  process.exitCode = 1;
}

/** `checkOnly`: see whether this commit may be released, and stop there. */
async function release(checkOnly: boolean): Promise<void> {
  const [repository, token, server] = ['GITHUB_REPOSITORY', 'GITHUB_TOKEN', 'GITHUB_SERVER_URL'].map(needed) as [
    string,
    string,
    string,
  ];
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
  const tag = `v${version}`;
  const major = `v${version.split('.')[0]}`;
  const head = await git('rev-parse', 'HEAD');
  const github = plainGitHub(process.env['GITHUB_API_URL'] ?? 'https://api.github.com', repository, token);
  await requireTests(github, head);
  if (checkOnly) return;

  const remote = `${server}/${repository}`;
  const access = authorised(server, token);
  const commit = await bundledCommit(head, tag);
  const known = (await gitWith(access, 'ls-remote', remote, `refs/tags/${tag}^{}`)).split(/\s/u)[0] ?? '';
  if (known !== '' && known !== commit) {
    throw new UsageError({
      found: `${tag} is out already, with other bytes or of another commit (${known})`,
      expected: `no such tag, or one of ${commit}`,
      remedy: 'Raise the version in package.json',
    });
  }
  const identity = { GIT_COMMITTER_NAME: bot, GIT_COMMITTER_EMAIL: botEmail };
  await gitWith(identity, 'tag', '--annotate', '--force', tag, '--message', `Contender ${version}`, commit);
  // The moving major tag has no release of its own, so it may move.
  const refs = [...(known === '' ? [`refs/tags/${tag}`] : []), `+${commit}:refs/tags/${major}`];
  await gitWith(access, 'push', '--quiet', '--atomic', remote, ...refs);
  const text = await readFile(checksums, 'utf8');
  const { action, url } = await makeRelease(github, {
    tag,
    title: `Contender ${version}`,
    notes: `The bundles of ${head}, built twice to the same bytes. \`gh attestation verify\` says where; SHA256SUMS names every file.`,
    assets: [
      {
        name: 'SHA256SUMS',
        type: 'text/plain',
        content: { text },
        size: Buffer.byteLength(text),
        sha256: await fileDigest(checksums),
        exact: true,
      },
    ],
    prerelease: version.includes('-'),
    latest: !version.includes('-'),
  });
  console.log(`${url}: ${action}`);
}

/** Every check named `test ...` that Actions made of the commit must have passed: those of ci.yml, one for each Node. */
async function requireTests(github: GitHub, commit: string): Promise<void> {
  const runs = await github.list('GET /repos/{owner}/{repo}/commits/{ref}/check-runs', { ref: commit });
  // Any app that may write checks can name one so.
  const tests = runs.filter(({ name, app }) => /^test\b/u.test(name) && app?.slug === 'github-actions');
  const open = tests.filter(({ conclusion }) => conclusion !== 'success');
  if (tests.length > 0 && open.length === 0) return;
  throw new UsageError({
    found: tests.length === 0 ? 'no test was run' : `${open[0]?.name} is ${open[0]?.conclusion ?? open[0]?.status}`,
    expected: 'a commit whose tests passed',
    where: commit,
    remedy: 'Wait for the workflow CI, or mend what it found, and run again',
  });
}

/** The head and the bundles in one commit: of equal bytes the same one each time, since its time is the head's. */
async function bundledCommit(head: string, tag: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'contender-release-'));
  try {
    const index = { GIT_INDEX_FILE: join(folder, 'index') };
    await gitWith(index, 'read-tree', head);
    await gitWith(index, 'add', '--force', 'dist');
    const tree = await gitWith(index, 'write-tree');
    const date = await git('show', '--no-patch', '--format=%cI', head);
    const identity = {
      GIT_AUTHOR_NAME: bot,
      GIT_AUTHOR_EMAIL: botEmail,
      GIT_AUTHOR_DATE: date,
      GIT_COMMITTER_NAME: bot,
      GIT_COMMITTER_EMAIL: botEmail,
      GIT_COMMITTER_DATE: date,
    };
    return await gitWith(identity, 'commit-tree', tree, '-p', head, '-m', `Release ${tag}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The token as git takes it: in the environment, where no list of processes shows it. */
function authorised(server: string, token: string): Record<string, string> {
  const basic = Buffer.from(`x-access-token:${token}`).toString('base64');
  return {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: `http.${server}/.extraheader`,
    GIT_CONFIG_VALUE_0: `AUTHORIZATION: basic ${basic}`,
    GIT_TERMINAL_PROMPT: '0',
  };
}

function git(...parameters: string[]): Promise<string> {
  return gitWith({}, ...parameters);
}

async function gitWith(env: Record<string, string>, ...parameters: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('git', parameters, { env: { ...process.env, ...env } });
  return stdout.trim();
}

function needed(name: string): string {
  const value = process.env[name] ?? '';
  if (value !== '') return value;
  throw new UsageError({
    found: `${name} is not set`,
    expected: 'to run in a workflow',
    remedy: 'Run the workflow Release',
  });
}
