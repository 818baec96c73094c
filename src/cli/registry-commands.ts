import type { Command } from 'commander';
import type { RecordedDecision } from '../evidence/index.ts';
import { openRegistry } from '../pipeline/promote.ts';
import { exitCodes } from './exit-codes.ts';
import { addRegistryActs } from './registry-acts.ts';
import { withCommonOptions, type CommandContext, type CommonOptions } from './command-context.ts';

/** registry show, log, verify, and what people do to a registry. */
export function addRegistryCommands(program: Command, context: CommandContext): void {
  const registry = program.command('registry').description('Who is champion, since when, on what evidence.');

  withCommonOptions(registry.command('show').description('The champion and the versions of a model.')).action(
    async (options: CommonOptions) => {
      const workspace = await context.open(options);
      const manifest = await (await openRegistry(workspace)).manifest(workspace.model);
      if (options.json === true) return context.print(JSON.stringify(manifest, null, 2));
      if (manifest === null) return context.print(`${workspace.model}: nothing recorded yet`);
      const champion = manifest.aliases['champion'];
      const lines = manifest.versions.map((each) => {
        const names = Object.entries(manifest.aliases)
          .filter(([, alias]) => alias.version === each.version)
          .map(([name]) => name);
        const model = each.artifacts[0];
        return `  ${each.version.padEnd(12)} ${names.join(', ').padEnd(18)} ${model?.sha256.slice(0, 12) ?? ''}  ${model?.uri ?? ''}`;
      });
      context.print(`${workspace.model}: champion ${champion?.version ?? 'none'}\n${lines.join('\n')}`);
    },
  );

  withCommonOptions(registry.command('log').description('Every decision, newest first.')).action(
    async (options: CommonOptions) => {
      const workspace = await context.open(options);
      const decisions = await (await openRegistry(workspace)).log(workspace.model);
      if (options.json === true) return context.print(JSON.stringify(decisions, null, 2));
      context.print(
        decisions.length === 0
          ? `${workspace.model}: nothing recorded yet`
          : [...decisions].reverse().map(logLine).join('\n'),
      );
    },
  );

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

function logLine(decision: RecordedDecision): string {
  const versions = `${decision.from?.version ?? 'none'} -> ${decision.to?.version ?? 'none'}`;
  const why = decision.reasons[0]?.message ?? '';
  return `#${decision.seq} ${decision.time.slice(0, 16)}Z ${decision.action} ${decision.outcome} (${versions}) by ${decision.actor}\n    ${why}`;
}
