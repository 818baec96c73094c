import { createInterface } from 'node:readline/promises';
import { Option, type Command } from 'commander';
import type { Initialised, InitInput } from '../pipeline/init/init.ts';
import type { Choosing } from '../pipeline/init/look.ts';
import { tasks } from '../pipeline/init/tasks.ts';
import { printResult, type CommandContext } from './command-context.ts';
import { shellWord } from '../wording.ts';
import { shown } from './places.ts';

type InitOptions = Omit<InitInput, 'folder' | 'asking'> & { yes?: boolean; json?: boolean };

/** init: a contender.yml to start from. */
export function addInitCommand(program: Command, context: CommandContext): void {
  program
    .command('init')
    .description(
      'Create a first contender.yml, a data contract and two workflows from the files in this folder. Existing files are never overwritten.',
    )
    .option('-y, --yes', 'ask no questions; a value that cannot be detected is an error that names its option')
    .option('--name <model>', 'name of the model in the registry (default: the name of the folder)')
    .option('--data <file>', 'labelled rows to evaluate on: CSV, JSONL or Parquet')
    .addOption(new Option('--candidate <file>', 'the ONNX model to evaluate').conflicts('predictions'))
    .option('--champion <file>', 'the model or file of predictions to compare it with')
    .option('--predictions <file>', 'a CSV or Parquet file of predictions instead of a model')
    .addOption(new Option('--task <task>', 'kind of prediction').choices(tasks))
    .option('--label <column>', 'the column to predict')
    .option('--id <column>', 'the column that identifies each row')
    .option('--no-workflows', 'do not write workflows into .github/workflows')
    .option('--json', 'print the result as JSON to standard output')
    .action(async ({ json, yes, workflows, ...options }: InitOptions) => {
      const { initialise } = await import('../pipeline/init/init.ts');
      const asks = yes !== true && json !== true && process.stdin.isTTY && process.stderr.isTTY;
      const made = await initialise({
        folder: process.cwd(),
        ...options,
        ...(workflows === false ? { workflows } : {}),
        ...(asks ? { asking: terminalChoosing(context.signal) } : {}),
      });
      printResult(context, { json }, made, () => textOf(made, commandOf(context.env)));
    });
}

function textOf(
  { path, existed, inGit, written, assumed, todo, pushes, pushesLater, champion }: Initialised,
  command: string,
): string {
  const lines: string[] = [];
  if (existed) {
    lines.push(`${shown(path)} already exists and was not changed. To start again, move it away and run init again.`);
  }
  if (written.length > 0) lines.push(`Wrote ${written.join(', ')}.`);
  if (existed) return lines.join('\n');
  const rival = champion === undefined ? '' : ` --champion ${shellWord(champion)}`;
  return [
    ...lines,
    'Assumptions to check in contender.yml:',
    ...assumed.map((each) => `  ${each}`),
    ...(todo.length === 0 ? [] : ['Before you start:', ...todo.map((each) => `  ${each}`)]),
    'Then:',
    ...aligned([
      ...(inGit ? [] : [['git init', 'decisions are recorded in a git repository'] as const]),
      [`${command} gate --no-record${rival}`, 'a first verdict; nothing is recorded'],
      [`git add, git commit${pushes ? ', git push' : ''}`, 'the written files, the model and the data'],
      ...(champion === undefined
        ? []
        : [[`${command} registry register --artifact ${shellWord(champion)}`, 'make it the champion'] as const]),
      ...(pushesLater
        ? [
            [
              'registry: { push: origin }',
              'in contender.yml, if there is a remote: promote-model.yml needs it',
            ] as const,
          ]
        : []),
      [`${command} doctor`, 'what is missing here and on GitHub'],
    ]),
  ].join('\n');
}

/** What to type or do, and beside it what for. */
function aligned(steps: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...steps.map(([step]) => step.length));
  return steps.map(([step, purpose]) => `  ${step.padEnd(width)}   ${purpose}`);
}

/** How this command was started: npx is typed again. */
function commandOf(env: NodeJS.ProcessEnv): string {
  return env['npm_command'] === 'exec' ? 'npx contender' : 'contender';
}

/** Questions with numbered answers on the terminal; Enter takes the first proposal. */
function terminalChoosing(signal: AbortSignal): Choosing {
  return {
    async choose(what, options, proposal) {
      const lines = createInterface({ input: process.stdin, output: process.stderr });
      try {
        const shownOptions = options.slice(0, 30);
        process.stderr.write(`${what}\n${shownOptions.map((each, index) => `  ${index + 1}  ${each}\n`).join('')}`);
        for (;;) {
          const asked = `Number or name${proposal === undefined ? '' : ` (Enter: ${proposal})`}: `;
          const answer = (await lines.question(asked, { signal })).trim();
          if (answer === '' && proposal !== undefined) return proposal;
          if (options.includes(answer)) return answer;
          const numbered = /^[0-9]+$/u.test(answer) ? shownOptions[Number(answer) - 1] : undefined;
          if (numbered !== undefined) return numbered;
          process.stderr.write('This is not one of the answers.\n');
        }
      } finally {
        lines.close();
      }
    },
  };
}
