import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openDataset, readColumns } from '../../src/data/dataset.ts';
import { silentLog, type Log } from '../../src/log.ts';
import { localModel } from '../../src/model/artifact.ts';
import { inspectModel } from '../../src/model/inspect.ts';
import { predictModels, type PredictionInput } from '../../src/model/predict.ts';
import type { PredictionResult, Predictions, ReadingOptions } from '../../src/model/predictions.ts';
import { fixture, inTemporaryFolder, withTemporaryIn } from '../support/project.ts';
import {
  endlessModel,
  graph,
  intAttribute,
  model as onnxModel,
  node,
  stringAttribute,
  valueInfo,
} from './onnx-builder.ts';
import { isAlive, predictionProcesses } from './processes.ts';
import { flatOutputs, zoo, zooModel } from './zoo.ts';

const spamData = { name: 'evaluation', path: fixture('spam/data/eval.parquet'), uri: 'data/eval.parquet' };
/** The 60 features, of which the model says the names. */
const { featureNames } = await inspectModel(fixture('spam/models/champion.onnx'));
const spamColumns = { id: 'id', label: 'label', features: featureNames ?? [] };
const limits = { memoryBytes: 2 ** 30, timeMs: 60_000 };

describe('predictions of the spam models', async () => {
  const names = [
    'champion',
    'candidate',
    'candidate-worse',
    'candidate-worse-global',
    'candidate-small',
    'champion-int8',
  ];
  const results = await predictPaths(
    names.map((name) => fixture(`spam/models/${name}.onnx`)),
    {
      columns: { id: 'id', label: 'label' },
    },
  );
  const stored = await storedPredictions('spam', names);

  for (const [index, name] of names.entries()) {
    it(`are those that Python made: ${name}`, () => {
      const predictions = usable(results[index]);
      const scores = predictions.scores ?? assert.fail('no scores');
      const expected = stored.get(name) ?? assert.fail('nothing stored');
      assert.equal(predictions.rows, 2350);
      assert.equal(predictions.kind, 'probability');
      assert.deepEqual(predictions.classes, [0, 1]);
      // What a quantised model gives depends on the instructions of the processor.
      const tolerance = name.endsWith('int8') ? 1e-5 : 1e-6;
      for (const [row, value] of expected.entries())
        assert.ok(Math.abs((scores[row] as number) - value) <= tolerance, `row ${row + 1}`);
      // These models label by the greater probability.
      assert.deepEqual(
        predictions.labels,
        Int32Array.from(expected, (value) => (value > 0.5 ? 1 : 0)),
      );
      assert.ok(
        scores.every((score) => Math.fround(score) === score),
        'scores are the floats the model gave',
      );
    });
  }
});

describe('predictions of other cases', () => {
  it('reads an image from its columns and gives each class its probability', async () => {
    const features = Array.from({ length: 64 }, (_, index) => `p${Math.floor(index / 8)}${index % 8}`);
    const results = await predictPaths(
      ['champion', 'candidate'].map((name) => fixture(`digits/models/${name}.onnx`)),
      {
        dataset: { name: 'evaluation', path: fixture('digits/data/eval.parquet'), uri: 'eval.parquet' },
        columns: { id: 'id', label: 'label', features },
        task: 'multiclass-classification',
      },
    );
    for (const [index, name] of ['champion', 'candidate'].entries()) {
      const predictions = usable(results[index]);
      const columns = Array.from({ length: 10 }, (_, digit) => `${name}_p${digit}`);
      const stored = await storedPredictions('digits', columns);
      assert.deepEqual(predictions.classes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      for (const [digit, column] of columns.entries()) {
        for (const [row, value] of (stored.get(column) ?? assert.fail(column)).entries()) {
          assert.ok(Math.abs((predictions.scores?.[row * 10 + digit] as number) - value) <= 1e-6);
        }
      }
    }
  });

  it('reads a ranking as one value per row', async () => {
    const [result] = await predictPaths([fixture('search/models/candidate.onnx')], {
      dataset: { name: 'evaluation', path: fixture('search/data/eval.parquet'), uri: 'eval.parquet' },
      columns: {
        id: 'id',
        label: 'relevance',
        group: 'query',
        features: ['title_match', 'body_match', 'clicks', 'freshness', 'length', 'price'],
      },
      task: 'ranking',
    });
    const { kind, scores } = usable(result);
    assert.equal(kind, 'value');
    const stored = (await storedPredictions('search', ['candidate'])).get('candidate');
    for (const [row, value] of stored!.entries()) assert.ok(Math.abs((scores?.[row] as number) - value) <= 1e-6);
  });

  it('feeds missing values as NaN, and each model the columns it names itself', async () => {
    const results = await predictPaths(
      ['champion', 'candidate'].map((name) => fixture(`credit-synth/models/${name}.onnx`)),
      {
        dataset: { name: 'evaluation', path: fixture('credit-synth/data/eval.parquet'), uri: 'eval.parquet' },
        columns: { id: 'id', label: 'default' },
      },
    );
    const stored = await storedPredictions('credit-synth', ['champion', 'candidate']);
    for (const [index, name] of ['champion', 'candidate'].entries()) {
      const { scores } = usable(results[index]);
      for (const [row, value] of (stored.get(name) ?? []).entries())
        assert.ok(Math.abs((scores?.[row] as number) - value) <= 1e-6);
    }
  });

  it('gives a regression one value per row, and no classes', async () => {
    const [result] = await predictPaths([fixture('randhie/models/champion.onnx')], {
      dataset: { name: 'evaluation', path: fixture('randhie/data/eval.parquet'), uri: 'eval.parquet' },
      columns: { id: 'id', label: 'mdvis' },
      task: 'regression',
    });
    const predictions = usable(result);
    assert.equal(predictions.kind, 'value');
    assert.equal(predictions.classes, null);
    const stored = (await storedPredictions('randhie', ['champion'])).get('champion') ?? assert.fail('nothing stored');
    for (const [row, value] of stored.entries()) {
      assert.ok(Math.abs((predictions.scores?.[row] as number) - value) <= 1e-6 * Math.max(1, value));
    }
  });
});

describe('outputs of a model', async () => {
  const models = await zoo();

  it('are refused when some are NaN, with the first row', async () => {
    const result = await predictZoo('broken/outputs-nan.onnx', 'x');
    assert.match(fault(result), /1 of 3 predictions is NaN \(first: row 2, output p\)/u);
  });

  it('that are NaN where a feature has no value are a question for a person, unless another model answers these rows', () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, 'data.csv');
      const exported = async (name: string, operator: string): Promise<string> => {
        const nodes = [
          node('Mul', ['x', 'y'], ['both']),
          node(operator, [operator === 'IsNaN' ? 'x' : 'both'], ['out']),
        ];
        if (operator === 'IsNaN') nodes.push(node('Cast', ['out'], ['p'], [intAttribute('to', 1)]));
        else nodes.push(node('Identity', ['out'], ['p']));
        const inputs = ['x', 'y'].map((input) => valueInfo(input, 'float', ['N', 1]));
        await writeFile(
          join(folder, name),
          onnxModel(graph({ nodes, inputs, outputs: [valueInfo('p', 'float', ['N', 1])] })),
        );
        return join(folder, name);
      };
      const [strict, robust] = [await exported('strict.onnx', 'Sqrt'), await exported('robust.onnx', 'IsNaN')];
      const predicted = (paths: readonly string[]): Promise<PredictionResult[]> =>
        predictPaths(paths, { dataset: { name: 'evaluation', path, uri: 'data.csv' } });
      await writeFile(path, 'id,x,y,label\na,1,1,0\nb,2,,1\nc,nan,3,1\n');
      await assert.rejects(predicted([strict]), {
        name: 'DataError',
        message:
          /data\.csv: row 2 has no value in column "y", and .*strict\.onnx answers NaN for it, as to 1 row more with such gaps.*Fill/u,
      });
      const [own] = await predicted([strict, robust]);
      assert.match(fault(own), /2 of 3 predictions are NaN \(first: row 2, output p\)/u);
      const [beside] = await predictPaths([strict], {
        dataset: { name: 'evaluation', path, uri: 'data.csv' },
        othersAnswer: true,
      });
      assert.match(fault(beside), /2 of 3 predictions are NaN/u);
      // No row is answered at all: the model is at fault, though a column is always empty.
      await writeFile(path, 'id,x,y,label\na,1,,0\nb,2,,1\n');
      assert.match(fault((await predicted([strict]))[0]), /2 of 2 predictions are NaN/u);
      // One of the rows has every value: the model is at fault.
      await writeFile(path, 'id,x,y,label\na,-1,1,0\nb,2,,1\nc,1,1,0\n');
      const [other] = await predicted([robust.replace('robust', 'strict')]);
      assert.match(fault(other), /2 of 3 predictions are NaN/u);
    }));

  it('are refused when they are no probabilities, and taken when the transform says what they are', async () => {
    const result = await predictZoo('broken/not-a-probability.onnx', 'x');
    assert.match(fault(result), /Infinity|infinite/u);
    const logits = await predictZoo('torch-logits.onnx', 'input', { task: 'multiclass-classification' });
    assert.equal(usable(logits).kind, 'score');
    const softmax = await predictZoo(
      'torch-logits.onnx',
      'input',
      { task: 'multiclass-classification' },
      { transform: 'softmax' },
    );
    assert.equal(usable(softmax).kind, 'probability');
    const golden = flatOutputs(zooModel(models, 'torch-logits.onnx').golden?.outputs['logits'] ?? []) as number[];
    const first = golden.slice(0, 3).map((logit) => Math.exp(logit));
    const sum = first.reduce((a, b) => a + b, 0);
    for (const [index, value] of first.entries()) {
      assert.ok(Math.abs((usable(softmax).scores?.[index] as number) - value / sum) < 1e-6);
    }
  });

  it('may be labels only, which is said', async () => {
    const result = await predictZoo('broken/label-only.onnx', 'x');
    const predictions = usable(result);
    assert.equal(predictions.kind, 'label');
    assert.equal(predictions.scores, null);
    assert.deepEqual(predictions.labels, Int32Array.of(1, 0));
    assert.match(warnings(result), /gives labels only.*ROC AUC, log loss.*cannot/u);
  });

  it('that are all equal are said to be a broken export', async () => {
    assert.match(warnings(await predictZoo('broken/constant-output.onnx', 'x')), /All predictions are equal \(0\.5\)/u);
  });

  it('keep text labels, in the order of the model', async () => {
    for (const file of ['sklearn-string-labels.onnx', 'sklearn-zipmap-strings.onnx']) {
      const predictions = usable(await predictZoo(file, 'float_input', { task: 'multiclass-classification' }));
      assert.deepEqual(predictions.classes, ['setosa', 'versicolor', 'virginica']);
      assert.deepEqual(predictions.labels, Int32Array.of(0, 1, 2, 2, 2));
      assert.equal(predictions.scores?.length, 15);
    }
  });

  it('take columns of several types by their names', async () => {
    const { golden } = zooModel(models, 'named-columns-mixed.onnx');
    const columns = Object.entries(golden?.inputs ?? {});
    const csv = [
      'id,label,kind,count,length',
      ...[0, 1, 2].map((row) =>
        [
          row,
          row % 2,
          ...['kind', 'count', 'length'].map((name) => columns.find(([each]) => each === name)?.[1].data.flat()[row]),
        ].join(','),
      ),
    ];
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, 'data.csv');
      await writeFile(path, `${csv.join('\n')}\n`);
      const [result] = await predictPaths([fixture('onnx-zoo/named-columns-mixed.onnx')], {
        dataset: { name: 'evaluation', path, uri: 'data.csv' },
      });
      const expected = flatOutputs(golden?.outputs['probability'] ?? []) as number[];
      for (const [row, value] of expected.entries())
        assert.ok(Math.abs((usable(result).scores?.[row] as number) - value) < 1e-6);
    });
  });

  it('are not asked for when the model and the data have different numbers of features', async () => {
    await assert.rejects(
      predictPaths([fixture('onnx-zoo/broken/wrong-feature-count.onnx')], { columns: spamColumns }),
      { name: 'MismatchError', message: /expects 59 features .*but there are 60/u },
    );
  });
});

describe('a model whose scores are all 0 or 1', () => {
  it('is told to give labels, and no probabilities', () =>
    inTemporaryFolder(async (folder) => {
      const parts = { inputs: [valueInfo('x', 'float', ['N', 1])], outputs: [valueInfo('score', 'float', ['N', 1])] };
      await writeFile(join(folder, 'data.csv'), 'id,x,label\na,0.1,0\nb,0.9,1\nc,0.2,1\n');
      for (const [operator, expected] of [
        ['Round', /All scores \(output score\) are 0 or 1: are they labels instead of probabilities\?/u],
        ['Identity', /^$/u],
      ] as const) {
        const path = join(folder, 'model.onnx');
        await writeFile(path, onnxModel(graph({ nodes: [node(operator, ['x'], ['score'])], ...parts })));
        const [result] = await predictPaths([path], {
          columns: { id: 'id', label: 'label' },
          dataset: { name: 'evaluation', path: join(folder, 'data.csv'), uri: 'data.csv' },
        });
        assert.match(warnings(result as PredictionResult), expected);
      }
    }));
});

describe('a transform', () => {
  it('is refused of scores that are probabilities already, unless their name says that they are raw', () =>
    inTemporaryFolder(async (folder) => {
      const rows = Array.from({ length: 40 }, (_, row) => `r${row},${(row + 1) / 41},${row % 2}`);
      const path = join(folder, 'model.onnx');
      const predicted = async (name: string, width: number, transform?: 'sigmoid' | 'softmax' | 'none', count = 40) => {
        await writeFile(join(folder, 'data.csv'), ['id,p,label', ...rows.slice(0, count)].join('\n'));
        const nodes =
          width === 1
            ? [node('Identity', ['x'], [name])]
            : [
                node('Neg', ['x'], ['n']),
                node('Concat', ['n', 'x'], ['both'], [intAttribute('axis', 1)]),
                // Against the rest: each class by itself, so that a row adds up to 1 by chance alone.
                ...(name === 'rest'
                  ? [node('Sigmoid', ['both'], ['p']), node('Mul', ['p', 'p'], [name])]
                  : [node('Softmax', ['both'], [name])]),
              ];
        const parts = {
          inputs: [valueInfo('x', 'float', ['N', 1])],
          outputs: [valueInfo(name, 'float', ['N', width])],
        };
        await writeFile(path, onnxModel(graph({ nodes, ...parts })));
        return predictModels({
          models: [
            { role: 'candidate', artifact: await localModel(path, 'file:model.onnx'), ...(transform && { transform }) },
          ],
          dataset: { name: 'evaluation', path: join(folder, 'data.csv'), uri: 'data.csv' },
          columns: { id: 'id', label: 'label' },
          task: 'binary-classification',
          limits,
          log: silentLog,
        });
      };
      await assert.rejects(predicted('score', 1, 'sigmoid'), {
        name: 'MismatchError',
        message: /transform: sigmoid, but output score already has probabilities.*Remove the transform/u,
      });
      await assert.rejects(
        predicted('p', 2, 'softmax', 2),
        /all of its values lie in \[0, 1\], and each row adds up to 1/u,
      );
      for (const transform of ['sigmoid', 'softmax'] as const) {
        await assert.rejects(predicted('rest', 2, transform), /rest already has probabilities: all .* in \[0, 1\]\./u);
      }
      await assert.rejects(
        predicted('rest', 2),
        /row 1 do not add up to 1.*divide it by the sum of its row in the model, or set transform: none/u,
      );
      assert.equal(usable((await predicted('rest', 2, 'none'))[0]).kind, 'score');
      for (const [name, count] of [
        ['logits', 40],
        ['score', 5],
      ] as const) {
        const [result] = await predicted(name, 1, 'sigmoid', count);
        assert.ok(
          (usable(result).scores as Float64Array).every((score) => score >= 0.5 && score < 0.74),
          name,
        );
      }
    }));
});

describe('a model that wants a locale', () => {
  it('ends the run where the machine has it not, and is no fault of the candidate or the champion', () =>
    inTemporaryFolder(async (folder) => {
      const lower = node(
        'StringNormalizer',
        ['text'],
        ['label'],
        [stringAttribute('case_change_action', 'LOWER'), stringAttribute('locale', 'xx_XX.UTF-8')],
      );
      const parts = { inputs: [valueInfo('text', 'string', ['N'])], outputs: [valueInfo('label', 'string', ['N'])] };
      await writeFile(join(folder, 'model.onnx'), onnxModel(graph({ nodes: [lower], ...parts })));
      await writeFile(join(folder, 'data.csv'), 'id,text,label\na,Spam,spam\nb,HAM,ham\n');
      const artifact = await localModel(join(folder, 'model.onnx'), 'file:model.onnx');
      for (const role of ['candidate', 'champion'] as const) {
        await assert.rejects(
          predictModels({
            models: [{ role, artifact }],
            dataset: { name: 'evaluation', path: join(folder, 'data.csv'), uri: 'data.csv' },
            columns: { id: 'id', label: 'label', positive: 'spam' },
            task: 'binary-classification',
            limits,
            log: silentLog,
          }),
          { name: 'SystemError', message: /the locale xx_XX\.UTF-8 .*not installed on this machine\. Install it/u },
        );
      }
    }));
});

describe('a model that is another one when it is opened', () => {
  const swapped = async (
    message: RegExp,
    work: (paths: { model: string; weights: string }) => Promise<void>,
  ): Promise<void> =>
    inTemporaryFolder(async (folder) => {
      const model = join(folder, 'model.onnx');
      const weights = join(folder, 'external-data.onnx.data');
      await copyFile(fixture('onnx-zoo/external-data.onnx'), model);
      await copyFile(fixture('onnx-zoo/external-data.onnx.data'), weights);
      const artifact = await localModel(model, 'file:model.onnx');
      await work({ model, weights });
      await assert.rejects(
        predictModels({
          models: [{ role: 'candidate', artifact }],
          dataset: { name: 'evaluation', path: fixture('spam/data/eval.parquet'), uri: 'eval.parquet' },
          columns: spamColumns,
          task: 'binary-classification',
          limits: { memoryBytes: 2 ** 30, timeMs: 60_000 },
          log: silentLog,
        }),
        { name: 'ModelError', message },
      );
    });

  it('ends the run, and is no fault of the candidate', async () => {
    const changed = /model\.onnx: the model has changed since this run began/u;
    await swapped(changed, ({ model }) => copyFile(fixture('spam/models/champion.onnx'), model));
    await swapped(/model\.onnx: this is not an ONNX file/u, ({ model }) => writeFile(model, 'no model'));
    await swapped(changed, async ({ weights }) => {
      const bytes = await readFile(weights);
      bytes[0] = (bytes[0] as number) ^ 1;
      await writeFile(weights, bytes);
    });
  });
});

describe('a model that misbehaves', () => {
  it('is stopped when it goes on for ever, at the time limit', async () => {
    await withModel(endlessModel(60, false), async (path) => {
      const [result] = await predictPaths([path], { columns: spamColumns, limits: { ...limits, timeMs: 1500 } });
      assert.match(fault(result), /took longer than 1\.5 s and was stopped/u);
      assert.deepEqual(await predictionProcesses(), []);
    });
  });

  it('is stopped when it takes memory without end, and the other model is judged on its own', async () => {
    await withModel(endlessModel(60, true), async (path) => {
      const said: string[] = [];
      const log: Log = { ...silentLog, warning: (text) => said.push(text) };
      const [champion, hungry] = await predictPaths([fixture('spam/models/champion.onnx'), path], {
        columns: spamColumns,
        limits: { ...limits, memoryBytes: 600 * 2 ** 20 },
        log,
      });
      assert.equal(usable(champion).rows, 2350);
      assert.match(fault(hungry), /more memory than the limit of 600 MiB/u);
      assert.match(said.join('\n'), /Trying each model alone/u);
      assert.deepEqual(await predictionProcesses(), []);
    });
  });

  it('is told to have crashed when its process does', async () => {
    await withModel(endlessModel(60, false), async (path) => {
      const running = predictPaths([path], { columns: spamColumns });
      const [pid] = await until(predictionProcesses);
      process.kill(pid as number, 'SIGSEGV');
      const [result] = await running;
      assert.match(fault(result), /crashed: it was ended by SIGSEGV/u);
      assert.deepEqual(await predictionProcesses(), []);
    });
  });

  it('ends with the signal of its caller', async () => {
    await withModel(endlessModel(60, false), async (path) => {
      const controller = new AbortController();
      await withTemporaryIn(async (folder) => {
        const running = predictPaths([path], { columns: spamColumns, signal: controller.signal });
        await until(predictionProcesses);
        await until(async () =>
          (await readdir(folder, { recursive: true })).filter((name) => name.includes('contender-duckdb-')),
        );
        controller.abort(new Error('enough'));
        await assert.rejects(running, { message: 'enough' });
        assert.deepEqual(await predictionProcesses(), []);
        assert.deepEqual(await readdir(folder), [], 'temporary files');
      });
    });
  });

  it('ends with its caller, even when that is killed', async () => {
    await withModel(endlessModel(60, false), async (path) => {
      const script = `
        const { predictModels } = await import(${JSON.stringify(new URL('../../src/model/predict.js', import.meta.url).href)});
        const { localModel } = await import(${JSON.stringify(new URL('../../src/model/artifact.js', import.meta.url).href)});
        const { silentLog } = await import(${JSON.stringify(new URL('../../src/log.js', import.meta.url).href)});
        await predictModels({ models: [{ role: 'candidate', artifact: await localModel(${JSON.stringify(path)}, 'x') }], dataset: ${JSON.stringify(spamData)},
          columns: ${JSON.stringify(spamColumns)}, task: 'binary-classification', limits: ${JSON.stringify(limits)}, log: silentLog });`;
      const caller = execFile(process.execPath, ['--input-type=module', '--eval', script], () => {});
      const parent = caller.pid as number;
      const [child] = await until(() => predictionProcesses(parent));
      caller.kill('SIGKILL');
      await until(async () => ((await isAlive(child as number)) ? [] : [true]));
    });
  });
});

interface Options extends Partial<Omit<PredictionInput, 'models'>> {}

async function predictPaths(
  paths: readonly string[],
  options: Options,
  reading: ReadingOptions = {},
): Promise<PredictionResult[]> {
  return predictModels({
    models: await Promise.all(
      paths.map(async (path) => ({
        role: 'candidate' as const,
        artifact: await localModel(path, `file:${path}`),
        ...reading,
      })),
    ),
    dataset: spamData,
    columns: { id: 'id', label: 'label' },
    task: 'binary-classification',
    limits,
    log: silentLog,
    ...options,
  });
}

describe('predictions of several labels a row', async () => {
  const topics = ['billing', 'delivery', 'refund', 'account', 'bug'];
  const columnsOf = (label: string[]) => ({
    id: 'id',
    label,
    features: Array.from({ length: 24 }, (_, word) => `w${String(word).padStart(2, '0')}`),
  });
  const predictTopics = (names: readonly string[], reading: ReadingOptions = {}, labels = topics) =>
    predictPaths(
      names.map((name) => fixture(`topics/models/${name}.onnx`)),
      {
        dataset: { name: 'evaluation', path: fixture('topics/data/eval.parquet'), uri: 'eval.parquet' },
        columns: columnsOf(labels),
        task: 'multilabel-classification',
      },
      reading,
    );
  const stored = await storedPredictions(
    'topics',
    topics.map((topic) => `candidate_${topic}`),
  );
  const expected = topics.map((topic) => stored.get(`candidate_${topic}`) ?? assert.fail(topic));
  const agree = (predictions: Predictions): void => {
    for (const [at, score] of (predictions.scores ?? assert.fail('no scores')).entries()) {
      assert.ok(Math.abs(score - expected[at % 5]![Math.floor(at / 5)]!) <= 1e-6, `${at}`);
    }
  };

  it('are a probability of each, and a decision where the model gives one', async () => {
    const [candidate, stacked] = await predictTopics(['candidate', 'candidate-stacked']);
    for (const result of [candidate, stacked]) {
      const predictions = usable(result);
      agree(predictions);
      assert.deepEqual([predictions.kind, predictions.classes], ['probability', topics]);
    }
    const { labels, scores } = usable(candidate);
    assert.deepEqual(
      labels,
      Int32Array.from(scores!, (score) => (score >= 0.5 ? 1 : 0)),
    );
  });

  it('are raw scores as they come, at threshold 0, or probabilities by a sigmoid', async () => {
    const [raw] = await predictTopics(['candidate-logits']);
    assert.deepEqual([usable(raw).kind, usable(raw).threshold], ['score', 0]);
    const [result] = await predictTopics(['candidate-logits'], {
      transform: 'sigmoid',
      threshold: [0.5, 0.4, 0.3, 0.5, 0.5],
    });
    agree(usable(result));
    assert.deepEqual(usable(result).threshold, [0.5, 0.4, 0.3, 0.5, 0.5]);
  });

  it('are refused where they do not go with the label columns', async () => {
    await assert.rejects(predictTopics(['champion'], {}, topics.slice(0, 4)), {
      name: 'MismatchError',
      message: /Output probabilities has 5 values per row\. Expected 4, one for each of columns\.label/u,
    });
    await assert.rejects(predictTopics(['candidate-logits'], { transform: 'softmax' }), {
      name: 'ConfigError',
      message: /softmax for several labels per row\. Expected sigmoid, or none/u,
    });
  });
});

/** Predict with a model of the zoo on its own golden rows, put into a file as columns f0, f1, ... */
async function predictZoo(
  file: string,
  input: string,
  options: Options = {},
  reading: { transform?: 'softmax' } = {},
): Promise<PredictionResult> {
  const model = zooModel(await zoo(), file);
  const tensor = (model.golden?.inputs ?? model.run_inputs)?.[input] ?? assert.fail(`no input ${input}`);
  const rows = tensor.data as number[][];
  const header = ['id', 'label', ...(rows[0] ?? []).map((_, index) => `f${index}`)];
  const lines = [header, ...rows.map((row, index) => [index, index % 2, ...row])].map((cells) => cells.join(','));
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, 'data.csv');
    await writeFile(path, `${lines.join('\n')}\n`);
    const [result] = await predictPaths(
      [fixture(`onnx-zoo/${file}`)],
      { dataset: { name: 'evaluation', path, uri: 'data.csv' }, ...options },
      reading,
    );
    return result as PredictionResult;
  });
}

async function storedPredictions(name: string, columns: readonly string[]): Promise<Map<string, Float64Array>> {
  const data = await openDataset({ name: 'evaluation', path: fixture(`${name}/data/eval.parquet`), uri: 'eval' });
  const stored = await openDataset({
    name: 'predictions',
    path: fixture(`${name}/predictions/predictions.parquet`),
    uri: 'predictions',
  });
  try {
    const { texts, numbers } = await readColumns(stored, { texts: ['id'], numbers: columns });
    const position = new Map(Array.from(texts.get('id')?.values ?? [], (id, index) => [id, index]));
    const ids = (await readColumns(data, { texts: ['id'] })).texts.get('id')?.values ?? [];
    return new Map(
      columns.map((column) => [
        column,
        Float64Array.from(ids, (id) => numbers.get(column)?.values[position.get(id) as number] as number),
      ]),
    );
  } finally {
    data.close();
    stored.close();
  }
}

function usable(result: PredictionResult | undefined): Predictions {
  assert.ok(result?.ok === true, result?.ok === false ? result.fault.message : 'no result');
  return result.predictions;
}

function fault(result: PredictionResult | undefined): string {
  assert.ok(result?.ok === false, 'the model was taken for usable');
  return result.fault.message;
}

function warnings(result: PredictionResult): string {
  assert.ok(result.ok, 'the model was refused');
  return (result.warnings ?? []).join('\n');
}

async function withModel(bytes: Uint8Array, work: (path: string) => Promise<void>): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'model.onnx');
    await writeFile(path, bytes);
    await work(path);
  });
}

/** What `look` finds once it finds something, within 30 s. */
async function until<T>(look: () => Promise<T[]>): Promise<T[]> {
  for (let tries = 0; tries < 300; tries += 1) {
    const found = await look();
    if (found.length > 0) return found;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error('nothing happened for 30 s');
}
