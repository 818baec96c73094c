import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { nearest, policySubject, type Config, type Model, type ModelReference } from '../config/index.ts';
import { sweepTemporaryFolders, temporaryFolder } from '../data/temporary.ts';
import { digest } from '../evidence/index.ts';
import { UsageError } from '../errors.ts';
import type { GitHubAccess } from '../github/access.ts';
import type { Log } from '../log.ts';
import { shellWord } from '../wording.ts';
import { loadConfig } from './configuration.ts';
import { holdInputs, type HeldInputs } from './held-inputs.ts';
import { openRepository, type Repository } from '../registry/git/repository.ts';
import type { RecordResult } from '../registry/registry.ts';
import type { Selection } from '../stages/stage.ts';

/** One model line of one configuration, and where its files are. */
export interface Workspace extends Pick<WorkspaceInput, 'github' | 'targetToken' | 'onRecord' | 'log' | 'signal'> {
  /** Absolute path of the folder nothing may be read or written outside of: the repository. */
  root: string;
  /** The git repository that `root` lies in, opened once. @throws RegistryError where it lies in none */
  repository: () => Promise<Repository>;
  /** A private folder for models that are fetched, gone when this process ends. @throws DataError */
  downloads: () => Promise<string>;
  /** Absolute path of the folder of contender.yml; paths in it are relative to this. */
  folder: string;
  /** Absolute path of contender.yml. */
  configPath: string;
  /** Files that were read, or will be: what they are must not change until the run ends. */
  inputs: HeldInputs;
  config: Config;
  model: string;
  modelConfig: Model;
  policyDigest: string;
  /** The options of the command line that stand for what the configuration names, each after a space: who runs it again needs them. */
  overriding: string;
  /** How the candidate was chosen, where the configuration names several. */
  selection?: Selection | undefined;
  /** Absolute path of the folder for evidence, decision and report of this model: `<out>/<model>`. */
  out: string;
  /** Files that `contender predict` wrote, which stand for running the models: a path from the root (glob allowed). */
  predictions?: string | undefined;
}

/** That a decision is being recorded, and then what became of it: who is cut off says what is known. */
export type Recording = 'begun' | RecordResult;

export interface WorkspaceInput {
  /** Absolute path of the repository or folder to work in. */
  root: string;
  /** Path of contender.yml, relative to `root` or absolute. */
  config: string;
  /** Which model of the configuration; may be left out when there is only one. */
  model?: string | undefined;
  /** Any model of the configuration will do: what is done concerns them all. */
  anyModel?: boolean;
  /** Output folder, relative to `root` or absolute. */
  out: string;
  /** Stand in for what the configuration says. */
  overrides?: Overrides;
  /** Files of predictions in place of running the models, relative to `root`. */
  predictions?: string | undefined;
  /** How GitHub is reached, where the registry is kept through its API. */
  github?: GitHubAccess | undefined;
  /** Opens the server that a load test asks, as a bearer token. */
  targetToken?: string | undefined;
  onRecord?: ((told: Recording) => void) | undefined;
  log: Log;
  signal?: AbortSignal | undefined;
}

export type Overrides = Partial<Record<'candidate' | 'champion', Override>>;

/** Another file in place of a configured one. */
export interface Override {
  /** A path, an address or `registry`; undefined: what the configuration names. */
  uri: string | undefined;
  /** Digest of the file, which an address needs. */
  sha256: string | undefined;
}

async function folderAt(path: string): Promise<string> {
  const is = await stat(path).catch(() => null);
  if (is?.isDirectory() === true) return realpath(path);
  throw new UsageError({
    found: is === null ? 'there is no such folder' : 'this is no folder',
    expected: 'the folder that paths of contender.yml start from',
    where: path,
    remedy: 'Check the path',
  });
}

/** Load the configuration and choose the model. @throws ConfigError, UsageError */
export async function openWorkspace(input: WorkspaceInput): Promise<Workspace> {
  const { overrides = {} } = input;
  refuseStrayDigests(overrides);
  await sweepTemporaryFolders();
  const root = await folderAt(input.root);
  const path = resolve(root, input.config);
  const inputs = holdInputs(root);
  await inputs.hold(path);
  const config = await loadConfig(path, input.config);
  const names = Object.keys(config.models);
  const model = input.anyModel === true ? (names[0] ?? '') : chooseModel(names, input.model);
  const modelConfig = withOverrides(config.models[model] as Model, overrides);
  const configPath = await realpath(path);
  let repository: Promise<Repository> | undefined;
  let downloads: Promise<string> | undefined;
  return {
    root,
    repository: () => (repository ??= openRepository(root, { github: input.github, push: config.registry?.push })),
    downloads: () => (downloads ??= temporaryFolder('models')),
    folder: dirname(configPath),
    configPath,
    inputs,
    config,
    model,
    modelConfig,
    policyDigest: digest(policySubject(modelConfig)),
    overriding: overridingOptions(overrides),
    out: join(resolve(root, input.out), model),
    predictions: input.predictions,
    github: input.github,
    targetToken: input.targetToken,
    onRecord: input.onRecord,
    log: input.log,
    signal: input.signal,
  };
}

/**
 * Absolute path of a file the configuration names, which must lie inside the workspace, links followed.
 * Of a file that is not there, or a name with wildcards, the folders are followed: the stage that opens it says the rest. From here on
 * it must stay as it is (`HeldInputs`).
 */
export function inside(workspace: Workspace, path: string, key: string): Promise<string> {
  return contained(workspace, resolve(workspace.folder, path), path, `models.${workspace.model}.${key}`);
}

/** The same of a file that grows while the run goes on, such as a log. */
export function insideGrowing(workspace: Workspace, path: string, key: string): Promise<string> {
  return contained(workspace, resolve(workspace.folder, path), path, `models.${workspace.model}.${key}`, false);
}

/** The same for a path a person gave on the command line, relative to the workspace. */
export function insideRoot(workspace: Workspace, path: string): Promise<string> {
  return contained(workspace, resolve(workspace.root, path), path, undefined);
}

async function contained(
  workspace: Workspace,
  lexical: string,
  path: string,
  where: string | undefined,
  hold = true,
): Promise<string> {
  const real = await followed(lexical);
  for (const each of [lexical, real]) {
    const way = relative(workspace.root, each);
    if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) {
      throw new UsageError({
        found: `${JSON.stringify(path)} leads outside the workspace`,
        expected: `a path inside ${workspace.root}`,
        where,
        remedy: 'Move the file into the workspace, or name a folder that holds both with --workspace',
      });
    }
  }
  if (hold) await workspace.inputs.hold(real);
  return real;
}

/** The path with the links of every part followed that is there. */
async function followed(path: string): Promise<string> {
  const folder = dirname(path);
  return realpath(path).catch(async () => (folder === path ? path : join(await followed(folder), basename(path))));
}

function chooseModel(names: readonly string[], wanted: string | undefined): string {
  const only = names[0];
  if (wanted === undefined && names.length === 1 && only !== undefined) return only;
  if (wanted !== undefined && names.includes(wanted)) return wanted;
  const near = wanted === undefined ? undefined : nearest(wanted, names);
  throw new UsageError({
    found:
      wanted === undefined
        ? `the configuration has ${names.length} models`
        : `there is no model ${JSON.stringify(wanted)}`,
    expected: `one of: ${names.join(', ')}`,
    remedy: near === undefined ? 'Choose one with --model' : `Did you mean --model ${near}?`,
  });
}

function withOverrides(model: Model, { candidate, champion }: Overrides): Model {
  return {
    ...model,
    ...(candidate?.uri === undefined
      ? {}
      : { candidate: redirected([model.candidate].flat()[0], candidate.uri, candidate.sha256) }),
    ...(champion?.uri === undefined ? {} : { champion: redirected(model.champion, champion.uri, champion.sha256) }),
  };
}

function overridingOptions(overrides: Overrides): string {
  return Object.entries(overrides)
    .flatMap(([role, { uri, sha256 }]) =>
      uri === undefined
        ? []
        : [` --${role} ${shellWord(uri)}`, ...(sha256 === undefined ? [] : [` --${role}-sha256 ${sha256}`])],
    )
    .join('');
}

/** How its outputs are read stays as configured. */
function redirected(reference: ModelReference | undefined, uri: string, sha256: string | undefined): ModelReference {
  if (uri === 'registry') return uri;
  const { sha256: _sha256, ...configured } = typeof reference === 'object' && 'uri' in reference ? reference : {};
  return { ...configured, uri, ...(sha256 === undefined ? {} : { sha256 }) };
}

/** A digest is one of something. @throws UsageError */
function refuseStrayDigests(overrides: Overrides): void {
  for (const [role, { uri, sha256 }] of Object.entries(overrides)) {
    if (sha256 === undefined) continue;
    const stray = uri === undefined || uri === 'registry';
    if (!stray && /^[0-9a-f]{64}$/u.test(sha256)) continue;
    throw new UsageError({
      found: stray
        ? `a digest without a file${uri === undefined ? '' : ': the registry has its own digests'}`
        : JSON.stringify(sha256),
      expected: stray ? `the file that the digest belongs to, as ${role}` : 'a sha256: 64 characters of 0-9 and a-f',
      where: `${role}-sha256`,
    });
  }
}
