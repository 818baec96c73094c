/*
 * A contract of types, ranges, enumerations, a pattern and formats on 20 mixed columns, judged by `contender validate` as a person runs it,
 * in Parquet, CSV and JSONL. Beside it, each in a process of its own and in turns: the bare engine that reads every cell of the file,
 * JSON.parse and ajv row by row on one thread, and (where BENCH_PYTHON names a Python with pandera, pandas, polars and pyarrow) the same
 * checks in pandera on pandas and on polars. Medians count. BENCH_ROWS, BENCH_ROUNDS, BENCH_FORMATS; BENCH_INVALID: a share of invalid rows.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { projectRoot } from '../test/support/project.ts';
import { columns, contract, selected, writeData } from './support/data-columns.ts';
import { publish } from './support/page.ts';
import { watched } from './support/watched.ts';

const rows = Number(process.env['BENCH_ROWS'] ?? 2_000_000);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5);
const invalid = Number(process.env['BENCH_INVALID'] ?? 0);
const python = process.env['BENCH_PYTHON'];
type Format = 'parquet' | 'csv' | 'jsonl';
const formats = (process.env['BENCH_FORMATS'] ?? 'parquet,csv,jsonl').split(',') as Format[];

/** Milliseconds from the start of the process to its end, peak resident memory in MiB, and the invalid rows it found. */
interface Measured {
  whole: number;
  memory: number;
  found: number;
}

const folder = await mkdtemp(join(tmpdir(), 'contender-bench-'));
try {
  await compare();
} finally {
  if (process.env['BENCH_KEEP'] === undefined) await rm(folder, { recursive: true, force: true });
  else console.log(folder);
}

async function compare(): Promise<void> {
  await generate();
  const peers = python === undefined ? [] : ['pandas', 'polars'];
  const measured = new Map<string, Measured[]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const format of formats) {
      const all: [string, () => Promise<Measured>][] = [
        ['contender', () => contender(format)],
        ['engine', () => script('data-bare', format)],
        ...(format === 'jsonl' ? [['ajv', () => script('data-ajv', format)] as [string, () => Promise<Measured>]] : []),
        ...peers.map((peer): [string, () => Promise<Measured>] => [peer, () => inPython(peer, format)]),
      ];
      // Every round in another order.
      const order = round % 2 === 0 ? all : all.toReversed();
      for (const [name, measure] of order) {
        const result = await measure();
        const key = `${format} ${name}`;
        measured.set(key, [...(measured.get(key) ?? []), result]);
        console.log(
          `${key}: ${(result.whole / 1000).toFixed(2)} s, ${result.memory} MiB, ${result.found} invalid rows`,
        );
      }
    }
    console.log(`round ${round + 1} of ${rounds}; load average ${loadavg()[0]?.toFixed(1)}`);
  }
  const counts = new Set(
    [...measured].filter(([key]) => /contender|ajv/u.test(key)).flatMap(([, each]) => each.map(({ found }) => found)),
  );
  if (counts.size !== 1) throw new Error(`counts of invalid rows differ: ${[...counts].join(', ')}`);
  await publish('Data', section(measured, [...counts][0] ?? 0));
}

function section(measured: ReadonlyMap<string, readonly Measured[]>, found: number): string[] {
  const names: Record<string, string> = {
    contender: 'contender validate',
    engine: 'bare engine: every cell read',
    ajv: 'JSON.parse and ajv, one thread',
    pandas: 'pandera on pandas',
    polars: 'pandera on polars',
  };
  const lines = [...measured].map(([key, results]) => {
    const [format = '', name = ''] = key.split(' ');
    const own = measured.get(`${format} contender`) ?? [];
    const ratios = results.map((each, round) => each.whole / (own[round]?.whole ?? Number.NaN));
    const [least, most] = [Math.min(...ratios), Math.max(...ratios)];
    const ratio =
      name === 'contender'
        ? ''
        : `${median(ratios).toPrecision(3)} (${least.toPrecision(3)} to ${most.toPrecision(3)})`;
    return `| ${format} | ${names[name] ?? name} | ${(median(results.map((each) => each.whole)) / 1000).toFixed(2)} s | ${ratio} | ${median(results.map((each) => each.memory))} MiB |`;
  });
  return [
    `A contract of types, ranges, enumerations, lengths, a pattern and formats on ${rows.toLocaleString('en')} rows of ${Object.keys(columns).length} columns, of which ${found.toLocaleString('en')} are invalid.`,
    `Each in a process of its own from start to end, in turns; medians of ${rounds} rounds.`,
    '',
    '| format | what | time | times as long as contender (rounds) | peak memory |',
    '|---|---|---|---|---|',
    ...lines,
    ...(python === undefined ? ['', 'Pandera was not measured: `BENCH_PYTHON` names no Python.'] : []),
  ];
}

async function generate(): Promise<void> {
  const files = formats.map((format) => join(folder, `data.${format}`));
  await writeData(selected(rows, invalid), files);
  await writeFile(join(folder, 'contract.json'), JSON.stringify(contract));
  await writeFile(join(folder, 'model.onnx'), '');
  for (const format of formats) {
    await writeFile(
      join(folder, `${format}.yml`),
      `version: 1\nmodels:\n  bench:\n    task: binary-classification\n    candidate: model.onnx\n    columns: { id: id, label: label, positive: 1 }\n    data: { evaluation: data.${format}, contract: contract.json }\n    policy: { primary: { metric: roc_auc, margin: 0.01 } }\n`,
    );
  }
}

async function contender(format: Format): Promise<Measured> {
  const program = join(projectRoot, 'build/src/cli/main.js');
  const args = [
    program,
    'validate',
    '--workspace',
    folder,
    '--config',
    `${format}.yml`,
    '--out',
    'out',
    '--json',
    '--quiet',
  ];
  const { stdout, ...measured } = await watched(process.execPath, args);
  const evidence = JSON.parse(
    await readFile(join(folder, 'out/bench/evidence/data.json'), 'utf8').catch(() => stdout),
  ) as {
    checks: { id: string; observed: unknown }[];
  };
  const check = evidence.checks.find(({ id }) => id.endsWith('/contract'));
  return { ...measured, found: Number(check?.observed ?? Number.NaN) };
}

async function script(name: string, format: Format): Promise<Measured> {
  const path = fileURLToPath(new URL(`support/${name}.js`, import.meta.url));
  const { stdout, ...measured } = await watched(process.execPath, [
    path,
    join(folder, `data.${format}`),
    join(folder, 'contract.json'),
  ]);
  return { ...measured, found: Number(stdout) };
}

async function inPython(peer: string, format: Format): Promise<Measured> {
  const path = join(projectRoot, 'bench/data_peer.py');
  const { stdout, ...measured } = await watched(python ?? '', [
    path,
    peer,
    join(folder, `data.${format}`),
    join(folder, 'contract.json'),
  ]);
  return { ...measured, found: Number(stdout) };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
