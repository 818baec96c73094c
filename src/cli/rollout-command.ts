import type { Command } from 'commander';
import type { PromoteResult } from '../pipeline/gate/promote.ts';
import type { TrafficInput } from '../pipeline/rollout/traffic-run.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import { rollout } from '../stages/rollout/stage.ts';
import { stages } from '../stages/index.ts';
import type { Stage } from '../stages/stage.ts';
import { switchOver } from '../stages/switch/stage.ts';
import { printReport, printResult, recordsHere, withCommonOptions } from './command-context.ts';
import type { CommandContext, CommonOptions } from './command-context.ts';
import { exitCodeOf } from './exit-codes.ts';

interface TrafficOptions extends CommonOptions {
  record?: boolean;
  putBack?: boolean;
  ifExpired?: boolean;
  back?: boolean;
  reason?: string;
}

type Driver = (workspace: Workspace, input: TrafficInput) => Promise<PromoteResult>;

/** rollout and switch: let the candidate out, or put back what a killed run left. */
export function addTrafficCommands(program: Command, context: CommandContext): void {
  add(rollout, async (...given) => (await import('../pipeline/rollout/run-rollout.ts')).runRollout(...given));
  add(switchOver, async (...given) => (await import('../pipeline/rollout/run-switch.ts')).runSwitch(...given))
    .option(
      '--back',
      'switch back to the previous champion while it is still running: first the weight, then the registry',
    )
    .option('--reason <text>', 'with --back: reason to record');

  function add(stage: Stage, run: Driver): Command {
    const { name, summary } = stage.command;
    return withCommonOptions(program.command(name).description(summary))
      .option(
        '--put-back',
        'reset the weight that a killed run left to 0; a candidate that is champion keeps its traffic',
      )
      .option('--if-expired', 'with --put-back: only if the weight has expired; for a scheduled run')
      .option('--record', 'record each step (default, except in workflows on pull requests and other branches)')
      .option('--no-record', 'record nothing and promote nothing')
      .action(async (options: TrafficOptions) => {
        const workspace = await context.open(options);
        const input = {
          record: recordsHere(context, options, workspace),
          actor: await context.actor(workspace),
          source: context.run.source,
          env: context.env,
        };
        if (options.putBack === true) {
          const { putBack } = await import('../pipeline/rollout/traffic-run.ts');
          const result = await putBack(workspace, { ...input, stage, onlyExpired: options.ifExpired === true });
          return printResult(context, options, result, () => result.message);
        }
        const result =
          options.back === true ? await back(workspace, input, options.reason) : await run(workspace, input);
        await printReport(context, options, result, { ...result, stages });
        context.finish(options.back === true ? 0 : exitCodeOf(result));
      });
  }
}

async function back(workspace: Workspace, input: TrafficInput, reason = 'switched back'): Promise<PromoteResult> {
  const { switchBack } = await import('../pipeline/rollout/run-switch.ts');
  return switchBack(workspace, { ...input, reason });
}
