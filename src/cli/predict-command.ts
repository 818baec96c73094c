import { InvalidArgumentError, Option, type Command } from 'commander';
import { runPredict, type PredictInput, type PredictResult } from '../pipeline/predict.ts';
import { withCommonOptions, type CommandContext, type CommonOptions } from './command-context.ts';

type PredictOptions = CommonOptions & PredictInput;

/** predict: a file of predictions, whole or one shard of several, to be judged elsewhere. */
export function addPredictCommand(program: Command, context: CommandContext): void {
  withCommonOptions(
    program.command('predict').description('Predict the evaluation set with one model and write the predictions.'),
  )
    .requiredOption('--file <file>', 'the .parquet or .csv file to write, in the workspace')
    .addOption(new Option('--role <role>', 'whose predictions').choices(['candidate', 'champion']).default('candidate'))
    .option('--shard <i/N>', 'only the i-th of N parts of the rows', shard, { index: 1, count: 1 })
    .action(async (options: PredictOptions) => {
      const { role, shard, file } = options;
      const workspace = await context.open(options);
      const result = await runPredict(workspace, { role, shard, file });
      context.print(options.json === true ? JSON.stringify(result, null, 2) : told(result));
    });
}

function shard(text: string): PredictInput['shard'] {
  const [, index, count] = (/^([0-9]{1,6})\/([0-9]{1,6})$/u.exec(text) ?? []).map(Number);
  if (index === undefined || count === undefined || index < 1 || index > count)
    throw new InvalidArgumentError('Expected i/N, from 1/N to N/N.');
  return { index, count };
}

function told({ role, file, rows, of, threshold }: PredictResult): string {
  const wrote = `${file}: ${rows} of ${of} rows, predicted by the ${role}.`;
  // The default needs no saying.
  return threshold === null || threshold === 0.5
    ? wrote
    : `${wrote} Its threshold is not in the file: {predictions, threshold: ${JSON.stringify(threshold)}}.`;
}
