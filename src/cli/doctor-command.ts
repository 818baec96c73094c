import type { Command } from 'commander';
import { gitHubAccess } from '../github/access.ts';
import { defaults } from '../config/defaults.ts';
import { counted } from '../wording.ts';
import { consoleOptions, printResult, type CommandContext, type CommonOptions } from './command-context.ts';
import { exitCodes } from './exit-codes.ts';
import { placesOf } from './places.ts';
import { terminalLog } from './terminal-log.ts';

/** doctor: what is missing on this machine, in this clone, in contender.yml and on GitHub. */
export function addDoctorCommand(program: Command, context: CommandContext): void {
  program
    .command('doctor')
    .description(
      'Check everything that a gate needs: machine, clone, contender.yml and, with a token, GitHub. Changes nothing.',
    )
    .option('-c, --config <file>', 'configuration file (default: the nearest contender.yml)')
    .option('-w, --workspace <folder>', 'root folder (default: the git repository)')
    .option('--json', 'print the result as JSON to standard output')
    .option('-v, --verbose', 'verbose output')
    .action(async (options: CommonOptions) => {
      const { renderSections } = await import('../report/index.ts');
      const { diagnose, doctorSections } = await import('../pipeline/doctor/doctor.ts');
      const { root, config } = placesOf(options);
      const log = await terminalLog({ verbose: options.verbose === true, quiet: true });
      const github = gitHubAccess(context.env);
      const findings = await diagnose({ root, config, out: defaults.out, github, log, signal: context.signal });
      const problems = findings.filter(({ status }) => status === 'problem').length;
      context.finish(problems === 0 ? exitCodes.pass : exitCodes.fail);
      const verdict =
        problems === 0 ? 'No problem was found: a gate can run here.' : `${counted(problems, 'problems')}: see above.`;
      const text = (): string => `${renderSections(doctorSections(findings), consoleOptions(context))}\n${verdict}`;
      printResult(context, options, { problems, findings }, text);
    });
}
