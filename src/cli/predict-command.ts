import { InvalidArgumentError, Option, type Command } from 'commander';
import { runPredict, shardOf, type PredictInput, type PredictResult } from '../pipeline/predict.ts';
import { placesOf } from './places.ts';
import { withCommonOptions, type CommandContext, type CommonOptions } from './command-context.ts';

type PredictOptions = CommonOptions & PredictInput;

/** predict: a file of predictions, whole or one shard of several, to be judged elsewhere. */
export function addPredictCommand(program: Command, context: CommandContext): void {
  withCommonOptions(
    program.command('predict').description('Predict the evaluation set with one model and write the predictions.'),
  )
    .requiredOption('--file <file>', 'the .parquet or .csv file to write, in the workspace')
    .addOption(new Option('--role <role>', 'whose predictions').choices(['candidate', 'champion']).default('candidate'))
    .addOption(
      new Option('--shard <i/N>', 'only the i-th of N parts of the rows')
        .argParser(shard)
        .default({ index: 1, count: 1 }, '1/1'),
    )
    .action(async (options: PredictOptions) => {
      const { role, shard } = options;
      const file = placesOf(options).fromRoot(options.file);
      const workspace = await context.open(options);
      const result = await runPredict(workspace, { role, shard, file });
      context.print(options.json === true ? JSON.stringify(result, null, 2) : told(result));
    });
}

function shard(text: string): PredictInput['shard'] {
  const found = shardOf(text);
  if (found === null) throw new InvalidArgumentError('Expected i/N, from 1/N to N/N.');
  return found;
}

function told({ role, file, rows, of }: PredictResult): string {
  return `${file}: ${rows} of ${of} rows, predicted by the ${role}. Judge with: contender evaluate --predictions <files>`;
}
