import type { Command } from 'commander';
import { openRegistry } from '../pipeline/promote.ts';
import { exitCodes } from './exit-codes.ts';
import { addRegistryActs } from './registry-acts.ts';
import { addRegistryReads } from './registry-reads.ts';
import { withCommonOptions, type CommandContext, type CommonOptions } from './command-context.ts';

/** What the registry says, whether it is sound, and what people do to it. */
export function addRegistryCommands(program: Command, context: CommandContext): void {
  const registry = program.command('registry').description('Who is champion, since when, on what evidence.');

  addRegistryReads(registry, context);

  withCommonOptions(
    registry.command('verify').description('Rebuild every manifest from its chain and report any difference.'),
  ).action(async (options: CommonOptions) => {
    const workspace = await context.open(options, true);
    const findings = await (await openRegistry(workspace)).verify();
    if (options.json === true) context.print(JSON.stringify(findings, null, 2));
    else if (findings.length === 0)
      context.print('The registry is sound: every chain, manifest and piece of evidence agrees.');
    else
      context.print(
        findings.map((each) => `${each.path}: ${each.found}. Expected ${each.expected}. ${each.remedy}`).join('\n'),
      );
    context.finish(findings.length === 0 ? exitCodes.pass : exitCodes.fail);
  });

  addRegistryActs(registry, context);
}
