/*
 * The test runner: every compiled test file under build/test, through node's own runner, three processes at a time, the slowest first, and
 * beside them, one at a time and at real-time priority, those that measure times. Where that priority is not to be had, these run last.
 * Where at most three files failed, each of them runs once more, alone, and what passes then is a warning: the machine was to blame, since
 * seeds are fixed and a fault fails twice. A file that took 15 minutes is not run again: it would take as long.
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
import { divided, filesToRunAgain, planned, processesOf, shardFrom, type Failure } from './test-plan.ts';

const built = join(dirname(fileURLToPath(import.meta.url)), '..');
const costsFile = join(built, '..', 'test', 'costs.json');
const { values, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    shard: { type: 'string' },
    costs: { type: 'boolean' },
    // How this program starts itself, at another priority.
    timed: { type: 'boolean', default: false },
    // Other tests than the project's, and another limit: those that test this program.
    tests: { type: 'string' },
    'file-seconds': { type: 'string', default: String(15 * 60) },
  },
});
const testFolder = values.tests ?? join(built, 'test');
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
const bundles = join(built, '..', 'dist');
if (bundlesAreOf(join(built, 'src'), bundles)) process.env['CONTENDER_TEST_BUNDLES'] = bundles;

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
const endServers = startCommandServers(
  values.tests === undefined ? lanes : 0,
  mkdtempSync(join(tmpdir(), 'contender-test-run-')),
);
// What is interrupted ends as any other run does, without the folders, and takes along what it started.
const interrupted = new AbortController();
for (const [signal, number] of [
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  process.once(signal, () => {
    interrupted.abort();
    endServers();
    process.exit(128 + number);
  });
}

// It ends with the one that started it.
if (values.timed) {
  process.once('disconnect', () => {
    interrupted.abort();
    process.exit();
  });
}
let found = nothing();
if (values.timed) await runFiles(processesOf(timed, costs), lanes, found);
else if (timed.length > 0 && spawnSync('chrt', [...priority, 'true']).status === 0) {
  await Promise.all([runFiles(processesOf(ordinary, costs), lanes, found), runAtPriority()]);
} else {
  await runFiles(processesOf(ordinary, costs), lanes, found);
  await runFiles(processesOf(timed, costs), 1, found);
}
const failedOnce = values.timed ? [] : await runAgain();
endServers();
process.exitCode = found.failed.length > 0 ? 1 : 0;
if (values.timed) process.send?.(found, () => process.disconnect());
else await summarise();

/** What came out, of this program or of the one that it starts. */
interface Found {
  /** The file of each test. */
  passed: string[];
  failed: Failure[];
  skipped: { file: string; reason: string }[];
  /** Seconds by file. */
  took: Record<string, number>;
}

function nothing(): Found {
  return { passed: [], failed: [], skipped: [], took: {} };
}

/** Run what failed once more. @returns what passed then */
async function runAgain(): Promise<Failure[]> {
  found.failed.push(...silent(files, found));
  // Another seed would hide the counterexample that was looked for.
  const again = process.env['CONTENDER_TEST_SEED'] === 'random' ? [] : filesToRunAgain(found.failed);
  if (again.length === 0) return [];
  console.log(`running again, alone: ${again.join(', ')}`);
  const second = nothing();
  for (const file of again) await runFiles([[file]], 1, second);
  second.failed.push(...silent(again, second));
  const first = found;
  const isFirst = ({ file }: { file: string }): boolean => !again.includes(file);
  found = {
    passed: [...first.passed.filter((file) => isFirst({ file })), ...second.passed],
    failed: [...first.failed.filter(({ files }) => !files.some((file) => again.includes(file))), ...second.failed],
    skipped: [...first.skipped.filter(isFirst), ...second.skipped],
    took: first.took,
  };
  const still = new Set(found.failed.flatMap((failure) => failure.files));
  return first.failed.filter((failure) => failure.files.every((file) => !still.has(file)));
}

/** Of files that share a process, one that ends it would silence the others. */
function silent(files: readonly string[], { took }: Found): Failure[] {
  const reported = new Set(Object.keys(took).map(nameOf));
  return files
    .filter((file) => !reported.has(nameOf(`/test/${file}`)))
    .map((file) => ({ name: `${file} told of no test`, files: [file] }));
}

async function summarise(): Promise<void> {
  const { passed, failed, skipped } = found;
  for (const { name } of failed) console.log(`failed: ${name}`);
  const reasons = skipped.map(({ reason }) => reason);
  for (const reason of new Set(reasons)) {
    console.log(`skipped ${reasons.filter((each) => each === reason).length}: ${reason}`);
  }
  for (const { name } of failedOnce) {
    const text = `failed once, passed when run again alone: ${name}`;
    console.log(text);
    if (process.env['GITHUB_ACTIONS'] === 'true') (await import('@actions/core')).warning(text);
  }
  console.log(`${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped`);
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
    found.passed.push(...passed);
    found.failed.push(...failed);
    found.skipped.push(...skipped);
    Object.assign(found.took, took);
    ended = true;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  process.stdout.write(said);
  if (!ended) {
    const name = `the tests that measure times ended midway with ${signal ?? code}`;
    found.failed.push({ name, files: timed });
  }
}

/** @param processes the files of each */
async function runFiles(processes: readonly string[][], concurrency: number, found: Found): Promise<void> {
  if (processes.length === 0) return;
  const folder = mkdtempSync(join(tmpdir(), 'contender-test-run-'));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeFolder);
  const limit = Number(values['file-seconds']) * 1000;
  const filesOf = new Map<string, string[]>();
  for (const [index, names] of processes.entries()) {
    const main = join(folder, `${index}.mjs`);
    filesOf.set(main, names);
    const imports = names.map((name) => `import ${JSON.stringify(pathToFileURL(join(testFolder, name)))};\n`);
    // Node 20 ends a process at the limit; later ones fail the test that is running then, and wait for what it left open.
    writeFileSync(main, `${imports.join('')}setTimeout(() => process.exit(1), ${limit + 1000}).unref();\n`);
  }
  const stream = run({
    files: [...filesOf.keys()],
    concurrency,
    timeout: limit,
    signal: interrupted.signal,
  });
  stream.on('test:pass', (event) => {
    // A file that has no test, or ended before it told of one, passes as a test of its own: it is told of as silent.
    if (event.name === event.file) return;
    measure(event, found.took);
    if (event.details.type === 'suite') return;
    const file = fileOf(event.file);
    if (event.skip === undefined) found.passed.push(file);
    else {
      const reason = typeof event.skip === 'string' && event.skip !== '' ? event.skip : 'no reason given';
      found.skipped.push({ file, reason });
    }
  });
  stream.on('test:fail', (event) => {
    measure(event, found.took);
    // A suite fails for its tests, which are counted, or for what is done before or after them.
    if (event.details.type === 'suite' && failureType(event.details.error) === 'subtestsFailed') return;
    const name = `${event.name} (${relative(process.cwd(), event.file ?? '')}:${event.line ?? 0})`;
    const isLimit = failureType(event.details.error) === 'testTimeoutFailure' && event.details.duration_ms >= limit;
    const files = filesOf.get(event.file ?? '') ?? [fileOf(event.file)];
    found.failed.push({ name, files, ...(isLimit ? { reachedLimit: true } : {}) });
  });
  const open = new Map<string, number>();
  const count = (file = '', by: number): unknown => open.set(file, (open.get(file) ?? 0) + by);
  stream.on('test:enqueue', ({ file }) => count(file, 1));
  stream.on('test:complete', ({ file }) => count(file, -1));
  for await (const text of stream.compose(new SpecReporter())) process.stdout.write(text as string);
  // A process that ends itself takes along what it has not told.
  for (const [file, tests] of open) {
    const name = `${tests} tests of ${relative(process.cwd(), file)} did not end`;
    if (tests > 0) found.failed.push({ name, files: filesOf.get(file) ?? [fileOf(file)] });
  }
  process.off('exit', removeFolder);
  removeFolder();
}

function failureType(error: Error): unknown {
  return (error as { failureType?: unknown }).failureType;
}

/** Command servers, as many as test files run at once, always running. */
function startCommandServers(count: number, folder: string): () => void {
  const sockets = Array.from({ length: count }, (_, index) => join(folder, `${index}.sock`));
  const running = new Map<string, ChildProcess>();
  let ending = false;
  const start = (socket: string): void => {
    rmSync(socket, { force: true });
    const child = fork(join(built, 'test', 'support', 'command-server.js'), [socket], {
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
function measure(
  { nesting, file, details }: { nesting: number; file?: string | undefined; details: { duration_ms: number } },
  took: Record<string, number>,
): void {
  if (nesting > 0 || file === undefined) return;
  took[file] = (took[file] ?? 0) + details.duration_ms / 1000;
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

function fileOf(path: string | undefined): string {
  return `${nameOf(path ?? '')}.test.js`;
}
