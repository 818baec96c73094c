import type { Command } from 'commander';
import type { ConsoleOptions } from '../report/index.ts';
import { stages } from '../stages/index.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import { consoleOptions, printResult, withReadOptions } from './command-context.ts';
import type { CommandContext, CommonOptions } from './command-context.ts';

type Readers = Awaited<ReturnType<typeof readers>>;

/** registry show, log, diff and why: what the registry says when it is asked. */
export function addRegistryReads(program: Command, context: CommandContext): void {
  addRead(
    program
      .command('show')
      .description('List every model and its champion, or the versions and environments of one model.'),
    async ({ registry, report }, workspace, model) => {
      if (model === undefined) {
        const models = await registry.summariseModels(workspace);
        return { json: models, text: (options) => report.renderSummaries(models, options) };
      }
      const detail = await registry.describeModel(workspace, model);
      return { json: detail, text: (options) => report.renderDetail(detail, options) };
    },
  );
  addRead(
    program.command('log').description('List every decision about a model, newest first.'),
    async ({ registry, report }, workspace, wanted) => {
      const { model, decisions } = await registry.readLog(workspace, wanted);
      return { json: decisions, text: (options) => report.renderLog(model, decisions, options) };
    },
  );
  addRead(
    program
      .command('diff')
      .description('Compare two versions: metrics, data, size, load figures, policy.')
      .argument('[versions]', 'FROM..TO: versions or aliases, such as 1.0.0..1.1.0 or 1.0.0..', 'previous..champion'),
    async ({ registry, report }, workspace, model, range) => {
      const changes = await registry.diffVersions(workspace, model, range);
      return { json: changes, text: (options) => report.renderChanges(changes, options) };
    },
  );
  addRead(
    program
      .command('why')
      .description(
        'Explain why this version is the champion and why the last candidate is not: numbers, people, evidence.',
      ),
    async ({ registry, report }, workspace, model) => {
      const { reasons, found } = await registry.explainModel(workspace, model);
      return { json: reasons, text: (options) => report.renderReasons(reasons, found, options, stages) };
    },
  );

  function addRead(
    command: Command,
    read: (
      by: Readers,
      workspace: Workspace,
      model: string | undefined,
      range: string,
    ) => Promise<{ json: unknown; text: (options: ConsoleOptions) => string }>,
  ): void {
    const ranged = command.registeredArguments.length > 0;
    withReadOptions(command.argument('[model]', 'name of the model (same as --model)')).action(
      async (...given: unknown[]) => {
        const [range, named] = ranged ? given : ['', ...given];
        const options = command.opts<CommonOptions>();
        const workspace = await context.open(options, true);
        const model = typeof named === 'string' ? named : options.model;
        const { json, text } = await read(await readers(), workspace, model, String(range));
        printResult(context, options, json, () => text(consoleOptions(context)));
      },
    );
  }
}

async function readers() {
  return {
    registry: await import('../pipeline/auditing/registry-reads.ts'),
    report: await import('../report/index.ts'),
  };
}
