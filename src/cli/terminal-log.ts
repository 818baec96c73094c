import type { SingleBar } from 'cli-progress';
import type { Log } from '../log.ts';
import { count } from '../wording.ts';

/** A log for people, on standard error: a progress bar where it is a terminal, a line every few seconds where it is not. */
export async function terminalLog(options: {
  verbose: boolean;
  quiet: boolean;
  stream?: NodeJS.WriteStream;
}): Promise<Log & { close(): void }> {
  const stream = options.stream ?? process.stderr;
  const canRedraw = stream.isTTY && process.env['TERM'] !== 'dumb';
  const bar = canRedraw && !options.quiet ? await barOn(stream) : null;
  let title: string | null = null;
  let lastLine = 0;
  const closeBar = (): void => {
    if (title !== null) bar?.stop();
    title = null;
  };
  const write = (line: string): void => {
    closeBar();
    stream.write(`${line}\n`);
  };
  return {
    info(message) {
      if (!options.quiet) write(message);
    },
    warning(message) {
      write(`warning: ${message}`);
    },
    debug(message) {
      if (options.verbose) write(message);
    },
    async group(heading, work) {
      if (!options.quiet) write(`· ${heading}`);
      try {
        return await work();
      } finally {
        closeBar();
      }
    },
    progress(what, done, total) {
      if (options.quiet) return;
      if (bar !== null) {
        if (title !== what) {
          closeBar();
          bar.start(total, done, { title: what });
          title = what;
        }
        bar.update(done);
        if (done >= total) closeBar();
      } else if (Date.now() - lastLine >= 5000) {
        lastLine = Date.now();
        write(`  ${what}: ${count(done)} of ${count(total)}`);
      }
    },
    close: closeBar,
  };
}

async function barOn(stream: NodeJS.WriteStream): Promise<SingleBar> {
  const { default: progress } = await import('cli-progress');
  const options = {
    stream,
    format: '  {title} {bar} {percentage}% {value}/{total}',
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    etaBuffer: 20,
  };
  return new progress.SingleBar(options, progress.Presets.shades_classic);
}
