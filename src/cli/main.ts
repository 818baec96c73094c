#!/usr/bin/env node
import { exitCodes } from './exit-codes.ts';
import { runCommand } from './run.ts';

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    process.stderr.write(`\n${signal}: stopping (send it again to stop immediately)\n`);
    abort.abort(new Error(signal));
    process.once(signal, () => process.exit(exitCodes.interrupted));
  });
}

// A reader that has seen enough, such as head, closes the pipe: no fault of anybody.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await runCommand(process.argv.slice(2), process.env, abort.signal);
