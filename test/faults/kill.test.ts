import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { silentLog } from '../../src/log.ts';
import { openGitRegistry } from '../../src/registry/git-registry.ts';
import { inTemporaryFolder } from '../support/project.ts';
import { evidence, judged } from '../registry/sample-decision.ts';
import { inRepository, type TemporaryRepository } from '../registry/temporary-repository.ts';

const program = fileURLToPath(new URL('../registry/promote-process.js', import.meta.url));
const model = 'spam-filter';

/** At every boundary, and not at every third or so: CONTENDER_EVERY_STEP=1. */
const everyStep = process.env['CONTENDER_EVERY_STEP'] !== undefined;

const places = [
  { name: 'without tags', branch: 'model-registry', tags: '', step: 3, rounds: 5 },
  { name: 'with tags and artifacts.yaml', branch: 'model-registry', tags: 'gto', step: 5, rounds: 2 },
];

for (const { name, branch, tags, step: usualStep, rounds } of places) {
  const step = everyStep ? 1 : usualStep;
  describe(`a promotion ${name}, killed with its process group`, () => {
    test('before or after any of its git processes leaves the old or the new registry, and the next run mends the rest', () =>
      inTemporaryFolder((bin) =>
        inRepository(async (repository) => {
          await prepare(repository, branch, tags);
          await killingGit(bin);
          let boundaries = 0;
          for (let boundary = 1; ; boundary += step) {
            await rm(join(bin, 'count'), { force: true });
            const before = await head(repository, branch);
            const candidate = `boundary-${boundary}`;
            const killed = await promote(
              repository,
              branch,
              candidate,
              {
                PATH: `${bin}:${process.env['PATH'] ?? ''}`,
                KILL_FOLDER: bin,
                KILL_AT: String(boundary),
              },
              { tags },
            );
            await assertWhole(repository, branch, before, candidate);
            await recover(repository, branch, candidate, tags);
            if (killed) boundaries++;
            if (boundary > 2 * (await gitRuns(bin))) break;
          }
          assert.ok(boundaries * step >= 10, `only ${boundaries} boundaries were met`);
        }),
      ));

    test('at random moments leaves the old or the new registry, and the next run mends the rest', () =>
      inRepository(async (repository) => {
        await prepare(repository, branch, tags);
        let started = Date.now();
        await promote(repository, branch, 'measure', {}, { tags });
        let usual = Date.now() - started;
        let killedCount = 0;
        // On a machine that is faster by now than when it was measured, a run may end before its moment comes.
        for (let round = 0; round < rounds || (killedCount === 0 && round < rounds + 20); round++) {
          const before = await head(repository, branch);
          const candidate = `random-${round}`;
          started = Date.now();
          const killed = await promote(
            repository,
            branch,
            candidate,
            {},
            { tags, killAfter: usual * (0.25 + Math.random()) },
          );
          if (killed) killedCount++;
          else usual = Math.min(usual, Date.now() - started);
          await assertWhole(repository, branch, before, candidate);
          await recover(repository, branch, candidate, tags);
        }
        assert.ok(killedCount > 0, 'no run was killed');
      }));
  });
}

test('a rollback killed before or after any of its git processes is completed, with its tags and artifacts.yaml, by the next run', () =>
  inTemporaryFolder((bin) =>
    inRepository(async (repository) => {
      await prepare(repository, 'model-registry', 'gto');
      await killingGit(bin);
      const registry = await open(repository, 'model-registry', 'gto');
      for (let boundary = 1, runs = 1; boundary <= 2 * runs; boundary += everyStep ? 1 : 7) {
        await record(repository, 'model-registry', `withdrawn-${boundary}`, 'gto');
        await rm(join(bin, 'count'), { force: true });
        const reason = `rollback ${boundary}`;
        const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}`, KILL_FOLDER: bin, KILL_AT: String(boundary) };
        await promote(repository, 'model-registry', reason, env, { tags: 'gto', outcome: 'rollback' });
        runs = await gitRuns(bin);
        await promote(repository, 'model-registry', reason, {}, { tags: 'gto', outcome: 'rollback' });
        const acts = (await registry.log(model)).filter(({ approvals }) => approvals[0]?.reason === reason);
        assert.equal(acts.length, 1, 'once');
        assert.equal((await registry.view(model)).champion?.version, '1.0.0');
        assert.match(await repository.git('show', 'model-registry:artifacts.yaml'), /^ {4}version: 1\.0\.0$/mu);
        assert.equal(await repository.status(), '');
        assert.deepEqual(await registry.verify(), []);
      }
    }),
  ));

/** How often `killingGit` ran. One that is asked for as long as the writer lives ends with it: no boundary comes after it. */
async function gitRuns(bin: string): Promise<number> {
  return (await readFile(join(bin, 'count'), 'utf8')).split('\n').length - 1;
}

async function prepare(repository: TemporaryRepository, branch: string, tags = ''): Promise<void> {
  await record(repository, branch, 'first', tags);
}

async function record(repository: TemporaryRepository, branch: string, candidate: string, tags = ''): Promise<string> {
  const proof = evidence(candidate);
  const registry = await open(repository, branch, tags);
  return (await registry.record({ model, decide: judged(model, candidate, 'promote', [proof]), evidence: [proof] }))
    .status;
}

function open(repository: TemporaryRepository, branch: string, tags = ''): ReturnType<typeof openGitRegistry> {
  return openGitRegistry({
    repository: repository.folder,
    path: 'registry',
    log: silentLog,
    ...(branch === '' ? {} : { branch }),
    ...(tags === 'gto' ? { tags, artifactsYaml: true } : {}),
  });
}

function head(repository: TemporaryRepository, branch: string): Promise<string> {
  return repository.git('rev-parse', branch);
}

/** The committed registry is the one before, or the one with exactly this promotion on top: sound either way. */
async function assertWhole(
  repository: TemporaryRepository,
  branch: string,
  before: string,
  candidate: string,
): Promise<void> {
  const now = await head(repository, branch);
  if (now === before) return;
  assert.equal(await repository.git('rev-parse', `${now}^`), before);
  assert.match(await repository.git('log', '-1', '--format=%b', now), new RegExp(candidate, 'u'));
  // Reading refuses a chain or manifest that does not hold together.
  await (await open(repository, branch)).manifest(model);
}

async function recover(repository: TemporaryRepository, branch: string, candidate: string, tags = ''): Promise<void> {
  const status = await record(repository, branch, candidate, tags);
  assert.ok(status === 'recorded' || status === 'no-change', status);
  assert.equal(await repository.status(), '');
  const registry = await open(repository, branch, tags);
  assert.deepEqual(await registry.verify(), []);
  if (tags !== '') {
    const { version } = (await registry.view(model)).champion ?? {};
    const text = await repository.git('show', `${branch}:artifacts.yaml`);
    assert.match(text, new RegExp(`^ {4}version: ${version}$`, 'mu'));
  }
  const recorded = (await registry.log(model)).filter((each) =>
    each.candidate?.artifacts[0]?.uri.includes(`:${candidate}.onnx`),
  );
  assert.equal(recorded.length, 1, 'recorded exactly once');
  const left = await readdir(join(repository.folder, '.git'), { recursive: true });
  assert.deepEqual(
    left.filter((file) => file.endsWith('.lock')),
    [],
  );
}

/** Run the writer in a process group of its own. Returns whether the group was killed. */
async function promote(
  repository: TemporaryRepository,
  branch: string,
  candidate: string,
  env: Record<string, string>,
  { killAfter, tags = '', outcome = 'promote' }: { killAfter?: number; tags?: string; outcome?: string } = {},
): Promise<boolean> {
  const args = [program, repository.folder, 'registry', branch, model, candidate, outcome, tags];
  const child = spawn(process.execPath, args, {
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...env },
  });
  const ended = new Promise<NodeJS.Signals | null>((done) => child.on('close', (_code, signal) => done(signal)));
  if (killAfter !== undefined) {
    await Promise.race([sleep(killAfter), ended]);
    try {
      process.kill(-(child.pid as number), 'SIGKILL');
    } catch {
      // It ended before.
    }
  }
  return (await ended) === 'SIGKILL';
}

/**
 * A `git` that kills its whole process group before (odd KILL_AT) or after (even) its N-th run, or before the command KILL_BEFORE.
 * Its parent, the writer, leads the group.
 */
async function killingGit(bin: string): Promise<void> {
  await mkdir(bin, { recursive: true });
  const real =
    process.env['PATH']
      ?.split(':')
      .filter((each) => each !== bin)
      .join(':') ?? '';
  const script = `#!/bin/sh
echo x >> "$KILL_FOLDER/count"
n=$(wc -l < "$KILL_FOLDER/count")
PATH='${real}'
die() { kill -9 "-$PPID"; exit 1; }
case " $* " in *" \${KILL_BEFORE:-none} "*) die;; esac
[ "$((2 * n - 1))" = "\${KILL_AT:-0}" ] && die
git "$@"
code=$?
[ "$((2 * n))" = "\${KILL_AT:-0}" ] && die
exit $code
`;
  await writeFile(join(bin, 'git'), script);
  await chmod(join(bin, 'git'), 0o755);
}
