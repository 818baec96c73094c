import { Option, type Command } from 'commander';
import { defaults } from '../config/defaults.ts';
import type { Model } from '../config/index.ts';
import { ContenderError } from '../errors.ts';
import type { RunContext } from '../github/context.ts';
import { jsonText } from '../report/escape.ts';
import type { ConsoleOptions } from '../report/index.ts';
import type { ReportInput } from '../report/standing.ts';
import type { Workspace } from '../pipeline/workspace.ts';

type Csv = NonNullable<Model['data']['csv']>;

/** Options every command that reads contender.yml shares. */
export interface CommonOptions {
  workspace?: string;
  config?: string;
  model?: string | undefined;
  out?: string;
  candidate?: string;
  candidateSha256?: string;
  champion?: string;
  championSha256?: string;
  predictions?: string;
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
}

/** What a command gets from the process it runs in. What a command does is loaded where it does it: the help of all is made at every start. */
export interface CommandContext {
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
  /** Exit code of the run, set by the command. */
  finish(code: number): void;
  print(text: string): void;
  /** `anyModel`: the command concerns every model, so none need be chosen. */
  open(options: CommonOptions, anyModel?: boolean): Promise<Workspace>;
  actor(workspace: Workspace): Promise<string>;
  run: RunContext;
}

/** How CSV is written here: a file of rows is read as contender.yml says, where there is one that can be read. */
export async function csvHere(context: CommandContext, options: CommonOptions): Promise<Csv | undefined> {
  try {
    return (await context.open(options)).modelConfig.data.csv;
  } catch (error) {
    if (options.config !== undefined || !(error instanceof ContenderError)) throw error;
    return undefined;
  }
}

/** How text is shown: as wide as the terminal, or wide enough for the tables where there is none. */
export function consoleOptions({ env }: CommandContext): ConsoleOptions {
  const colour = process.stdout.isTTY && env['NO_COLOR'] === undefined && env['TERM'] !== 'dumb';
  return { colour, width: process.stdout.columns ?? 120 };
}

/** A result as JSON, where that is asked for, else as text. */
export function printResult(
  { print }: CommandContext,
  { json }: { json?: boolean | undefined },
  value: unknown,
  text: () => string,
): void {
  print(json === true ? jsonText(value) : text());
}

/** The same with a report for the text. */
export async function printReport(
  context: CommandContext,
  { json }: CommonOptions,
  value: unknown,
  report: ReportInput,
): Promise<void> {
  const { renderConsole } = await import('../report/index.ts');
  printResult(context, { json }, value, () => renderConsole(report, consoleOptions(context)));
}

/** Whether what is decided goes into the registry: as asked, where the event allows it. */
export function recordsHere(context: CommandContext, options: { record?: boolean }, { log }: Workspace): boolean {
  const { mayRecord, recordsByDefault, withheld } = context.run;
  const record = mayRecord && (options.record ?? recordsByDefault);
  if (options.record !== false && !record) {
    log.info(
      withheld === undefined
        ? 'Decisions are not recorded on this event: the decision is shown, the registry does not change.'
        : `Nothing is recorded: ${withheld}. Merge it first and run there, or use --record to record from here.`,
    );
  }
  return record;
}

/** Add the options that every command has which reads contender.yml. */
export function withReadOptions(command: Command): Command {
  return command
    .option(
      '-c, --config <file>',
      'configuration file (default: the nearest contender.yml, from the current folder up to the workspace)',
    )
    .option('-m, --model <name>', 'name of the model in contender.yml (optional if there is only one)')
    .option(
      '-w, --workspace <folder>',
      'root folder; no data or model outside it is read (default: the git repository, with paths relative to the current folder)',
    )
    .option('--json', 'print the result as JSON to standard output')
    .addOption(new Option('-q, --quiet', 'print only warnings and the result').conflicts('verbose'))
    .option('-v, --verbose', 'verbose output');
}

/** The option of a command that writes files. */
export function withOutOption(command: Command): Command {
  return command.option(
    '-o, --out <folder>',
    `folder for evidence, decision and report, in a subfolder named after the model (default: ${defaults.out} in the workspace)`,
  );
}

/** The options for the model that is judged. */
export function withCandidateOptions(command: Command): Command {
  return command
    .option('--candidate <uri>', 'a path or URL to use instead of the configured candidate')
    .option(
      '--candidate-sha256 <digest>',
      'sha256 of that file; required for a URL, except for an artifact of a workflow run',
    );
}

/** The options for the model that it is compared with. */
export function withChampionOptions(command: Command): Command {
  return command
    .option('--champion <uri>', 'a path, a URL or "registry" to use instead of the configured champion')
    .option(
      '--champion-sha256 <digest>',
      'sha256 of that file; required for a URL, except for an artifact of a workflow run',
    );
}

/** All of these, of a command that compares the two. */
export function withCommonOptions(command: Command): Command {
  return withChampionOptions(withCandidateOptions(withOutOption(withReadOptions(command))));
}
