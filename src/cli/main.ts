#!/usr/bin/env node
import { mendable, type ContenderError } from '../errors.ts';
import { jsonText } from '../report/escape.ts';
import { exitCodes } from './exit-codes.ts';
import { buildProgram } from './program.ts';

/** Who reads JSON finds the fault where the result would be. */
function jsonError({ code, message, fault: { cause: _cause, ...fault } }: ContenderError): string {
  return `${jsonText({ error: { code, message, ...fault } })}\n`;
}

function tell(error: unknown): void {
  const fault = mendable(error);
  if (fault === null) {
    process.stderr.write(
      `contender: this is a bug in contender, please report it\n${error instanceof Error ? error.stack : String(error)}\n`,
    );
    process.exitCode = exitCodes.bug;
    return;
  }
  process.stderr.write(`contender: ${fault.message}\n`);
  if (process.argv.includes('--json')) process.stdout.write(jsonError(fault));
  process.exitCode = exitCodes.usage;
}

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    process.stderr.write(`\n${signal}: stopping (once more to stop at once)\n`);
    abort.abort(new Error(signal));
    process.once(signal, () => process.exit(exitCodes.interrupted));
  });
}

// A reader that has seen enough, such as head, closes the pipe: no fault of anybody.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

try {
  process.exitCode = await (await buildProgram(process.env, abort.signal)).run(process.argv);
} catch (error) {
  if (abort.signal.aborted) {
    process.stderr.write('contender: stopped before it was done; nothing was recorded\n');
    process.exitCode = exitCodes.interrupted;
  } else {
    tell(error);
  }
}
