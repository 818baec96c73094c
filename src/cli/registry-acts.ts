import type { Command } from 'commander';
import type * as Acts from '../pipeline/gate/acts.ts';
import type { PromoteResult } from '../pipeline/gate/promote.ts';
import type { Prepared } from '../pipeline/gate/void.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import { oneLine } from '../report/escape.ts';
import { minuteOf } from '../wording.ts';
import { exitCodes } from './exit-codes.ts';
import { recordedText } from './pending-text.ts';
import { placesOf } from './places.ts';
import { printResult, recordsHere, withCandidateOptions, withOutOption, withReadOptions } from './command-context.ts';
import type { CommandContext, CommonOptions } from './command-context.ts';

interface ActOptions extends CommonOptions {
  reason?: string;
  by?: string;
  record?: boolean;
  setVersion?: string;
  version?: string;
  to?: string;
  environment?: string;
  check?: string;
  until?: string;
}

/** registry register, override, assign, unassign, deprecate, waive, void: what a person does to a registry. */
export function addRegistryActs(registry: Command, context: CommandContext): void {
  withReadOptions(
    registry.command('register').description('Register a model as the first champion manually, without a gate.'),
  )
    .requiredOption('--artifact <file>', 'the model or file of predictions, committed to the repository')
    .option('--set-version <semver>', 'version of the model (default: the next one)')
    .option('--reason <text>', 'reason to record')
    .action(async (options: CommonOptions & { artifact: string; setVersion?: string; reason?: string }) => {
      const workspace = await context.open(options);
      const { registerChampion } = await import('../pipeline/gate/promote.ts');
      const result = await registerChampion(workspace, {
        artifact: placesOf(options).fromRoot(options.artifact),
        version: options.setVersion,
        reason: options.reason,
        record: true,
        actor: await context.actor(workspace),
        source: context.run.source,
      });
      if (result.status === 'pending') context.finish(exitCodes.hold);
      const named = `${workspace.model} ${result.decision.to?.version ?? ''}`;
      printResult(context, options, result, () =>
        result.status === 'recorded'
          ? `${named} is champion. ${recordedText(result)}`
          : result.status === 'pending'
            ? `${named} is not yet champion. ${recordedText(result)}`
            : `${named} is already champion; nothing was added.`,
      );
    });

  addAct(
    withCandidateOptions(
      withOutOption(
        registry
          .command('override')
          .description('Promote a held candidate manually; the hold, its evidence and your reason are recorded.'),
      ),
    ).option('--set-version <semver>', 'version of the model (default: the next one)'),
    context,
    (acts, workspace, input, options) => acts.overrideHold(workspace, { ...input, version: options.setVersion }),
  );
  withReadOptions(
    registry.command('tag').description('Create missing git tags (registry.tags in contender.yml).'),
  ).action(async (options: CommonOptions) => {
    const workspace = await context.open(options);
    const { openRegistry } = await import('../pipeline/open-registry.ts');
    const made = await (await openRegistry(workspace)).tag(workspace.model);
    printResult(context, options, made, () => (made.length === 0 ? 'No tag is missing.' : `Made ${made.join(', ')}`));
  });
  addAssign(registry, context);
  addVoid(registry, context);
  addAct(
    registry
      .command('deprecate')
      .description('Mark a version as deprecated: it must no longer be used.')
      .requiredOption('--version <semver>', 'the version'),
    context,
    (acts, workspace, input, options) => acts.deprecateVersion(workspace, { ...input, version: options.version ?? '' }),
  );
  addAct(
    withOutOption(
      registry.command('waive').description('Accept, until a date, that a check or the checks on a slice do not pass.'),
    )
      .requiredOption(
        '--check <id>',
        'id of the check, such as evaluation/recall, or @ and a slice, such as @source=web',
      )
      .requiredOption(
        '--until <date>',
        'when the waiver ends: 2026-12-31, a time in ISO 8601, 30d, or now to end an earlier waiver',
      ),
    context,
    (acts, workspace, input, { check = '', until = '' }) => acts.waiveCheck(workspace, { ...input, check, until }),
  );
}

/** registry void: a decision that Contender did not make goes, on a branch that a person pushes. */
function addVoid(registry: Command, context: CommandContext): void {
  withReadOptions(
    registry
      .command('void')
      .description('Prepare a branch that makes a decision void which Contender did not make; a record of it stays.')
      .requiredOption('--decision <number>', 'the first decision that registry verify finds fault with')
      .requiredOption('--reason <text>', 'reason to record')
      .option('--by <person>', 'the responsible person (default: the person who runs this)'),
  ).action(async (options: CommonOptions & { decision: string; reason: string; by?: string }) => {
    const workspace = await context.open(options);
    const { takeOff } = await import('../pipeline/gate/void.ts');
    const by = options.by ?? (await context.actor(workspace));
    const prepared = await takeOff(workspace, { decision: options.decision, reason: options.reason, by });
    printResult(context, options, prepared, () => voidText(workspace.model, prepared));
  });
}

function voidText(model: string, { branch, entries, remote, onto }: Prepared): string {
  const numbers = [...new Set(entries.map(({ seq }) => seq))].join(', ');
  return [
    `Decision ${numbers} of ${model} will be void once branch ${branch} is in ${onto}. Nothing was pushed.`,
    `Push it there:      git push ${remote} ${branch}:${onto}`,
    ...(remote === '.' ? [] : [`or, as a pull request into ${onto}: git push ${remote} ${branch}`]),
  ].join('\n');
}

/** registry assign, unassign: a version goes into an environment, or leaves it empty. */
function addAssign(registry: Command, context: CommandContext): void {
  addAct(
    withOutOption(
      registry
        .command('assign')
        .description('Put a version into one of your own environments (registry.environments in contender.yml).'),
    )
      .requiredOption('--environment <name>', 'the environment')
      .option('--version <semver>', 'the version (default: the champion)')
      .option('--reason <text>', 'reason to record', 'as planned'),
    context,
    (acts, workspace, input, { environment = '', version }) =>
      acts.assignEnvironment(workspace, { ...input, environment, version }),
  );
  addAct(
    registry
      .command('unassign')
      .description('Remove the version from one of your own environments, which leaves the environment empty.')
      .requiredOption('--environment <name>', 'the environment'),
    context,
    (acts, workspace, input, { environment = '' }) => acts.emptyEnvironment(workspace, { ...input, environment }),
  );
}

/** rollback: an earlier version becomes champion again. */
export function addRollbackCommand(program: Command, context: CommandContext): void {
  addAct(
    program
      .command('rollback')
      .description('Make an earlier version the champion again, after verifying its file byte for byte.')
      .option('--to <version>', 'a version, or "previous": the one that the champion replaced', 'previous'),
    context,
    (acts, workspace, input, options) => acts.rollBack(workspace, { ...input, to: options.to ?? 'previous' }),
  );
}

function addAct(
  command: Command,
  context: CommandContext,
  perform: (
    acts: typeof Acts,
    workspace: Workspace,
    input: Acts.ActInput,
    options: ActOptions,
  ) => Promise<PromoteResult>,
): void {
  if (!command.options.some(({ long }) => long === '--reason')) {
    command.requiredOption('--reason <text>', 'reason to record');
  }
  withReadOptions(command)
    .option('--by <person>', 'the responsible person (default: the person who runs this)')
    .option(
      '--record',
      'record it (default, except in workflows on pull requests, other branches than the default one, and on events other than push, dispatch and schedule)',
    )
    .option('--no-record', 'show what would happen without changing the registry')
    .action(async (options: ActOptions) => {
      const workspace = await context.open(options);
      const acts = await import('../pipeline/gate/acts.ts');
      const input = {
        reason: options.reason ?? '',
        by: options.by,
        actor: await context.actor(workspace),
        source: context.run.source,
        record: recordsHere(context, options, workspace),
      };
      const result = await perform(acts, workspace, input, options);
      const { warnOfExpiry } = await import('../pipeline/auditing/expiry.ts');
      await warnOfExpiry(workspace, result);
      printResult(context, options, result, () => resultText(workspace.model, result));
      if (result.status === 'pending') context.finish(exitCodes.hold);
    });
}

function overtakenText({ decision }: PromoteResult, holdsNow: string): string {
  const deed = oneLine(decision.reasons[0]?.message ?? '');
  return `This was already done, and later decisions followed: ${holdsNow}. Nothing was added.\n${deed}`;
}

/** What was done, in a few lines. */
function resultText(model: string, result: PromoteResult): string {
  const { decision, status, tags } = result;
  const [from, to] = [decision.from?.version ?? 'none', decision.to?.version ?? 'none'];
  const done = status === 'recorded' || (status === 'already-recorded' && result.holdsNow === undefined);
  if (status === 'already-recorded' && result.holdsNow !== undefined) return overtakenText(result, result.holdsNow);
  const is = done ? 'is' : 'would be';
  const { action, candidate, environment = '', waiver } = decision;
  const version = `${model} ${candidate?.version ?? ''} ${is}`;
  const champion =
    from === to ? `${model} ${to} is already the champion` : `${model} ${to} ${is} champion instead of ${from}`;
  const deeds: Partial<Record<typeof action, string>> = {
    deprecate: `${version} deprecated`,
    assign: `${version} in ${environment}`,
    unassign: `${version} removed from ${environment}`,
    waive: `${waiver?.check ?? ''} of ${model} ${is} waived until ${minuteOf(waiver?.until ?? '')} UTC`,
  };
  const made = tags.length === 0 ? [] : [`Tags: ${tags.join(', ')}`];
  return [
    `${deeds[action] ?? champion}. ${recordedText(result)}`,
    oneLine(decision.reasons[0]?.message ?? ''),
    ...made,
  ].join('\n');
}
