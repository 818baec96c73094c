import { Option, type Command } from 'commander';
import { join } from 'node:path';
import { runGate, runPromote, type PromoteInput, type PromoteResult } from '../pipeline/gate/promote.ts';
import { registryView } from '../pipeline/open-registry.ts';
import { warnOfExpiry } from '../pipeline/auditing/expiry.ts';
import { writeJunit, writeSarif } from '../pipeline/gate/output.ts';
import { withPlaces } from '../pipeline/gate/places.ts';
import { planOfStage, runStage } from '../pipeline/gate/run-stage.ts';
import { renderSections, type Result } from '../report/index.ts';
import { stages } from '../stages/index.ts';
import type { Stage } from '../stages/stage.ts';
import { exitCodeOf, exitCodeOfVerdict } from './exit-codes.ts';
import { recordedText } from './pending-text.ts';
import { placesOf, shown } from './places.ts';
import {
  consoleOptions,
  printReport,
  recordsHere,
  withCommonOptions,
  type CommandContext,
  type CommonOptions,
} from './command-context.ts';
import type { Workspace } from '../pipeline/workspace.ts';

interface ReportOptions extends CommonOptions {
  junit?: string;
  sarif?: string;
}

interface PromoteOptions extends ReportOptions {
  record?: boolean;
  setVersion?: string;
}

/** A command for each stage, promote and gate. */
export function addStageCommands(program: Command, context: CommandContext): void {
  for (const stage of stages) if (stage.needs !== 'traffic') addStage(stage);
  const ofGate = stages.filter(({ needs }) => needs !== 'logs' && needs !== 'traffic');
  const names = ofGate.map(({ command }) => command.name.replaceAll('-', ' ')).join(', ');
  addDecision('promote', 'Decide on the evidence in the output folder and record the decision.', runPromote);
  withPredictions(addDecision('gate', `The whole gate: ${names}, decide, record.`, runGate));

  function addStage(stage: Exclude<Stage, { needs: 'traffic' }>): void {
    const { name, summary } = stage.command;
    const command = withReportOptions(program.command(name).description(summary));
    if (stage.needs === 'contestants' || stage.needs === 'target') withPredictions(command);
    const { plan } = stage.command;
    if (plan !== undefined) command.option('--plan', plan.description);
    command.action(async (options: ReportOptions & { plan?: boolean }) => {
      const workspace = await context.open(options);
      if (plan !== undefined && options.plan === true) {
        const section = await planOfStage(workspace, stage);
        return context.print(
          options.json === true ? JSON.stringify(section, null, 2) : renderSections([section], consoleOptions(context)),
        );
      }
      const evidence = await runStage(workspace, stage, () => registryView(workspace, false));
      const result = { decision: null, evidence: [evidence] };
      await writeReports(workspace, options, result);
      printReport(context, options, evidence, { ...result, stages });
      context.finish(exitCodeOfVerdict(evidence.verdict));
    });
  }

  function addDecision(
    name: string,
    description: string,
    decide: (workspace: Workspace, input: PromoteInput) => Promise<PromoteResult>,
  ): Command {
    return withReportOptions(program.command(name).description(description))
      .option(
        '--record',
        'record the decision (the default, except in workflows on pull requests, other branches than the default one and unusual events)',
      )
      .option('--no-record', 'decide, but leave the registry as it is')
      .addOption(new Option('--set-version <semver>', 'version of a promoted candidate (default: the next one)'))
      .action(async (options: PromoteOptions) => {
        const workspace = await context.open(options);
        const result = await decide(workspace, {
          record: recordsHere(context, options, workspace),
          actor: await context.actor(workspace),
          source: context.run.source,
          version: options.setVersion,
        });
        await writeReports(workspace, options, result);
        await warnOfExpiry(workspace, result);
        printReport(context, options, result, { ...result, stages });
        if (options.json !== true) context.print(whereTo(workspace, result));
        context.finish(exitCodeOf(result));
      });
  }
}

function withReportOptions(command: Command): Command {
  return withCommonOptions(command)
    .option('--junit <file>', 'write the checks as JUnit XML, for tools that read test results')
    .option('--sarif <file>', 'write the checks that did not pass as SARIF 2.1.0, for code scanning');
}

function withPredictions(command: Command): Command {
  return command.option(
    '--predictions <files>',
    'what contender predict wrote, in place of running the models: a path (glob allowed)',
  );
}

async function writeReports(workspace: Workspace, options: ReportOptions, input: Result): Promise<void> {
  const { junit, sarif } = options;
  if (junit === undefined && sarif === undefined) return;
  const shownAt = { ...input, evidence: await withPlaces(workspace, input.evidence) };
  const { fromRoot } = placesOf(options);
  if (junit !== undefined) await writeJunit(workspace, shownAt, fromRoot(junit));
  if (sarif !== undefined) await writeSarif(workspace, shownAt, fromRoot(sarif));
}

function whereTo(workspace: Workspace, result: PromoteResult): string {
  return `${recordedText(result)} Report: ${shown(join(workspace.out, 'report.html'))}`;
}
