import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { build, words } from '../exporter-shapes.ts';
import {
  floats,
  floatsAttribute,
  graph,
  graphAttribute,
  intAttribute,
  int64s,
  model,
  node,
  stringAttribute,
  stringTensor,
  stringsAttribute,
  tensor,
  valueInfo,
  type ElementType,
} from '../onnx-builder.ts';
import { read, readWhole } from '../reading.ts';

const network = [node('MatMul', ['x', 'w'], ['z']), node('Softmax', ['z'], ['p'], [intAttribute('axis', 1)])];
const weights = tensor('w', 'float', [3, 3], floats(3, 0, 0, 0, 3, 0, 0, 0, 3));
const labels = words.toSorted();
const x = valueInfo('x', 'float', ['N', 3]);
const p = valueInfo('p', 'float', ['N', 3]);

describe('where the order of the sorted labels is assumed', () => {
  const whole = graph({ nodes: network, initializers: [weights], inputs: [x], outputs: [p] });
  for (const [key, text] of [
    ['classes', JSON.stringify(words)],
    ['class_names', words.join(', ')],
    ['id2label', JSON.stringify({ 0: 'so-so', 1: 'bad', 2: 'good' })],
    ['label2id', JSON.stringify({ bad: 1, good: 2, 'so-so': 0 })],
    ['class_to_idx', JSON.stringify({ bad: 1, good: 2, 'so-so': 0 })],
    ['class_order', words.join('; ')],
    ['label_map', words.join('\n')],
    ['categories', JSON.stringify({ bad: 2, good: 3, 'so-so': 1 })],
    ['names', "{0: 'so-so', 1: 'bad', 2: 'good'}"],
    ['class_list', JSON.stringify(words)],
    ['account_classes', JSON.stringify(words)],
    ['target_categories', JSON.stringify(words)],
    ['output_classes', JSON.stringify(words)],
    ['label_encoder_mapping', JSON.stringify({ bad: 1, good: 2, 'so-so': 0 })],
    ['idx_to_str', words.join(',')],
    ['config', JSON.stringify({ model_type: 'bert', id2label: { 0: 'so-so', 1: 'bad', 2: 'good' } })],
    ['model_info', JSON.stringify({ head: { classes: words }, layers: [1, null] })],
    ['metadata', JSON.stringify({ names: "{0: 'so-so', 1: 'bad', 2: 'good'}" })],
  ] as const) {
    test(`metadata that lists the classes in another order is an error that says both: ${key}`, async () => {
      await assert.rejects(
        read(model(whole, { [key]: text }), 'multiclass-classification', { labels }),
        /Its metadata \(.*\) lists the classes in the order "so-so", "bad", "good"\. Expected .* "bad", "good", "so-so"\. Set columns\.classes: \["so-so", "bad", "good"\], or the other order/u,
      );
    });
  }

  test('metadata that lists them in that order, other classes, or anything else contradicts nothing', async () => {
    for (const text of ['bad,good,so-so', 'cat,dog,bird', '3', '{"a": [1]}', '[{"toString": 1}]', '']) {
      const { classesFrom } = await read(model(whole, { classes: text }), 'multiclass-classification', { labels });
      assert.equal(classesFrom, 'sorted');
    }
    for (const key of ['class_counts', 'label_frequencies', 'f1_by_class', 'class_balance', 'rows_per_class']) {
      const counts = { [key]: JSON.stringify({ bad: 30, good: 20, 'so-so': 10 }) };
      const { classesFrom } = await read(model(whole, counts), 'multiclass-classification', { labels });
      assert.equal(classesFrom, 'sorted', key);
    }
    for (const others of [
      { sex_categories: JSON.stringify(words) },
      { encoders: JSON.stringify({ quality: { classes: words } }) },
      { training: JSON.stringify({ confusion_matrix: { labels: words, rows: [[1, 0, 0]] } }) },
      { config: JSON.stringify({ features: [], columns: { quality: { type: 'text', categories: words } } }) },
    ]) {
      const { classesFrom } = await read(model(whole, { ...others }), 'multiclass-classification', { labels });
      assert.equal(classesFrom, 'sorted');
    }
    const settled = { columns: { classes: words }, labels };
    const { classes } = await read(model(whole, { classes: 'good,bad,so-so' }), 'multiclass-classification', settled);
    assert.deepEqual(classes, words);
  });

  for (const [what, metadata, listed] of [
    ['metadata', { classes: '["spam", "ham"]' }, []],
    ['an output', {}, ['spam', 'ham']],
  ] as const) {
    test(`one score is of the positive class, whatever the order is that ${what} lists`, async () => {
      const one = graph({
        nodes: [
          node('MatMul', ['x', 'v'], ['z']),
          node('Sigmoid', ['z'], ['p']),
          ...listed.slice(1).map(() => node('Identity', ['text'], ['names'])),
        ],
        initializers: [tensor('v', 'float', [3, 1], floats(1, -1, 0)), stringTensor('text', ['spam', 'ham'])],
        inputs: [x],
        outputs: [valueInfo('p', 'float', ['N', 1]), ...listed.slice(1).map(() => valueInfo('names', 'string', ['C']))],
      });
      const settings = { columns: { positive: 'spam' }, labels: ['ham', 'spam'] };
      const { predictions, warnings } = await readWhole(model(one, metadata), 'binary-classification', settings);
      assert.match(warnings.join(), /of its only score: Contender assumes the positive class, spam\./u);
      const stated = { columns: { positive: 'spam', classes: ['spam', 'ham'] } };
      assert.deepEqual(predictions.scores, (await read(model(one, metadata), 'binary-classification', stated)).scores);
    });
  }

  for (const [key, text] of [
    ['id2label', '{"0": 1, "1": 2, "2": 0}'],
    ['id2label', "{0: '1', 1: '2', 2: '0'}"],
    ['names', '{"0": 1, "1": 2, "2": 0}'],
    ['class_names', '{"0": 1, "1": 2, "2": 0}'],
    ['labels', '{"0": 1, "1": 2, "2": 0}'],
    ['label2id', '{"1": 0, "2": 1, "0": 2}'],
    ['class_to_idx', '{"1": 0, "2": 1, "0": 2}'],
  ] as const) {
    test(`numbers as names are read in the direction that the key says: ${key} ${text}`, async () => {
      await assert.rejects(
        read(model(whole, { [key]: text }), 'multiclass-classification', { labels: ['0', '1', '2'] }),
        /lists the classes in the order "1", "2", "0"\. .* Set columns\.classes: \["1", "2", "0"\]/u,
      );
    });
  }

  for (const [key, text] of [
    ['id2label', '{"1": 30, "2": 10, "3": 20}'],
    ['class_names', '{"30": 0, "10": 1, "20": 2}'],
    ['id2label', '{"30": 0, "10": 1, "20": 2}'],
  ] as const) {
    test(`what is counted is the place and what is not is the class: ${key} ${text}`, async () => {
      await assert.rejects(
        read(model(whole, { [key]: text }), 'multiclass-classification', { labels: ['10', '20', '30'] }),
        /lists the classes in the order "30", "10", "20"/u,
      );
    });
  }

  test('a classifier in a branch that lists them in another order is such an error too', async () => {
    const branch = graph({
      nodes: [
        node(
          'LinearClassifier',
          ['x'],
          ['l', 'q'],
          [
            stringsAttribute('classlabels_strings', words),
            floatsAttribute('coefficients', [3, 0, 0, 0, 3, 0, 0, 0, 3]),
            floatsAttribute('intercepts', [0, 0, 0]),
            intAttribute('multi_class', 1),
            stringAttribute('post_transform', 'SOFTMAX'),
          ],
          'ai.onnx.ml',
        ),
      ],
      inputs: [],
      outputs: [valueInfo('q', 'float', ['N', 3])],
    });
    const bytes = build(
      [
        {
          nodes: [
            node(
              'If',
              ['always'],
              ['p'],
              [graphAttribute('then_branch', branch), graphAttribute('else_branch', branch)],
            ),
          ],
          initializers: [tensor('always', 'bool', [], Uint8Array.of(1))],
        },
      ],
      [['p', 'float', ['N', 3]]],
    );
    await assert.rejects(
      read(bytes, 'multiclass-classification', { labels }),
      /A part of it lists the classes in the order "so-so", "bad", "good"/u,
    );
  });
});

describe('an output of another name that is in every row the class of the highest score, in another order', () => {
  const best = node('ArgMax', ['p'], ['best'], [intAttribute('axis', 1), intAttribute('keepdims', 0)]);
  const [one, three] = [tensor('one', 'int64', [], int64s(1)), tensor('three', 'int64', [], int64s(3))];
  const next = [node('Add', ['best', 'one'], ['more']), node('Mod', ['more', 'three'], ['other'])];
  const beside = (name: string, type: ElementType, more: [string, ElementType, ['N']][] = []): Uint8Array =>
    build(
      [
        {
          nodes: [
            ...network,
            node('Identity', ['p'], ['probabilities']),
            best,
            ...next,
            node('Cast', ['other'], [name], [intAttribute('to', type === 'float' ? 1 : 7)]),
          ],
          initializers: [weights, one, three],
        },
      ],
      [[name, type, ['N']], ...more, ['probabilities', 'float', ['N', 3]]],
    );

  test('is told where it holds floats, and where it is not the only one', async () => {
    const error = /contradicts the scores of output probabilities .*: "1", "2", "0"/u;
    const task = 'multiclass-classification';
    await assert.rejects(read(beside('y', 'float'), task, { labels: ['0', '1', '2'] }), error);
    const several = beside('category', 'int64', [['best', 'int64', ['N']]]);
    await assert.rejects(read(several, task, { labels: ['0', '1', '2'] }), error);
    assert.equal(
      (await read(several, task, { labels: ['0', '1', '2'], reading: { output: 'probabilities' } })).labels,
      null,
    );
  });

  test('is told of one score a row, too', async () => {
    const bytes = build(
      [
        {
          nodes: [
            node('MatMul', ['x', 'v'], ['z']),
            node('Sigmoid', ['z'], ['p']),
            node('Less', ['p', 'half'], ['below']),
            node('Cast', ['below'], ['y'], [intAttribute('to', 7)]),
          ],
          initializers: [tensor('v', 'float', [3, 1], floats(1, -1, 0)), tensor('half', 'float', [], floats(0.5))],
        },
      ],
      [
        ['y', 'int64', ['N', 1]],
        ['p', 'float', ['N', 1]],
      ],
    );
    await assert.rejects(
      read(bytes, 'binary-classification', { labels: ['0', '1'] }),
      /Output y contradicts the scores of output p in .* these are the scores of the other class.*or, if y is not a label, name the output of the scores: \{uri, output: p\}/u,
    );
  });
});

test('a score that the labels beside it agree with is that of the positive class, and nobody need say so', async () => {
  const nodes = [
    node('MatMul', ['x', 'v'], ['z']),
    node('Sigmoid', ['z'], ['p']),
    node('Greater', ['p', 'half'], ['above']),
    node('Cast', ['above'], ['label'], [intAttribute('to', 7)]),
  ];
  const initializers = [tensor('v', 'float', [3, 1], floats(1, -1, 0)), tensor('half', 'float', [], floats(0.5))];
  const outputs: Parameters<typeof build>[1] = [
    ['label', 'int64', ['N', 1]],
    ['p', 'float', ['N', 1]],
  ];
  const { assumedPositive } = await read(build([{ nodes, initializers }], outputs), 'binary-classification', {
    labels: ['0', '1'],
  });
  assert.equal(assumedPositive, undefined);
});

test('a score of whichever label the model gives is told as that, however it was computed', async () => {
  const bytes = build(
    [
      {
        nodes: [
          node('MatMul', ['x', 'v'], ['z']),
          node('Sigmoid', ['z'], ['p']),
          node('Sub', ['one', 'p'], ['q']),
          node('Greater', ['p', 'q'], ['above']),
          node('Where', ['above', 'p', 'q'], ['score']),
          node('Cast', ['above'], ['label'], [intAttribute('to', 7)]),
        ],
        initializers: [tensor('v', 'float', [3, 1], floats(1, -1, 0)), tensor('one', 'float', [], floats(1))],
      },
    ],
    [
      ['label', 'int64', ['N', 1]],
      ['score', 'float', ['N', 1]],
    ],
  );
  await assert.rejects(
    read(bytes, 'binary-classification', { labels: ['0', '1'] }),
    /no score is below 0\.5, so each looks like the score of the label predicted for its row.*Expected scores of "1"\. .*\{uri, output: label\}/u,
  );
  // Without the labels the rows alone may show it: whoever has them is told that nobody says of which class the scores are.
  const assumed = async (columns: { classes?: string[] }): Promise<string | undefined> =>
    (await read(bytes, 'binary-classification', { labels: ['0', '1'], reading: { output: 'score' }, columns }))
      .assumedPositive;
  assert.equal(await assumed({}), 'columns.classes: ["0", "1"]');
  assert.equal(await assumed({ classes: ['0', '1'] }), undefined);
});

test('the highest of the probabilities, whatever its class, is no score of the positive class', async () => {
  const bytes = build(
    [
      {
        nodes: [...network, node('ReduceMax', ['p'], ['confidence'], [])],
        initializers: [weights],
      },
    ],
    [['confidence', 'float', ['N', 1]]],
  );
  await assert.rejects(
    read(bytes, 'binary-classification'),
    /only the highest scores of each row, without their classes/u,
  );
});
