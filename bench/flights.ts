/*
 * A real table through `contender infer`, `validate`, `profile`, drift from month to month and leakage, as Parquet, CSV and JSONL.
 * BENCH_FLIGHTS: flights-3m.parquet of the npm package vega-datasets (BSD-3-Clause; `npm pack vega-datasets`), 3,000,000 flights in the
 * first half of 2001. BENCH_ROWS: only about so many of them, of all months.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { projectRoot } from '../test/support/project.ts';
import { publish } from './support/page.ts';
import { watched } from './support/watched.ts';

const source = process.env['BENCH_FLIGHTS'];
if (source === undefined)
  throw new Error('BENCH_FLIGHTS must name flights-3m.parquet of the npm package vega-datasets');
const rows = Number(process.env['BENCH_ROWS'] ?? 3_000_000);
const formats = ['parquet', 'csv', 'jsonl'] as const;
const folder = await mkdtemp(join(tmpdir(), 'contender-flights-'));
const program = join(projectRoot, 'build/src/cli/main.js');
const run = (...args: string[]): ReturnType<typeof watched> =>
  watched(process.execPath, [program, ...args, '--workspace', folder]);

interface Evidence {
  checks: { id: string; verdict: string; message: string }[];
  details: { drift?: Record<string, { columns: Record<string, { psi: number; ks: number; verdict: string }> }> };
}

try {
  await publish('Flights', await measure());
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measure(): Promise<string[]> {
  const { months, flights } = await generate();
  const cells = new Map<string, string[]>();
  const shown = new Map<string, Set<string>>();
  const add = (what: string, { processors, memory }: { processors: number; memory: number }): void => {
    cells.set(what, [...(cells.get(what) ?? []), `${(processors / 1000).toFixed(1)} s, ${memory} MiB`]);
    console.log(what, cells.get(what)?.at(-1));
  };
  for (const format of formats) {
    await rm(join(folder, 'contract.json'), { force: true });
    add('infer', await run('infer', `whole.${format}`, '--contract', 'contract.json', '--quiet'));
    add(
      'validate by that contract',
      await validated(`whole.${format}`, ', contract: contract.json, leakage: false', shown),
    );
    add('profile', await run('profile', `whole.${format}`, '--file', `${format}-profile.json`, '--quiet'));
    const [before, after] = [`month-1.${format}`, `month-2.${format}`];
    add(
      'drift, February against January',
      await validated(after, `, reference: ${before}, leakage: false, drift: {}`, shown),
    );
    add('leakage, the same', await validated(after, `, reference: ${before}, leakage: { time: date }`, shown));
  }
  const drifted: string[] = [];
  for (let month = 2; month <= months; month++) {
    await validated(
      `month-${month}.parquet`,
      `, reference: month-${month - 1}.parquet, leakage: false, drift: {}`,
      new Map(),
    );
    const { details } = await evidence();
    const { columns = {} } = Object.values(details.drift ?? {})[0] ?? {};
    const of = (name: string): string => {
      const found = columns[name];
      if (found === undefined) return 'not compared';
      const { psi, ks, verdict } = found;
      return `${psi.toPrecision(2)} / ${typeof ks === 'number' ? ks.toPrecision(2) : '–'} ${verdict}`;
    };
    drifted.push(
      `| ${month} against ${month - 1} | ${['delay', 'distance', 'origin', 'destination'].map(of).join(' | ')} |`,
    );
  }
  return [
    `${flights.toLocaleString('en')} flights of 2001 (flights-3m.parquet of the npm package vega-datasets): date, delay, distance, origin and destination, and by this benchmark an id and whether the delay is above 15 minutes. \`npm run bench -- flights\`.`,
    'Each command in a process of its own, from start to end: seconds of processors, which other work on the machine changes little, and peak memory.',
    '',
    '| | Parquet | CSV | JSONL |',
    '|---|---|---|---|',
    ...[...cells].map(([what, each]) => `| ${what} | ${each.join(' | ')} |`),
    '',
    'What it showed, in all three formats unless they are named (the label is made of the delay, so that the leak is one):',
    '',
    ...[...shown].map(([each, of]) => `- ${each}${of.size < formats.length ? ` (${[...of].join(', ')})` : ''}`),
    '',
    'Drift of each month against the one before: PSI / Kolmogorov-Smirnov distance and verdict.',
    '',
    '| month | delay | distance | origin | destination |',
    '|---|---|---|---|---|',
    ...drifted,
  ];
}

/** Validate, and note the checks that do not pass, and those of the contract. */
async function validated(file: string, more: string, shown: Map<string, Set<string>>): ReturnType<typeof watched> {
  await writeFile(
    join(folder, 'contender.yml'),
    `version: 1\nmodels:\n  flights:\n    task: binary-classification\n    candidate: model.onnx\n    columns: { id: id, label: late, positive: 1 }\n    data: { evaluation: ${file}${more} }\n    policy: { primary: { metric: roc_auc, margin: 0.01 } }\n`,
  );
  // What an earlier run left is no answer of this one.
  await rm(join(folder, 'out'), { recursive: true, force: true });
  const measured = await run('validate', '--out', 'out', '--quiet');
  for (const { id, verdict, message } of (await evidence()).checks) {
    if (verdict === 'pass' && !id.endsWith('/contract')) continue;
    const said = `\`${id}\`: ${verdict}: ${message.replaceAll(/\.(?:parquet|csv|jsonl)\b/gu, '')}`;
    shown.set(said, (shown.get(said) ?? new Set()).add(extname(file).slice(1)));
  }
  return measured;
}

async function evidence(): Promise<Evidence> {
  return JSON.parse(await readFile(join(folder, 'out/flights/evidence/data.json'), 'utf8')) as Evidence;
}

/** The files, and how many whole months and flights there are. */
async function generate(): Promise<{ months: number; flights: number }> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(
    `create table flights as select place as id, * exclude (place), (delay > 15)::integer as late from (select * from (select *, row_number() over (order by date, origin, destination, distance, delay) as place from '${source}') where hash(place) % 3000000 < ${rows} order by place)`,
  );
  const counted = await connection.runAndReadAll(
    'select max(month(date)) filter (month(date) < 7), count(*)::double from flights',
  );
  const [months = 0, flights = 0] = (counted.getRows()[0] ?? []).map(Number);
  for (const format of formats) {
    const written = { parquet: 'format parquet', csv: 'format csv, header', jsonl: 'format json' }[format];
    await connection.run(`copy flights to '${join(folder, `whole.${format}`)}' (${written})`);
    for (let month = 1; month <= months; month++) {
      const path = join(folder, `month-${month}.${format}`);
      await connection.run(`copy (select * from flights where month(date) = ${month}) to '${path}' (${written})`);
    }
  }
  connection.closeSync();
  instance.closeSync();
  await writeFile(join(folder, 'model.onnx'), '');
  return { months, flights };
}
