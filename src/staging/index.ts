import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import type { Staging } from '../config/schema.ts';
import { ConfigError, UsageError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LocalArtifact } from '../model/artifact.ts';
import { startBuiltin } from './builtin.ts';
import { startCommand } from './command.ts';
import { useCompose } from './compose.ts';
import { startImage } from './image.ts';
import { serviceOf } from './service.ts';
import type { StagingTarget } from './target.ts';
import { readTls } from './tls.ts';
import { useUrl } from './url.ts';

export type { Service } from './service.ts';
export type { Observation, StagingTarget } from './target.ts';

/**
 * Start (or find) the server to be tested and wait until it is healthy.
 * @throws StagingError when it is not, in which case nothing is left running; ConfigError, UsageError for what a person must mend
 */
export async function startStaging(input: {
  staging: Staging;
  /** Null: there is no model file, only a server of the model. */
  candidate: LocalArtifact | null;
  modelName: string;
  /** Absolute path of the folder that no file may lie outside of. */
  workspace: string;
  /** Absolute path of the folder of contender.yml, where commands run. */
  folder: string;
  /** Goes to the server as a bearer token. */
  token?: string | undefined;
  log: Log;
  signal?: AbortSignal | undefined;
}): Promise<StagingTarget> {
  const { staging, candidate, modelName, token, log, signal } = input;
  signal?.throwIfAborted();
  if ('target' in staging) {
    if (candidate === null) {
      throw new UsageError({
        found: 'the candidate is a file of predictions',
        expected: 'a model that the built-in server can serve',
        where: 'staging',
        remedy: 'Name the model, or state with staging: {url}, {image} or {command} what serves it',
      });
    }
    return startBuiltin({ artifact: candidate, modelName, port: staging.port ?? 0, signal });
  }
  const tls = 'url' in staging && staging.tls !== undefined ? await readTls(staging.tls, input.folder) : undefined;
  const service = serviceOf(staging, modelName, token, tls);
  if ('compose' in staging) return useCompose({ staging, service, signal });
  if ('image' in staging) return startImage({ staging, candidate, service, log, signal });
  if ('url' in staging) return useUrl({ staging, service, signal });
  const directory = await contained(resolve(input.folder, staging.directory ?? '.'), input.workspace);
  return startCommand({ staging, candidate, service, directory, signal });
}

/** The folder, links followed, if it lies in the workspace. */
async function contained(folder: string, workspace: string): Promise<string> {
  const [real, top] = await Promise.all([realpath(folder).catch(() => folder), realpath(workspace)]);
  const way = relative(top, real);
  if (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)) return real;
  throw new ConfigError({
    found: 'staging.directory leads outside the workspace',
    expected: `a folder inside ${workspace}`,
    where: 'staging.directory',
  });
}
