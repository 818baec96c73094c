import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { namedByContent, type Bundled } from '../../scripts/bundle-assets.ts';
import { inTemporaryFolder, projectRoot } from '../support/project.ts';

const ncc = createRequire(import.meta.url)('@vercel/ncc') as (entry: string, options: object) => Promise<Bundled>;
const packages = ['a', 'b', 'c'];

test('eight bundles made at once are the same bytes, and each package finds its own file', () =>
  inTemporaryFolder(async (folder) => {
    // As pino, thread-stream and autocannon: each has a worker.js. Files of different sizes are read in changing order.
    for (const [index, name] of packages.entries()) {
      const home = join(folder, 'node_modules', name);
      await mkdir(home, { recursive: true });
      await writeFile(
        join(home, 'index.js'),
        `const path = require('path');\nmodule.exports = path.join(__dirname, 'worker.js');\n`,
      );
      await writeFile(join(home, 'worker.js'), `// of ${name}\n${'// and so on\n'.repeat(10 ** (6 - 2 * index))}`);
    }
    const entry = join(folder, 'entry.js');
    await writeFile(entry, packages.map((name) => `console.log('${name}', require('${name}'));\n`).join(''));
    const options = { cache: false, quiet: true, minify: false, filterAssetBase: folder };
    // It follows no path out of the working directory.
    process.chdir(folder);
    const bundles = await Promise.all(
      Array.from({ length: 8 }, async () => namedByContent(await ncc(entry, options))),
    ).finally(() => process.chdir(projectRoot));
    const [first, ...others] = bundles.map(text);
    assert.ok(first !== undefined);
    for (const other of others) assert.deepEqual(other, first);

    const code = first.get('index.js') ?? '';
    const named = [...code.matchAll(/\.ab \+ "(worker-[0-9a-f]{8}\.js)"/gu)].map((match) => match[1] ?? '');
    const own = named.map((name) => /^\/\/ of (\w)/u.exec(first.get(name) ?? '')?.[1] ?? name);
    assert.deepEqual(own.toSorted(), packages);
  }));

test('whatever numbers the bundler gave to files of one name, they get the same names', () => {
  const bundled = (first: string, second: string): Bundled => ({
    code: `use(__webpack_require__.ab + "${first}"); use(__webpack_require__.ab + "help.txt");`,
    assets: {
      '1.index.js': { source: Buffer.from(`start(__nccwpck_require__.ab + "${second}");`) },
      [first]: { source: 'first' },
      [second]: { source: Buffer.from('second') },
      'help.txt': { source: 'help' },
      'proto/a.proto': { source: 'untouched' },
    },
  });
  const usual = text(namedByContent(bundled('worker.js', 'worker1.js')));
  assert.deepEqual(usual, text(namedByContent(bundled('worker1.js', 'worker.js'))));
  assert.equal(usual.size, 6);
  assert.match(usual.get('1.index.js') ?? '', /^start\(__nccwpck_require__\.ab \+ "worker-[0-9a-f]{8}\.js"\);$/u);
  assert.equal(usual.get('proto/a.proto'), 'untouched');
});

/** Every file by name, in the order of names. */
function text({ code, assets }: Bundled): Map<string, string> {
  const files = Object.entries(assets).map(([name, { source }]) => [name, source.toString()] as const);
  return new Map([['index.js', code] as const, ...files].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
