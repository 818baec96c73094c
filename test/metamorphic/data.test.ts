import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { openDataset, readColumns } from '../../src/data/dataset.ts';
import type { Check, Evidence } from '../../src/evidence/index.ts';
import { contender } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';
import { formats, generateTable, shuffledTable, writeTable, type Format, type GeneratedTable } from './table.ts';

/*
 * What must change nothing: the format of the file, its folder, the order of its rows and columns, the time zone, the locale.
 * METAMORPHIC_TABLES and METAMORPHIC_GATES say how many tables are read, and how many times the whole gate runs (24 and 8 by
 * default; each table is compared cell by cell, in four formats and two uses).
 */
const tables = Number(process.env['METAMORPHIC_TABLES'] ?? 24);
const gates = Number(process.env['METAMORPHIC_GATES'] ?? 8);

test('the same rows read the same as CSV, gzipped CSV, JSONL and Parquet, text by text and number by number', () =>
  inTemporaryFolder(async (folder) => {
    let compared = 0;
    for (let seed = 1; seed <= tables; seed += 1) {
      const table = generateTable(seed, 20);
      for (const format of formats) {
        const path = join(folder, await writeTable(folder, `t${seed}`, table, format));
        const read = await cellsOf(path, table);
        for (const { name, type, cells } of table.columns) {
          assert.deepEqual(read.texts.get(name)?.values, cells, `seed ${seed}, ${format}, ${name}`);
          compared += cells.length;
          if (type === 'text') continue;
          const numbers = cells.map((cell) =>
            cell === null ? Number.NaN : type === 'boolean' ? +(cell === 'true') : Number(cell),
          );
          assert.deepEqual([...(read.numbers.get(name)?.values ?? [])], numbers, `seed ${seed}, ${format}, ${name}`);
          compared += cells.length;
        }
      }
    }
    assert.ok(compared >= tables * 1000, `${compared} cells compared`);
  }));

async function cellsOf(path: string, { columns }: GeneratedTable): ReturnType<typeof readColumns> {
  const dataset = await openDataset({ name: 'evaluation', path, uri: path }, { sha256: '' });
  try {
    return await readColumns(dataset, {
      texts: columns.map(({ name }) => name),
      numbers: columns.filter(({ type }) => type !== 'text').map(({ name }) => name),
    });
  } finally {
    dataset.close();
  }
}

interface Variant {
  format: Format;
  predictions: Format;
  folder: string;
  environment: Record<string, string>;
  shuffled: boolean;
}

/** The first is the one that all others are held to. */
const variants: Variant[] = [
  { format: 'parquet', predictions: 'csv', folder: 'data', environment: { TZ: 'UTC' }, shuffled: false },
  { format: 'csv', predictions: 'parquet', folder: 'label=1', environment: { TZ: 'Asia/Tokyo' }, shuffled: false },
  {
    format: 'jsonl',
    predictions: 'csv.gz',
    folder: 'kind=web/count=3',
    environment: { LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8' },
    shuffled: false,
  },
  {
    format: 'csv.gz',
    predictions: 'jsonl',
    folder: 'a [b]*?',
    environment: { TZ: 'America/New_York' },
    shuffled: true,
  },
];

test('the same rows give one evidence, whatever the format, the folder, the order, the time zone and the locale', () =>
  inTemporaryFolder(async (root) => {
    for (let run = 0; run < gates; run += variants.length) {
      const seed = 1000 + run;
      const table = generateTable(seed, 60);
      const found: unknown[] = [];
      for (const [index, variant] of variants.slice(0, gates - run).entries()) {
        const place = join(root, `${seed}-${index}`);
        found.push(await evidenceOf(place, variant.shuffled ? shuffledTable(table, seed) : table, variant));
      }
      for (const [index, each] of found.entries()) {
        assert.deepEqual(each, found[0], `seed ${seed}, ${JSON.stringify(variants[index])}`);
      }
    }
  }));

/** The checks of an evaluation of two files of predictions, without what names files. */
async function evidenceOf(root: string, table: GeneratedTable, variant: Variant): Promise<unknown> {
  const data = join(root, variant.folder);
  await mkdir(data, { recursive: true });
  const evaluation = await writeTable(data, 'eval', table, variant.format);
  const ids = table.columns.find(({ name }) => name === 'id')?.cells as string[];
  const files: string[] = [];
  for (const [side, wrong] of [
    ['candidate', 7],
    ['champion', 5],
  ] as const) {
    const label = table.columns.find(({ name }) => name === 'label')?.cells as string[];
    // Which rows are wrong follows from the id, not from its place.
    const prediction = label.map((cell, row) =>
      String(Number(ids[row]?.slice(1)) % wrong === 0 ? 1 - Number(cell) : Number(cell)),
    );
    const predicted: GeneratedTable = {
      rows: table.rows,
      columns: [
        { name: 'id', type: 'text', cells: ids },
        { name: 'prediction', type: 'whole', cells: prediction },
      ],
    };
    files.push(join(variant.folder, await writeTable(data, side, predicted, variant.predictions)));
  }
  const config = {
    version: 1,
    models: {
      m: {
        task: 'binary-classification',
        candidate: { predictions: files[0] },
        champion: { predictions: files[1] },
        columns: { id: 'id', label: 'label', cluster: 'count' },
        data: { evaluation: join(variant.folder, evaluation) },
        policy: {
          primary: { metric: 'accuracy', margin: 0.1 },
          guardrails: [
            {
              metric: 'accuracy',
              margin: 0.2,
              slices: [
                'kind',
                'ok',
                'gap',
                { column: 'ratio', bins: 3 },
                { name: 'large', sql: 'count > 0 and ratio is not null' },
              ],
            },
          ],
        },
      },
    },
  };
  await writeFile(join(root, 'contender.yml'), JSON.stringify(config));
  const ran = await contender(root, ['evaluate', '-w', '.'], variant.environment);
  assert.ok([0, 1, 3].includes(ran.code ?? 70), `${ran.stdout}\n${ran.stderr}`);
  const file = join(root, '.contender/m/evidence/evaluation.json');
  const evidence = JSON.parse(await readFile(file, 'utf8')) as Evidence;
  assert.ok(evidence.checks.length > 5, dirname(file));
  return evidence.checks.map((check: Check) => ({ ...check, location: undefined }));
}
