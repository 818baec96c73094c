/*
 * The load generator and the model server against what they claim, and against bare autocannon, wrk and FastAPI. Every server runs in a
 * process of its own. BENCH_PARTS names the sections to write (default: all); BENCH_ROUNDS, BENCH_PAIRS, BENCH_CAPACITY and BENCH_CONTAINER say how
 * often; BENCH_PYTHON names a Python with fastapi, uvicorn and onnxruntime, without which the peer is left out, as is wrk where it is not
 * installed. The container needs a Docker Engine.
 */
import autocannon from 'autocannon';
import Docker from 'dockerode';
import { execFile, fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { entryPath } from '../src/entries.ts';
import { silentLog } from '../src/log.ts';
import { nothingAnswered } from '../src/stages/load/answers.ts';
import { searchCapacity } from '../src/stages/load/capacity.ts';
import { compareLive } from '../src/stages/load/compare.ts';
import { openGenerator, type WindowResult } from '../src/stages/load/driver.ts';
import { percentile } from '../src/stages/load/latency.ts';
import type { Loader } from '../src/stages/load/loader.ts';
import { startLoaders, type Loaders } from '../src/stages/load/loaders.ts';
import { postMessage } from '../src/stages/load/message.ts';
import { profilesOf, type ProfileOf } from '../src/stages/load/profile.ts';
import { uniform } from '../src/statistics/splitmix.ts';
import { schedule } from '../src/stages/load/schedule.ts';
import type { Slo } from '../src/stages/load/schema.ts';
import { withBench, type Session } from '../src/stages/load/session.ts';
import { startImage } from '../src/staging/image.ts';
import type { StagingTarget } from '../src/staging/index.ts';
import { serviceOf } from '../src/staging/service.ts';
import { graph, model, node, tensor, valueInfo } from '../test/model/onnx-builder.ts';
import { importBaseImage } from '../test/support/docker.ts';
import { projectRoot } from '../test/support/project.ts';
import { publish } from './support/page.ts';

const run = promisify(execFile);
const setting = (name: string, otherwise: number): number => Number(process.env[`BENCH_${name}`] ?? otherwise);
const seconds = setting('SECONDS', 4);
const rounds = setting('ROUNDS', 5);
const pairs = setting('PAIRS', 20);
const searches = setting('CAPACITY', 10);
const containers = setting('CONTAINER', 10);
const python = process.env['BENCH_PYTHON'];
const only = process.env['BENCH_PARTS']?.split(',');

const spam = join(projectRoot, 'fixtures/spam/models/candidate.onnx');
const connections = 20;
const bodies = Array.from({ length: 2350 }, (_, row) => {
  const data = Array.from({ length: 60 }, (_value, column) => ((row * 31 + column * 17) % 1000) / 7);
  return JSON.stringify({ inputs: [{ name: 'features', shape: [1, 60], datatype: 'FP32', data }] });
});
const folder = await mkdtemp(join(tmpdir(), 'contender-bench-'));
const loadServer = join(dirname(fileURLToPath(import.meta.url)), 'support', 'load-server.js');
const children: ChildProcess[] = [];
const targets: StagingTarget[] = [];
const loaders = startLoaders();
const lines: string[] = [];
const parts = {
  saturation,
  'rate and percentiles': exactness,
  comparison,
  capacity,
  container,
  'model server': server,
  workers,
  'micro-batching': batching,
};

try {
  for (const [name, part] of Object.entries(parts)) {
    if (only !== undefined && !only.includes(name)) continue;
    await part();
    await endAll();
    await publish(`Load: ${name}`, lines.splice(0));
  }
} finally {
  await endAll();
  await loaders.end();
  await rm(folder, { recursive: true, force: true });
}

async function saturation(): Promise<void> {
  const { url } = await serve('plain');
  const path = `${url}/infer`;
  const wrk = await hasWrk();
  const rates: number[][] = [];
  await bare(path, 1);
  await ours(path, 1);
  for (let round = 0; round < rounds; round += 1) {
    const turns = round % 2 === 0 ? [bare, ours] : [ours, bare];
    const found = new Map<unknown, number>();
    for (const turn of turns) found.set(turn, await turn(path, seconds));
    rates.push([found.get(bare), found.get(ours), wrk ? await byWrk(path, seconds) : Number.NaN] as number[]);
    console.log(
      `saturation: ${rates
        .at(-1)
        ?.map((rate) => rate.toFixed(0))
        .join(', ')}/s`,
    );
  }
  const of = (index: number): string => shown(median(rates.map((rate) => rate[index] as number)));
  const ratios = rates.map(([theirs, own]) => (own as number) / (theirs as number));
  lines.push(
    `Requests a second with a body of its own for each, ${connections} connections, ${rounds} rounds of ${seconds} s in turns; medians.`,
    '',
    '| bare autocannon | Contender | wrk, one thread | Contender over autocannon | rounds | target |',
    '|---|---|---|---|---|---|',
    `| ${of(0)} | ${of(1)} | ${wrk ? of(2) : 'not installed'} | ${median(ratios).toFixed(2)} | ${spread(ratios)} | 1.3 |`,
    '',
  );
}

/** What is offered against what was asked for, and what is measured against what the server itself saw. */
async function exactness(): Promise<void> {
  lines.push(
    'Against a server that takes 100 ms, every fourth time 200 ms, and answers nothing in 300 ms of every 2 s; the truth is what the server itself saw.',
    '',
    '| offered | sent | p50 seen / true | p95 seen / true | p99 seen / true | late at p99 |',
    '|---|---|---|---|---|---|',
  );
  for (const [rate, arrivals] of [
    [100, 'constant'],
    [500, 'constant'],
    [500, 'poisson'],
    [1500, 'poisson'],
  ] as const) {
    const { url, child } = await serve('delay', 100);
    const loader = loaders.open(plan(`${url}/predict`));
    const link = { connections: 1000, timeoutMs: 10_000, rowsPerRequest: 1 };
    const never = new AbortController().signal;
    const warm = schedule({ rate, durationMs: 2000, arrivals, seed: 2 });
    await loader.run({ link, offsets: warm, first: 0, judged: false }, never);
    await asked(child);
    const durationMs = 10_000;
    const offsets = schedule({ rate, durationMs, arrivals, seed: 1 });
    const { window } = await loader.run({ link, offsets, first: 0, judged: true }, never);
    await loader.close();
    const truth = Float64Array.from(await asked(child)).toSorted();
    const sorted = window.latency.toSorted();
    const sent = window.outcome.filter((outcome) => outcome === 1).length / (durationMs / 1000);
    const both = (p: number): string => {
      const [own, real] = [percentile(sorted, p), percentile(truth, p)];
      return `${own.toFixed(1)} / ${real.toFixed(1)} ms (${signed(own / real - 1)})`;
    };
    const lag = percentile(window.lag.toSorted(), 0.99);
    lines.push(
      `| ${rate}/s, ${arrivals} | ${sent.toFixed(1)}/s (${signed(sent / rate - 1)}) | ${both(0.5)} | ${both(0.95)} | ${both(0.99)} | ${lag.toFixed(2)} ms |`,
    );
    console.log(lines.at(-1));
  }
  lines.push('');
}

/** Two servers of one work, and one with a quarter more. */
async function comparison(): Promise<void> {
  const [profile] = profilesOf({ profile: { rate: 50, duration: '60s' }, slo: {} }) as [ProfileOf<'constant'>];
  const settings = { max_ratio: 1.15, percentiles: ['p50' as const], duration: '60s' };
  const signal = new AbortController().signal;
  const found = async (work: number, other: number): Promise<{ ratio: number; lower: number; upper: number }> => {
    const arms = await Promise.all([serve('work', work), serve('work', other)]);
    const [candidate, champion] = arms.map(({ url }) => loaders.open(plan(`${url}/predict`))) as [Loader, Loader];
    const result = await compareLive({ settings, profile, candidate, champion, signal, progress: () => {} });
    await endAll();
    const [{ ratio, lower, upper }] = result.percentiles as [(typeof result.percentiles)[0]];
    console.log(`${work} against ${other} ms: ${ratio?.toFixed(3)} (${lower.toFixed(3)} to ${upper.toFixed(3)})`);
    return { ratio: ratio ?? Number.NaN, lower, upper };
  };
  const [same, more] = [[], []] as { ratio: number; lower: number; upper: number }[][];
  for (let index = 0; index < pairs; index += 1) {
    same?.push(await found(4, 4));
    more?.push(await found(5, 4));
  }
  const ratios = (list: { ratio: number }[] = []): string => spread(list.map(({ ratio }) => ratio));
  const wrong = same?.filter(({ lower, upper }) => lower > 1 || upper < 1).length;
  const seen = more?.filter(({ lower }) => lower > 1).length;
  lines.push(
    `Candidate against champion, both live, 50/s each, p50; ${pairs} runs of each, 60 s (120 s where 60 s leave a limit of 1.15 open), in turns.`,
    '',
    '| CPU for a request | p50 ratio, least to greatest | shown | target |',
    '|---|---|---|---|',
    `| 4 ms against 4 ms | ${ratios(same)} | a difference, wrongly, in ${wrong} of ${pairs} | at most 3 of 20 |`,
    `| 5 ms against 4 ms | ${ratios(more)} | slower in ${seen} of ${pairs} | at least 18 of 20 |`,
    '',
  );
}

/** The capacity of a server that serves one request at a time, whose truth a simulation of its queue tells. */
async function capacity(): Promise<void> {
  const slo = { p95_ms: 100 };
  const serviceMs = 10;
  const truth = trueCapacity(serviceMs, slo.p95_ms);
  const results = await searched(searches, truth, slo, () => serve('queue', serviceMs));
  lines.push(
    `Capacity of a server that takes ${serviceMs} ms for one request at a time, within p95 of ${slo.p95_ms} ms, Poisson arrivals; the truth, ${truth.toFixed(1)}/s, is of a simulation of its queue. ${searches} searches of the default budget.`,
    '',
    ...capacityTable(results, truth),
  );
}

/** The capacity of a container with a limit on its CPU; what a request costs is measured in one that has more to do than it can. */
async function container(): Promise<void> {
  const slo = { p95_ms: 200 };
  const cpus = 0.5;
  const workMs = 10;
  const start = (): Promise<StagingTarget> => startContainer(cpus, workMs);
  const saturated = `${(await start()).url}/predict`;
  await users(saturated, 5);
  const window = await users(saturated, 60);
  await endAll();
  const most = window.outcome.filter((outcome) => outcome === 1).length / (window.elapsedMs / 1000);
  const truth = trueCapacity((1000 * cpus) / most, slo.p95_ms, cpus);
  console.log(`container: ${most.toFixed(2)}/s at most, truth ${truth.toFixed(1)}/s`);
  const results = await searched(containers, truth, slo, start);
  lines.push(
    `Capacity of a container limited to ${cpus} of a CPU whose service burns ${workMs} ms of CPU for a request, within p95 of ${slo.p95_ms} ms, Poisson arrivals. It answers ${most.toFixed(1)}/s at most (16 users, 60 s), from which the cost of a request follows; the truth, ${truth.toFixed(1)}/s, is of a simulation of its queue that is held back once ${100 * cpus} of 100 ms are used. ${containers} searches of the default budget.`,
    '',
    ...capacityTable(results, truth),
  );
}

interface Search {
  estimate: number;
  met: number;
  missed: number;
  s: number;
}

async function searched(
  count: number,
  truth: number,
  slo: Slo,
  start: () => Promise<{ url: string }>,
): Promise<Search[]> {
  const results: Search[] = [];
  for (let index = 0; index < count; index += 1) {
    const { url } = await start();
    const [profile] = profilesOf({ profile: { kind: 'capacity' }, slo }) as [ProfileOf<'capacity'>];
    const began = performance.now();
    const session = sessionOf(loaders.open(plan(`${url}/predict`)));
    const { estimate, met, missed, because } = await withBench(session, profile, 10, (bench) =>
      searchCapacity(bench, profile, slo),
    );
    await endAll();
    results.push({
      estimate: estimate ?? 0,
      met: met ?? 0,
      missed: missed ?? Number.NaN,
      s: (performance.now() - began) / 1000,
    });
    console.log(
      `capacity: ${estimate?.toFixed(1)}, ${met?.toFixed(1)} to ${missed?.toFixed(1)}, truth ${truth.toFixed(1)}, ${results.at(-1)?.s.toFixed(0)} s: ${because}`,
    );
  }
  return results;
}

function capacityTable(results: readonly Search[], truth: number): string[] {
  const near = results.filter(({ estimate }) => Math.abs(estimate / truth - 1) <= 0.1).length;
  const covering = results.filter(({ met, missed }) => met <= truth && missed >= truth).length;
  return [
    '| found, least to greatest | within 10% | the interval covers the truth | its width, median | seconds | target |',
    '|---|---|---|---|---|---|',
    `| ${spread(results.map(({ estimate }) => estimate))}/s | ${near} of ${results.length} | ${covering} of ${results.length} | ${signed(median(results.map(({ met, missed }) => missed / met)) - 1)} | ${spread(results.map(({ s }) => s))} | 8 and 9 of 10, 180 s |`,
    '',
  ];
}

/** Our model server and a FastAPI service, each alone: one process, the same model, the same bodies. */
async function server(): Promise<void> {
  const found = await inTurns({
    Contender: () => startOurs(spam),
    ...(python === undefined ? {} : { 'FastAPI, onnxruntime, uvicorn': () => startPeer(python, spam) }),
  });
  lines.push(
    `One process, the spam model, one row a request, 16 users who ask again at once; ${rounds} rounds of ${seconds} s in turns; medians.`,
    '',
    ...serverTable(found, 6),
  );
}

/** One worker and two, where generator and workers share the cores. */
async function workers(): Promise<void> {
  const found = await inTurns({
    'two workers': () => startOurs(spam, '--workers=2'),
    'one worker': () => startOurs(spam),
  });
  lines.push(
    `The spam model, one row a request, 16 users who ask again at once, on the two cores that the workers have too; ${rounds} rounds of ${seconds} s in turns; medians.`,
    '',
    ...serverTable(found),
  );
}

/** A model whose weights, 16 MB, are read once for a run, however many rows it has. */
async function batching(): Promise<void> {
  const wide = join(folder, 'wide.onnx');
  await writeFile(wide, wideModel(2048));
  const found = await inTurns({
    'batches of up to 16 rows': () => startOurs(wide, '--batch=16'),
    'each request by itself': () => startOurs(wide),
  });
  lines.push(
    `A perceptron of 60, 2048, 2048 and 1 neurons, one row a request, 16 users who ask again at once; ${rounds} rounds of ${seconds} s in turns; medians.`,
    '',
    ...serverTable(found, 1.5),
  );
}

interface Measured {
  rate: number;
  p99: number;
  /** Seconds of CPU of the server for 10,000 requests. */
  cpu: number;
}

async function inTurns(kinds: Record<string, () => Promise<string>>): Promise<Record<string, Measured[]>> {
  const found: Record<string, Measured[]> = {};
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, start] of Object.entries(kinds)) {
      const url = `${await start()}/v2/models/m/infer`;
      await warm(url);
      const before = await cpuSeconds();
      const window = await users(url, seconds);
      const used = (await cpuSeconds()) - before;
      await endAll();
      const answered = window.outcome.filter((outcome) => outcome === 1).length;
      const measured = {
        rate: answered / (window.elapsedMs / 1000),
        p99: percentile(window.latency.toSorted(), 0.99),
        cpu: (used / answered) * 10_000,
      };
      (found[name] ??= []).push(measured);
      console.log(
        `${name}: ${measured.rate.toFixed(0)}/s, p99 ${measured.p99.toFixed(2)} ms, CPU ${measured.cpu.toFixed(2)} s`,
      );
    }
  }
  return found;
}

/** Until the code of the server is compiled, which takes some thousand requests, or for a while. */
async function warm(url: string): Promise<void> {
  const end = performance.now() + 4000;
  for (let answered = 0; answered < 10_000 && performance.now() < end;)
    answered += (await users(url, 1)).outcome.filter((outcome) => outcome === 1).length;
}

/** The first against the second. */
function serverTable(found: Record<string, Measured[]>, target?: number): string[] {
  const [own, peer] = Object.values(found);
  const ratio = (of: (each: Measured) => number): string => {
    const ratios = own?.map((each, index) => of(each) / of(peer?.[index] as Measured)) ?? [];
    return `${median(ratios).toFixed(2)} (${spread(ratios)})`;
  };
  return [
    '| server | requests a second | p99 | CPU for 10,000 requests |',
    '|---|---|---|---|',
    ...Object.entries(found).map(
      ([name, list]) =>
        `| ${name} | ${shown(median(list.map(({ rate }) => rate)))} | ${median(list.map(({ p99 }) => p99)).toFixed(1)} ms | ${median(list.map(({ cpu }) => cpu)).toFixed(2)} s |`,
    ),
    ...(peer === undefined
      ? []
      : [
          `| ratio${target === undefined ? '' : `; target ${target}`} | ${ratio(({ rate }) => rate)} | ${ratio(({ p99 }) => p99)} | ${ratio(({ cpu }) => cpu)} |`,
        ]),
    '',
  ];
}

/** CPU of the servers that run, and of their workers. */
async function cpuSeconds(): Promise<number> {
  let ticks = 0;
  const add = async (pid: number): Promise<void> => {
    const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
    ticks += Number(fields[11]) + Number(fields[12]);
    const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim();
    if (children !== '') for (const child of children.split(' ')) await add(Number(child));
  };
  for (const { pid } of children) await add(pid as number);
  return ticks / 100;
}

async function startOurs(model: string, ...options: string[]): Promise<string> {
  const child = spawn(process.execPath, [
    entryPath('serve-process'),
    `--model=${model}`,
    '--name=m',
    '--port=0',
    '--host=127.0.0.1',
    ...options,
  ]);
  children.push(child);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return (JSON.parse(line.toString()) as { url: string }).url;
}

function wideModel(width: number): Uint8Array {
  const random = uniform(5);
  const weights = (name: string, from: number, to: number): Uint8Array => {
    const values = Float32Array.from({ length: from * to }, () => (random() - 0.5) / Math.sqrt(from));
    return tensor(name, 'float', [from, to], new Uint8Array(values.buffer));
  };
  return model(
    graph({
      nodes: [
        node('MatMul', ['features', 'a'], ['b']),
        node('Relu', ['b'], ['c']),
        node('MatMul', ['c', 'd'], ['e']),
        node('Relu', ['e'], ['f']),
        node('MatMul', ['f', 'g'], ['score']),
      ],
      initializers: [weights('a', 60, width), weights('d', width, width), weights('g', width, 1)],
      inputs: [valueInfo('features', 'float', ['N', 60])],
      outputs: [valueInfo('score', 'float', ['N', 1])],
    }),
  );
}

async function users(url: string, forSeconds: number): Promise<WindowResult> {
  const generator = await openGenerator({ url, connections: 16, timeoutMs: 10_000 });
  const messages = messagesTo(url);
  try {
    return await generator.run({
      offsets: { users: 16, durationMs: forSeconds * 1000 },
      request: (index) => messages[index % messages.length] as Buffer,
      accept: (_index, answer) => answer.status === 200,
    });
  } finally {
    await generator.close();
  }
}

/** Requests a second of autocannon alone, with a body of its own for each request. */
async function bare(url: string, duration: number): Promise<number> {
  let next = 0;
  const result = await autocannon({
    url,
    connections,
    duration,
    requests: [
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        setupRequest(request) {
          next += 1;
          return { ...request, body: bodies[next % bodies.length] };
        },
      },
    ],
  });
  return result['2xx'] / result.duration;
}

/** Requests a second of our generator when far more are due than the server can answer. */
async function ours(url: string, duration: number): Promise<number> {
  const generator = await openGenerator({ url, connections, timeoutMs: 600_000 });
  const messages = messagesTo(url);
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), duration * 1000);
  try {
    const result = await generator.run({
      offsets: new Float64Array(200_000 * duration),
      request: (index) => messages[index % messages.length] as Buffer,
      accept: (_index, answer) => answer.status === 200,
      signal: stop.signal,
    });
    return result.outcome.filter((outcome) => outcome === 1).length / (result.elapsedMs / 1000);
  } finally {
    clearTimeout(timer);
    await generator.close();
  }
}

async function byWrk(url: string, duration: number): Promise<number> {
  const script = join(folder, 'bodies.lua');
  await writeFile(
    script,
    `local bodies = {\n${bodies.map((body) => `[[${body}]]`).join(',\n')}}\nlocal next = 0\nwrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nrequest = function()\n  next = next % #bodies + 1\n  return wrk.format(nil, nil, nil, bodies[next])\nend\n`,
  );
  const { stdout } = await run('wrk', ['-t1', `-c${connections}`, `-d${duration}s`, '-s', script, url]);
  return Number(/Requests\/sec:\s+([\d.]+)/u.exec(stdout)?.[1]);
}

async function hasWrk(): Promise<boolean> {
  return run('wrk', ['-v']).then(
    () => true,
    (error: { code?: unknown }) => error.code !== 'ENOENT',
  );
}

function messagesTo(url: string): Buffer[] {
  const target = new URL(url);
  return bodies.map((body) => postMessage(target, body));
}

async function serve(kind: string, ms = 0): Promise<{ url: string; child: ChildProcess }> {
  const child = fork(loadServer, [kind, String(ms)]);
  children.push(child);
  const [port] = (await once(child, 'message')) as [number];
  return { url: `http://127.0.0.1:${port}`, child };
}

/** The image target, as a load test starts it. */
async function startContainer(cpus: number, workMs: number): Promise<StagingTarget> {
  const image = await importBaseImage(new Docker());
  const program = await readFile(loadServer, 'utf8');
  const command = ['node', '--input-type=module', '-e', program, 'load-server', 'cpu', String(workMs), '8080'];
  const staging = { image, command, cpus, path: '/predict', health: '/', request: {} };
  const service = serviceOf(staging, 'm');
  const target = await startImage({ staging, candidate: null, service, log: silentLog });
  targets.push(target);
  return target;
}

async function startPeer(program: string, model: string): Promise<string> {
  const port = 18_000 + Math.floor(Math.random() * 2000);
  const app = ['load_peer:app', '--host', '127.0.0.1', '--port', String(port), '--log-level', 'warning'];
  const child = spawn(program, ['-m', 'uvicorn', ...app], {
    cwd: join(projectRoot, 'bench'),
    env: { ...process.env, MODEL: model },
  });
  children.push(child);
  const url = `http://127.0.0.1:${port}`;
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (
      await fetch(`${url}/v2/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return url;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error('the peer does not start');
}

async function asked(child: ChildProcess): Promise<number[]> {
  child.send('told');
  const [durations] = (await once(child, 'message')) as [number[]];
  return durations;
}

async function endAll(): Promise<void> {
  for (const target of targets.splice(0)) await target.stop();
  for (const child of children.splice(0)) {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await gone;
  }
}

/** Rows that are all alike, of a server that answers {"p": 0.5}. */
function plan(url: string): Parameters<Loaders['open']>[0] {
  const rows = 100;
  const offline = {
    rows,
    classes: null,
    kind: 'value' as const,
    scores: new Float64Array(rows).fill(0.5),
    labels: null,
    threshold: 0.5,
  };
  return {
    exchange: {
      url,
      headers: {},
      gzip: false,
      tls: undefined,
      write: { form: { x: new Array<number>(20).fill(0.5) }, columns: [], named: new Map(), model: 'm' },
      read: { task: 'regression', columns: { id: 'id', label: 'y' }, offline, reading: {}, places: { scores: '/p' } },
    },
    judging: { offline, positive: null, truth: null, tolerance: { absolute: 1e-6, relative: 1e-6 } },
    rows,
    seed: 1,
  };
}

/** A session of a server that nobody watches. */
function sessionOf(loader: Loader): Session {
  return {
    target: { kind: 'url', limits: { cpus: null, memoryBytes: null } } as Session['target'],
    loader,
    summary: nothingAnswered(),
    watch: { exit: null, samples: [] },
    answers: { at: [], judged: [], right: [], differing: [] },
    log: silentLog,
    signal: new AbortController().signal,
  };
}

/**
 * The highest rate of Poisson arrivals at which 95% of requests leave a queue of one server within the limit. With a limit on its CPU it
 * stands still from when that is used up in a period of 100 ms until the next (CFS bandwidth control of the kernel).
 */
function trueCapacity(serviceMs: number, limitMs: number, cpus = 1): number {
  const periodMs = 100;
  const quotaMs = cpus * periodMs;
  let [low, high] = [1, (1000 * cpus) / serviceMs];
  for (let step = 0; step < 20; step += 1) {
    const rate = (low + high) / 2;
    const random = uniform(11);
    let [now, free, over, period, left] = [0, 0, 0, 0, quotaMs];
    const count = 1_000_000;
    for (let index = 0; index < count; index += 1) {
      now -= (Math.log(1 - random()) * 1000) / rate;
      free = Math.max(free, now);
      for (let need = serviceMs; need > 0;) {
        const at = Math.floor(free / periodMs);
        if (at > period) [period, left] = [at, quotaMs];
        const end = (period + 1) * periodMs;
        const used = Math.min(need, left, end - free);
        need -= used;
        left -= used;
        if (used === end - free || left === 0) [free, period, left] = [end, period + 1, quotaMs];
        else free += used;
      }
      if (free - now > limitMs) over += 1;
    }
    if (over / count <= 0.05) low = rate;
    else high = rate;
  }
  return low;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (place: number): number => sorted[Math.floor(place)] ?? Number.NaN;
  return (at((sorted.length - 1) / 2) + at(sorted.length / 2)) / 2;
}

function spread(values: readonly number[]): string {
  return `${shown(Math.min(...values))} to ${shown(Math.max(...values))}`;
}

function shown(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US');
}

function signed(share: number): string {
  return `${share < 0 ? '' : '+'}${(100 * share).toFixed(2)}%`;
}
