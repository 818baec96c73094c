/*
 * Predicting with two models and comparing them on every binary metric, each with its interval, and on ten slices. Beside it, each in a
 * process of its own and in turns: a bare script that reads the same Parquet through the same engine and runs the same two sessions, and
 * (where BENCH_PYTHON names a Python with numpy, scipy, scikit-learn, pyarrow and onnxruntime) the same comparison in Python, once with
 * a bootstrap of everything and once by the same methods as here. Medians count.
 */
import { execFile, fork } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { publish } from './support/page.ts';
import { floats, graph, model, node, tensor, valueInfo } from '../test/model/onnx-builder.ts';
import { writeParquet } from '../test/support/parquet.ts';
import { projectRoot } from '../test/support/project.ts';

const rows = Number(process.env['BENCH_ROWS'] ?? 1_000_000);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3);
const python = process.env['BENCH_PYTHON'];
/** Resamples of Contender and of the second peer; the first peer draws few, and its time for so many is extrapolated. */
const resamples = 2000;
const resamplesDrawn = 2;
const features = Array.from({ length: 50 }, (_, index) => `f${index}`);

export interface Measured {
  /** Milliseconds; `whole` from the start of the process. */
  predict: number;
  evaluate: number;
  whole: number;
  /** Sum of all scores: all must have predicted the same. */
  checksum: number;
  /** Peak resident memory, in MiB; of Contender, of the process that evaluates. */
  memory: number;
  /** One-sided 95% bounds by metric, and by metric and slice. */
  intervals: Record<string, [number, number]>;
}

/** What one resample took, in milliseconds. */
type BootstrapPeer = Measured & { resample: number };
/** What scikit-learn's values took of `evaluate`, in milliseconds. */
type ClosedPeer = Measured & { values: number };

await compare();

/** `alone`: without the start of its process, in milliseconds. */
type BareScript = Measured & { alone: number };

interface Round {
  bare: BareScript;
  ours: Measured;
  python: { bootstrap: BootstrapPeer; closed: ClosedPeer } | null;
}

async function compare(): Promise<void> {
  const temporary = await mkdtemp(join(tmpdir(), 'contender-bench-'));
  try {
    await generate(temporary);
    const sizes = [2048, 8192, 32768];
    const trials: number[] = [];
    for (const size of sizes) trials.push((await bare(temporary, size)).predict);
    const best = sizes[trials.indexOf(Math.min(...trials))] as number;
    console.log(`${rows} rows, ${features.length} features; ${cpus().length} cores; ${process.version}`);
    console.log(`bare: ${sizes.map((size, index) => `${size} rows a batch ${seconds(trials[index])}`).join(', ')}`);
    const results: Round[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const first = round % 2 === 0 ? await bare(temporary, best) : null;
      const own = await run<Measured>('evaluate-contender', [temporary, String(features.length)]);
      const other = first ?? (await bare(temporary, best));
      const peers =
        python === undefined
          ? null
          : {
              closed: await peer<ClosedPeer>(python, 'closed', temporary, resamples),
              bootstrap: await peer<BootstrapPeer>(python, 'bootstrap', temporary, resamplesDrawn),
            };
      results.push({ bare: other, ours: own, python: peers });
      for (const each of [other, ...Object.values(peers ?? {})]) {
        if (Math.abs(own.checksum - each.checksum) > 1e-6 * own.checksum)
          throw new Error(`the predictions differ: ${own.checksum} and ${each.checksum}`);
      }
      if (peers !== null) agree(own, peers.closed);
      const figures = Object.entries({ bare: other, contender: own, ...peers }).map(
        ([name, each]) => `${name} ${seconds(each.predict)} + ${seconds(each.evaluate)} (${each.memory} MiB)`,
      );
      console.log(`round ${round + 1}: ${figures.join('; ')}; load average ${loadavg()[0]?.toFixed(1)}`);
    }
    await publish('Evaluation', section(results));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

function section(results: readonly Round[]): string[] {
  const first = results[0] as Round;
  const rowOf = (what: string, of: (round: Round) => Measured): string => {
    const middle = (part: (measured: Measured) => number): number => median(results.map((each) => part(of(each))));
    const judged = middle((each) => each.evaluate);
    return `| ${what} | ${seconds(middle((each) => each.predict))} | ${judged === 0 ? '' : seconds(judged)} | ${seconds(middle((each) => each.whole))} | ${middle((each) => each.memory)} MiB |`;
  };
  const ratioOf = (what: string, target: string, of: (round: Round) => number): string => {
    const ratios = results.map(of).toSorted((a, b) => a - b);
    const [least, most] = [ratios[0], ratios.at(-1)].map((each) => each?.toPrecision(3));
    return `| ${what} | ${median(ratios).toPrecision(3)} | ${least} to ${most} | ${target} |`;
  };
  const lines = [
    `${rows.toLocaleString('en')} rows of ${features.length} features in a Parquet file, two networks; all binary metrics with intervals, and accuracy on ten slices.`,
    `Each in a process of its own, whose start counts, in turns; medians of ${results.length} rounds. All predict the same, and the bounds agree to 0.15 of an interval's width.`,
    '',
    '| | read and predict | evaluate | whole, from the start of the process | peak memory |',
    '|---|---|---|---|---|',
    rowOf('bare script on DuckDB and onnxruntime-node', (each) => each.bare),
    rowOf('contender (memory: of the process that evaluates)', (each) => each.ours),
  ];
  const ratios = [
    '| contender is faster by a factor of | median | rounds | target |',
    '|---|---|---|---|',
    ratioOf('read and predict, than the bare script', '0.85', (each) => each.bare.predict / each.ours.predict),
    ratioOf("the same, without the start of the script's process", '', (each) => each.bare.alone / each.ours.predict),
  ];
  if (first.python === null)
    return [...lines, '', ...ratios, '', 'Python was not measured: `BENCH_PYTHON` names none.'];
  const python = (each: Round): NonNullable<Round['python']> => each.python as NonNullable<Round['python']>;
  const bootstrapped = ({ whole, evaluate: few, resample }: BootstrapPeer): number =>
    whole - few + resamples * resample;
  return [
    ...lines,
    rowOf("Python: scikit-learn's values, intervals by the same methods", (each) => python(each).closed),
    '',
    ...ratios,
    ratioOf(
      `whole, than Python with a paired bootstrap (${resamples} resamples, extrapolated from ${resamplesDrawn} of ${seconds(median(results.map((each) => python(each).bootstrap.resample)))} each)`,
      '3',
      (each) => bootstrapped(python(each).bootstrap) / each.ours.whole,
    ),
    ratioOf(
      "whole, than Python with scikit-learn's values and the same methods",
      '3',
      (each) => python(each).closed.whole / each.ours.whole,
    ),
    ratioOf(
      'whole, than Python with the same methods and no values',
      '',
      (each) => (python(each).closed.whole - python(each).closed.values) / each.ours.whole,
    ),
  ];
}

/** The same work gives the same bounds: exactly where nothing is drawn, else nearly. */
function agree(own: Measured, other: Measured): void {
  for (const [name, bounds] of Object.entries(own.intervals)) {
    const others = other.intervals[name];
    if (others === undefined) throw new Error(`the peer lacks ${name}`);
    const width = bounds[1] - bounds[0];
    for (const side of [0, 1] as const) {
      const apart = Math.abs(bounds[side] - others[side]) / width;
      if (apart > 0.15) throw new Error(`${name}: bounds ${bounds.join(', ')} here and ${others.join(', ')} in Python`);
    }
  }
}

async function peer<Kind extends Measured>(
  interpreter: string,
  mode: string,
  source: string,
  draws: number,
): Promise<Kind> {
  const script = join(projectRoot, 'bench', 'evaluate_peer.py');
  const started = performance.now();
  const { stdout } = await promisify(execFile)(interpreter, [script, mode, source, String(draws)]);
  return { ...(JSON.parse(stdout) as Kind), whole: performance.now() - started };
}

async function generate(target: string): Promise<void> {
  // Hashes rather than random(): the same file on every machine and with any number of threads.
  const values = features.map(
    (name, index) => `((hash(i * 64 + ${index}) % 1000000) / 500000.0 - 1)::float as ${name}`,
  );
  const noise = '(hash(i * 64 + 63) % 1000000) / 500000.0 - 1';
  await writeParquet(
    join(target, 'data.parquet'),
    `select i as id, (f0 + f1 - f2 + ${noise} > 0)::integer as label, 's' || (i % 10) as segment, ${features.join(', ')}
     from (select i, ${values.join(', ')} from range(${rows}) t(i))`,
  );
  await writeFile(join(target, 'champion.onnx'), perceptron(8));
  await writeFile(join(target, 'candidate.onnx'), perceptron(32));
}

/** A network of one hidden layer that knows about as much as there is to know. */
function perceptron(hidden: number): Uint8Array {
  const first = Array.from({ length: features.length * hidden }, (_, index) => {
    const weight = [1, 1, -1][Math.floor(index / hidden)];
    return weight === undefined ? Math.sin(index) / 20 : weight * (1 + Math.cos(index) / 4);
  });
  return model(
    graph({
      nodes: [
        node('MatMul', ['x', 'w1'], ['h']),
        node('Tanh', ['h'], ['a']),
        node('MatMul', ['a', 'w2'], ['s']),
        node('Sigmoid', ['s'], ['probability']),
      ],
      inputs: [valueInfo('x', 'float', ['N', features.length])],
      outputs: [valueInfo('probability', 'float', ['N', 1])],
      initializers: [
        tensor('w1', 'float', [features.length, hidden], floats(...first)),
        tensor('w2', 'float', [hidden, 1], floats(...Array.from({ length: hidden }, () => 3 / hidden))),
      ],
    }),
  );
}

function bare(source: string, size: number): Promise<BareScript> {
  return run<BareScript>('predict-bare', [source, String(rows), String(features.length), String(size)]);
}

function run<Kind extends Measured>(script: string, parameters: readonly string[]): Promise<Kind> {
  return new Promise((done, failed) => {
    const child = fork(fileURLToPath(new URL(`support/${script}.js`, import.meta.url)), parameters);
    child.once('message', (measured) => {
      done(measured as Kind);
      child.kill();
    });
    child.once('exit', (code) => failed(new Error(`${script} ended with ${code}`)));
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

function seconds(milliseconds: number | undefined): string {
  return `${((milliseconds ?? 0) / 1000).toFixed(2)} s`;
}
