import type { Command } from 'commander';
import {
  describeModel,
  diffVersions,
  explainModel,
  readLog,
  summariseModels,
} from '../pipeline/auditing/registry-reads.ts';
import {
  jsonText,
  renderChanges,
  renderDetail,
  renderLog,
  renderReasons,
  renderSummaries,
  type ConsoleOptions,
} from '../report/index.ts';
import { stages } from '../stages/index.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import { consoleOptions, withReadOptions, type CommandContext, type CommonOptions } from './command-context.ts';

/** registry show, log, diff and why: what the registry says when it is asked. */
export function addRegistryReads(registry: Command, context: CommandContext): void {
  addRead(
    registry
      .command('show')
      .description('Every model and its champion, or the versions and environments of one model.'),
    async (workspace, model) => {
      if (model === undefined) {
        const models = await summariseModels(workspace);
        return { json: models, text: (options) => renderSummaries(models, options) };
      }
      const detail = await describeModel(workspace, model);
      return { json: detail, text: (options) => renderDetail(detail, options) };
    },
  );
  addRead(
    registry.command('log').description('Every decision about a model, newest first.'),
    async (workspace, wanted) => {
      const { model, decisions } = await readLog(workspace, wanted);
      return { json: decisions, text: (options) => renderLog(model, decisions, options) };
    },
  );
  addRead(
    registry
      .command('diff')
      .description('Two versions side by side: metrics, data, size, load figures, policy.')
      .argument('[versions]', 'FROM..TO: versions or aliases, such as 1.0.0..1.1.0 or 1.0.0..', 'previous..champion'),
    async (workspace, model, range) => {
      const changes = await diffVersions(workspace, model, range);
      return { json: changes, text: (options) => renderChanges(changes, options) };
    },
  );
  addRead(
    registry
      .command('why')
      .description('Why this version is the champion, and why the last candidate is not: numbers, people, evidence.'),
    async (workspace, model) => {
      const { reasons, found } = await explainModel(workspace, model);
      return { json: reasons, text: (options) => renderReasons(reasons, found, options, stages) };
    },
  );

  function addRead(
    command: Command,
    read: (
      workspace: Workspace,
      model: string | undefined,
      range: string,
    ) => Promise<{ json: unknown; text: (options: ConsoleOptions) => string }>,
  ): void {
    const ranged = command.registeredArguments.length > 0;
    withReadOptions(command.argument('[model]', 'which model (as --model)')).action(async (...given: unknown[]) => {
      const [range, named] = ranged ? given : ['', ...given];
      const options = command.opts<CommonOptions>();
      const workspace = await context.open(options, true);
      const model = typeof named === 'string' ? named : options.model;
      const { json, text } = await read(workspace, model, String(range));
      context.print(options.json === true ? jsonText(json) : text(consoleOptions(context)));
    });
  }
}
