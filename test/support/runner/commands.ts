import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A workflow command in a line of output: `::name key=value,key=value::data`. */
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

const known = new Set([
  'add-mask',
  'add-matcher',
  'debug',
  'echo',
  'endgroup',
  'error',
  'group',
  'notice',
  'remove-matcher',
  'save-state',
  'set-output',
  'stop-commands',
  'warning',
]);

/** The command a line holds, or null: what the runner does not know is text ("Workflow commands", GitHub docs). */
export function parseCommand(line: string): Command | null {
  const match = /^\s*::(?<name>[^\s:]+)(?: (?<properties>.*?))?::(?<data>.*)$/su.exec(line);
  const name = (match?.groups?.['name'] ?? '').toLowerCase();
  if (!known.has(name)) return null;
  const properties = (match?.groups?.['properties'] ?? '').split(',').flatMap((pair) => {
    const [key = '', ...value] = pair.trim().split('=');
    return key === '' || value.length === 0 ? [] : [[key, unescapeProperty(value.join('='))] as const];
  });
  return { name, properties: Object.fromEntries(properties), data: unescapeData(match?.groups?.['data'] ?? '') };
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

function unescapeData(text: string): string {
  return text.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%');
}

function unescapeProperty(text: string): string {
  return unescapeData(text.replaceAll('%3A', ':').replaceAll('%2C', ','));
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

/** For stand-ins: write one pair in the form that takes every value. */
export async function appendPair(path: string, name: string, value: string): Promise<void> {
  const end = `end_${Math.random().toString(36).slice(2)}`;
  await appendFile(path, `${name}<<${end}\n${value}\n${end}\n`);
}
