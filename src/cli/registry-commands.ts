import type { Command } from 'commander';
import type { RecordedDecision } from '../evidence/index.ts';
import { openRegistry, registerChampion } from '../pipeline/promote.ts';
import { exitCodes } from './exit-codes.ts';
import { withCommonOptions, type CommandContext, type CommonOptions } from './command-context.ts';

interface RegisterOptions extends CommonOptions {
  artifact: string;
  setVersion?: string;
  reason?: string;
}

/** registry show, log, verify, register. */
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

  withCommonOptions(
    registry
      .command('register')
      .description('Make a model the champion on your word, without a gate: how a registry starts.'),
  )
    .requiredOption('--artifact <file>', 'the model file, committed to the repository')
    .option('--set-version <semver>', 'its version (default: the next one)')
    .option('--reason <text>', 'why, for the record')
    .action(async (options: RegisterOptions) => {
      const workspace = await context.open(options);
      const result = await registerChampion(workspace, {
        artifact: options.artifact,
        version: options.setVersion,
        reason: options.reason,
        actor: await context.actor(),
        source: context.run.source,
      });
      if (options.json === true) return context.print(JSON.stringify(result, null, 2));
      context.print(
        result.status === 'recorded'
          ? `${workspace.model} ${result.decision.to?.version ?? ''} is champion. Recorded in commit ${result.commit?.slice(0, 12) ?? ''}.`
          : `${workspace.model} ${result.decision.to?.version ?? ''} is champion already; nothing was added.`,
      );
    });
}

function logLine(decision: RecordedDecision): string {
  const versions = `${decision.from?.version ?? 'none'} -> ${decision.to?.version ?? 'none'}`;
  const why = decision.reasons[0]?.message ?? '';
  return `#${decision.seq} ${decision.time.slice(0, 16)}Z ${decision.action} ${decision.outcome} (${versions}) by ${decision.actor}\n    ${why}`;
}
