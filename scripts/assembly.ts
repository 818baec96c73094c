/* Compile assembly/plain-rows.ts into src/data/plain-rows-code.ts. `--check` fails when that is out of date. */
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Compiler {
  main(
    args: readonly string[],
    files: {
      readFile: (name: string) => Promise<string | null>;
      writeFile: (name: string, contents: Uint8Array) => void;
      listFiles: () => string[];
    },
  ): Promise<{ error: Error | null; stderr: { toString(): string } }>;
}
// Its own types change those of the language.
const compiler: string = 'assemblyscript/asc';
const { default: asc } = (await import(compiler)) as { default: Compiler };

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const path = join(root, 'src/data/plain-rows-code.ts');
const options = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--enable', 'simd'];
let binary = new Uint8Array();
const { error, stderr } = await asc.main(['plain-rows.ts', ...options, '--outFile', 'plain-rows.wasm'], {
  readFile: (name) => readFile(join(root, 'assembly', name), 'utf8').catch(() => null),
  writeFile: (_name, contents) => void (binary = Uint8Array.from(contents)),
  listFiles: () => [],
});
if (error !== null) throw new Error(`assembly/plain-rows.ts: ${stderr.toString()}`);
const digits = Buffer.from(binary)
  .toString('base64')
  .replaceAll(/.{1,116}/gu, `  '$&' +\n`);
const code = `/* Made of assembly/plain-rows.ts by \`npm run assembly\`. */\nexport const plainRowsCode =\n${digits.slice(0, -3)};\n`;
if (!process.argv.includes('--check')) await writeFile(path, code);
else if ((await readFile(path, 'utf8').catch(() => '')) !== code) {
  console.error('out of date: src/data/plain-rows-code.ts\nRun: npm run assembly');
  process.exitCode = 1;
}
