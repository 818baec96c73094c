import type { Command } from 'commander';
import { renderConsole } from '../report/index.ts';
import { rollout } from '../stages/rollout/stage.ts';
import { stages } from '../stages/index.ts';
import {
  consoleOptions,
  recordsHere,
  withCommonOptions,
  type CommandContext,
  type CommonOptions,
} from './command-context.ts';
import { exitCodeOf } from './exit-codes.ts';

interface RolloutOptions extends CommonOptions {
  record?: boolean;
  putBack?: boolean;
  ifExpired?: boolean;
}

/** rollout: let the candidate out step by step, or put back what a rollout left. */
export function addRolloutCommand(program: Command, context: CommandContext): void {
  withCommonOptions(program.command(rollout.command.name).description(rollout.command.summary))
    .option(
      '--put-back',
      'set the weight to 0 that a killed rollout left; a candidate that is champion keeps its traffic',
    )
    .option('--if-expired', 'with --put-back: only a weight whose time is over; for a scheduled run')
    .option('--record', 'record each step (the default, except in workflows on pull requests and other branches)')
    .option('--no-record', 'record nothing; nothing is promoted either')
    .action(async (options: RolloutOptions) => {
      const { putBack, runRollout } = await import('../pipeline/rollout/run-rollout.ts');
      const workspace = await context.open(options);
      const input = {
        record: recordsHere(context, options, workspace),
        actor: await context.actor(workspace),
        source: context.run.source,
        env: context.env,
      };
      if (options.putBack === true) {
        const { message, result } = await putBack(workspace, { ...input, onlyExpired: options.ifExpired === true });
        return context.print(options.json === true ? JSON.stringify({ message, result }, null, 2) : message);
      }
      const result = await runRollout(workspace, input);
      context.print(
        options.json === true
          ? JSON.stringify(result, null, 2)
          : renderConsole({ ...result, stages }, consoleOptions(context)),
      );
      context.finish(exitCodeOf(result));
    });
}
