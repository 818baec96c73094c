import type { Command } from 'commander';
import { consoleOptions, printResult, withReadOptions } from './command-context.ts';
import type { CommandContext, CommonOptions } from './command-context.ts';
import { placesOf, shown } from './places.ts';

/** history: what became of a model over time, as a table or as pages. */
export function addHistoryCommand(program: Command, context: CommandContext): void {
  withReadOptions(
    program
      .command('history')
      .description(
        'Show all decisions about a model over time, with metrics, intervals, versions and people, as a table or as web pages.',
      )
      .argument('[model]', 'name of the model (default: the only one; with --pages all models)')
      .option('--pages <folder>', 'write an index.html and a page for each model into this folder'),
  ).action(async (named: string | undefined, options: CommonOptions & { pages?: string }) => {
    const { consolePage } = await import('../report/index.ts');
    const { withoutColumns } = await import('../report/section.ts');
    const { readHistory, writeHistory } = await import('../pipeline/auditing/history.ts');
    const workspace = await context.open(options, true);
    const model = named ?? options.model;
    if (options.pages !== undefined) {
      const files = await writeHistory(workspace, model, placesOf(options).fromRoot(options.pages));
      return printResult(context, options, files, () => `Wrote ${files.map(shown).join(', ')}`);
    }
    const { model: found, decisions, contents } = await readHistory(workspace, model);
    // A terminal has no room for all of it: the log has the reasons.
    const tables = contents.sections
      .filter(({ rows }) => rows.length > 0)
      .map((section) => withoutColumns(section, ['In margins', 'Set used before', 'Why']));
    const result = { model: found, decisions: decisions.map(({ decision }) => decision) };
    printResult(context, options, result, () => consolePage(contents, tables, consoleOptions(context), Infinity));
  });
}
