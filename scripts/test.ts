/*
 * The test runner: every compiled test file under build/test, through node's own runner, two files at a time.
 * Ends with what was skipped and why, so that a machine without Docker says so where people look.
 * Arguments: parts of file names, to run only those.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { run } from 'node:test';
import { spec as SpecReporter } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const testFolder = join(dirname(fileURLToPath(import.meta.url)), '..', 'test');
const wanted = process.argv.slice(2);
const files = readdirSync(testFolder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .map((name) => join(testFolder, name))
  .sort();

if (files.length === 0) {
  console.error(`no test file matches ${wanted.join(' ')}`);
  process.exit(1);
}

// Nothing is kept from one run of the tests to the next.
for (const name of ['CONTENDER_CACHE', 'CONTENDER_TEST_PREPARED']) {
  const folder = mkdtempSync(join(tmpdir(), 'contender-test-run-'));
  process.env[name] = folder;
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
}

const counts = { passed: 0, failed: 0, skipped: 0 };
const skipped = new Map<string, string[]>();
const failed: string[] = [];
const stream = run({ files, concurrency: 2, timeout: 15 * 60_000 });
stream.on('test:pass', (event) => {
  if (event.details.type === 'suite') return;
  if (event.skip === undefined) counts.passed++;
  else {
    counts.skipped++;
    const reason = typeof event.skip === 'string' && event.skip !== '' ? event.skip : 'no reason given';
    skipped.set(reason, [...(skipped.get(reason) ?? []), event.name]);
  }
});
stream.on('test:fail', (event) => {
  if (event.details.type === 'suite') return;
  counts.failed++;
  failed.push(`${event.name} (${relative(process.cwd(), event.file ?? '')}:${event.line ?? 0})`);
});
stream.on('end', () => {
  // After the reporter's own closing lines.
  setImmediate(() => {
    for (const name of failed) console.log(`failed: ${name}`);
    for (const [reason, names] of skipped) console.log(`skipped ${names.length}: ${reason}`);
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
    process.exitCode = counts.failed > 0 ? 1 : 0;
  });
});
stream.compose(new SpecReporter()).pipe(process.stdout);
