/*
 * The demo, and the main job: in a fresh git repository, register a champion and put three candidates through the whole gate.
 * Usage: npm run demo [-- rollout] [--out DIR]. Needs no Docker, no token and no network. Nothing that decides here knows the outcomes.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { terminalLog } from '../src/cli/terminal-log.ts';
import { ContenderError, UsageError } from '../src/errors.ts';
import { registerChampion, runGate, type PromoteResult } from '../src/pipeline/gate/promote.ts';
import { openRegistry } from '../src/pipeline/open-registry.ts';
import { openWorkspace, type Workspace } from '../src/pipeline/workspace.ts';
import { headline } from '../src/report/headline.ts';

const fixtures = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'fixtures', 'spam');
const model = 'spam-filter';
const candidates = ['candidate-worse', 'candidate-small', 'candidate'];
const git = promisify(execFile);
const options = { out: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
const usage = `Usage: npm run demo [-- [rollout | lifecycle] [--out DIR]]
rollout: two canaries with real traffic, in place of three candidates at the gate.
lifecycle: production, harm that labels show, a new training, a new champion.
DIR/repository is filled; default: a new temporary folder.`;

try {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [which, ...others] = positionals;
  if (values.help === true) console.log(usage);
  else if (which === undefined) await demo();
  else if (which === 'rollout' && others.length === 0) {
    const { demoRollout } = await import('./demo-rollout.ts');
    await demoRollout(async (name) => {
      const repository = await freshRepository(name);
      await cp(join(fixtures, 'models/candidate.onnx'), join(repository, 'models/candidate.onnx'));
      return repository;
    }, commit);
  } else if (which === 'lifecycle' && others.length === 0) {
    const { lifecycle } = await import('./demo-lifecycle.ts');
    await lifecycle(await emptyRepository());
  } else {
    throw new UsageError({ found: positionals.join(' '), expected: 'nothing, rollout or lifecycle', remedy: usage });
  }
} catch (error) {
  if (!(error instanceof ContenderError)) throw error;
  process.stderr.write(`demo: ${error.message}\n`);
  process.exitCode = 2;
}

async function demo(): Promise<void> {
  const started = Date.now();
  const log = await terminalLog({ verbose: false, quiet: true });
  const repository = await freshRepository();
  const open = (out: string): Promise<Workspace> =>
    openWorkspace({ root: repository, config: 'contender.yml', model, out, log });
  const person = { actor: 'demo', source: {}, record: true };

  const first = await open('reports/champion');
  const registered = await registerChampion(first, {
    ...person,
    artifact: 'models/champion.onnx',
    reason: 'The logistic regression in production since before there was a gate.',
  });
  console.log(`${model}: champion ${registered.decision.to?.version} registered manually.\n`);

  const results: { name: string; result: PromoteResult; folder: string }[] = [];
  for (const name of candidates) {
    await cp(join(fixtures, 'models', `${name}.onnx`), join(repository, 'models', 'candidate.onnx'));
    await commit(repository, `Propose ${name}`);
    const workspace = await open(`reports/${name}`);
    const result = await runGate(workspace, person);
    results.push({ name, result, folder: workspace.out });
    console.log(`${[`${name}.onnx`, ...story(result)].join('\n  ')}\n`);
  }

  const late = results.filter(({ result }) =>
    result.evidence.some(({ checks }) =>
      checks.some(({ id, verdict }) => id === 'load/generator' && verdict !== 'pass'),
    ),
  );
  const registry = await openRegistry(first);
  const manifest = await registry.manifest(model);
  const findings = await registry.verify();
  const count = (outcome: string): number => results.filter((each) => each.result.decision.outcome === outcome).length;
  console.log(
    [
      `${count('promote')} promoted, ${count('hold')} held, ${count('reject')} rejected in ${((Date.now() - started) / 1000).toFixed(0)} s.`,
      ...(late.length === 0
        ? []
        : [
            `This machine was too busy to measure latency (${late.map(({ name }) => name).join(', ')}): on a quiet one candidate is promoted, candidate-small held, candidate-worse rejected.`,
          ]),
      `Champion now: ${manifest?.aliases['champion']?.version}. Registry: ${findings.length === 0 ? 'verified' : `${findings.length} findings`}.`,
      `Repository:  ${repository}   (git log shows every decision as a commit)`,
      ...results.map(
        (each) => `Report:      ${relative(repository, each.folder)}/report.html and report.md (${each.name})`,
      ),
    ].join('\n'),
  );
}

/** The verdict with the number that decided it, what else stood in the way, and how the server did. */
function story(result: PromoteResult): string[] {
  const more = result.decision.reasons.slice(1, 4).map((reason) => reason.message);
  const load = result.evidence
    .flatMap((evidence) => evidence.checks)
    .filter((check) => ['load/p95', 'load/parity'].includes(check.id))
    .map((check) => check.message);
  return [headline(result), ...more, load.length === 0 ? 'Load: not tested' : `Load: ${load.join('; ')}`];
}

async function emptyRepository(name = 'repository'): Promise<string> {
  const { values } = parseArgs({ options, allowPositionals: true });
  const out = values.out === undefined ? await mkdtemp(join(tmpdir(), 'contender-demo-')) : resolve(values.out);
  const repository = join(out, name);
  const existing = await readdir(repository).catch(() => []);
  if (existing.length > 0) {
    throw new UsageError({
      found: `${repository} is not empty`,
      expected: 'a folder the demo may fill',
      remedy: 'Remove it, or choose another with --out',
    });
  }
  return repository;
}

async function freshRepository(name?: string): Promise<string> {
  const repository = await emptyRepository(name);
  await mkdir(join(repository, 'models'), { recursive: true });
  await mkdir(join(repository, 'data'));
  for (const file of ['contender.yml', 'schema.json', 'data/eval.parquet', 'models/champion.onnx']) {
    await cp(join(fixtures, file), join(repository, file));
  }
  await writeFile(join(repository, '.gitignore'), '/reports/\n/requests.jsonl\n');
  await git('git', ['init', '--quiet', '--initial-branch=main', repository]);
  await git('git', ['-C', repository, 'config', 'user.name', 'Contender demo']);
  await git('git', ['-C', repository, 'config', 'user.email', 'demo@contender.invalid']);
  await commit(repository, 'Start with the spam filter in production');
  return repository;
}

async function commit(repository: string, message: string): Promise<void> {
  await git('git', ['-C', repository, 'add', '--all']);
  await git('git', ['-C', repository, 'commit', '--quiet', '--message', message]);
}
