import type { Command } from 'commander';
import { checkBatch } from '../pipeline/monitoring/check-batch.ts';
import { registryView } from '../pipeline/gate/promote.ts';
import { renderConsole, type Result } from '../report/index.ts';
import { batchReport } from '../report/monitoring.ts';
import { exitCodeOfVerdict } from './exit-codes.ts';
import { consoleOptions, withCommonOptions, type CommandContext, type CommonOptions } from './command-context.ts';
import type { StageReport } from '../report/section.ts';

/** What is done after the promotion: predictions before they are published, production, retraining. */
export function addMonitorCommands(program: Command, context: CommandContext): void {
  addCheckBatch(program, context);
}

function addCheckBatch(program: Command, context: CommandContext): void {
  withCommonOptions(
    program.command('check-batch').description('Judge pre-computed predictions before they are published.'),
  )
    .option('--model-digest <sha256>', 'which model predicted, where the file does not say it')
    .action(async (options: CommonOptions & { modelDigest?: string }) => {
      const workspace = await context.open(options);
      const view = await registryView(workspace, false);
      const evidence = await checkBatch(workspace, view, { now: new Date(), modelDigest: options.modelDigest });
      print(options, evidence, { decision: null, evidence: [evidence] }, batchReport);
      context.finish(exitCodeOfVerdict(evidence.verdict));
    });

  function print(options: CommonOptions, json: unknown, result: Result, report: StageReport): void {
    context.print(
      options.json === true
        ? JSON.stringify(json, null, 2)
        : renderConsole({ ...result, stages: [report] }, consoleOptions(context)),
    );
  }
}
