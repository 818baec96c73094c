import { Argument, Option, type Command } from 'commander';
import { UsageError } from '../errors.ts';
import { exportParts, type ExportPart } from '../pipeline/typed.ts';
import { placesOf } from './places.ts';
import { printResult, withOutOption, withReadOptions } from './command-context.ts';
import type { CommandContext, CommonOptions } from './command-context.ts';
import { exitCodes } from './exit-codes.ts';

/** export, release, publish, verify. */
export function addPublishCommands(program: Command, context: CommandContext): void {
  const parts = new Argument('[parts...]', 'what to write (default: everything)').choices(exportParts);
  withOutOption(
    withReadOptions(
      program
        .command('export')
        .description(
          'Export a version from the registry: model card, release notes, in-toto statements, report, evidence.',
        ),
    ),
  )
    .addArgument(parts)
    .addOption(new Option('--of <semver>', 'the version (default: the champion)').conflicts('decision'))
    .option('--decision <number>', 'number of a decision instead of a version, such as a hold or a rejection')
    .action(async (chosen: ExportPart[], options: CommonOptions & { of?: string; decision?: string }) => {
      const { exportVersion } = await import('../pipeline/publishing/export.ts');
      const files = await exportVersion(await context.open(options), {
        version: options.of,
        decision: options.decision === undefined ? undefined : decisionNumber(options.decision),
        parts: chosen.length === 0 ? exportParts : chosen,
        server: context.env['GITHUB_SERVER_URL'],
      });
      printResult(context, options, files, () => files.join('\n'));
    });

  withReadOptions(
    program
      .command('release')
      .description('Create the GitHub release of a version, or complete an interrupted one. Needs GITHUB_TOKEN.'),
  )
    .option('--of <semver>', 'the version (default: the champion)')
    .option('--repository <owner/name>', 'the repository on GitHub (default: GITHUB_REPOSITORY)')
    .action(async (options: CommonOptions & { of?: string; repository?: string }) => {
      const { env, signal } = context;
      const token = env['GITHUB_TOKEN'] ?? '';
      if (token === '') {
        throw new UsageError({
          found: 'no token',
          expected: 'a token with the permission contents: write',
          where: 'GITHUB_TOKEN',
          remedy: 'Set it, such as: GITHUB_TOKEN=$(gh auth token) contender release',
        });
      }
      const workspace = await context.open(options);
      const repository = options.repository ?? env['GITHUB_REPOSITORY'] ?? '';
      if (repository === '') {
        throw new UsageError({
          found: 'no repository',
          expected: 'owner/name, as on GitHub',
          where: '--repository',
          remedy: 'Pass --repository owner/name, or set GITHUB_REPOSITORY',
        });
      }
      const { openGitHub } = await import('../github/client.ts');
      const { releaseVersion } = await import('../pipeline/publishing/release.ts');
      const github = openGitHub({ repository, token, apiUrl: env['GITHUB_API_URL'], log: workspace.log, signal });
      const server = env['GITHUB_SERVER_URL'];
      const released = await releaseVersion(workspace, { github, version: options.of, server });
      printResult(context, options, released, () => `${released.tag}: ${released.action}. ${released.url}`);
    });

  withReadOptions(
    program
      .command('publish')
      .description('Update the MLflow server of registry.mlflow: versions, tags, and which version is champion.'),
  ).action(async (options: CommonOptions) => {
    const { publishToMlflow, syncText } = await import('../pipeline/publishing/mlflow.ts');
    const workspace = await context.open(options, options.model === undefined);
    const synced = await publishToMlflow(workspace, options.model);
    printResult(context, options, synced, () => synced.map(syncText).join('\n'));
  });

  withReadOptions(
    program.command('verify').description('Check that a file is, byte for byte, a version recorded in the registry.'),
  )
    .argument('<file>', 'the model file')
    .option('--is-champion', 'refuse every version except the champion')
    .option('--tag <name>', 'refuse any version other than the one this tag names, such as spam-filter@v1.2.3')
    .action(async (file: string, options: CommonOptions & { isChampion?: boolean; tag?: string }) => {
      const { modelOfTag, verifyArtifact } = await import('../pipeline/auditing/verify-artifact.ts');
      const { isChampion = false, tag } = options;
      const model = options.model ?? modelOfTag(tag);
      const workspace = await context.open({ ...options, model });
      const path = placesOf(options).fromRoot(file);
      const found = await verifyArtifact(workspace, { file: path, champion: isChampion, tag });
      printResult(context, options, found, () => `${found.message}.`);
      context.finish(found.verified ? exitCodes.pass : exitCodes.fail);
    });
}

function decisionNumber(text: string): number {
  const number = /^[1-9]\d{0,8}$/u.test(text) ? Number(text) : 0;
  if (number > 0) return number;
  throw new UsageError({
    found: JSON.stringify(text),
    expected: 'the number of a decision, such as 12',
    where: '--decision',
    remedy: 'List the decisions with contender registry log',
  });
}
