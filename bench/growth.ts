/*
 * How `contender validate` grows: with rows, with rows that break the contract, and drift with columns. Each run in a process of its
 * own, `BENCH_ROUNDS` of each (default 1), of which the median counts. BENCH_ROWS: rows of the smaller table (default 2,000,000), of
 * which the larger one has ten times as many.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../test/support/project.ts';
import { contract, selected, writeData } from './support/data-columns.ts';
import { publish } from './support/page.ts';
import { watched } from './support/watched.ts';

const rows = Number(process.env['BENCH_ROWS'] ?? 2_000_000);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 1);
/** Rows on each side of a comparison of many columns. */
const compared = 20_000;
const folder = await mkdtemp(join(tmpdir(), 'contender-growth-'));

/** What is looked at: the data of contender.yml, and what writes them. */
interface Subject {
  what: string;
  data: string;
  queries: Record<string, string>;
}

const count = (value: number): string => value.toLocaleString('en');
const judged = (file: string): string => `{ evaluation: ${file}, contract: contract.json, leakage: false }`;
const drifting = (wide: number): Subject => ({
  what: `drift of ${wide} columns, ${count(compared)} rows on each side`,
  data: '{ evaluation: now.parquet, reference: before.parquet, leakage: false, drift: {} }',
  queries: { 'before.parquet': wideQuery(wide, 1), 'now.parquet': wideQuery(wide, 2) },
});
const subjects: Subject[] = [
  ...[rows, 10 * rows].map((each) => ({
    what: `Parquet, ${count(each)} rows of 20 columns`,
    data: judged('data.parquet'),
    queries: { 'data.parquet': selected(each) },
  })),
  ...[0, 0.01].map((invalid) => ({
    what: `CSV, ${count(rows / 2)} rows of 20 columns, ${invalid === 0 ? 'all valid' : '1% of the rows invalid'}`,
    data: judged('data.csv'),
    queries: { 'data.csv': selected(rows / 2, invalid) },
  })),
  drifting(20),
  drifting(500),
];

try {
  await publish('Data: growth', await measure());
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measure(): Promise<string[]> {
  await writeFile(join(folder, 'contract.json'), JSON.stringify(contract));
  await writeFile(join(folder, 'model.onnx'), '');
  const lines: string[] = [];
  for (const { what, data, queries } of subjects) {
    for (const [file, query] of Object.entries(queries)) await writeData(query, [join(folder, file)]);
    await writeFile(
      join(folder, 'contender.yml'),
      `version: 1\nmodels:\n  bench:\n    task: binary-classification\n    candidate: model.onnx\n    columns: { id: id, label: label, positive: 1 }\n    data: ${data}\n    policy: { primary: { metric: roc_auc, margin: 0.01 } }\n`,
    );
    const program = join(projectRoot, 'build/src/cli/main.js');
    const runs: Awaited<ReturnType<typeof watched>>[] = [];
    for (let round = 0; round < rounds; round += 1) {
      runs.push(
        await watched(process.execPath, [program, 'validate', '--workspace', folder, '--out', 'out', '--quiet']),
      );
    }
    const [whole, processors, memory] = (['whole', 'processors', 'memory'] as const).map((of) =>
      median(runs.map((run) => run[of])),
    ) as [number, number, number];
    const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
    lines.push(`| ${what} | ${seconds(whole)} | ${seconds(processors)} | ${memory} MiB |`);
    console.log(lines.at(-1));
  }
  return [
    `\`contender validate\` in a process of its own, from start to end; ${rounds === 1 ? 'measured once' : `medians of ${rounds} runs`}. Seconds of processors are changed little by other work on the machine. \`npm run bench -- growth\`.`,
    '',
    '| what | time | processors | peak memory |',
    '|---|---|---|---|',
    ...lines,
  ];
}

/** Numbers, and of every five columns one of 30 categories, of one distribution whatever the seed. */
function wideQuery(columns: number, seed: number): string {
  const cells = Array.from({ length: columns }, (_, place) => {
    const random = (below: number): string => `hash(i, ${place}, ${seed}) % ${below}`;
    return `${place % 5 === 4 ? `'kind ' || (${random(30)})` : `(${random(1_000_000)}) / 1000.0`} as f${place}`;
  });
  return `select i as id, (hash(i, ${seed}) % 2)::integer as label, ${cells.join(', ')} from (select range as i from range(${compared}))`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
