import type { Command } from 'commander';
import { resolve } from 'node:path';
import { csvHere, printResult, withReadOptions, type CommandContext, type CommonOptions } from './command-context.ts';
import { shown } from './places.ts';
import { terminalLog } from './terminal-log.ts';

/** infer: a contract and rules to start from. */
export function addInferCommand(program: Command, context: CommandContext): void {
  withReadOptions(
    program
      .command('infer')
      .description(
        'Infer a data contract and rules from data, as a starting point for your own. The data satisfy them.',
      )
      .argument('[file]', 'a CSV, JSONL or Parquet file (default: data.evaluation of contender.yml)'),
  )
    .option('--contract <file>', 'write the contract to this file; an existing file is never overwritten')
    .action(async (file: string | undefined, options: CommonOptions & { contract?: string }) => {
      const { labelColumns } = await import('../config/index.ts');
      const { contractText, rulesText, runInfer } = await import('../pipeline/inferring.ts');
      const { configuredInput } = await import('../pipeline/profiling.ts');
      const workspace = file === undefined || options.config !== undefined ? await context.open(options) : null;
      const configured = workspace?.modelConfig;
      const csv = file === undefined ? undefined : await csvHere(context, options);
      const input =
        file === undefined && workspace !== null
          ? await configuredInput(workspace, 'evaluation')
          : { path: resolve(options.workspace ?? '.', file ?? ''), uri: file ?? '', csv };
      const contract = options.contract === undefined ? undefined : resolve(options.workspace ?? '.', options.contract);
      const inferred = await runInfer(input, {
        id: configured?.columns.id,
        labels: configured === undefined ? undefined : labelColumns(configured.columns),
        contract,
        log: await terminalLog({ verbose: options.verbose === true, quiet: options.quiet === true }),
        signal: context.signal,
      });
      const rules = `rules:\n${rulesText(inferred, '  ')}`;
      printResult(context, options, inferred, () =>
        contract === undefined
          ? `${contractText(inferred)}\n${rules}`
          : `Wrote ${shown(contract)}. Check it, then add under data in contender.yml:\n\ncontract: ${options.contract ?? ''}\n${rules}`,
      );
    });
}
