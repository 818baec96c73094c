/*
 * What a decision costs in a large registry against an empty one, and what it takes to verify the large one. BENCH_MODELS models
 * (default 1,000) of 100 decisions each, every decision with a piece of evidence of its own, in a repository that git packed.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { policySubject, type Model } from '../src/config/index.ts';
import { decide } from '../src/decide/decide.ts';
import { buildEvidence, digest, type Artifact, type Evidence, type Verdict } from '../src/evidence/index.ts';
import { openGitHub } from '../src/github/client.ts';
import { silentLog } from '../src/log.ts';
import type { TreeEntry } from '../src/registry/git/objects.ts';
import { openGitRegistry } from '../src/registry/git-registry.ts';
import { openGitHubRegistry } from '../src/registry/github-registry.ts';
import { attributesPath } from '../src/registry/layout.ts';
import { championOf } from '../src/registry/manifest.ts';
import type { ModelState } from '../src/registry/model-state.ts';
import { planRecord } from '../src/registry/plan-record.ts';
import type { Registry } from '../src/registry/registry.ts';
import { stageFacts } from '../src/pipeline/configuration.ts';
import type { Policy } from '../src/stages/evaluation/schema.ts';
import { underItsOwnPolicy } from '../src/pipeline/auditing/decide-again.ts';
import { artifact, judged } from '../test/registry/sample-decision.ts';
import { startGitHub } from '../test/support/github-api/server.ts';
import { publish } from './support/page.ts';

const run = promisify(execFile);
const models = Number(process.env['BENCH_MODELS'] ?? 1000);
const decisions = 100;
/** A model that has all its decisions already, where the large registry has it. */
const [old, long] = ['model-0000', `of a model with ${decisions} decisions`];
/** What the decisions are made under, so that they can be made again. */
const config: Model & { policy: Policy } = {
  task: 'binary-classification',
  candidate: 'model.onnx',
  columns: { id: 'id', label: 'label' },
  data: { evaluation: 'eval' },
  policy: { primary: { metric: 'accuracy', margin: 0.01, require: 'non-inferior' }, allow_first: true },
};
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 15);
const folder = await mkdtemp(join(tmpdir(), 'contender-bench-'));
const git = async (where: string, ...parameters: string[]): Promise<string> =>
  (await run('git', ['-C', where, ...parameters], { maxBuffer: 2 ** 28 })).stdout.trim();

try {
  await measure();
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  const [large, empty] = [join(folder, 'large'), join(folder, 'empty')];
  const started = performance.now();
  await build(large, models);
  await build(empty, 0);
  const files = (await git(large, 'ls-tree', '-r', '--name-only', 'model-registry')).split('\n').length;
  console.log(
    `${models} models, ${models * decisions} decisions, ${files} files, built in ${seconds(performance.now() - started)}`,
  );

  const verifying = performance.now();
  const findings = await (await local(large)).verify({ judge: underItsOwnPolicy() });
  const verified = performance.now() - verifying;
  if (findings.length > 0) throw new Error(`verify: ${JSON.stringify(findings[0])}`);
  const memory = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(`verify: ${seconds(verified)}`);

  const lines = [
    `${models.toLocaleString('en')} models with ${(models * decisions).toLocaleString('en')} decisions, each with evidence of its own (${files.toLocaleString('en')} files), against an`,
    `empty registry: recording a promotion, in turns, medians of ${rounds} rounds with the least and the greatest ratio.`,
    '',
    '| store | empty | large | ratio | rounds | target |',
    '|---|---|---|---|---|---|',
    await compare(
      'git',
      '1.2',
      () => local(empty),
      () => local(large),
    ),
    await compare(
      `git, ${long}`,
      '',
      () => local(empty),
      () => local(large),
      old,
    ),
  ];
  const hub = await startGitHub(join(folder, 'hub'));
  try {
    const remote = async (name: string, from: string): Promise<() => Promise<Registry>> => {
      const { git: bare } = await hub.create(`ada/${name}`, { files: {} });
      await git(from, 'push', '--quiet', '--force', bare.folder, 'main', 'model-registry');
      await git(bare.folder, 'gc', '--quiet');
      const token = hub.token();
      const github = openGitHub({ repository: `ada/${name}`, token, apiUrl: hub.url, log: silentLog });
      return () => Promise.resolve(openGitHubRegistry({ github, path: 'registry', log: silentLog, token }));
    };
    const [none, many] = [await remote('empty', empty), await remote('large', large)];
    const api = "through GitHub's API (a stand-in of it)";
    lines.push(await compare(api, '1.2', none, many), await compare(`${api}, ${long}`, '', none, many, old));
  } finally {
    await hub.close();
  }
  await publish('Registry', [
    ...lines,
    '',
    `Verifying the large one, every chain, manifest and piece of evidence, every decision made again, and the whole history: ${seconds(verified)} (target: under 60 s), ${memory} MiB at most.`,
  ]);
}

async function local(repository: string): Promise<Registry> {
  return openGitRegistry({ repository, path: 'registry', log: silentLog });
}

/** Each round opens the registries anew, as each run of a workflow does: nothing is known from the one before. */
async function compare(
  store: string,
  target: string,
  empty: () => Promise<Registry>,
  large: () => Promise<Registry>,
  model = 'bench',
): Promise<string> {
  const times: { empty: number; large: number }[] = [];
  for (let round = -2; round < rounds; round += 1) {
    const time = async (open: () => Promise<Registry>): Promise<number> => {
      const given = evidenceOf(`${store} ${round}`);
      const began = performance.now();
      const { status } = await (
        await open()
      ).record({
        model,
        decide: judged(model, `${store} ${round}`, 'promote', [given]),
        evidence: [given],
      });
      if (status !== 'recorded') throw new Error(`${store}: ${status}`);
      return performance.now() - began;
    };
    const both =
      round % 2 === 0
        ? { empty: await time(empty), large: await time(large) }
        : { large: await time(large), empty: await time(empty) };
    // The first ones fill the caches of the machine.
    if (round >= 0) times.push(both);
  }
  const ratios = times.map((each) => each.large / each.empty).toSorted((a, b) => a - b);
  const cells = [
    store,
    milliseconds(times.map((each) => each.empty)),
    milliseconds(times.map((each) => each.large)),
    median(ratios).toFixed(2),
    `${ratios[0]?.toFixed(2)} to ${ratios.at(-1)?.toFixed(2)}`,
    target,
  ];
  console.log(cells.join('  '));
  return `| ${cells.join(' | ')} |`;
}

/** A repository whose history recorded all of that, one commit a decision, by what the stores themselves plan. */
async function build(repository: string, count: number): Promise<void> {
  await git(folder, 'init', '--quiet', '--initial-branch=main', repository);
  await git(repository, 'config', 'user.name', 'Ada');
  await git(repository, 'config', 'user.email', 'ada@example.org');
  const child = spawn('git', ['-C', repository, 'fast-import', '--quiet'], { stdio: ['pipe', 'ignore', 'inherit'] });
  const ended = once(child, 'close');
  const write = async (text: string | Uint8Array): Promise<void> => {
    if (!child.stdin.write(text)) await once(child.stdin, 'drain');
  };
  let time = Date.parse('2026-01-01') / 1000;
  const commit = async (message: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> => {
    time += 60;
    await write(
      `commit refs/heads/model-registry\ncommitter Ada <ada@example.org> ${time} +0000\ndata ${Buffer.byteLength(message)}\n${message}\n`,
    );
    for (const [path, bytes] of files) {
      await write(`M 100644 inline ${path}\ndata ${bytes.length}\n`);
      await write(bytes);
      await write('\n');
    }
  };
  const states = Array.from({ length: count }, (): ModelState => ({
    links: [],
    manifest: null,
    findings: [],
    files: new Map(),
  }));
  for (let number = 0; number < decisions; number += 1) {
    for (const [index, state] of states.entries()) {
      const model = `model-${String(index).padStart(4, '0')}`;
      const candidate = `${model} ${number}`;
      const verdict = number % 10 === 0 ? 'pass' : number % 2 === 0 ? 'inconclusive' : 'fail';
      const given = evidenceOf(
        candidate,
        verdict,
        model,
        championOf(state.manifest)?.artifacts[0],
        new Date(time * 1000),
      );
      const subject = { model, config, candidate: artifact(candidate), stages: stageFacts(config) };
      const context = { now: new Date(time * 1000), actor: 'ada', source: {}, approvals: [] };
      const plan = planRecord(
        'registry',
        state,
        { model, decide: (view) => decide(subject, [given], view, context), evidence: [given] },
        { hasAttributes: index + number > 0, artifactsYaml: undefined },
      );
      if (plan.status !== 'write') throw new Error(plan.status);
      await commit(plan.message, plan.files);
      Object.assign(state, plan.next);
      for (const path of plan.files.keys()) state.files.set(path.slice('registry/'.length), { path } as TreeEntry);
    }
  }
  if (count === 0) await commit('Attributes', new Map([[`registry/${attributesPath}`, Buffer.from('')]]));
  child.stdin.end();
  if ((await ended)[0] !== 0) throw new Error('git fast-import failed');
  await git(repository, 'commit', '--quiet', '--allow-empty', '--message=Models');
  await git(repository, 'gc', '--quiet');
}

/** Some checks and a curve, as an evaluation leaves them, made when the decision is. */
function evidenceOf(
  candidate: string,
  verdict: Verdict = 'pass',
  model = 'any',
  champion?: Artifact,
  at = new Date(),
): Evidence {
  const seed = Number.parseInt(digest(candidate).slice(0, 8), 16) / 2 ** 32;
  return buildEvidence({
    kind: 'evaluation',
    model,
    subjects: {
      candidate: artifact(candidate),
      ...(champion === undefined ? {} : { champion }),
      datasets: { evaluation: { uri: 'eval', sha256: digest('eval'), rows: 2350 } },
    },
    policyDigest: digest(policySubject(config)),
    toolVersion: '0.0.0',
    startedAt: at,
    finishedAt: at,
    checks: Array.from({ length: 10 }, (_, index) => ({
      id: `evaluation/accuracy@slice=${index}`,
      title: `Accuracy on slice ${index}`,
      verdict,
      severity: 'block' as const,
      message: `Accuracy is ${(0.9 + seed / 100).toFixed(4)}`,
      observed: 0.9 + seed / 100,
      required: 0.9,
    })),
    details: {
      curve: Array.from({ length: 50 }, (_, index) => [index / 50, Math.min(1, (index / 50) ** (0.2 + seed / 10))]),
    },
  });
}

function milliseconds(values: readonly number[]): string {
  return `${Math.round(median(values))} ms`;
}

function seconds(value: number): string {
  return `${(value / 1000).toFixed(1)} s`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
