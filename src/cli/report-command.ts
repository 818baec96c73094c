import type { Command } from 'commander';
import { join, resolve } from 'node:path';
import { defaults } from '../config/defaults.ts';
import { consoleOptions, printResult, type CommandContext, type CommonOptions } from './command-context.ts';
import { placesOf, shown } from './places.ts';

/** report: the report again, from the files that a run has left. */
export function addReportCommand(program: Command, context: CommandContext): void {
  program
    .command('report')
    .description(
      'Create the report again from the evidence of a run, or compare the evidence of two runs. Nothing is evaluated.',
    )
    .argument('[folder]', `an output folder or an evidence file (default: ${defaults.out} in the workspace)`)
    .option('--stage <kind>', 'only the evidence of this stage, such as evaluation')
    .option('--compare <folder>', 'compare with the evidence in this output folder or file')
    .option('-o, --out <folder>', 'folder for the files (default: the output folder)')
    .option('--json', 'print the result as JSON to standard output')
    .action(
      async (
        folder: string | undefined,
        options: Pick<CommonOptions, 'out' | 'json'> & { stage?: string; compare?: string },
      ) => {
        const { stage, compare, out } = options;
        const { consolePage, renderConsole } = await import('../report/index.ts');
        const { compareKept, readKept, writeAgain, writeComparison } = await import('../pipeline/report-again.ts');
        const kept = await readKept(
          folder === undefined ? join(placesOf({}).root, defaults.out) : resolve(folder),
          stage,
        );
        const to = out === undefined ? kept.folder : resolve(out);
        const shape = consoleOptions(context);
        if (compare === undefined) {
          const files = await writeAgain(kept, to);
          const { decision, evidence } = kept;
          const result = { files, decision, evidence };
          return printResult(context, options, result, () => `${renderConsole(kept, shape)}${wrote(files)}`);
        }
        const { changes, contents } = compareKept(await readKept(resolve(compare), stage), kept);
        const files = await writeComparison(contents, to);
        const open = contents.sections.filter(({ collapsed }) => collapsed !== true);
        const text = (): string => `${consolePage(contents, open, shape, 20)}${wrote(files)}`;
        printResult(context, options, { files, ...changes }, text);
      },
    );
}

function wrote(files: readonly string[]): string {
  return `Wrote ${files.map(shown).join(', ')}`;
}
