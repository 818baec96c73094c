/*
 * The test runner: every compiled test file under build/test, through node's own runner, three processes at a time, the slowest first, and
 * beside them, one at a time and at real-time priority, those that measure times. Where that priority is not to be had, these run last.
 * Ends with what was skipped and why, so that a machine without Docker says so where people look.
 * Usage: node build/scripts/test.js [PART ...] [--quick] [--shard 1/2] [--costs]
 *   PART     of the name of a file: only those that have one of them
 *   --quick  only tests of src that answer soon
 *   --shard  one of several parts of about equal cost, by test/costs.json
 *   --costs  write what each file took, in seconds, to test/costs.json
 */
import { fork, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { run } from 'node:test';
import { spec as SpecReporter } from 'node:test/reporters';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { divided, planned, processesOf, shardFrom } from './test-plan.ts';

const testFolder = join(dirname(fileURLToPath(import.meta.url)), '..', 'test');
const costsFile = join(testFolder, '..', '..', 'test', 'costs.json');
const { values, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    shard: { type: 'string' },
    costs: { type: 'boolean' },
    // How this program starts itself, at another priority.
    timed: { type: 'boolean', default: false },
  },
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
for (const name of ['CONTENDER_CACHE', 'CONTENDER_TEST_PREPARED', 'NODE_COMPILE_CACHE']) {
  const folder = mkdtempSync(join(tmpdir(), 'contender-test-run-'));
  process.env[name] = folder;
  // What a test left running may still write there.
  process.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
}

const { ordinary, timed } = divided(files);
const lanes = values.timed ? 1 : 3;
const priority = ['--rr', '10'];
const endServers = startCommandServers(mkdtempSync(join(tmpdir(), 'contender-test-run-')));
// It ends with the one that started it.
if (values.timed) process.once('disconnect', () => process.exit());
const found: Found = { passed: 0, failed: [], skipped: [], took: {} };
if (values.timed) await runFiles(timed, lanes);
else if (timed.length > 0 && spawnSync('chrt', [...priority, 'true']).status === 0) {
  await Promise.all([runFiles(ordinary, lanes), runAtPriority()]);
} else {
  await runFiles(ordinary, lanes);
  await runFiles(timed, 1);
}
endServers();
if (!values.timed) {
  const reported = new Set(Object.keys(found.took).map(nameOf));
  // Of files that share a process, one that ends it would silence the others.
  for (const file of files) if (!reported.has(nameOf(`/test/${file}`))) found.failed.push(`${file} told of no test`);
}
process.exitCode = found.failed.length > 0 ? 1 : 0;
if (values.timed) process.send?.(found, () => process.disconnect());
else summarise();

/** What came out, of this program or of the one that it starts. */
interface Found {
  passed: number;
  failed: string[];
  /** The reason of each. */
  skipped: string[];
  /** Seconds by file. */
  took: Record<string, number>;
}

function summarise(): void {
  for (const name of found.failed) console.log(`failed: ${name}`);
  for (const reason of new Set(found.skipped)) {
    console.log(`skipped ${found.skipped.filter((each) => each === reason).length}: ${reason}`);
  }
  console.log(`${found.passed} passed, ${found.failed.length} failed, ${found.skipped.length} skipped`);
  if (values.costs === true) writeCosts();
}

/** The tests that measure times, by this program at real-time priority. */
async function runAtPriority(): Promise<void> {
  const program = [...process.execArgv, fileURLToPath(import.meta.url), '--timed', ...process.argv.slice(2)];
  const child = spawn('chrt', [...priority, process.execPath, ...program], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  let said = '';
  let ended = false;
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.on('message', (message) => {
    const { passed, failed, skipped, took } = message as Found;
    found.passed += passed;
    found.failed.push(...failed);
    found.skipped.push(...skipped);
    Object.assign(found.took, took);
    ended = true;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  process.stdout.write(said);
  if (!ended) found.failed.push(`the tests that measure times ended midway with ${signal ?? code}`);
}

async function runFiles(files: readonly string[], concurrency: number): Promise<void> {
  if (files.length === 0) return;
  const folder = mkdtempSync(join(tmpdir(), 'contender-test-run-'));
  const paths = processesOf(files, costs).map((names, index) => {
    const paths = names.map((name) => join(testFolder, name));
    const [path = ''] = paths;
    if (paths.length === 1) return path;
    const shared = join(folder, `${index}.mjs`);
    writeFileSync(shared, paths.map((each) => `import ${JSON.stringify(pathToFileURL(each))};\n`).join(''));
    return shared;
  });
  const stream = run({ files: paths, concurrency, timeout: 15 * 60_000 });
  stream.on('test:pass', (event) => {
    measure(event);
    if (event.details.type === 'suite') return;
    if (event.skip === undefined) found.passed++;
    else found.skipped.push(typeof event.skip === 'string' && event.skip !== '' ? event.skip : 'no reason given');
  });
  stream.on('test:fail', (event) => {
    measure(event);
    if (event.details.type === 'suite') return;
    found.failed.push(`${event.name} (${relative(process.cwd(), event.file ?? '')}:${event.line ?? 0})`);
  });
  for await (const text of stream.compose(new SpecReporter())) process.stdout.write(text as string);
  rmSync(folder, { recursive: true, force: true });
}

/** As many command servers as test files run at once, always running. */
function startCommandServers(folder: string): () => void {
  const sockets = Array.from({ length: lanes }, (_, index) => join(folder, `${index}.sock`));
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
  found.took[event.file] = (found.took[event.file] ?? 0) + event.details.duration_ms / 1000;
}

function writeCosts(): void {
  const measured = Object.entries(found.took).map(([file, seconds]) => {
    return [nameOf(file), Math.max(0.1, Number(seconds.toFixed(1)))] as const;
  });
  const known = new Set(names.map((name) => name.replace(/\.test\.js$/u, '')));
  const all = Object.entries({ ...costs, ...Object.fromEntries(measured) }).filter(([name]) => known.has(name));
  const sorted = Object.fromEntries(all.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(costsFile, `${JSON.stringify(sorted, null, 2)}\n`);
}

/** A test file as test/costs.json names it. A stack's file may be the source. */
function nameOf(file: string): string {
  return file.replace(/^.*\/test\//u, '').replace(/\.test\.[jt]s$/u, '');
}
