import assert from 'node:assert/strict';
import { cp, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { exitCodeOfVerdict } from '../../src/cli/exit-codes.ts';
import { ContenderError } from '../../src/errors.ts';
import type { Evidence } from '../../src/evidence/index.ts';
import { silentLog } from '../../src/log.ts';
import { runStage } from '../../src/pipeline/gate/run-stage.ts';
import { viewOf } from '../../src/registry/manifest.ts';
import { openWorkspace } from '../../src/pipeline/workspace.ts';
import { stages } from '../../src/stages/index.ts';
import { contender } from '../support/gate-repository.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';

/*
 * Data and models that were once read wrongly, as people keep them: fixtures/cases/<name>, each with its contender.yml.
 * What is right is stated in numbers: the exit code, what the checks saw, and what an error says.
 */
interface Right {
  title: string;
  stage?: 'validate' | 'evaluate';
  code: number;
  /** What was observed by check, or by check and model; a number within 0.0001. */
  seen?: Record<string, number | string>;
  says?: RegExp;
}

const cases: Record<string, Right> = {
  'batch-dimension-minus-one/dim-minus': {
    title: 'a first dimension of -1 is an open one',
    code: 0,
    seen: { 'evaluation/accuracy champion': 0.86, 'evaluation/accuracy candidate': 0.8667 },
  },
  'class-order-guessed/order-unsorted': {
    title: "the order of the scores is read off the models' own labels",
    code: 0,
    seen: { 'evaluation/accuracy champion': 0.8825, 'evaluation/accuracy candidate': 0.88 },
  },
  'class-order-guessed/order-unsorted-champ-only': {
    title: "the order of the scores is read off the champion's own labels",
    code: 0,
    seen: { 'evaluation/accuracy champion': 0.8825, 'evaluation/accuracy candidate': 0.88 },
  },
  'classes-of-an-inner-classifier/encoded-words-classes': {
    title: 'columns.classes decides over the codes of a classifier inside',
    code: 0,
    seen: { 'evaluation/accuracy champion': 0.8825, 'evaluation/accuracy candidate': 0.88 },
  },
  'classes-of-an-inner-classifier/ovr-ints': {
    title: 'the two classes of each classifier inside are not those of the model',
    code: 0,
    seen: { 'evaluation/accuracy champion': 0.8825, 'evaluation/accuracy candidate': 0.88 },
  },
  'classes-of-an-inner-classifier/voting-123-scores-only': {
    title: 'scores of a vote are of the classes of the vote',
    code: 0,
    seen: { 'evaluation/accuracy champion': 0.8775, 'evaluation/accuracy candidate': 0.875 },
  },
  'contract-references/anchor': {
    title: 'a number reached by $anchor is a number in CSV too',
    stage: 'validate',
    code: 0,
    seen: { 'data/evaluation/row-count': 120, 'data/evaluation/contract': 0 },
  },
  'csv-classes-merged/labels-110-csv': {
    title: 'classes 1.1 and 1.10 of a CSV are not merged',
    code: 2,
    says: /labels "1\.10" and "1\.1"/u,
  },
  'folder-name-replaces-column/hive-plain': {
    title: 'a file in a plain folder is read as it is',
    code: 1,
    seen: { 'evaluation/accuracy champion': 0.84, 'evaluation/accuracy candidate': 0.5033 },
  },
  'folder-name-replaces-column/hive-label': {
    title: 'a folder named label=1 replaces no column of a Parquet file',
    code: 1,
    seen: { 'evaluation/accuracy champion': 0.84, 'evaluation/accuracy candidate': 0.5033 },
  },
  'folder-name-replaces-column/hive-label-csv': {
    title: 'a folder named label=1 replaces no column of a CSV file',
    code: 1,
    seen: { 'evaluation/accuracy champion': 0.84, 'evaluation/accuracy candidate': 0.5033 },
  },
  'folder-name-replaces-column/hive': {
    title: 'a folder named split=test adds no column',
    stage: 'validate',
    code: 0,
    seen: { 'data/evaluation/row-count': 200, 'data/evaluation/contract': 0 },
  },
  'jsonl-labels-of-mixed-type': {
    title: 'labels "spam", "2" and 1 of JSONL are the classes spam, 2 and 1',
    code: 0,
    seen: { 'evaluation/accuracy champion': 0.94, 'evaluation/accuracy candidate': 1 },
  },
  'label-fed-to-model/leak-one-input': {
    title: 'a model with an input named as the label is refused',
    code: 2,
    says: /Input "label" of the model is the label column/u,
  },
  'macro-over-absent-classes/macro-slice-dilution': {
    title: 'macro F1 counts the classes that occur or are predicted',
    code: 1,
    seen: {
      'evaluation/f1_macro@segment=small champion': 0.936,
      'evaluation/f1_macro@segment=small candidate': 0.708,
      'evaluation/f1_macro@segment=small': 'fail',
    },
  },
  'multiple-of-cents/multipleof': {
    title: 'prices in cents are multiples of 0.01',
    stage: 'validate',
    code: 0,
    seen: { 'data/evaluation/row-count': 120, 'data/evaluation/contract': 0 },
  },
  'nan-is-a-value/nan-label-csv': { title: 'a label of NaN is no label', code: 2, says: /row 1 has no label/u },
  'nan-is-a-value/nan-nullfraction-csv': {
    title: 'NaN in a CSV is missing',
    stage: 'validate',
    code: 1,
    seen: { 'data/evaluation/null-fraction(a)': 0.6 },
  },
  'nan-is-a-value/nan-nullfraction-parquet': {
    title: 'NaN in Parquet is missing',
    stage: 'validate',
    code: 1,
    seen: { 'data/evaluation/null-fraction(a)': 0.6 },
  },
  'other-integer-output/extra-int-output': {
    title: 'an integer output that nothing reads is no obstacle',
    code: 0,
    seen: { 'evaluation/accuracy champion': 0.9867, 'evaluation/accuracy candidate': 1 },
  },
  'output-of-labels-by-rows': {
    title: 'scores given as [classes, rows] are turned',
    code: 0,
    seen: { 'evaluation/f1_macro champion': 0.859, 'evaluation/f1_macro candidate': 0.859 },
  },
  'rows-of-weight-zero': {
    title: 'rows of weight 0 are no rows: twelve of four hundred show nothing',
    code: 3,
    seen: { 'evaluation/accuracy candidate': 1 },
    says: /12 rows, fewer than min_rows 30/u,
  },
  'text-changed-before-the-model/bool-text-csv': {
    title: 'the text True reaches the model as True',
    code: 0,
    seen: { 'evaluation/accuracy candidate': 1, 'evaluation/accuracy@cat=True': 'pass' },
  },
  'text-changed-before-the-model/ts-jsonl': {
    title: 'the text of a time reaches the model as it was written',
    code: 0,
    seen: { 'evaluation/accuracy candidate': 1, 'evaluation/accuracy@cat=2024-01-01T00:00:00Z': 'pass' },
  },
  'threshold-in-double': {
    title: 'a threshold of 0.7 means the same for a model and for a file',
    code: 0,
    seen: { 'evaluation/accuracy champion': 0.8, 'evaluation/accuracy candidate': 0.8 },
  },
  'uint64-above-2-63': {
    title: 'whole numbers above 2^63 reach an input of uint64 (both models are the same)',
    code: 0,
    seen: { 'evaluation/same-model': 'pass' },
  },
  'unclear-jsonl-keys-by-case': {
    title: 'keys of JSONL that differ in case only are refused',
    code: 2,
    says: /columns "A" and "a" differ only in case/u,
  },
  'unclear-random-or-batch-dependent/dropout-training': {
    title: 'a model with dropout in it is told to be random',
    code: 1,
    seen: { 'evaluation/deterministic': 'fail' },
    says: /of 16 rows predicted again, some got other answers/u,
  },
  'unclear-random-or-batch-dependent/softmax-batch-axis': {
    title: 'a model with a softmax over the rows is told to depend on the batch',
    code: 1,
    seen: { 'evaluation/deterministic': 'fail', 'evaluation/champion-deterministic': 'pass' },
    says: /of 16 rows predicted in smaller batches, some got other answers than together/u,
  },
  'unclear-ties-at-half': {
    title: 'ties at one half are decided alike for a model and the file of its labels',
    code: 0,
    seen: {
      'evaluation/ties': 57,
      'evaluation/accuracy champion': 0.764,
      'evaluation/accuracy candidate': 0.764,
    },
  },
  'zipmap-with-external-data': {
    title: 'a model with a ZipMap and weights beside it is loaded',
    code: 3,
    seen: { 'evaluation/accuracy champion': 1, 'evaluation/accuracy candidate': 0.988 },
  },
};

/** After reports by users of other tools, `<repository>-<number>`. */
const reports: Record<string, Right> = {
  'mlflow-23991': {
    title: 'average precision is of the positive class, also where it is sorted first (mlflow/mlflow#23991)',
    code: 0,
    seen: {
      'evaluation/average_precision champion': 0.5973,
      'evaluation/average_precision candidate': 0.5973,
      'evaluation/average_precision': 'pass',
    },
  },
  'ort-20908': {
    title: 'what an output gives counts, [N, 2], not what it declares, [N, 1] (microsoft/onnxruntime#20908)',
    code: 0,
    seen: { 'evaluation/accuracy champion': 0.6625, 'evaluation/accuracy candidate': 0.6625 },
  },
  'vision-2311': {
    title: 'a model that answers the first rows only is no model of all rows (pytorch/vision#2311)',
    code: 1,
    says: /Output prob has dimensions \[100, 1\] for 400 rows/u,
  },
  'pytorch-157621': {
    title: 'a batch of one written into the graph is told as such (pytorch/pytorch#157621)',
    code: 1,
    says: /the graph seems to contain the batch size of the export/u,
  },
  'lgbm-6139': {
    title: 'a missing number reaches the model as NaN and not as 0 (lightgbm-org/LightGBM#6139)',
    code: 0,
    seen: { 'evaluation/accuracy champion': 1, 'evaluation/accuracy candidate': 1 },
  },
  'duckdb-25521': {
    title: 'NaN that the statistics of a Parquet file keep quiet about is missing (duckdb/duckdb#25521)',
    stage: 'validate',
    code: 1,
    seen: { 'data/evaluation/null-fraction(b)': 200 / 300, 'data/evaluation/contract': 200 },
  },
  'duckdb-25827': {
    title: 'a CSV whose rows grow wider is refused with the line, and loses none (duckdb/duckdb#25827)',
    stage: 'validate',
    code: 2,
    says: /eval\.csv:102: .*Expected Number of Columns: 3 Found: 4/u,
  },
  'duckdb-5782': {
    title: 'the zip codes 01234 and 1234 reach the model apart (duckdb/duckdb#5782)',
    code: 0,
    seen: { 'evaluation/accuracy champion': 1, 'evaluation/accuracy candidate': 1 },
  },
  'evidently-1647': {
    title: 'a file of labels and probabilities keeps both (evidentlyai/evidently#1647)',
    code: 0,
    seen: { 'evaluation/f1 champion': 0.8269, 'evaluation/f1 candidate': 0.8269 },
  },
  'evidently-1275': {
    title: 'a model that knows one answer only is judged, not refused (evidentlyai/evidently#1275)',
    code: 1,
    seen: { 'evaluation/accuracy champion': 1, 'evaluation/accuracy candidate': 1 / 3 },
  },
  'pandera-904': {
    title: 'a row breaks the contract whatever is missing elsewhere in it (unionai-oss/pandera#904)',
    stage: 'validate',
    code: 1,
    seen: { 'data/evaluation/contract': 1 },
  },
};

describe('read rightly', () => {
  const under = Object.entries(reports).map(([name, right]): [string, Right] => [`reports/${name}`, right]);
  for (const [name, right] of [...Object.entries(cases), ...under]) {
    test(right.title, () =>
      inTemporaryFolder(async (folder) => {
        await cp(fixture(`cases/${name}`), folder, { recursive: true });
        const { code, evidence, message } = await run(folder, right.stage ?? 'evaluate');
        assert.equal(code, right.code, message);
        for (const [what, expected] of Object.entries(right.seen ?? {})) compare(evidence, what, expected);
        if (right.says !== undefined) assert.match(message, right.says);
      }),
    );
  }

  test('slices on a time hold the same rows in every zone of the machine', () =>
    inTemporaryFolder(async (folder) => {
      await cp(fixture('cases/time-zone-of-the-machine'), folder, { recursive: true });
      const checks = [];
      for (const TZ of ['UTC', 'Asia/Tokyo']) {
        const { code, stdout } = await contender(folder, ['evaluate', '--json'], { TZ });
        assert.equal(code, 3);
        checks.push((JSON.parse(stdout) as Evidence).checks);
      }
      const [utc, tokyo] = checks;
      assert.deepEqual(tokyo, utc);
      assert.equal(utc?.find(({ id }) => id === 'evaluation/accuracy@night')?.comparison?.n, 108);
    }));

  test('weights in a sparse attribute count in the digest, and a field written twice is refused', () =>
    inTemporaryFolder(async (folder) => {
      await cp(fixture('cases/hidden-external-data'), folder, { recursive: true });
      await mkdir(join(folder, 'data'));
      await mkdir(join(folder, 'models'));
      await rename(join(folder, 'e.csv'), join(folder, 'data/e.csv'));
      await rename(join(folder, 'champ.onnx'), join(folder, 'models/champ.onnx'));
      const digests = [];
      for (const weights of ['w.bin', 'w2.bin']) {
        await cp(join(folder, 'ext-sparseattr.onnx'), join(folder, 'models/c.onnx'));
        await cp(join(folder, weights), join(folder, 'models/w.bin'));
        digests.push((await run(folder, 'evaluate')).evidence?.subjects.candidate?.sha256);
      }
      assert.match(digests[0] ?? '', /^[0-9a-f]{64}$/u);
      assert.notEqual(digests[0], digests[1]);
      await cp(join(folder, 'ext-enum.onnx'), join(folder, 'models/c.onnx'));
      const { code, message } = await run(folder, 'evaluate');
      assert.equal(code, 2);
      assert.match(message, /dataLocation is written twice/u);
    }));
});

/** One stage as the command line runs it: its exit code, its evidence, and its error or the messages of its checks. */
async function run(
  folder: string,
  name: 'validate' | 'evaluate',
): Promise<{ code: number; evidence?: Evidence; message: string }> {
  const stage = stages.find(({ command }) => command.name === name) ?? assert.fail(name);
  try {
    const workspace = await openWorkspace({ root: folder, config: 'contender.yml', out: '.contender', log: silentLog });
    const view = viewOf(null, []);
    const evidence = await runStage(workspace, stage, () => Promise.resolve(view));
    const message = evidence.checks.map((check) => check.message).join('\n');
    return { code: exitCodeOfVerdict(evidence.verdict), evidence, message };
  } catch (error) {
    if (!(error instanceof ContenderError)) throw error;
    return { code: 2, message: error.message };
  }
}

/** `what`: a check, and champion or candidate where the value of that model counts. */
function compare(evidence: Evidence | undefined, what: string, expected: number | string): void {
  const [id, model] = what.split(' ');
  const check = evidence?.checks.find((each) => each.id === id);
  assert.ok(check, `no ${id} among ${evidence?.checks.map((each) => each.id).join(', ')}`);
  if (typeof expected === 'string') return assert.equal(check.verdict, expected, what);
  const seen = model === undefined ? check.observed : check.comparison?.[model as 'champion' | 'candidate'];
  assert.ok(Math.abs(Number(seen) - expected) < 1e-4, `${what}: ${String(seen)} instead of ${expected}`);
}
