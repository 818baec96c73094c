import { Argument, type Command } from 'commander';
import { exportParts, exportVersion, type ExportPart } from '../pipeline/export.ts';
import { modelOfTag, verifyArtifact } from '../pipeline/verify-artifact.ts';
import { withCommonOptions, type CommandContext, type CommonOptions } from './command-context.ts';
import { exitCodes } from './exit-codes.ts';

interface ExportOptions extends CommonOptions {
  of?: string;
}

interface VerifyOptions extends CommonOptions {
  isChampion?: boolean;
  tag?: string;
}

/** export, verify. */
export function addPublishCommands(program: Command, context: CommandContext): void {
  const parts = new Argument('[parts...]', 'what to write (default: all of it)').choices(exportParts);
  withCommonOptions(
    program
      .command('export')
      .description(
        'Write what the registry knows of a version: model card, release notes, in-toto statements, report, evidence.',
      ),
  )
    .addArgument(parts)
    .option('--of <semver>', 'which version (default: the champion)')
    .action(async (chosen: ExportPart[], options: ExportOptions) => {
      const files = await exportVersion(await context.open(options), {
        version: options.of,
        parts: chosen.length === 0 ? exportParts : chosen,
        server: context.env['GITHUB_SERVER_URL'],
      });
      context.print(options.json === true ? JSON.stringify(files, null, 2) : files.join('\n'));
    });

  withCommonOptions(
    program
      .command('verify')
      .description('Say whether a file is, byte for byte, a version that the registry recorded.'),
  )
    .argument('<file>', 'the model file')
    .option('--is-champion', 'refuse every version but the champion')
    .option('--tag <name>', 'refuse another version than this tag claims, such as spam-filter@v1.2.3')
    .action(async (file: string, options: VerifyOptions) => {
      const { isChampion = false, tag } = options;
      const model = options.model ?? modelOfTag(tag);
      const workspace = await context.open({ ...options, ...(model === undefined ? {} : { model }) });
      const found = await verifyArtifact(workspace, { file, champion: isChampion, tag });
      context.print(options.json === true ? JSON.stringify(found, null, 2) : `${found.message}.`);
      context.finish(found.verified ? exitCodes.pass : exitCodes.fail);
    });
}
