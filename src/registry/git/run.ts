import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { devNull } from 'node:os';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { RegistryError } from '../../errors.ts';
import { withoutSecrets } from '../../object-address.ts';
import { secretVariables } from '../objects/opened.ts';

export interface GitOptions {
  /** Written to standard input. */
  input?: string | Uint8Array;
  /** Added to the environment, such as GIT_INDEX_FILE. */
  env?: Record<string, string>;
  /** Runs on to its end when the process group of this program is killed: a git that moves refs leaves its lock files otherwise. */
  detached?: boolean;
}

export interface GitResult {
  code: number;
  stdout: Buffer;
  /** Without what is secret in addresses that git names. */
  stderr: string;
}

/*
 * Variables that would point git at another repository than the folder it runs in (git rev-parse --local-env-vars):
 * a run inside a git hook inherits them. GIT_CONFIG_COUNT stays, it is how a container declares a folder safe.
 */
const redirecting = [
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_COMMON_DIR',
  'GIT_CONFIG',
  'GIT_CONFIG_PARAMETERS',
  'GIT_DIR',
  'GIT_IMPLICIT_WORK_TREE',
  'GIT_INDEX_FILE',
  'GIT_INTERNAL_SUPER_PREFIX',
  'GIT_NAMESPACE',
  'GIT_OBJECT_DIRECTORY',
  'GIT_PREFIX',
  'GIT_REPLACE_REF_BASE',
  'GIT_SHALLOW_FILE',
  'GIT_WORK_TREE',
  'GIT_GLOB_PATHSPECS',
  'GIT_NOGLOB_PATHSPECS',
  'GIT_ICASE_PATHSPECS',
];

const settings = [
  'core.hooksPath=/dev/null',
  'core.quotePath=off',
  'core.fsmonitor=false',
  'i18n.commitEncoding=UTF-8',
  'i18n.logOutputEncoding=UTF-8',
];

/** Settings, as options of git, for a call in `folder`. */
export function gitSettings(folder: string): string[] {
  return [...settings, ...safeDirectory(folder)].flatMap((setting) => ['-c', setting]);
}

/**
 * In a job container the workspace belongs to the user of the runner, and git refuses what is another's. The runner put the repository
 * there for this job, so it is declared safe; that one folder, and for this call alone (git takes it from no repository's own settings).
 */
function safeDirectory(folder: string): string[] {
  const named = process.env['GITHUB_WORKSPACE'] ?? '';
  if (process.env['GITHUB_ACTIONS'] !== 'true' || !existsSync(named)) return [];
  const workspace = realpathSync(named);
  const way = relative(workspace, folder);
  if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) return [];
  return [`safe.directory=${topOf(folder, workspace)}`];
}

/** The top of the work tree that a folder lies in: what git asks about. A repository above the workspace is none of the job's. */
function topOf(folder: string, workspace: string): string {
  if (folder === workspace || existsSync(join(folder, '.git'))) return folder;
  return topOf(dirname(folder), workspace);
}

/** Run git in `folder` and return what it says, whatever its exit code. @throws RegistryError when git cannot be started */
export function runGit(folder: string, args: readonly string[], options: GitOptions = {}): Promise<GitResult> {
  return new Promise((done, failed) => {
    const child = spawn('git', [...gitSettings(folder), ...args], {
      cwd: folder,
      env: gitEnvironment(options.env),
      windowsHide: true,
      detached: options.detached === true,
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    // A git that ends before it has read everything says why on its own.
    child.stdin.on('error', () => undefined);
    child.on('error', (cause: NodeJS.ErrnoException) =>
      failed(
        new RegistryError({
          found: `git cannot be started in ${folder} (${cause.code ?? cause.message})`,
          remedy: 'Install git, and check that the folder exists and that git is on the PATH',
          cause,
        }),
      ),
    );
    child.on('close', (code, signal) =>
      done({
        code: code ?? -1,
        stdout: Buffer.concat(stdout),
        stderr: signal === null ? withoutSecrets(Buffer.concat(stderr).toString('utf8').trim()) : `ended by ${signal}`,
      }),
    );
    child.stdin.end(options.input ?? '');
  });
}

/** Run git and return its standard output. @throws RegistryError when it fails */
export async function gitBytes(folder: string, args: readonly string[], options: GitOptions = {}): Promise<Buffer> {
  const result = await runGit(folder, args, options);
  if (result.code !== 0) throw gitFault(folder, args, result);
  return result.stdout;
}

/** Run git and return its standard output as text without the last newline. @throws RegistryError when it fails */
export async function git(folder: string, args: readonly string[], options: GitOptions = {}): Promise<string> {
  return (await gitBytes(folder, args, options)).toString('utf8').replace(/\n$/u, '');
}

/** The parts of what git printed, those that are not empty. @param end of each: a zero byte after `-z`, or a line feed */
export function partsOf(output: Buffer, end: '\0' | '\n' = '\0'): string[] {
  return output
    .toString('utf8')
    .split(end)
    .filter((part) => part !== '');
}

/** What git printed, without space around it. */
export function textOf({ stdout }: GitResult): string {
  return stdout.toString('utf8').trim();
}

/** After whatever ssh, or the server behind it, said. */
const unread = 'fatal: Could not read from remote repository.';

/**
 * git says what is wrong first, and advice of every length after it; hints and warnings may come before. A list it names is indented.
 * What ssh says is told in its place.
 */
export function firstFault(said: string): string {
  const lines = said
    .replaceAll(/:\n\t/gu, ': ')
    .split(/\r?\n/u)
    .filter((line) => line !== '');
  const end = lines.indexOf(unread);
  const bySsh = end < 0 ? undefined : lines.slice(0, end).findLast((line) => !/^(?:Warning:|\*\* )/u.test(line));
  return (
    bySsh ??
    lines.find((line) => line.startsWith('fatal:')) ??
    lines.find((line) => line.startsWith('error:')) ??
    lines[0] ??
    ''
  );
}

/** What to do where git says that nothing more fits; undefined: it says something else. */
export function moreSpace(said: string, where: string): string | undefined {
  return /No space left on device|Disk quota exceeded/iu.test(said)
    ? `Make room on the disk of ${where}, and run again`
    : undefined;
}

export function gitFault(folder: string, args: readonly string[], result: GitResult): RegistryError {
  const said = firstFault(result.stderr);
  if (/dubious ownership/u.test(result.stderr)) {
    return new RegistryError({
      found: 'the repository belongs to another user, so git refuses to read it',
      where: folder,
      remedy: `Run: git config --global --add safe.directory ${folder}`,
    });
  }
  // A partial clone asks its remote for what it lacks.
  const isPartial = /from promisor remote/u.test(result.stderr);
  const isDamaged =
    /could not read (?!from remote)|bad object|unable to (?:read|find)|corrupt|missing (?:blob|tree|commit)/iu.test(
      said,
    );
  const isNewer = /unknown repository extension|Expected git repo version/iu.test(said);
  const remedy =
    moreSpace(result.stderr, folder) ??
    (isNewer
      ? 'The repository uses a format of a newer git: install that version (reftable needs 2.45)'
      : isPartial
        ? 'The clone is partial, and its remote does not give what it lacks: clone without a filter (actions/checkout sets one with sparse-checkout, unless filter is set), or keep the credentials in it (without persist-credentials: false)'
        : isDamaged
          ? 'The repository is damaged or incomplete: run git fsck, or clone it again'
          : undefined);
  return new RegistryError({
    found: `git ${args.find((each) => !each.startsWith('-')) ?? ''} failed: ${said === '' ? `exit code ${result.code}` : said}`,
    where: folder,
    ...(remedy === undefined ? {} : { remedy }),
  });
}

/** A trace to standard error would be taken for what git says. One that goes to a file is let through. */
function isTrace(name: string, value = ''): boolean {
  return /^GIT_(?:TRACE|CURL_VERBOSE)/u.test(name) && !isAbsolute(value);
}

export function gitEnvironment(added: Record<string, string> = {}): NodeJS.ProcessEnv {
  const withheld = [...redirecting, ...secretVariables];
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name, value]) => !withheld.includes(name) && !isTrace(name, value)),
  );
  return {
    // A server that says nothing at all for five minutes: git would wait for ever.
    GIT_HTTP_LOW_SPEED_LIMIT: '1',
    GIT_HTTP_LOW_SPEED_TIME: '300',
    ...inherited,
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    GIT_LITERAL_PATHSPECS: '1',
    // Reading must not write: `git status` would otherwise refresh the index under its lock.
    GIT_OPTIONAL_LOCKS: '0',
    // refs/replace may not stand in for what was committed, nor info/grafts for who follows whom.
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_GRAFT_FILE: devNull,
    ...added,
  };
}
