import { StagingError } from '../../errors.ts';
import { sharedClock, shifted, type LoadCommand, type LoadNews } from './load-news.ts';
import { openLoader, type Loader } from './loader.ts';

/*
 * The load generator as a program of its own, which speaks over IPC and ends with whoever started it. Times are those of the clock of
 * the machine (`process.hrtime`), which all processes share.
 */

const loaders = new Map<number, Loader>();
const aborts = new Map<number, AbortController>();

process.on('message', (command: LoadCommand) => {
  if ('open' in command) return attempt(command.open, () => void loaders.set(command.open, openLoader(command.plan)));
  if ('abort' in command) return aborts.get(command.abort)?.abort();
  if ('close' in command) return attempt(command.close, () => close(command.close));
  attempt(command.run, () => run(command));
});
process.on('disconnect', () => process.exit(0));
// A Ctrl-C reaches every process of the terminal: whoever started this one says when it ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
if (!process.connected) process.exit(0);

async function run({ run: id, order, withProgress }: Extract<LoadCommand, { run: number }>): Promise<void> {
  const abort = new AbortController();
  aborts.set(id, abort);
  const progress = (settled: number, planned: number): void => tell({ progress: id, settled, planned });
  const found = await loaderOf(id).run(order, abort.signal, withProgress ? progress : undefined);
  tell({ result: id, found: shifted(found, sharedClock()) });
}

async function close(id: number): Promise<void> {
  await loaderOf(id).close();
  loaders.delete(id);
  tell({ closed: id });
}

function loaderOf(id: number): Loader {
  const loader = loaders.get(id);
  if (loader === undefined) throw new Error(`no loader ${id}`);
  return loader;
}

function attempt(id: number, work: () => Promise<void> | void): void {
  void (async () => work())().catch((error: unknown) => {
    if (error instanceof StagingError) {
      const { cause: _cause, ...fault } = error.fault;
      tell({ failed: id, fault });
    } else tell({ failed: id, fault: String(error instanceof Error ? error.stack : error) });
  });
}

function tell(news: LoadNews): void {
  process.send?.(news);
}
