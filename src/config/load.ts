import { isUtf8 } from 'node:buffer';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { LineCounter, parseDocument, isMap, isSeq, isScalar, visit, type Document } from 'yaml';
import { ConfigError, openingFault } from '../errors.ts';
import { validatorFor } from '../validator.ts';
import type { TSchema } from 'typebox';
import type { Config } from './schema.ts';
import { rowNumber } from './columns.ts';
import { pulledWith } from './elsewhere.ts';
import { inconsistencies, type StageRules } from './consistent.ts';
import { explain, type Problem } from './explain.ts';

export const maximumConfigBytes = 1024 * 1024;

/** What a configuration must keep to. */
export interface ConfigRules extends StageRules {
  schema: TSchema;
}

/**
 * Check the text of a configuration.
 * @param shown the path as messages show it
 * @throws ConfigError with every problem found, each with `file:line:column`, what was found, what is allowed and the nearest valid key
 */
export function parseConfig(text: string, shown: string, rules: ConfigRules): Config {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, merge: true });
  // A tag that nobody knows is only a warning to the parser, which reads the value as if it were not there.
  const syntax = document.errors[0] ?? document.warnings[0];
  if (syntax !== undefined) {
    const { line, col } = lines.linePos(syntax.pos[0]);
    const said =
      syntax.code === 'MULTIPLE_DOCS'
        ? {
            found: 'the file has a second YAML document',
            expected: 'one YAML document',
            remedy: 'Remove the line --- and the second document',
          }
        : { found: `not valid YAML: ${syntax.message}`, remedy: 'Correct the YAML' };
    throw new ConfigError({ ...said, where: `${shown}:${line}:${col}` });
  }
  refuseRoundedNumbers(document, lines, shown);
  const value = toPlain(document, shown);
  if (value === null || value === undefined) {
    throw new ConfigError({
      found: 'the file is empty',
      expected: 'a configuration with models',
      where: shown,
      remedy: 'Create one with contender init (in a folder without a contender.yml), or manually',
    });
  }
  const valid = validatorFor<Config>(rules.schema, value, { allErrors: true });
  const problems = valid(value) ? inconsistencies(value, rules) : explain(valid.errors);
  if (problems.length === 0) return withRowNumbers(value as Config);
  const texts = problems.slice(0, 8).map((problem) => tell(problem, document, lines, shown));
  const more = problems.length > 8 ? `\n… and ${problems.length - 8} more` : '';
  throw new ConfigError({
    found: problems.length === 1 ? (texts[0] ?? '') : `${problems.length} problems:\n${texts.join('\n')}${more}\n`,
    remedy: 'Every key: https://github.com/contender/contender/blob/main/docs/configuration.md',
  });
}

/** A label or an id of more digits than a number of the configuration keeps would be another one. @throws ConfigError */
function refuseRoundedNumbers(document: Document, lines: LineCounter, shown: string): void {
  visit(document, {
    Scalar: (_, { value, source = '', range }) => {
      if (typeof value !== 'number' || !/^[+-]?\d{16,}$/u.test(source)) return;
      const read = Number.isFinite(value) ? BigInt(value) : value;
      if (BigInt(source) === read) return;
      const { line, col } = lines.linePos(range?.[0] ?? 0);
      throw new ConfigError({
        found: `${source} would be read as ${read}`,
        expected: 'whole numbers of at most 15 digits',
        where: `${shown}:${line}:${col}`,
        remedy: `Write it in quotes: "${source}"`,
      });
    },
  });
}

/** Where no column tells rows apart, their number does. */
function withRowNumbers(config: Config): Config {
  for (const { columns } of Object.values(config.models)) columns.id ??= rowNumber;
  return config;
}

/** The text of contender.yml. @param path absolute path of the file @param shown the path as messages show it @throws ConfigError */
export async function readConfig(path: string, shown: string): Promise<string> {
  const info = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new ConfigError({
      found: openingFault(cause),
      expected: 'a configuration file',
      where: shown,
      remedy:
        otherEnding(path) ?? pulledWith(path, shown) ?? 'Create one with contender init, or name another with --config',
      cause,
    });
  });
  if (!info.isFile() || info.size > maximumConfigBytes) {
    throw new ConfigError({
      found: info.isFile() ? `the file has ${info.size} bytes` : 'this is not a file',
      expected: `a YAML file of at most ${maximumConfigBytes} bytes`,
      where: shown,
      remedy: 'Name the configuration file with --config',
    });
  }
  const bytes = await readFile(path);
  if (isUtf8(bytes)) return bytes.toString();
  throw new ConfigError({
    found: 'this is not text in UTF-8',
    expected: 'a YAML file in UTF-8',
    where: shown,
    remedy: 'Save it again as UTF-8 (in Windows PowerShell: Out-File -Encoding utf8)',
  });
}

/** The same file with the other ending of YAML, where it is there. */
function otherEnding(path: string): string | undefined {
  const other = path.replace(/\.ya?ml$/iu, (ending) => (ending.toLowerCase() === '.yml' ? '.yaml' : '.yml'));
  if (other === path || !existsSync(other)) return undefined;
  return `There is ${basename(other)}: rename it to ${basename(path)}, or name it with --config`;
}

function toPlain(document: Document, shown: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw new ConfigError({
      found: cause instanceof Error ? cause.message : String(cause),
      where: shown,
      remedy: 'Write the repeated parts out instead of nesting aliases',
      cause,
    });
  }
}

function tell(problem: Problem, document: Document, lines: LineCounter, shown: string): string {
  const path = problem.pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const { line, col } = lines.linePos(offsetOf(document, path, problem.key));
  const name = path.length === 0 ? '' : `${keysText(path, document)}: `;
  return `${shown}:${line}:${col}: ${name}${problem.message}`;
}

/** `policy.guardrails[1].margin`: as messages name a place elsewhere. */
function keysText(path: readonly string[], document: Document): string {
  return path.reduce((text, part, index) => {
    if (isSeq(document.getIn(path.slice(0, index), true))) return `${text}[${part}]`;
    return index === 0 ? part : `${text}.${part}`;
  }, '');
}

/** Where a node starts, or the key itself; falls back to the nearest ancestor that stands in the file. */
function offsetOf(document: Document, path: readonly string[], key: string | undefined): number {
  for (let depth = path.length; depth >= 0; depth--) {
    const here = path.slice(0, depth).map((part) => (/^[0-9]+$/u.test(part) ? Number(part) : part));
    const node = depth === 0 ? document.contents : document.getIn(here, true);
    if (key !== undefined && isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
      if (isScalar(pair?.key) && pair.key.range) return pair.key.range[0];
    }
    const range = (node as { range?: [number, number, number] | null } | undefined)?.range;
    if (range) return range[0];
  }
  return 0;
}
