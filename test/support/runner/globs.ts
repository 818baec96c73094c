import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

/**
 * Whether a name matches a list of filter patterns, the last one that speaks deciding: `*` within a part, `**` across,
 * `?` and `+` after a character, `[]`, and `!` to take out ("Filter pattern cheat sheet", GitHub docs).
 */
export function matchesFilter(patterns: readonly string[], name: string): boolean {
  let matched = false;
  for (const pattern of patterns) {
    const out = pattern.startsWith('!');
    if (regularExpression(out ? pattern.slice(1) : pattern, true).test(name)) matched = !out;
  }
  return matched;
}

/**
 * Files under `folder` that match path patterns, as the toolkit's glob package matches them: a folder stands for all in it,
 * `!` takes out. Names that start with a dot are matched as any other. Sorted, absolute.
 */
export function findFiles(folder: string, patterns: readonly string[]): string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const found = new Set<string>();
  for (const pattern of patterns.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))) {
    const out = pattern.startsWith('!');
    const path = (out ? pattern.slice(1) : pattern).replace(/^\.\//u, '').replace(/\/+$/u, '');
    const expression = regularExpression(path === '.' ? '**' : path, false);
    for (const file of files) {
      const name = path.startsWith('/') ? file : relative(folder, file);
      if (!parts(name).some((part) => expression.test(part))) continue;
      if (out) found.delete(file);
      else found.add(file);
    }
  }
  return [...found];
}

/** The runner's hashFiles: the digest of the digests of the files, empty when there are none. */
export function hashFiles(folder: string, patterns: readonly string[]): string {
  const files = findFiles(folder, patterns).filter((file) => statSync(file).isFile());
  if (files.length === 0) return '';
  const hash = createHash('sha256');
  for (const file of files) hash.update(createHash('sha256').update(readFileSync(file)).digest());
  return hash.digest('hex');
}

/** A path and the folders above it. */
function parts(path: string): string[] {
  const names = path.split('/');
  return names.map((_, index) => names.slice(0, index + 1).join('/')).filter((name) => name !== '');
}

function regularExpression(pattern: string, quantifiers: boolean): RegExp {
  const source = pattern.replaceAll(/\*\*\/|\*\*|\*|\?|\+|\[[^\]]*\]|[^\w/[\]-]/gu, (piece) => {
    if (piece === '**/') return '(?:.*/)?';
    if (piece === '**') return '.*';
    if (piece === '*') return '[^/]*';
    if (piece === '?') return quantifiers ? '?' : '[^/]';
    if (piece === '+') return quantifiers ? '+' : '\\+';
    return piece.startsWith('[') ? piece : piece.replace(/[$^\\.(){}|]/u, '\\$&');
  });
  return new RegExp(`^${source}$`, 'u');
}
