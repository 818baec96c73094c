import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A workflow command in a line of output: `::name key=value,key=value::data`, or `##[name key=value;key=value]data`. */
export interface Command {
  name: string;
  properties: Record<string, string>;
  data: string;
}

export interface Annotation {
  level: 'error' | 'warning' | 'notice';
  message: string;
  title?: string;
  file?: string;
  line?: number;
}

/** What the runner registers (the extensions in ActionCommandManager.cs, actions/runner). */
const registered: ReadonlySet<string> = new Set([
  'add-mask',
  'add-matcher',
  'add-path',
  'debug',
  'echo',
  'endgroup',
  'error',
  'group',
  'notice',
  'remove-matcher',
  'save-state',
  'set-env',
  'set-output',
  'stop-commands',
  'warning',
]);

/**
 * The command a line holds, or null: what is not registered is text. As TryParseV2 and TryParse of ActionCommand.cs read it: the
 * newer form begins the line, the older one is found anywhere in it.
 *
 * @param token what ends a pause of the commands: registered as long as it lasts
 */
export function parseCommand(line: string, token: string | null = null): Command | null {
  return newerForm(line.trimStart()) ?? olderForm(line);

  function newerForm(text: string): Command | null {
    const end = text.indexOf('::', 2);
    if (!text.startsWith('::') || end < 0) return null;
    return command(text.slice(2, end), text.slice(end + 2), newerEscapes);
  }

  function olderForm(text: string): Command | null {
    const start = text.indexOf('##[');
    const end = text.indexOf(']', start);
    if (start < 0 || end < 0) return null;
    return command(text.slice(start + 3, end), text.slice(end + 1), olderEscapes);
  }

  function command(info: string, data: string, { separator, property, text }: Escapes): Command | null {
    const [name = '', ...rest] = info.split(' ');
    const called = name.toLowerCase();
    if (!registered.has(called) && called !== token?.toLowerCase()) return null;
    const properties = rest
      .join(' ')
      .trim()
      .split(separator)
      .flatMap((pair) => {
        const equals = pair.indexOf('=');
        const value = pair.slice(equals + 1);
        return equals < 1 || value === '' ? [] : [[pair.slice(0, equals).toLowerCase(), unescape(value, property)]];
      });
    return {
      name: called,
      properties: Object.fromEntries(properties) as Command['properties'],
      data: unescape(data, text),
    };
  }
}

/** Whether a pause may end with it: no command may, nor nothing. */
export function endsPause(token: string): boolean {
  return token !== '' && !registered.has(token.toLowerCase()) && token.toLowerCase() !== 'pause-logging';
}

type Replacements = readonly (readonly [escaped: string, character: string])[];

interface Escapes {
  separator: string;
  property: Replacements;
  text: Replacements;
}

// In the order in which the runner replaces them.
const lines = [
  ['%0D', '\r'],
  ['%0A', '\n'],
] as const;
const percent = ['%25', '%'] as const;
const olderText: Replacements = [['%3B', ';'], ...lines, ['%5D', ']'], percent];
const olderEscapes: Escapes = { separator: ';', property: olderText, text: olderText };
const newerEscapes: Escapes = {
  separator: ',',
  property: [...lines, ['%3A', ':'], ['%2C', ','], percent],
  text: [...lines, percent],
};

function unescape(text: string, replacements: Replacements): string {
  return replacements.reduce((before, [escaped, character]) => before.replaceAll(escaped, character), text);
}

/** What an annotation command says. */
export function annotationOf({ name, properties, data }: Command): Annotation {
  const line = Number(properties['line']);
  return {
    level: name as Annotation['level'],
    message: data,
    ...(properties['title'] === undefined ? {} : { title: properties['title'] }),
    ...(properties['file'] === undefined ? {} : { file: properties['file'] }),
    ...(Number.isInteger(line) ? { line } : {}),
  };
}

/** The files through which one step speaks to the runner. */
export interface StepFiles {
  /** Variables that tell the step where they are. */
  env: Record<string, string>;
  read(): Promise<StepWords>;
}

/** What a step wrote to its files. */
export interface StepWords {
  output: Record<string, string>;
  env: Record<string, string>;
  state: Record<string, string>;
  path: string[];
  summary: string;
  problems: string[];
}

const names = { GITHUB_OUTPUT: 'output', GITHUB_ENV: 'env', GITHUB_STATE: 'state', GITHUB_PATH: 'path' } as const;

/** A step summary may hold a mebibyte ("Step isolation and limits", GitHub docs). */
export const summaryLimitBytes = 1024 * 1024;

export async function stepFiles(folder: string, id: string): Promise<StepFiles> {
  const env: Record<string, string> = { GITHUB_STEP_SUMMARY: join(folder, `step_summary_${id}`) };
  for (const [variable, kind] of Object.entries(names)) env[variable] = join(folder, `set_${kind}_${id}`);
  for (const path of Object.values(env)) await writeFile(path, '');
  const text = async (variable: string): Promise<string> => readFile(env[variable] ?? '', 'utf8').catch(() => '');
  return {
    env,
    async read() {
      const problems: string[] = [];
      const pairs = async (variable: keyof typeof names): Promise<Record<string, string>> => {
        try {
          return parsePairs(await text(variable));
        } catch (error) {
          problems.push(
            `Unable to process file command '${names[variable]}' successfully. ${(error as Error).message}`,
          );
          return {};
        }
      };
      const words = { output: await pairs('GITHUB_OUTPUT'), env: await pairs('GITHUB_ENV') };
      const state = await pairs('GITHUB_STATE');
      const path = (await text('GITHUB_PATH')).split(/\r?\n/u).filter((line) => line !== '');
      const summary = await text('GITHUB_STEP_SUMMARY');
      return { ...words, state, path, summary, problems };
    },
  };
}

/** `name=value` on a line, or `name<<end`, lines, `end`. @throws Error as the runner words it */
export function parsePairs(text: string): Record<string, string> {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const pairs: Record<string, string> = {};
  for (let at = 0; at < lines.length; at++) {
    const line = (lines[at] ?? '').replace(/\r$/u, '');
    if (line === '') continue;
    const equals = line.indexOf('=');
    const heredoc = line.indexOf('<<');
    if (equals >= 0 && (heredoc < 0 || equals < heredoc)) {
      if (equals === 0) throw new Error(`Invalid format '${line}'. Name must not be empty`);
      pairs[line.slice(0, equals)] = line.slice(equals + 1);
      continue;
    }
    const end = line.slice(heredoc + 2);
    if (heredoc <= 0 || end === '') throw new Error(`Invalid format '${line}'`);
    const value: string[] = [];
    for (at++; ; at++) {
      const next = lines[at];
      if (next === undefined) throw new Error(`Invalid value. Matching delimiter not found '${end}'`);
      if (next.replace(/\r$/u, '') === end) break;
      value.push(next);
    }
    pairs[line.slice(0, heredoc)] = value.join('\n');
  }
  return pairs;
}
