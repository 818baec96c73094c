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
    child.once('close', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
  child.stdin.on('error', () => {}); // the child may be gone: its end is told by `ended`
  let exit: string | undefined;
  void ended.then((how) => (exit = how));
  const stop = async () => {
    await end(child, ended);
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
      remedy: 'Try the same model with contender serve',
    });
  }
  if (typeof first !== 'string') {
    throw new StagingError({
      found: `The model server ended before it was ready: ${first.ended}${shownLogs(logs())}`,
      remedy: 'Try the same model with contender serve',
    });
  }
  const answer = JSON.parse(first) as { ready: true; url: string; opened: Opened } | { ready: false; error: string };
  if (!answer.ready) throw new StagingError({ found: `The model server did not start: ${answer.error}` });
  return answer;
}

/** Ask the child to end (closing its standard input), and kill it when it does not. */
async function end(child: ChildProcessWithoutNullStreams, ended: Promise<string>): Promise<void> {
  child.stdin.end();
  const timer = setTimeout(() => child.kill('SIGKILL'), 2_000);
  await ended;
  clearTimeout(timer);
}
