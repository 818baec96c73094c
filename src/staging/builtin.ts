import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { milliseconds } from '../config/units.ts';
import { defaults } from '../config/defaults.ts';
import { entryPath } from '../entries.ts';
import { StagingError } from '../errors.ts';
import { requireSame, type LocalArtifact, type Opened } from '../model/artifact.ts';
import { minimalEnvironment } from './environment.ts';
import { askMetadata, shownLogs } from './health.ts';
import { processObserver, processUsage } from './process-usage.ts';
import { serviceOf } from './service.ts';
import { tailOf } from './tail.ts';
import type { StagingTarget } from './target.ts';
import { endText, endedOrKilled } from '../processes.ts';

/**
 * Serve a model file with Contender's own server, in a process of its own. Port 0 takes a free one.
 * @throws ModelError where it opened other bytes than those of the artifact
 */
export async function startBuiltin(input: {
  artifact: LocalArtifact;
  modelName: string;
  port: number;
  signal?: AbortSignal | undefined;
}): Promise<StagingTarget> {
  const child = spawn(
    process.execPath,
    [
      entryPath('serve-process'),
      `--model=${input.artifact.path}`,
      `--name=${input.modelName}`,
      `--port=${input.port}`,
      '--host=127.0.0.1',
      // The child ends when its standard input does, so it cannot outlive us, even when we are killed.
      '--until-stdin-ends',
    ],
    { stdio: ['pipe', 'pipe', 'pipe'], env: minimalEnvironment() },
  );
  const begun = performance.now();
  const logs = tailOf(child.stderr);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(endText(code, signal)));
  });
  child.stdin.on('error', () => {}); // the child may be gone: its end is told by `ended`
  let exit: string | undefined;
  void ended.then((how) => (exit = how));
  const stop = async () => {
    child.stdin.end();
    await endedOrKilled(child, ended, 2_000);
  };
  try {
    const { url, opened } = await ready(child, ended, logs, input.signal);
    requireSame(input.artifact, opened);
    const startedInMs = performance.now() - begun;
    const service = serviceOf({ target: 'builtin' }, input.modelName);
    return {
      kind: 'builtin',
      url,
      service,
      metadata: await askMetadata(url, service, {}, input.signal),
      startedInMs,
      limits: { cpus: null, memoryBytes: null },
      observe: processObserver(
        () => exit,
        async () => (child.pid === undefined ? null : processUsage(child.pid)),
      ),
      logs: () => Promise.resolve(logs()),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The first line of the child: where it serves what, or why it does not. */
async function ready(
  child: ChildProcessWithoutNullStreams,
  ended: Promise<string>,
  logs: () => string,
  signal: AbortSignal | undefined,
): Promise<{ url: string; opened: Opened }> {
  const limit = AbortSignal.timeout(milliseconds(defaults.startTimeout));
  const stopped = signal === undefined ? limit : AbortSignal.any([limit, signal]);
  const aborted = new Promise<null>((resolve) =>
    stopped.addEventListener('abort', () => resolve(null), { once: true }),
  );
  const lines = createInterface({ input: child.stdout });
  const line = new Promise<string>((resolve) => lines.once('line', resolve));
  const first = stopped.aborted ? null : await Promise.race([line, ended.then((how) => ({ ended: how })), aborted]);
  signal?.throwIfAborted();
  if (first === null) {
    throw new StagingError({
      found: `The model server was not ready after ${defaults.startTimeout}${shownLogs(logs())}`,
      remedy: 'Start the same model with contender serve to see the error',
    });
  }
  if (typeof first !== 'string') {
    throw new StagingError({
      found: `The model server ended before it was ready: ${first.ended}${shownLogs(logs())}`,
      remedy: 'Start the same model with contender serve to see the error',
    });
  }
  const answer = JSON.parse(first) as { ready: true; url: string; opened: Opened } | { ready: false; error: string };
  if (!answer.ready) throw new StagingError({ found: `The model server did not start: ${answer.error}` });
  return answer;
}
