import { InvalidArgumentError, Option, type Command } from 'commander';
import type { PredictInput, PredictResult } from '../pipeline/contestants/predict.ts';
import { shardOf, type Shard } from '../pipeline/typed.ts';
import { placesOf } from './places.ts';
import { printResult, withCommonOptions, type CommandContext, type CommonOptions } from './command-context.ts';
import { counted } from '../wording.ts';

type PredictOptions = CommonOptions & PredictInput;

/** predict: a file of predictions, whole or one shard of several, to be judged elsewhere. */
export function addPredictCommand(program: Command, context: CommandContext): void {
  withCommonOptions(
    program.command('predict').description('Predict the evaluation set with one model and write the predictions.'),
  )
    .requiredOption('--file <file>', 'the .parquet or .csv file to write, inside the workspace')
    .addOption(new Option('--role <role>', 'whose predictions').choices(['candidate', 'champion']).default('candidate'))
    .addOption(rowsShardOption())
    .action(async (options: PredictOptions) => {
      const { role, shard } = options;
      const file = placesOf(options).fromRoot(options.file);
      const { runPredict } = await import('../pipeline/contestants/predict.ts');
      const workspace = await context.open(options);
      const result = await runPredict(workspace, { role, shard, file });
      printResult(context, options, result, () => resultText(result));
    });
}

export function rowsShardOption(): Option {
  return new Option('--shard <i/N>', 'predict only part i of N parts of the rows')
    .argParser(parsedShard)
    .default({ index: 1, count: 1 }, '1/1');
}

/** The `i/N` of a command line. @throws InvalidArgumentError */
export function parsedShard(text: string): Shard {
  const found = shardOf(text);
  if (found === null) throw new InvalidArgumentError('Expected i/N, from 1/N to N/N.');
  return found;
}

/** CSV does not say what it is of, so that only contender.yml can. */
function resultText({ role, file, rows, of, threshold }: PredictResult): string {
  const written = `${file}: ${rows} of ${counted(of, 'rows')}, predicted by the ${role}.`;
  if (!/\.csv$/iu.test(file)) return `${written} Evaluate with: contender evaluate --predictions <files>`;
  const cut = threshold === null ? '' : `, threshold: ${JSON.stringify(threshold)}`;
  const parts = rows < of ? ' (with * and ? as wildcards to include the other parts)' : '';
  return `${written} To evaluate, name it in contender.yml${parts}: ${role}: { predictions: ${JSON.stringify(file)}${cut} }`;
}
