import { InvalidArgumentError, type Command } from 'commander';
import { resolve } from 'node:path';
import { requireEngines } from '../model/engines.ts';
import type { CommandContext } from './command-context.ts';
import { terminalLog } from './terminal-log.ts';

interface ServeOptions {
  name: string;
  port: number;
  host: string;
  candidate?: string;
  log: string;
  keyHeader: string;
  queue: number;
  batch?: number;
  batchDelay: number;
  drainDelay: number;
  workers: number;
}

/** serve: one model file, without a configuration. */
export function addServeCommand(program: Command, context: CommandContext): void {
  program
    .command('serve')
    .description('Serve a model over HTTP (Open Inference Protocol v2) until stopped.')
    .argument('<model>', 'an ONNX file')
    .option('--name <name>', 'model name in the URL: /v2/models/<name>/infer', 'model')
    .option('--port <number>', 'port to listen on; 0 picks a free one', port, 8080)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--candidate <file>', 'a second version; its weight, 0 at first, sets the share of users that it answers')
    .option('--log <file>', 'with --candidate: log file with one line of JSON per request', 'requests.jsonl')
    .option(
      '--key-header <name>',
      'with --candidate: request header with the user id; each user stays with one version',
      'x-user-id',
    )
    .option('--queue <requests>', 'requests accepted at the same time; more are refused with status 429', whole, 512)
    .option('--batch <rows>', 'batch requests that arrive at about the same time, up to this number of rows', whole)
    .option('--batch-delay <ms>', 'maximum time that a request waits for a batch', whole, 2)
    .option('--workers <number>', 'number of processes, to use as many cores; each loads the model', whole, 1)
    .option(
      '--drain-delay <ms>',
      'after a signal to stop, keep serving for this time and report that it is not ready',
      whole,
      0,
    )
    .action(async (model: string, options: ServeOptions) => {
      requireEngines();
      if (options.candidate !== undefined)
        return serveTwo(model, { ...options, candidate: options.candidate }, context);
      const { localModel } = await import('../model/artifact.ts');
      const artifact = await localModel(resolve(model), model);
      const common = {
        modelName: options.name,
        port: options.port,
        host: options.host,
        log: await terminalLog({ verbose: false, quiet: false }),
        settings: {
          queue: options.queue,
          drainDelayMs: options.drainDelay,
          batch: options.batch === undefined ? undefined : { maxRows: options.batch, maxDelayMs: options.batchDelay },
        },
      };
      const { workers } = options;
      const server =
        workers > 1
          ? await (await import('../serve/workers.ts')).startWorkers({ ...common, workers, path: artifact.path })
          : await (await import('../serve/server.ts')).startServer({ ...common, artifact });
      context.print(`${options.name} at ${server.url}/v2/models/${options.name}/infer (stop with Ctrl-C)`);
      await new Promise<void>((done) => context.signal.addEventListener('abort', () => done(), { once: true }));
      await server.close();
    });
}

/** Champion and candidate behind one address. The token that sets the weight comes by the environment, which no listing of processes shows. */
async function serveTwo(
  champion: string,
  { candidate, name, port, host, log, keyHeader }: ServeOptions & { candidate: string },
  context: CommandContext,
): Promise<void> {
  const { startSplitServer } = await import('../serve/split-server.ts');
  const server = await startSplitServer({
    champion: resolve(champion),
    candidate: resolve(candidate),
    modelName: name,
    port,
    host,
    logFile: resolve(log),
    keyHeader,
    token: context.env['CONTENDER_WEIGHT_TOKEN'],
    log: await terminalLog({ verbose: false, quiet: false }),
  });
  context.print(
    `${name} at ${server.url}/v2/models/${name}/infer, weight at ${server.url}/contender/weight, log in ${log} (stop with Ctrl-C)`,
  );
  await new Promise<void>((done) => context.signal.addEventListener('abort', () => done(), { once: true }));
  await server.close();
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1_000_000)
    throw new InvalidArgumentError('Expected a whole number from 1 to 1000000.');
  return value;
}

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65535)
    throw new InvalidArgumentError('Expected a port from 0 to 65535.');
  return value;
}
