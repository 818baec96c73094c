import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import type { Staging } from '../config/schema.ts';
import { milliseconds } from '../config/units.ts';
import { entryPath } from '../entries.ts';
import { ConfigError, StagingError } from '../errors.ts';
import type { LocalArtifact } from '../model/artifact.ts';
import type { CommandNews, CommandOrder } from './command-process.ts';
import { commandEnvironment, minimalEnvironment } from './environment.ts';
import { healthy } from './health.ts';
import { endTree, treeUsage } from './process-tree.ts';
import { processObserver } from './process-usage.ts';
import type { Service } from './service.ts';
import { tailOf } from './tail.ts';
import type { StagingTarget } from './target.ts';
import { endedOrKilled } from '../processes.ts';

export type CommandStaging = Exclude<Extract<Staging, { command: string[] }>, { image: string }>;

const markName = 'CONTENDER_STAGING';

/**
 * Run a command of the user that serves the candidate on 127.0.0.1, until it is stopped with everything that it started. It gets its
 * port as PORT and `{port}`, the model as CONTENDER_MODEL and `{model}`, and nothing of our environment that could be a secret.
 * @throws ConfigError for a program or folder that is not there; StagingError when its port is taken, it ends or is not healthy in time
 */
export async function startCommand(input: {
  staging: CommandStaging;
  /** Null: there is no model file, and the command brings its own. */
  candidate: LocalArtifact | null;
  service: Service;
  /** Absolute path of the folder it runs in. */
  directory: string;
  signal?: AbortSignal | undefined;
}): Promise<StagingTarget> {
  const { staging, candidate, service, directory, signal } = input;
  const folder = await stat(directory).catch(() => null);
  if (folder?.isDirectory() !== true) {
    throw new ConfigError({
      found: `${JSON.stringify(staging.directory ?? directory)} is not a folder`,
      expected: 'the folder in which the command runs',
      where: 'staging.directory',
    });
  }
  const port = await freePort(staging.port);
  const { order, child } = launch(staging, port, candidate, service, directory);
  const logs = tailOf(child.stdout as Readable, child.stderr as Readable);
  const { started, ended } = followed(child);
  let exit: string | undefined;
  void ended.then((how) => (exit = how));
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= end(child, started, order));
  try {
    const root = await started;
    if (typeof root === 'string') {
      throw new ConfigError({
        found: `${JSON.stringify(order.command[0])} cannot be started (${root})`,
        expected: 'a program on the PATH, or a path relative to the folder in which it runs',
        where: 'staging.command',
        remedy: 'Install it in an earlier step, or name its path',
      });
    }
    const url = `http://127.0.0.1:${port}`;
    const begun = performance.now();
    const metadata = await healthy({
      what: `The command ${JSON.stringify(order.command[0])}`,
      url,
      service,
      staging,
      signal,
      external: false,
      ended: () => Promise.resolve(exit ?? null),
      logs: () => Promise.resolve(logs()),
    });
    const tree = { root, mark: order.mark };
    return {
      kind: 'command',
      url,
      service,
      metadata,
      startedInMs: performance.now() - begun,
      limits: { cpus: null, memoryBytes: null },
      observe: processObserver(
        () => exit,
        () => treeUsage(tree),
      ),
      logs: () => Promise.resolve(logs()),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function launch(
  staging: CommandStaging,
  port: number,
  candidate: LocalArtifact | null,
  service: Service,
  directory: string,
): { order: CommandOrder; child: ChildProcess } {
  const mark = randomUUID();
  const filled = (text: string): string =>
    text.replaceAll('{port}', String(port)).replaceAll('{model}', candidate?.path ?? '{model}');
  const order: CommandOrder = {
    command: staging.command.map(filled) as [string, ...string[]],
    directory,
    env: {
      ...(commandEnvironment() as Record<string, string>),
      PORT: String(port),
      HOST: '127.0.0.1',
      CONTENDER_MODEL_NAME: service.model,
      ...(candidate === null ? {} : { CONTENDER_MODEL: candidate.path }),
      ...staging.env,
      [markName]: mark,
    },
    mark: `${markName}=${mark}`,
    graceMs: milliseconds(staging.stop_timeout ?? '5s'),
  };
  const child = spawn(process.execPath, [entryPath('command-process'), JSON.stringify(order)], {
    stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
    env: minimalEnvironment(),
    detached: true, // a Ctrl-C in the terminal must not kill who ends the command
  });
  child.stdin?.on('error', () => {}); // it may be gone: its end is told
  return { order, child };
}

/** What the process in between tells: the number of the command's, or why there is none, and how it ended. */
function followed(child: ChildProcess): { started: Promise<number | string>; ended: Promise<string> } {
  const started = new Promise<number | string>((resolve) => {
    child.on('message', (message: CommandNews) => {
      if ('pid' in message) resolve(message.pid);
      if ('failed' in message) resolve(message.failed);
    });
    child.once('error', (error) => resolve(error.message));
    child.once('exit', () => resolve('it ended at once'));
  });
  const ended = new Promise<string>((resolve) => {
    child.on('message', (message: CommandNews) => {
      if ('ended' in message) resolve(message.ended);
    });
    child.once('exit', () => resolve('it was stopped by another process'));
  });
  return { started, ended };
}

async function end(child: ChildProcess, started: Promise<number | string>, order: CommandOrder): Promise<void> {
  const gone = new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    child.once('exit', () => resolve());
  });
  child.stdin?.end();
  if (child.connected) child.disconnect();
  await endedOrKilled(child, gone, order.graceMs + 5_000);
  // It has ended the command, unless it was killed itself.
  const root = await started;
  if (typeof root === 'number') await endTree({ root, mark: order.mark }, 0);
}

/** The port, if nobody listens there: the health of another server would be taken for that of the command. */
async function freePort(wanted: number | undefined): Promise<number> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(wanted ?? 0, '127.0.0.1', () => resolve());
    });
    return (server.address() as AddressInfo).port;
  } catch (error) {
    throw new StagingError(
      {
        found: `Port ${wanted} is in use (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
        expected: 'a free port for the command',
        remedy:
          'Stop the process that listens there, or remove staging.port and let the command listen on PORT or {port}',
        cause: error,
      },
      true,
    );
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}
