import type { Command } from 'commander';
import { consoleOptions, printResult, withReadOptions } from './command-context.ts';
import type { CommandContext, CommonOptions } from './command-context.ts';
import { exitCodes } from './exit-codes.ts';

/** reproduce: run a recorded decision again, and say what agrees. */
export function addReproduceCommand(program: Command, context: CommandContext): void {
  withReadOptions(
    program
      .command('reproduce')
      .description('Fetch the inputs of a recorded decision, run its stages again and compare every check.')
      .argument('[model]', 'name of the model (optional if there is only one)')
      .argument('[decision]', 'a version, or the number of a decision (default: the champion)'),
  )
    .option('--stage <kind...>', 'only these kinds of evidence, such as: data evaluation')
    .action(
      async (model: string | undefined, which: string | undefined, options: CommonOptions & { stage?: string[] }) => {
        const { renderSections } = await import('../report/index.ts');
        const { reproduce, reproductionHeadline, reproductionSections } =
          await import('../pipeline/reproduce/reproduce.ts');
        const workspace = await context.open(options, true);
        const result = await reproduce(workspace, { model: model ?? options.model, which, kinds: options.stage });
        context.finish(result.agrees ? exitCodes.pass : exitCodes.fail);
        const notes = result.notes.map((note) => `${note}\n`).join('');
        const sections = reproductionSections(result);
        const below = `${notes}${reproductionHeadline(result)}`;
        printResult(context, options, result, () => `${renderSections(sections, consoleOptions(context))}\n${below}`);
      },
    );
}
