import { Command, CommanderError } from 'commander';
import { gitHubAccess } from '../github/access.ts';
import { runContext } from '../github/context.ts';
import { eventPayload } from '../github/run-place.ts';
import { version } from '../version.ts';
import { addCompletionCommand } from './completion-command.ts';
import { addDoctorCommand } from './doctor-command.ts';
import { addExamples } from './examples.ts';
import { exitCodes } from './exit-codes.ts';
import { addPredictCommand } from './predict-command.ts';
import { addProfileCommand } from './profile-command.ts';
import { addPublishCommands } from './publish-commands.ts';
import { addRollbackCommand } from './registry-acts.ts';
import { addRegistryCommands } from './registry-commands.ts';
import { addHistoryCommand } from './history-command.ts';
import { addInferCommand } from './infer-command.ts';
import { addInspectCommand } from './inspect-command.ts';
import { addMonitorCommands } from './monitor-commands.ts';
import { addReportCommand } from './report-command.ts';
import { addReproduceCommand } from './reproduce-command.ts';
import { addTrafficCommands } from './rollout-command.ts';
import { addServeCommand } from './serve-command.ts';
import { addStageCommands } from './stage-commands.ts';
import { addInitCommand } from './init-command.ts';
import { placesOf } from './places.ts';
import { terminalLog } from './terminal-log.ts';
import { defaults } from '../config/defaults.ts';
import type { CommandContext } from './command-context.ts';

/** The command line. `run` gives the exit code; usage errors are 2, as commander prints them. */
export async function buildProgram(
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<{ run(args: readonly string[]): Promise<number> }> {
  let code: number = exitCodes.pass;
  const run = runContext(env, await eventPayload(env));
  const context: CommandContext = {
    env,
    signal,
    run,
    finish(value) {
      code = value;
    },
    print(text) {
      process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
    },
    async open(options, anyModel = false) {
      const { openWorkspace } = await import('../pipeline/workspace.ts');
      const log = await terminalLog({ verbose: options.verbose === true, quiet: options.quiet === true });
      const { candidate, candidateSha256, champion, championSha256 } = options;
      const { root, config, fromRoot, asConfigured } = placesOf(options);
      const typed = (path: string | undefined, as: (path: string) => string): string | undefined =>
        path === undefined ? undefined : as(path);
      return openWorkspace({
        root,
        config,
        model: options.model,
        anyModel,
        out: typed(options.out, fromRoot) ?? defaults.out,
        overrides: {
          candidate: { uri: typed(candidate, asConfigured), sha256: candidateSha256 },
          champion: { uri: typed(champion, asConfigured), sha256: championSha256 },
        },
        predictions: typed(options.predictions, fromRoot),
        github: gitHubAccess(env),
        targetToken: env['CONTENDER_TARGET_TOKEN'] === '' ? undefined : env['CONTENDER_TARGET_TOKEN'],
        log,
        signal,
      });
    },
    actor: async ({ root }) => (await import('./actor.ts')).actorFrom(run.actor, root),
  };
  const program = new Command('contender')
    .description('Decides whether a candidate machine-learning model may replace the champion.')
    .version(version)
    // The names of commands leave less than 40 columns of 80, which by default is taken for too few to wrap.
    .configureHelp({ minWidthToWrap: 30 })
    // After the name of a command, --version is that of a model.
    .enablePositionalOptions()
    .addHelpText('after', helpText);
  addInitCommand(program, context);
  addDoctorCommand(program, context);
  addStageCommands(program, context);
  addTrafficCommands(program, context);
  addPredictCommand(program, context);
  addProfileCommand(program, context);
  addMonitorCommands(program, context);
  addInferCommand(program, context);
  addReportCommand(program, context);
  addReproduceCommand(program, context);
  addHistoryCommand(program, context);
  addRollbackCommand(program, context);
  addRegistryCommands(program, context);
  addPublishCommands(program, context);
  addServeCommand(program, context);
  addInspectCommand(program, context);
  addCompletionCommand(program, context);
  addExamples(program);
  overrideExit(program, 'contender');
  return {
    async run(args) {
      try {
        await program.parseAsync([...args], { from: 'user' });
      } catch (error) {
        if (!(error instanceof CommanderError)) throw error;
        return error.exitCode === 0 ? exitCodes.pass : exitCodes.usage;
      }
      return code;
    },
  };
}

/** A mistake points to the help of the very command. */
function overrideExit(command: Command, name: string): void {
  command.exitOverride().showHelpAfterError(`(see ${name} --help)`);
  for (const each of command.commands) overrideExit(each, `${name} ${each.name()}`);
}

const helpText = `
A first run, step by step:
  contender init                                                 create a contender.yml from the files in this folder
  contender doctor                                               what is missing here and on GitHub
  contender registry register --artifact models/champion.onnx    register the current champion
  contender gate                                                 run every configured stage, decide, record
  contender registry log                                         list the decisions and their reasons
  contender rollback --reason "..."                              restore the previous version

Exit codes: 0 promoted, passed or no change; 1 rejected or failed; 2 usage or input error; 3 held or inconclusive;
70 a bug in Contender, please report it; 130 interrupted.
Everything is configured in contender.yml: https://github.com/contender/contender/blob/main/docs/configuration.md`;
