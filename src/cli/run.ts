import { mendable, type ContenderError } from '../errors.ts';
import { jsonText } from '../report/escape.ts';
import { exitCodes } from './exit-codes.ts';
import { buildProgram } from './program.ts';

/**
 * One command, from its arguments to its exit code: what goes wrong is told on stderr, and where JSON is asked for as JSON on stdout.
 *
 * @param args what follows the name of the program
 * @param signal ends the command as a person does with Ctrl-C
 * @returns one of {@link exitCodes}
 */
export async function runCommand(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<number> {
  try {
    return await (await buildProgram(env, signal)).run(args);
  } catch (error) {
    if (!signal.aborted) return tell(error, args.includes('--json'));
    process.stderr.write('contender: stopped before the end; nothing was recorded\n');
    return exitCodes.interrupted;
  }
}

function tell(error: unknown, asJson: boolean): number {
  const fault = mendable(error);
  if (fault === null) {
    process.stderr.write(
      `contender: this is a bug in Contender, please report it\n${error instanceof Error ? error.stack : String(error)}\n`,
    );
    return exitCodes.bug;
  }
  process.stderr.write(`contender: ${fault.message}\n`);
  if (asJson) process.stdout.write(jsonError(fault));
  return exitCodes.usage;
}

/** Who reads JSON finds the fault where the result would be. */
function jsonError({ code, message, fault: { cause: _cause, ...fault } }: ContenderError): string {
  return `${jsonText({ error: { code, message, ...fault } })}\n`;
}
