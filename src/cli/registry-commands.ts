import type { Command } from 'commander';
import { gitHubAccess } from '../github/access.ts';
import { oneLine } from '../report/escape.ts';
import { exitCodes } from './exit-codes.ts';
import { addRegistryActs } from './registry-acts.ts';
import { addRegistryReads } from './registry-reads.ts';
import { placesOf } from './places.ts';
import { printResult, withReadOptions, type CommandContext, type CommonOptions } from './command-context.ts';

/** What the registry says, whether it is sound, and what people do to it. */
export function addRegistryCommands(program: Command, context: CommandContext): void {
  const registry = program
    .command('registry')
    .description('Show, verify and change the registry: champions, decisions and their evidence.');

  addRegistryReads(registry, context);

  withReadOptions(
    registry
      .command('verify')
      .description('Verify the registry: rebuild every manifest from its decisions and report any difference.')
      .option(
        '--base <commit>',
        'compare the registry at HEAD with this branch, tag or commit, using the configuration of that commit',
      ),
  ).action(async (options: CommonOptions & { base?: string }) => {
    const { verify } = await import('../pipeline/auditing/verify-change.ts');
    const { root, config } = placesOf(options);
    const input = { root, config, base: options.base, github: gitHubAccess(context.env) };
    const { findings, sound, notes } = await verify(input, () => context.open(options, true));
    const wrong = findings.map(
      ({ path, found, expected, remedy }) => `${path}: ${found}. Expected ${expected}. ${remedy}`,
    );
    const lines = [...(findings.length === 0 ? [sound] : wrong), ...notes];
    printResult(context, options, findings, () => lines.map((line) => oneLine(line)).join('\n'));
    context.finish(findings.length === 0 ? exitCodes.pass : exitCodes.fail);
  });

  addRegistryActs(registry, context);
}
