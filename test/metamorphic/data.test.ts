import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readingOf } from '../../src/data/cells.ts';
import { openDataset, readColumns, requireColumns, type DatasetColumn } from '../../src/data/dataset.ts';
import type { Check, Evidence } from '../../src/evidence/index.ts';
import { floats, graph, model, node, tensor, valueInfo } from '../model/onnx-builder.ts';
import { commandLine, contender, runNode } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';
import {
  formats,
  generateColumns,
  generateTable,
  shuffledTable,
  writeTable,
  type Format,
  type GeneratedColumn,
  type GeneratedTable,
} from './table.ts';

/*
 * What must change nothing: the format of the file, its folder, the order of its rows and columns, the time zone, the locale, the number
 * of cores, the number of rows that go through a model at a time, and whether a model or the file of its predictions is evaluated.
 * METAMORPHIC_COLUMNS, METAMORPHIC_TABLES and METAMORPHIC_GATES say how many generated columns are read, each in four formats, for two
 * uses; how many tables go the way of labels and slices; and how many times the whole evaluation runs (2000, 4 and 6 by default).
 */
const columns = Number(process.env['METAMORPHIC_COLUMNS'] ?? 2000);
const tables = Number(process.env['METAMORPHIC_TABLES'] ?? 4);
const gates = Number(process.env['METAMORPHIC_GATES'] ?? 6);

const folders = ['data', 'label=1', 'kind=web/c0=3', 'a [b]*?'];

test('generated columns read the same in every format, folder and order of rows and columns', () =>
  inTemporaryFolder(async (root) => {
    const width = 100;
    let compared = 0;
    for (let seed = 1; compared < columns; seed += 1) {
      const table = generateColumns(seed, 12, Math.min(width, columns - compared));
      const expected = byRow(table);
      for (const [index, format] of formats.entries()) {
        const folder = join(root, folders[(seed + index) % folders.length] as string);
        await mkdir(folder, { recursive: true });
        const path = join(
          folder,
          await writeTable(folder, 't', index < 2 ? table : shuffledTable(table, seed), format),
        );
        assert.deepEqual(await cellsByRow(path, table), expected, `seed ${seed}, ${format}`);
        await rm(path);
      }
      compared += table.columns.length - 1;
    }
    assert.equal(compared, columns);
  }));

type Cells = Record<string, (string | number | null)[]>;

/** Of each id the texts of its columns, and the numbers of those that hold numbers. */
function byRow({ rows, columns: all }: GeneratedTable): Cells {
  const id = all.find(({ name }) => name === 'id')?.cells as string[];
  return Object.fromEntries(
    Array.from({ length: rows }, (_, row) => [
      id[row],
      [
        ...all.map(({ cells }) => cells[row] as string | null),
        ...all.filter(isOfNumbers).map(({ type, cells }) => numberOf(type, cells[row] as string | null)),
      ],
    ]),
  );
}

const isOfNumbers = ({ type }: GeneratedColumn): boolean => type !== 'text';

function numberOf(type: GeneratedColumn['type'], cell: string | null): number | null {
  return cell === null ? null : type === 'boolean' ? +(cell === 'true') : Number(cell);
}

/** The same, as it is read from a file. */
async function cellsByRow(path: string, { columns: all }: GeneratedTable): Promise<Cells> {
  const dataset = await openDataset({ name: 'evaluation', path, uri: path }, { sha256: '' });
  try {
    const known = new Map(
      requireColumns(
        dataset,
        dataset.columns.map(({ name }) => name),
      ).map((each) => [each.name, each]),
    );
    // Of JSONL a key that no row has a value of is a column all the same.
    const requests = [
      ...all.map(({ name }) => ({ column: known.get(name) as DatasetColumn, use: 'text' as const })),
      ...all
        .filter(isOfNumbers)
        .map(({ name }) => ({ column: known.get(name) as DatasetColumn, use: 'number' as const })),
    ];
    const { from, expressions } = readingOf(dataset, requests);
    const rows = (await dataset.connection.runAndReadAll(`select ${expressions.join(', ')} from ${from}`)).getRows();
    const id = all.findIndex(({ name }) => name === 'id');
    return Object.fromEntries(rows.map((row) => [row[id], row])) as Cells;
  } finally {
    dataset.close();
  }
}

test('the same rows are the same labels, slices and numbers in CSV, gzipped CSV, JSONL and Parquet', () =>
  inTemporaryFolder(async (folder) => {
    for (let seed = 1; seed <= tables; seed += 1) {
      const table = generateTable(seed, 20);
      for (const format of formats) {
        const path = join(folder, await writeTable(folder, `t${seed}`, table, format));
        const read = await cellsOf(path, table);
        for (const { name, type, cells } of table.columns) {
          const place = `seed ${seed}, ${format}, ${name}`;
          assert.deepEqual(read.texts.get(name)?.values, cells, place);
          if (type === 'text') continue;
          const numbers = cells.map((cell) => numberOf(type, cell) ?? Number.NaN);
          assert.deepEqual([...(read.numbers.get(name)?.values ?? [])], numbers, place);
        }
      }
    }
  }));

async function cellsOf(path: string, table: GeneratedTable): ReturnType<typeof readColumns> {
  const dataset = await openDataset({ name: 'evaluation', path, uri: path }, { sha256: '' });
  try {
    return await readColumns(dataset, {
      texts: table.columns.map(({ name }) => name),
      numbers: table.columns.filter(isOfNumbers).map(({ name }) => name),
    });
  } finally {
    dataset.close();
  }
}

interface Variant {
  format: Format;
  folder: string;
  environment: Record<string, string>;
  shuffled: boolean;
  /** Rows that the model takes at a time; null: its predictions are written first, as this format, and evaluated. */
  model: 'any' | 1 | 7 | { predictions: Format };
  oneCore?: boolean;
}

/** The first is the one that all others are held to. */
const variants: Variant[] = [
  { format: 'parquet', folder: 'data', environment: { TZ: 'UTC' }, shuffled: false, model: 'any' },
  { format: 'csv', folder: 'label=1', environment: { TZ: 'Asia/Tokyo' }, shuffled: false, model: 'any', oneCore: true },
  {
    format: 'jsonl',
    folder: 'kind=web/count=3',
    environment: { LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8' },
    shuffled: false,
    model: 7,
  },
  { format: 'csv.gz', folder: 'a [b]*?', environment: { TZ: 'America/New_York' }, shuffled: true, model: 1 },
  { format: 'jsonl', folder: 'p', environment: {}, shuffled: true, model: { predictions: 'csv' } },
  { format: 'csv', folder: 'label=0', environment: {}, shuffled: true, model: { predictions: 'parquet' } },
];

test('the same rows give one evidence, whatever the file, the machine and the way the predictions are made', () =>
  inTemporaryFolder(async (root) => {
    for (let run = 0; run < gates; run += variants.length) {
      const seed = 1000 + run;
      const table = generateTable(seed, 60);
      let first: Check[] | undefined;
      for (const [index, variant] of variants.slice(0, gates - run).entries()) {
        const place = join(root, `[${seed}]{${index}}`);
        const found = await evidenceOf(place, variant.shuffled ? shuffledTable(table, seed) : table, variant);
        first ??= found;
        const where = `seed ${seed}, ${JSON.stringify(variant)}`;
        assert.deepEqual(
          found.map(({ id }) => id),
          first.map(({ id }) => id),
          where,
        );
        if (variant.model === 'any') assert.deepEqual(found, first, where);
        else assertNear(found, first, where);
      }
    }
  }));

/** Other batches may move the last bits of a score. */
function assertNear(found: unknown, expected: unknown, where: string): void {
  if (typeof found === 'number' && typeof expected === 'number') {
    assert.ok(
      Math.abs(found - expected) <= 1e-6 * Math.max(1, Math.abs(expected)),
      `${where}: ${found}, not ${expected}`,
    );
  } else if (typeof found === 'object' && found !== null && typeof expected === 'object' && expected !== null) {
    assert.deepEqual(Object.keys(found), Object.keys(expected), where);
    for (const [key, value] of Object.entries(found)) assertNear(value, (expected as never)[key], `${where}.${key}`);
  } else {
    assert.deepEqual(found, expected, where);
  }
}

/** A model of a number of any size, two small ones and a boolean, with gaps. */
function network(seed: number, batch: 'any' | 1 | 7): Uint8Array {
  const weights = Array.from({ length: 4 }, (_, index) => Math.sin(seed * 7 + index * 3) * 2);
  return model(
    graph({
      nodes: [
        node('IsNaN', ['x'], ['missing']),
        node('Where', ['missing', 'zero', 'x'], ['present']),
        node('Tanh', ['present'], ['t']),
        node('MatMul', ['t', 'w'], ['z']),
        node('Sigmoid', ['z'], ['probability']),
      ],
      inputs: [valueInfo('x', 'float', [batch === 'any' ? 'N' : batch, 4])],
      outputs: [valueInfo('probability', 'float', [batch === 'any' ? 'N' : batch, 1])],
      initializers: [tensor('w', 'float', [4, 1], floats(...weights)), tensor('zero', 'float', [1], floats(0))],
    }),
  );
}

/** The checks of an evaluation of two models, or of the files of their predictions, without what names files. */
async function evidenceOf(root: string, table: GeneratedTable, variant: Variant): Promise<Check[]> {
  const data = join(root, variant.folder);
  await mkdir(data, { recursive: true });
  const evaluation = await writeTable(data, 'eval', table, variant.format);
  const { model: how, environment, oneCore = false } = variant;
  for (const [seed, side] of ['champion', 'candidate'].entries())
    await writeFile(join(root, `${side}.onnx`), network(seed + 1, typeof how === 'object' ? 'any' : how));
  const configure = (sides: Record<'candidate' | 'champion', unknown>): Promise<void> =>
    writeFile(join(root, 'contender.yml'), JSON.stringify(configuration(join(variant.folder, evaluation), sides)));
  await configure({ candidate: 'candidate.onnx', champion: 'champion.onnx' });
  if (typeof how === 'object') {
    for (const role of ['candidate', 'champion']) {
      const written = await contender(root, ['predict', '--role', role, '--file', `${role}.${how.predictions}`]);
      assert.equal(written.code, 0, written.stderr);
    }
    const fileOf = (role: string): { predictions: string } => ({ predictions: `${role}.${how.predictions}` });
    await configure({ candidate: fileOf('candidate'), champion: fileOf('champion') });
  }
  const args = ['evaluate', '-w', '.'];
  const ran = await (oneCore
    ? runNode('-c', ['0', process.execPath, commandLine, ...args], root, environment, 'taskset')
    : contender(root, args, environment));
  assert.ok([0, 1, 3].includes(ran.code ?? 70), `${ran.stdout}\n${ran.stderr}`);
  const file = join(root, '.contender/m/evidence/evaluation.json');
  const { checks } = JSON.parse(await readFile(file, 'utf8')) as Evidence;
  assert.ok(checks.length > 10, file);
  // Of a file nobody can ask again.
  return checks.filter(({ id }) => !id.includes('deterministic')).map(({ location: _location, ...check }) => check);
}

function configuration(evaluation: string, sides: Record<'candidate' | 'champion', unknown>): unknown {
  return {
    version: 1,
    models: {
      m: {
        task: 'binary-classification',
        ...sides,
        columns: { id: 'id', label: 'label', features: ['f0', 'f1', 'ratio', 'ok'], cluster: 'count' },
        data: { evaluation },
        policy: {
          primary: { metric: 'accuracy', margin: 0.1 },
          guardrails: [
            { metric: 'log_loss', margin: 0.5 },
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
}
