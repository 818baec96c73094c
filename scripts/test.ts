/*
 * The test runner: every compiled test file under build/test, through node's own runner, two files at a time, the slowest first, and then
 * those that measure times, one at a time.
 * Ends with what was skipped and why, so that a machine without Docker says so where people look.
 * Usage: node build/scripts/test.js [PART ...] [--quick] [--shard 1/2] [--costs]
 *   PART     of the name of a file: only those that have one of them
 *   --quick  only tests of src that answer soon
 *   --shard  one of several parts of about equal cost, by test/costs.json
 *   --costs  write what each file took, in seconds, to test/costs.json
 */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { run } from 'node:test';
import { spec as SpecReporter } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { inTurn, planned, shardFrom } from './test-plan.ts';

const testFolder = join(dirname(fileURLToPath(import.meta.url)), '..', 'test');
const costsFile = join(testFolder, '..', '..', 'test', 'costs.json');
const { values, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, shard: { type: 'string' }, costs: { type: 'boolean' } },
});
const costs = JSON.parse(readFileSync(costsFile, 'utf8')) as Record<string, number>;
const names = readdirSync(testFolder, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.test.js'),
);
const plan = { wanted, quick: values.quick, shard: shardFrom(values.shard) };
const files = planned(names, costs, plan);

if (files.length === 0) {
  console.error(`no test file matches ${wanted.join(' ')}`);
  process.exit(1);
}

// Bundles start in half the time. Those of other sources would test other sources.
const bundles = join(testFolder, '..', '..', 'dist');
if (bundlesAreOf(join(testFolder, '..', 'src'), bundles)) process.env['CONTENDER_TEST_BUNDLES'] = bundles;

// Nothing is kept from one run of the tests to the next.
for (const name of ['CONTENDER_CACHE', 'CONTENDER_TEST_PREPARED']) {
  const folder = mkdtempSync(join(tmpdir(), 'contender-test-run-'));
  process.env[name] = folder;
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
}

const endServers = startCommandServers(mkdtempSync(join(tmpdir(), 'contender-test-run-')));

const counts = { passed: 0, failed: 0, skipped: 0 };
const skipped = new Map<string, string[]>();
const failed: string[] = [];
const took = new Map<string, number>();
const { together, alone } = inTurn(files);
await runFiles(together, 2);
await runFiles(alone, 1);
endServers();
for (const name of failed) console.log(`failed: ${name}`);
for (const [reason, names] of skipped) console.log(`skipped ${names.length}: ${reason}`);
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
if (values.costs === true) writeCosts();
process.exitCode = counts.failed > 0 ? 1 : 0;

async function runFiles(files: readonly string[], concurrency: number): Promise<void> {
  if (files.length === 0) return;
  const paths = files.map((name) => join(testFolder, name));
  const stream = run({ files: paths, concurrency, timeout: 15 * 60_000 });
  stream.on('test:pass', (event) => {
    measure(event);
    if (event.details.type === 'suite') return;
    if (event.skip === undefined) counts.passed++;
    else {
      counts.skipped++;
      const reason = typeof event.skip === 'string' && event.skip !== '' ? event.skip : 'no reason given';
      skipped.set(reason, [...(skipped.get(reason) ?? []), event.name]);
    }
  });
  stream.on('test:fail', (event) => {
    measure(event);
    if (event.details.type === 'suite') return;
    counts.failed++;
    failed.push(`${event.name} (${relative(process.cwd(), event.file ?? '')}:${event.line ?? 0})`);
  });
  for await (const text of stream.compose(new SpecReporter())) process.stdout.write(text as string);
}

/** As many command servers as test files run at once, always running. */
function startCommandServers(folder: string): () => void {
  const sockets = [0, 1].map((index) => join(folder, `${index}.sock`));
  const running = new Map<string, ChildProcess>();
  let ending = false;
  const start = (socket: string): void => {
    rmSync(socket, { force: true });
    const child = fork(join(testFolder, 'support', 'command-server.js'), [socket], {
      execArgv: ['--enable-source-maps'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    running.set(socket, child);
    const began = performance.now();
    child.on('exit', () => {
      // One that cannot start is done without.
      if (!ending && performance.now() - began > 2000) start(socket);
    });
  };
  sockets.forEach(start);
  process.env['CONTENDER_TEST_SERVERS'] = sockets.join(':');
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return () => {
    ending = true;
    for (const child of running.values()) child.kill();
  };
}

/** Whether the bundles were made after every file of the compiled sources. */
function bundlesAreOf(sources: string, folder: string): boolean {
  const made = statSync(join(folder, 'SHA256SUMS'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return readdirSync(sources, { recursive: true, encoding: 'utf8' }).every(
    (name) => name === 'bundled-programs.js' || statSync(join(sources, name)).mtimeMs <= made,
  );
}

/** The outermost tests and suites of a file are what it took. */
function measure(event: { nesting: number; file?: string | undefined; details: { duration_ms: number } }): void {
  if (event.nesting > 0 || event.file === undefined) return;
  took.set(event.file, (took.get(event.file) ?? 0) + event.details.duration_ms / 1000);
}

function writeCosts(): void {
  const measured = [...took].map(([file, seconds]) => {
    // A stack's file may be the source.
    const name = file.replace(/^.*?\/test\//u, '').replace(/\.test\.[jt]s$/u, '');
    return [name, Math.max(0.1, Number(seconds.toFixed(1)))] as const;
  });
  const known = new Set(names.map((name) => name.replace(/\.test\.js$/u, '')));
  const all = Object.entries({ ...costs, ...Object.fromEntries(measured) }).filter(([name]) => known.has(name));
  const sorted = Object.fromEntries(all.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(costsFile, `${JSON.stringify(sorted, null, 2)}\n`);
}
