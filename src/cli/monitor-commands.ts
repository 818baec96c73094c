import { InvalidArgumentError, type Command } from 'commander';
import type { RegistryHistory } from '../evidence/index.ts';
import { gitHubOf } from '../github/access.ts';
import { shown } from './places.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import { UsageError } from '../errors.ts';
import { millisecondsIn } from '../iso-time.ts';
import { oneLine } from '../report/escape.ts';
import { exitCodeOfVerdict, exitCodes } from './exit-codes.ts';
import { consoleOptions, printReport, printResult, recordsHere } from './command-context.ts';
import { withChampionOptions, withOutOption, withReadOptions } from './command-context.ts';
import type { CommandContext, CommonOptions } from './command-context.ts';

/** What is done after the promotion: predictions before they are published, production, retraining. */
export function addMonitorCommands(program: Command, context: CommandContext): void {
  addCheckBatch(program, context);
  addMonitor(program, context);
  addRetrain(program, context);
  addBacktest(program, context);
  addExports(program, context);
}

function addMonitor(program: Command, context: CommandContext): void {
  withChampionOptions(
    withOutOption(
      withReadOptions(
        program
          .command('monitor')
          .description('Check production data since the last run for errors, drift and lost quality of the champion.'),
      ),
    ),
  )
    .option('--record', 'record the results (default, except in workflows on pull requests and other branches)')
    .option('--no-record', 'check without recording the results')
    .option('--now <time>', 'run as if it were this time, ISO 8601 (default: now)', timeOption)
    .action(async (options: CommonOptions & { record?: boolean; now?: Date }) => {
      const { runMonitor } = await import('../pipeline/monitoring/monitor.ts');
      const { alert } = await import('../pipeline/monitoring/alerts.ts');
      const { writeDashboard } = await import('../pipeline/monitoring/dashboard.ts');
      const { monitorReport } = await import('../report/monitoring/sections.ts');
      const workspace = await context.open(options);
      const record = recordsHere(context, options, workspace);
      const now = options.now ?? new Date();
      const result = await runMonitor(workspace, { now, record });
      // Findings become issues where a token says so.
      const github = await gitHubOf(workspace.github, workspace);
      if (record) await alert(workspace, result, { github, now, env: context.env });
      const dashboard = await writeDashboard(workspace, result);
      const report = { decision: null, evidence: [result.evidence], stages: [monitorReport] };
      await printReport(context, options, result.evidence, report);
      if (options.json !== true) context.print(`Dashboard: ${shown(dashboard)}`);
      context.finish(exitCodeOfVerdict(result.evidence.verdict));
    });
}

function addRetrain(program: Command, context: CommandContext): void {
  withReadOptions(
    program.command('retrain').description('Start a training if the recorded monitoring results require it.'),
  )
    .option('--dry-run', 'decide without starting a training')
    .option('--now <time>', 'decide as if it were this time, ISO 8601 (default: now)', timeOption)
    .action(async (options: CommonOptions & { dryRun?: boolean; now?: Date }) => {
      const workspace = await context.open(options);
      const github = options.dryRun === true ? null : await gitHubOf(workspace.github, workspace);
      if (github === null && options.dryRun !== true) {
        throw new UsageError({
          found: 'GITHUB_REPOSITORY or GITHUB_TOKEN is not set',
          expected: 'both, because a training is started as a workflow run',
          remedy: 'Set them, or use --dry-run to decide without starting a training',
        });
      }
      const { retrain } = await import('../pipeline/monitoring/retrain.ts');
      const result = await retrain(workspace, await viewOf(workspace), {
        github,
        now: options.now ?? new Date(),
      });
      const { due, started, reason } = result;
      const said = started !== null ? 'Training started' : due ? 'A training is due' : 'No training';
      printResult(context, options, result, () => oneLine(`${said}: ${reason}`));
      context.finish(exitCodes.pass);
    });
}

function addBacktest(program: Command, context: CommandContext): void {
  withReadOptions(
    program
      .command('backtest')
      .description(
        'Evaluate past models with the labels known at the time: how fast they age, and how each decision would have turned out.',
      ),
  ).action(async (options: CommonOptions) => {
    const { renderSections } = await import('../report/index.ts');
    const { runBacktest } = await import('../pipeline/monitoring/backtest.ts');
    const { backtestSections } = await import('../report/monitoring/backtest-sections.ts');
    const result = await runBacktest(await context.open(options));
    printResult(context, options, result, () => renderSections(backtestSections(result), consoleOptions(context)));
  });
}

async function viewOf(workspace: Workspace): Promise<RegistryHistory> {
  return (await import('../pipeline/open-registry.ts')).registryView(workspace, false);
}

function addExports(program: Command, context: CommandContext): void {
  withReadOptions(
    program
      .command('prometheus-rules')
      .description('Print Prometheus rules that alert on burn rates of service levels and on monitoring that stopped.'),
  ).action(async (options: CommonOptions) => {
    const { monitorSettings } = await import('../pipeline/monitoring/settings.ts');
    const { prometheusRules } = await import('../report/monitoring/prometheus-rules.ts');
    const workspace = await context.open(options);
    const { monitor, judge } = monitorSettings(workspace);
    const levels = Object.entries(monitor.slos ?? {}).map(([name, level]) => ({ name, ...level }));
    context.print(prometheusRules(workspace.model, levels, judge.length / 1000));
  });
  program
    .command('grafana-dashboard')
    .description('Print a Grafana dashboard, ready to be provisioned.')
    .action(async () => {
      const { grafanaDashboard } = await import('../report/monitoring/grafana-dashboard.ts');
      context.print(JSON.stringify(grafanaDashboard(), null, 2));
    });
}

function timeOption(text: string): Date {
  const time = millisecondsIn(text);
  if (time === null) throw new InvalidArgumentError('Expected a time such as 2026-05-01T06:00:00Z.');
  return new Date(time);
}

function addCheckBatch(program: Command, context: CommandContext): void {
  withChampionOptions(
    withOutOption(
      withReadOptions(
        program.command('check-batch').description('Check pre-computed predictions before they are published.'),
      ),
    ),
  )
    .option('--model-digest <sha256>', 'sha256 of the model that predicted, if the file does not state it')
    .action(async (options: CommonOptions & { modelDigest?: string }) => {
      const workspace = await context.open(options);
      const { checkBatch } = await import('../pipeline/monitoring/check-batch.ts');
      const { batchReport } = await import('../report/monitoring/sections.ts');
      const view = await viewOf(workspace);
      const evidence = await checkBatch(workspace, view, { now: new Date(), modelDigest: options.modelDigest });
      await printReport(context, options, evidence, { decision: null, evidence: [evidence], stages: [batchReport] });
      context.finish(exitCodeOfVerdict(evidence.verdict));
    });
}
