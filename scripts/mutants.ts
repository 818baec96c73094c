/*
 * What holds the reading of data, models and metrics: each rule is switched off in a copy of the build, and a test must fail.
 * node --enable-source-maps build/scripts/mutants.js [number ...] prints the table of docs/mutants.md; about ten minutes for all.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface Mutant {
  what: string;
  /** A file of build/src, and what is changed in it. */
  file: string;
  from: string;
  to: string;
  /** A file of build/test, and a pattern of the names of its tests. */
  test: string;
  name?: string;
}

const mutants: Mutant[] = [
  {
    what: '1: folders name columns',
    file: 'data/parquet-cells.js',
    from: 'hive_partitioning = false${more}',
    to: 'hive_partitioning = true${more}',
    test: 'metamorphic/data',
    name: 'generated columns',
  },
  {
    what: '2: numbers of CSV lose their text',
    file: 'data/csv-cells.js',
    from: "if (use === 'text')\n        return text;",
    to: "if (use === 'text')\n        return isNumeric(column.type) ? `cast(cast(${text} as double) as varchar)` : text;",
    test: 'metamorphic/data',
    name: 'generated columns',
  },
  {
    what: '2: two texts are one class',
    file: 'data/class-text.js',
    from: 'if (twin !== undefined)',
    to: 'if (false)',
    test: 'stages/evaluation/labels',
  },
  {
    what: '2: nanoseconds are cut',
    file: 'data/dataset.js',
    from: 'await refuseCutTimes(source.path, source.uri);',
    to: ';',
    test: 'data/dataset',
    name: 'times in nanoseconds',
  },
  {
    what: '3: NaN is a value',
    file: 'data/grammar.js',
    from: "export const notANumber = ['nan', '-nan', '+nan'];",
    to: "export const notANumber = ['n/a'];",
    test: 'data/reading',
  },
  {
    what: '4: the zone of the machine',
    file: 'data/dataset.js',
    from: "TimeZone = 'UTC'",
    to: "TimeZone = 'Asia/Tokyo'",
    test: 'data/times',
  },
  {
    what: '4: the order of the rows',
    file: 'stages/evaluation/evaluate.js',
    from: 'const order = await orderOfIds(dataset, columns.id, counting);',
    to: 'const order = null;',
    test: 'metamorphic/data',
    name: 'one evidence',
  },
  {
    what: '5: keys may differ by case',
    file: 'data/csv.js',
    from: 'export function refuseTwin(name, seen, where) {',
    to: 'export function refuseTwin(name, seen, where) {\n    return;',
    test: 'data/dataset',
  },
  {
    what: '6: rows of weight 0 count',
    file: 'stages/evaluation/read-sample.js',
    from: 'if (weights === undefined || !weights.includes(0))',
    to: 'if (true)',
    test: 'stages/evaluation/weight-zero',
  },
  {
    what: '7: the label feeds the model',
    file: 'model/features.js',
    from: 'if (role === null)\n            continue;',
    to: 'if (true)\n            continue;',
    test: 'model/features',
  },
  {
    what: '8: labels and scores are not compared',
    file: 'model/read-outputs/agree.js',
    from: 'return rows === 0 ? null :',
    to: 'return rows >= 0 ? null :',
    test: 'model/exporter-shapes',
  },
  {
    what: '8: names with numbers have one order',
    file: 'model/read-outputs/classes.js',
    from: 'refuseTwoOrders(known, width);',
    to: '',
    test: 'model/exporter-shapes',
  },
  {
    what: '9: embeddings may be scores',
    file: 'model/read-outputs/choose.js',
    from: 'const besideScores = /embed|attention|hidden|leaf|leaves|shap/iu;',
    to: 'const besideScores = /^$/iu;',
    test: 'model/exporter-shapes',
  },
  {
    what: '10: nothing is predicted twice',
    file: 'model/stability.js',
    from: 'if (random > 0)',
    to: 'if (false)',
    test: 'model/stability',
  },
  {
    what: '10: two threads for a session',
    file: 'model/session.js',
    from: 'intraOpNumThreads: 1',
    to: 'intraOpNumThreads: 2',
    test: 'model/session-pool',
  },
  {
    what: '11: thresholds in double precision',
    file: 'model/read-outputs/threshold.js',
    from: "type === 'float' ? Math.fround",
    to: "type === 'floating' ? Math.fround",
    test: 'cases/cases',
    name: 'a threshold of 0.7',
  },
  {
    what: '13: a place of tensors is not walked',
    file: 'model/onnx-schema.js',
    from: "        sparseTensor: unread(field('SparseTensorProto', 22)),\n",
    to: '',
    test: 'model/external-data',
  },
  {
    what: '14: unknown classes are not named',
    file: 'stages/evaluation/reading-checks.js',
    from: 'if (unknown.length === 0)',
    to: 'if (true)',
    test: 'stages/evaluation/reading-checks',
  },
  {
    what: '15: averages over all classes',
    file: 'stages/evaluation/metrics/confusion.js',
    from: 'const averaged = new Uint8Array(classes);',
    to: 'const averaged = new Uint8Array(classes).fill(1);',
    test: 'stages/evaluation/macro-averages',
  },
  {
    what: '16: SQL may be random',
    file: 'sql/functions.js',
    from: 'make_timestamp_ns microsecond',
    to: 'make_timestamp_ns random microsecond',
    test: 'sql/functions',
  },
  {
    what: '16: SQL has no limit of time',
    file: 'sql/session.js',
    from: "const limitMs = name === 'open' ? Math.max(timeMs, startMs) : timeMs;",
    to: 'const limitMs = 20_000;',
    test: 'sql/session',
    name: 'limit of time',
  },
  {
    what: '17: a margin of 2 for a share',
    file: 'config/quantity.js',
    from: "if (share >= 0 && (role === 'difference' ? share < 1 : share <= 1))",
    to: 'if (share >= 0)',
    test: 'config/quantity',
  },
  {
    what: '18: a margin beside `superior` is not told to have no effect',
    file: 'stages/comparison.js',
    from: "${stated ? ` (the margin of ${margin} has no effect)` : ''}",
    to: '',
    test: 'stages/comparison',
  },
  {
    what: '19: no anchor',
    file: 'stages/evaluation/anchor.js',
    from: 'if (planned === null)',
    to: 'if (true)',
    test: 'stages/evaluation/anchor',
  },
  {
    what: '20: few clusters that differ have a t interval',
    file: 'stages/evaluation/compare.js',
    from: 'return clustered(tangoInterval(weighedCounts(sample, champion, candidate, ratio)), sample);',
    to: 'return clustered(interval, sample);',
    test: 'stages/evaluation/statistics/clustered-proportions',
  },
  {
    what: '21: the use of a set is not told',
    file: 'stages/evaluation/holdout.js',
    from: 'if (reuse === 0 && rule === null)',
    to: 'if (rule === null)',
    test: 'report/reuse',
  },
  {
    what: '22: a device is a model',
    file: 'model/artifact.js',
    from: 'if (!info.isFile())',
    to: 'if (false)',
    test: 'model/artifact',
  },
  {
    what: '22: a folder of an odd name is held as a wildcard',
    file: 'pipeline/held-inputs.js',
    from: 'return /[*?[{]/u.test(relative(folder, path)) ? folder : null;',
    to: 'return /[*?[{]/u.test(path) ? folder : null;',
    test: 'pipeline/gate/held-inputs',
    name: 'whatever the names',
  },
  {
    what: '23: semicolons are not named',
    file: 'data/csv.js',
    from: 'if (other === undefined)\n        return;\n    const said',
    to: 'if (true)\n        return;\n    const said',
    test: 'data/reading',
  },
];

const root = join(import.meta.dirname, '..', '..');
const copy = join(root, 'build-mutants');
const asked = process.argv.slice(2).map(Number);
let survived = 0;
cpSync(join(root, 'build'), copy, { recursive: true });
try {
  console.log('| switched off | in | fails in |\n|---|---|---|');
  for (const [index, mutant] of mutants.entries()) if (asked.length === 0 || asked.includes(index + 1)) tryOne(mutant);
} finally {
  rmSync(copy, { recursive: true, force: true });
}
process.exitCode = survived > 0 ? 1 : 0;

function tryOne({ what, file, from, to, test, name }: Mutant): void {
  const path = join(copy, 'src', file);
  const text = readFileSync(path, 'utf8');
  if (!text.includes(from)) throw new Error(`${file} no longer has ${from}`);
  writeFileSync(path, text.replaceAll(from, to));
  const pattern = name === undefined ? [] : [`--test-name-pattern=${name}`];
  const program = join(copy, 'test', `${test}.test.js`);
  const { stdout } = spawnSync(
    process.execPath,
    ['--enable-source-maps', '--test', '--test-reporter=tap', ...pattern, program],
    {
      encoding: 'utf8',
      timeout: 300_000,
      env: { ...process.env, METAMORPHIC_COLUMNS: '320' },
    },
  );
  writeFileSync(path, text);
  const failed = /^\s*not ok \d+ - (.*)$/mu.exec(stdout)?.[1];
  if (failed === undefined) survived += 1;
  console.log(
    `| ${what} | ${file.replace(/\.js$/u, '.ts')} | ${failed === undefined ? '**nothing**' : `${test}: ${failed}`} |`,
  );
}
