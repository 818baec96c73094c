import { InvalidArgumentError, Option, type Command } from 'commander';
import { join } from 'node:path';
import { UsageError } from '../errors.ts';
import { instantOf, type Shard } from '../pipeline/typed.ts';
import type { Result } from '../report/index.ts';
import { stages } from '../stages/index.ts';
import type { Stage } from '../stages/stage.ts';
import { exitCodeOf, exitCodeOfVerdict } from './exit-codes.ts';
import { recordedText } from './pending-text.ts';
import { parsedShard } from './predict-command.ts';
import { placesOf, shown } from './places.ts';
import { consoleOptions, printReport, printResult, recordsHere, withCommonOptions } from './command-context.ts';
import type { CommandContext, CommonOptions } from './command-context.ts';
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
  addDecision('promote', 'Decide from the evidence in the output folder and record the decision.', 'runPromote');
  withPredictions(addDecision('gate', `Run the whole gate: ${names}, decide, record.`, 'runGate'));

  function addStage(stage: Exclude<Stage, { needs: 'traffic' }>): void {
    const { name, summary } = stage.command;
    const command = withReportOptions(program.command(name).description(summary));
    if (stage.needs === 'contestants' || stage.needs === 'target') withPredictions(command);
    const { plan, part } = stage.command;
    if (part !== undefined) withPartOptions(command);
    if (plan !== undefined) command.option('--plan', plan.description);
    command.action(async (options: ReportOptions & PartOptions & { plan?: boolean }) => {
      const { shard, start = null, file } = requirePart(options);
      const { planOfStage, runPart, runStage } = await import('../pipeline/gate/run-stage.ts');
      const workspace = await context.open(options);
      if (shard !== undefined && file !== undefined) {
        await runPart(workspace, stage, { shard, start, file: placesOf(options).fromRoot(file) });
        const done = { file, shard: `${shard.index}/${shard.count}` };
        const told = `${file}: part ${done.shard}. Name the files of all parts in ${stage.kind}.parts of contender.yml.`;
        return printResult(context, options, done, () => told);
      }
      if (plan !== undefined && options.plan === true) {
        const { renderSections } = await import('../report/index.ts');
        const section = await planOfStage(workspace, stage);
        return printResult(context, options, section, () => renderSections([section], consoleOptions(context)));
      }
      const { registryView } = await import('../pipeline/open-registry.ts');
      const evidence = await runStage(workspace, stage, () => registryView(workspace, false));
      const result = { decision: null, evidence: [evidence], overriding: workspace.overriding };
      await writeReports(workspace, options, result);
      await printReport(context, options, evidence, { ...result, stages });
      context.finish(exitCodeOfVerdict(evidence.verdict));
    });
  }

  function addDecision(name: string, description: string, decide: 'runPromote' | 'runGate'): Command {
    return withReportOptions(program.command(name).description(description))
      .option(
        '--record',
        'record the decision (default, except in workflows on pull requests, other branches than the default one, and on events other than push, dispatch and schedule)',
      )
      .option('--no-record', 'decide without changing the registry')
      .addOption(new Option('--set-version <semver>', 'version of a promoted candidate (default: the next one)'))
      .action(async (options: PromoteOptions) => {
        const decisions = await import('../pipeline/gate/promote.ts');
        const { warnOfExpiry } = await import('../pipeline/auditing/expiry.ts');
        const workspace = await context.open(options);
        const result = await decisions[decide](workspace, {
          record: recordsHere(context, options, workspace),
          actor: await context.actor(workspace),
          source: context.run.source,
          version: options.setVersion,
        });
        await writeReports(workspace, options, result);
        await warnOfExpiry(workspace, result);
        await printReport(context, options, result, { ...result, stages });
        if (options.json !== true)
          context.print(`${recordedText(result)} Report: ${shown(join(workspace.out, 'report.html'))}`);
        context.finish(exitCodeOf(result));
      });
  }
}

function withReportOptions(command: Command): Command {
  return withCommonOptions(command)
    .option('--junit <file>', 'write the checks as JUnit XML, for tools that read test results')
    .option('--sarif <file>', 'write the checks that did not pass as SARIF 2.1.0, for code scanning');
}

interface PartOptions {
  shard?: Shard;
  start?: Date;
  file?: string;
}

function withPartOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--shard <i/N>', 'send only part i of N parts of the load, and write its result to --file').argParser(
        parsedShard,
      ),
    )
    .addOption(
      new Option('--start <time>', 'with --shard: start time of all parts, in ISO 8601 with a time zone').argParser(
        parsedInstant,
      ),
    )
    .option('--file <file>', 'with --shard: the .json.gz file to write, inside the workspace');
}

function requirePart(options: PartOptions): PartOptions {
  const { shard, start, file } = options;
  const lacks =
    shard === undefined && (file !== undefined || start !== undefined)
      ? '--shard'
      : shard !== undefined && file === undefined
        ? '--file'
        : shard !== undefined && shard.count > 1 && start === undefined
          ? '--start'
          : undefined;
  if (lacks === undefined) return options;
  throw new UsageError({
    found: `there is no ${lacks}`,
    expected: '--shard and --file together; with several parts also --start, the same for all of them',
  });
}

function parsedInstant(text: string): Date {
  const found = instantOf(text);
  if (found !== null) return found;
  throw new InvalidArgumentError('Expected a time in ISO 8601 with a time zone, such as 2026-03-01T12:00:00Z.');
}

function withPredictions(command: Command): Command {
  return command.option(
    '--predictions <files>',
    'predictions written by contender predict, instead of running the models: a path (glob allowed)',
  );
}

async function writeReports(workspace: Workspace, options: ReportOptions, input: Result): Promise<void> {
  const { junit, sarif } = options;
  if (junit === undefined && sarif === undefined) return;
  const { writeJunit, writeSarif } = await import('../pipeline/gate/output.ts');
  const { withPlaces } = await import('../pipeline/gate/places.ts');
  const shownAt = { ...input, evidence: await withPlaces(workspace, input.evidence) };
  const { fromRoot } = placesOf(options);
  if (junit !== undefined) await writeJunit(workspace, shownAt, fromRoot(junit));
  if (sarif !== undefined) await writeSarif(workspace, shownAt, fromRoot(sarif));
}
