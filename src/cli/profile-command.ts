import { Option, type Command } from 'commander';
import { resolve } from 'node:path';
import type { Shard } from '../pipeline/typed.ts';
import type { ProfileInput } from '../pipeline/profiling.ts';
import { consoleOptions, csvHere, printResult, withReadOptions } from './command-context.ts';
import type { CommandContext, CommonOptions } from './command-context.ts';
import { rowsShardOption } from './predict-command.ts';
import { terminalLog } from './terminal-log.ts';

interface ProfileOptions extends CommonOptions {
  of?: 'evaluation' | 'reference' | 'current';
  file?: string;
  shard: Shard;
}

/** profile: what is kept of data, so that other data can be compared with them. */
export function addProfileCommand(program: Command, context: CommandContext): void {
  withReadOptions(
    program
      .command('profile')
      .description('Profile data (counts, moments, quantiles, categories), or merge the profiles (.json) of its parts.')
      .argument('[files...]', 'CSV, JSONL or Parquet files, or profiles of parts (default: the data in contender.yml)'),
  )
    .option('--file <file>', 'the .json file to write; can be used as data.reference')
    .addOption(
      new Option(
        '--of <data>',
        'which data of contender.yml (default: reference if it is set, else evaluation)',
      ).choices(['evaluation', 'reference', 'current']),
    )
    .addOption(rowsShardOption())
    .action(async (files: readonly string[], options: ProfileOptions) => {
      const { file, shard } = options;
      const { renderProfile } = await import('../report/index.ts');
      const { runProfile, shownProfile } = await import('../pipeline/profiling.ts');
      const profile = await runProfile(await inputsOf(files, options), {
        shard,
        file: file === undefined ? undefined : resolve(options.workspace ?? '.', file),
        log: await terminalLog({ verbose: options.verbose === true, quiet: options.quiet === true }),
        signal: context.signal,
      });
      printResult(context, options, profile, () => renderProfile(shownProfile(profile), consoleOptions(context)));
    });

  async function inputsOf(files: readonly string[], options: ProfileOptions): Promise<ProfileInput[]> {
    if (files.length === 0) {
      const { configuredInput } = await import('../pipeline/profiling.ts');
      return [await configuredInput(await context.open(options), options.of)];
    }
    const csv = await csvHere(context, options);
    return files.map((uri) => ({ path: resolve(options.workspace ?? '.', uri), uri, csv }));
  }
}
