/*
 * Benchmarks by name: npm run bench -- evaluate | load | validate | ... Each prints ratios against a peer or the bare engine,
 * measured in the same run.
 */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));
const name = process.argv[2] ?? '';
const path = join(folder, `${name}.js`);
if (!/^[a-z-]+$/u.test(name) || name === 'main' || !existsSync(path)) {
  const names = readdirSync(folder)
    .filter((file) => file.endsWith('.js') && file !== 'main.js')
    .map((file) => file.replace('.js', ''));
  console.error(`usage: npm run bench -- ${names.join(' | ')}`);
  process.exit(2);
}
await import(pathToFileURL(path).href);
