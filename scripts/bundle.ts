/*
 * Bundles the actions, the command line and the child programs into dist: their code once, in dist/contender, a short
 * dist/<name>/index.js for each, and the native engines of this platform in dist/bin. A copy of dist runs with no node_modules near.
 * Usage: node build/scripts/bundle.js [--out DIR]. Bundles the compiled tree it lies in: equal sources give equal bytes.
 */
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { namedByContent, type Bundled } from './bundle-assets.ts';
import { programs as listed } from './programs.ts';

// The bundler has no types.
const require = createRequire(import.meta.url);
const ncc = require('@vercel/ncc') as (entry: string, options: Record<string, unknown>) => Promise<Bundled>;

const programs = await listed();
const source = join(dirname(fileURLToPath(import.meta.url)), '..', 'src');
const { values } = parseArgs({ options: { out: { type: 'string' } } });
const out = resolve(values.out ?? 'dist');
const work = `${out}.new`;
// The bundler finds no files of packages from elsewhere.
process.chdir(join(source, '..', '..'));

await rm(work, { recursive: true, force: true });
await bundlePrograms();
await copyEngines();
await rm(out, { recursive: true, force: true });
await rename(work, out);
const files = await digests(out);
const bytes = files.reduce((sum, file) => sum + file.size, 0);
await writeFile(join(out, 'SHA256SUMS'), files.map((file) => `${file.sha256}  ${file.path}\n`).join(''));
console.log(
  `${Object.keys(programs).length} programs, ${files.length} files, ${(bytes / 1e6).toFixed(1)} MB in ${out}`,
);

async function bundlePrograms(): Promise<void> {
  const imports = Object.entries(programs).map(([name, start]) => `  '${name}': () => ${start},\n`);
  const entry = join(source, 'bundled-programs.js');
  await writeFile(entry, `const programs = {\n${imports.join('')}};\nexport const run = (name) => programs[name]();\n`);
  const bundled = await ncc(entry, {
    cache: false,
    quiet: true,
    minify: false,
    sourceMap: false,
    license: 'licenses.txt',
    // Of packages alone: a path that the program makes up as it runs looks to the bundler like one of this repository's files.
    filterAssetBase: join(source, '..', '..', 'node_modules'),
    // onnxruntime-node looks for ../bin/napi-v6 by itself.
    externals: { '/^@duckdb\\/node-bindings-([a-z0-9-]+)\\/duckdb\\.node$/': '../bin/duckdb/$1/duckdb.node' },
  }).catch((error: unknown) => {
    // Its own stack shows lines of minified code.
    throw new Error(error instanceof Error ? error.message : String(error));
  });
  const { code, assets } = namedByContent(bundled);
  await put(join(work, 'contender', 'index.js'), asNodeWould(code));
  for (const [path, asset] of Object.entries(assets)) {
    // An SSH agent for Windows, which ssh2 brings along.
    if (!path.endsWith('.exe')) await put(join(work, 'contender', path), asset.source);
  }
  for (const name of Object.keys(programs)) {
    await put(join(work, name, 'index.js'), `import { run } from '../contender/index.js';\nawait run('${name}');\n`);
  }
  await put(join(work, 'package.json'), '{ "type": "module" }\n');
}

/** The runtime of the bundle, mended where it treats CommonJS packages otherwise than Node does. */
function asNodeWould(code: string): string {
  // Named exports of a package whose export is a function (ajv, fastify) are lost on a dynamic import: the runtime copies
  // those of objects only.
  const copies = "typeof current == 'object' &&";
  if (code.split(copies).length !== 2)
    throw new Error('the runtime of the bundler has changed: look at import() of CommonJS');
  const mended = code.replace(copies, "(typeof current == 'object' || typeof current == 'function') &&");
  // hdr-histogram-js, in autocannon, asks for its folder in a way that the bundler does not see.
  return `globalThis.__dirname = import.meta.dirname;\n${mended}`;
}

async function copyEngines(): Promise<void> {
  const { platform, arch } = process;
  const engines = [
    {
      from: packageFolder('onnxruntime-node'),
      files: join('bin', 'napi-v6', platform, arch),
      to: join('napi-v6', platform, arch),
    },
    {
      from: packageFolder(`@duckdb/node-bindings-${platform}-${arch}`),
      files: '.',
      to: join('duckdb', `${platform}-${arch}`),
    },
  ];
  for (const { from, files, to } of engines) {
    for (const name of await readdir(join(from, files))) {
      if (/\.(?:node|dylib|dll|so(?:\.\d+)*)$/u.test(name))
        await copy(join(from, files, name), join(work, 'bin', to, name));
    }
    for (const name of await readdir(from)) {
      if (/^(?:LICENSE|ThirdPartyNotices)/iu.test(name)) await copy(join(from, name), join(work, 'bin', to, name));
    }
  }
}

/** Folder of an installed package, found from ours, or from the package that brings it. */
function packageFolder(name: string): string {
  return dirname(require.resolve(`${name}/package.json`));
}

async function put(path: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

async function copy(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to, { dereference: true });
}

async function digests(folder: string): Promise<{ path: string; sha256: string; size: number }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    paths.sort().map(async (path) => {
      const content = await readFile(path);
      return {
        path: relative(folder, path),
        sha256: createHash('sha256').update(content).digest('hex'),
        size: content.length,
      };
    }),
  );
}
