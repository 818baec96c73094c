import { Argument, type Command, type Option } from 'commander';
import type { CommandContext } from './command-context.ts';

/** One command of the tree, and what may follow it. */
interface Place {
  /** Names from the program down, without its own: `registry show`; empty of the program. */
  path: string;
  commands: readonly Command[];
  options: readonly Option[];
  /** The choices of the first argument; files where it has none. */
  choices: readonly string[];
}

const shells = { bash, zsh, fish } as const;
type Shell = keyof typeof shells;

/** completion: a script for a shell, which then completes commands, options, their choices, and files. */
export function addCompletionCommand(program: Command, context: CommandContext): void {
  program
    .command('completion')
    .description('Print a script that completes commands, options and files in a shell.')
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(shells)))
    .action((shell: Shell) => context.print(shells[shell](placesBelow(program))));
}

function placesBelow(command: Command, path: readonly string[] = []): Place[] {
  const help = command.createHelp();
  const place = {
    path: path.join(' '),
    commands: help.visibleCommands(command),
    options: help.visibleOptions(command),
    choices: command.registeredArguments[0]?.argChoices ?? [],
  };
  return [place, ...command.commands.flatMap((each) => placesBelow(each, [...path, each.name()]))];
}

const valued = (option: Option): boolean => option.required || option.optional;
const flags = ({ short, long }: Option): string[] => [long, short].filter((flag) => flag !== undefined);

/** Names of commands and options and the choices of both: none has a blank or a quote. */
function bash(places: readonly Place[]): string {
  const deeper = places.filter(({ path }) => path !== '').map(({ path }) => `'${path}'`);
  const words = places.map(
    ({ path, commands, options, choices }) =>
      `    '${path}') words='${[...commands.map((each) => each.name()), ...choices, ...options.flatMap(flags)].join(' ')}' ;;`,
  );
  const values = places.flatMap(({ path, options }) =>
    options.filter(valued).flatMap((option) => {
      const patterns = flags(option).map((flag) => `'${path} ${flag}'`);
      return `    ${patterns.join('|')}) value=1 words='${(option.argChoices ?? []).join(' ')}' ;;`;
    }),
  );
  return `# bash completion of contender: source <(contender completion bash)
_contender() {
  local current=\${COMP_WORDS[COMP_CWORD]} path='' value='' words='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${path:+$path }$word" in
      ${deeper.join('|')}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${words.join('\n')}
  esac
  case "$path \${COMP_WORDS[COMP_CWORD-1]}" in
${values.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  # A value, or an argument, that is none of some choices may be a file.
  if [[ \${#COMPREPLY[@]} -eq 0 && $current != -* ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -F _contender contender`;
}

function zsh(places: readonly Place[]): string {
  return `# zsh completion of contender: source <(contender completion zsh)
autoload -U +X compinit && compinit
autoload -U +X bashcompinit && bashcompinit
${bash(places).replace('mapfile -t COMPREPLY < <(compgen -f -- "$current")', 'COMPREPLY=("${(@f)$(compgen -f -- "$current")}")')}`;
}

function fish(places: readonly Place[]): string {
  const quoted = (text: string): string => `'${text.replaceAll(/['\\]/gu, String.raw`\$&`)}'`;
  const lines = places.flatMap(({ path, commands, options, choices }) => {
    const names = path === '' ? [] : path.split(' ');
    const seen = names.map((name) => `__fish_seen_subcommand_from ${name}`);
    const none =
      commands.length === 0 ? [] : [`not __fish_seen_subcommand_from ${commands.map((c) => c.name()).join(' ')}`];
    const when = (conditions: readonly string[]): string =>
      conditions.length === 0 ? '' : ` -n ${quoted(conditions.join('; and '))}`;
    return [
      ...commands.map(
        (each) =>
          `complete -c contender -f${when([...seen, ...none])} -a ${each.name()} -d ${quoted(each.description())}`,
      ),
      ...(choices.length === 0 ? [] : [`complete -c contender -f${when(seen)} -a ${quoted(choices.join(' '))}`]),
      ...options.map(({ short, long, description, argChoices = [], ...option }) =>
        [
          `complete -c contender${when([...seen, ...none])}`,
          ...(long === undefined ? [] : [`-l ${long.slice(2)}`]),
          ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
          ...(option.required || option.optional ? ['-r'] : []),
          ...(argChoices.length === 0 ? [] : [`-f -a ${quoted(argChoices.join(' '))}`]),
          `-d ${quoted(description)}`,
        ].join(' '),
      ),
    ];
  });
  return `# fish completion of contender: contender completion fish | source\n${lines.join('\n')}`;
}
