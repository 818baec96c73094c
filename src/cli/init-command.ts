import { Option, type Command } from 'commander';
import type { CommandContext } from './command-context.ts';
import { shown } from './places.ts';

interface InitOptions {
  data?: string;
  candidate?: string;
  predictions?: string;
  json?: boolean;
}

/** init: a contender.yml to start from. */
export function addInitCommand(program: Command, context: CommandContext): void {
  program
    .command('init')
    .description('Write a starting contender.yml here, based on the data and the model; nothing is overwritten.')
    .option('--data <file>', 'the labelled rows to evaluate on: CSV, JSONL or Parquet')
    .addOption(new Option('--candidate <file>', 'the ONNX model to judge').conflicts('predictions'))
    .option('--predictions <file>', 'a CSV or Parquet file of predictions in place of a model')
    .option('--json', 'print the result as JSON to standard output')
    .action(async ({ json, ...files }: InitOptions) => {
      const { initialise } = await import('../pipeline/init.ts');
      const { path, assumed } = await initialise({ folder: process.cwd(), ...files });
      if (json === true) return context.print(JSON.stringify({ path, assumed }, null, 2));
      const next = [
        'Check it, commit it with data and model, then:',
        '  contender registry register --artifact FILE   register the current champion',
        '  contender gate',
      ];
      context.print([`Wrote ${shown(path)}. It assumes:`, ...assumed.map((each) => `  ${each}`), ...next].join('\n'));
    });
}
