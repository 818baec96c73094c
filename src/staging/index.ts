import { defaults } from '../config/defaults.ts';
import { milliseconds } from '../config/units.ts';
import type { Columns, Staging, Task } from '../config/schema.ts';
import type { Log } from '../log.ts';
import type { LocalArtifact } from '../model/artifact.ts';
import { startBuiltin } from './builtin.ts';
import { startImage } from './image.ts';
import type { StagingTarget } from './target.ts';
import { useUrl } from './url.ts';

export type { Observation, StagingTarget } from './target.ts';

/**
 * Start (or find) the server to be tested and wait until it is healthy.
 * @throws StagingError when it is not, in which case nothing is left running.
 */
export async function startStaging(input: {
  staging: Staging;
  candidate: LocalArtifact;
  columns: Columns;
  task: Task;
  modelName: string;
  workspace: string;
  log: Log;
  signal?: AbortSignal;
}): Promise<StagingTarget> {
  const { staging, candidate, modelName, log, signal } = input;
  signal?.throwIfAborted();
  if ('image' in staging) return startImage({ staging, candidate, modelName, log, signal });
  if ('url' in staging) {
    const timeoutMs = milliseconds(staging.start_timeout ?? defaults.startTimeout);
    return useUrl({ url: staging.url, health: staging.health, modelName, timeoutMs, signal });
  }
  return startBuiltin({ artifact: candidate, modelName, port: staging.port ?? 0, signal });
}
