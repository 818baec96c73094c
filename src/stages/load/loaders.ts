import { fork } from 'node:child_process';
import { entryPath } from '../../entries.ts';
import { StagingError } from '../../errors.ts';
import { minimalEnvironment } from '../../staging/environment.ts';
import { sharedClock, shifted, type LoadCommand, type LoadNews } from './load-news.ts';
import type { Loader, LoaderPlan, LoadResult } from './loader.ts';
import { endedOrKilled, endText } from '../../processes.ts';

/** Loaders in a process of their own. Whoever starts it ends it. */
export interface Loaders {
  open(plan: LoaderPlan): Loader;
  end(): Promise<void>;
}

interface Waiting {
  resolve(found: LoadResult | null): void;
  reject(error: Error): void;
  progress?: ((settled: number, planned: number) => void) | undefined;
}

/** What this process does meanwhile, observing, reporting, collecting garbage, delays no request and no clock. */
export function startLoaders(): Loaders {
  const child = fork(entryPath('load-process'), [], {
    serialization: 'advanced',
    execArgv: [],
    env: minimalEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const waiting = new Map<number, Waiting>();
  let count = 0;
  let stderr = '';
  let gone: Error | null = null;
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = `${stderr}${text}`.slice(-2000)));
  const ended = new Promise<void>((resolve) => {
    const over = (how: string): void => {
      gone ??= new Error(`the process of the load generator ended: ${how}${stderr === '' ? '' : `. ${stderr.trim()}`}`);
      for (const { reject } of waiting.values()) reject(gone);
      waiting.clear();
      resolve();
    };
    child.once('error', (error) => over(error.message));
    child.once('exit', (code, signal) => over(endText(code, signal)));
  });
  child.on('message', (news: LoadNews) => {
    if ('progress' in news) return waiting.get(news.progress)?.progress?.(news.settled, news.planned);
    const id = 'result' in news ? news.result : 'closed' in news ? news.closed : news.failed;
    const awaited = waiting.get(id);
    waiting.delete(id);
    if ('result' in news) awaited?.resolve(shifted(news.found, -sharedClock()));
    else if ('closed' in news) awaited?.resolve(null);
    else {
      const { fault } = news;
      const error =
        typeof fault === 'string' ? new Error(`the load generator failed: ${fault}`) : new StagingError(fault);
      if (awaited === undefined) gone ??= error; // of an order that nobody waits for: the next one tells
      else awaited.reject(error);
    }
  });

  return {
    open(plan) {
      count += 1;
      const id = count;
      tell({ open: id, plan });
      return {
        async run(order, signal, progress) {
          const abort = (): void => tell({ abort: id });
          signal.addEventListener('abort', abort, { once: true });
          try {
            const result = asked(id, { run: id, order, withProgress: progress !== undefined }, progress);
            if (signal.aborted) abort();
            return (await result) as LoadResult;
          } finally {
            signal.removeEventListener('abort', abort);
          }
        },
        close: async () => void (await asked(id, { close: id })),
      };
    },
    async end() {
      if (child.connected) child.disconnect();
      await endedOrKilled(child, ended, 2000);
    },
  };

  function tell(command: LoadCommand): void {
    if (child.connected) child.send(command);
  }

  function asked(id: number, command: LoadCommand, progress?: Waiting['progress']): Promise<LoadResult | null> {
    if (gone !== null) return Promise.reject(gone);
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject, progress });
      tell(command);
    });
  }
}
