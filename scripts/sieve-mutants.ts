/*
 * Disable the rules of the sieve one after another, and see that its test fails: node build/scripts/sieve-mutants.js [keyword ...].
 * A rule that is disabled clears every value.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const build = fileURLToPath(new URL('..', import.meta.url));
const compiled = join(build, 'src/stages/data/sieve/compile.js');
const head = 'keyword(keyword, schema, value, { base, above }) {';
const source = readFileSync(compiled, 'utf8');
if (!source.includes(head)) throw new Error(`${compiled} has no ${head}`);
const named = [...source.matchAll(/case '(\w+|\$ref)':/gu)].map(([, keyword]) => keyword as string);
const types = new Set(['integer', 'null', 'boolean', 'number', 'string', 'object', 'array']);
const keywords =
  process.argv.length > 2 ? process.argv.slice(2) : [...new Set(named)].filter((each) => !types.has(each));

const survivors = keywords.filter((keyword) => {
  const mutant = source.replace(head, `${head} if (keyword === ${JSON.stringify(keyword)}) return always;`);
  const hooks = `export async function load(url, context, next) {
    return url.endsWith('/sieve/compile.js') ? { format: 'module', shortCircuit: true, source: ${JSON.stringify(mutant)} } : next(url, context);
  }`;
  const dataUrl = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;
  const register = dataUrl(`import { register } from 'node:module'; register(${JSON.stringify(dataUrl(hooks))});`);
  const test = join(build, 'test/stages/data/sieve/compile.test.js');
  const { status } = spawnSync(process.execPath, ['--import', register, test], {
    stdio: 'ignore',
    env: { ...process.env, CONTENDER_SIEVE_SHRINK: 'no' },
  });
  console.log(`${keyword}: ${status === 0 ? 'survives' : 'found'}`);
  return status === 0;
});
console.log(`${keywords.length - survivors.length} of ${keywords.length} found`);
process.exitCode = survivors.length === 0 ? 0 : 1;
