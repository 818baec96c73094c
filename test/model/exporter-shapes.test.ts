import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Predictions } from '../../src/model/predictions.ts';
import {
  build,
  forest,
  half,
  labelled,
  multiOutput,
  network,
  oneVsRest,
  pipeline,
  pipelinePart,
  quantised,
  stacking,
  treeRegressor,
  trees,
  voting,
  words,
} from './exporter-shapes.ts';
import {
  floats,
  floatsAttribute,
  int64s,
  intAttribute,
  intsAttribute,
  node,
  stringAttribute,
  stringsAttribute,
  tensor,
} from './onnx-builder.ts';
import { read, rows } from './reading.ts';

/* docs/models.md has a table of these: what is read from where. */

const best = rows.map((row) => row.indexOf(2));

describe('the classes of a model are read from what feeds its scores', () => {
  const multiclass: [what: string, bytes: Uint8Array, classes: (string | number)[]][] = [
    ['a pipeline of scikit-learn', pipeline(words), words],
    ['a pipeline of scikit-learn, with numbers', pipeline([7, 3, 5]), [7, 3, 5]],
    ['voting', voting(words), words],
    ['voting over numbers', voting([3, 1, 2]), [3, 1, 2]],
    ['stacking', stacking(words), words],
    ['one-vs-rest', oneVsRest(words, false), words],
    ['calibrated', oneVsRest(words, true), words],
    ['LightGBM', trees([2, 0, 1], false), [2, 0, 1]],
    ['XGBoost multi:softprob', trees([0, 1, 2], false), [0, 1, 2]],
    ['CatBoost, with a ZipMap', trees(words, true), words],
  ];
  for (const [what, bytes, classes] of multiclass) {
    test(what, async () => {
      const predictions = await read(bytes, 'multiclass-classification');
      assert.deepEqual(predictions.classes, classes);
      assert.equal(predictions.classesFrom, undefined);
      assert.equal(predictions.kind, 'probability');
      assert.deepEqual([...(predictions.labels ?? [])], best);
      assert.deepEqual(highest(predictions), best);
    });
  }

  for (const [what, bytes] of [
    ['LightGBM', trees([0, 1], false)],
    ['XGBoost binary:logistic', trees([0, 1], true)],
  ] as const) {
    test(`${what}, binary: the column of the positive class`, async () => {
      const { scores } = await read(bytes, 'binary-classification');
      const expected = rows.map(([first = 0]) => (first > 1.5 ? 1 : 0));
      assert.deepEqual(Array.from(scores ?? [], Math.round), expected);
      const other = await read(bytes, 'binary-classification', { columns: { positive: 0 } });
      assert.deepEqual(
        Array.from(other.scores ?? [], (score) => 1 - Math.round(score)),
        expected,
      );
    });
  }

  test('scores alone of voting: the classes of the labels that the graph makes of them', async () => {
    const scoresOnly = build(
      [
        {
          nodes: [
            node('MatMul', ['x', 'w'], ['z']),
            node('Softmax', ['z'], ['probabilities'], [intAttribute('axis', 1)]),
          ],
          initializers: [tensor('w', 'float', [3, 3], floats(3, 0, 0, 0, 3, 0, 0, 0, 3))],
        },
        labelled(words),
      ],
      [['probabilities', 'float', ['N', 3]]],
    );
    assert.deepEqual((await read(scoresOnly, 'multiclass-classification')).classes, words);
  });

  test('columns.classes goes before what the model says, for encoded labels too', async () => {
    const predictions = await read(trees([0, 1, 2], false), 'multiclass-classification', {
      columns: { classes: words },
    });
    assert.deepEqual(predictions.classes, words);
    assert.deepEqual(predictions.labelValues, [0, 1, 2]);
    assert.deepEqual([...(predictions.labels ?? [])], best);
  });
});

describe('columns that are picked out of the scores of a classifier', () => {
  /** The classifier of the pipeline, and what `nodes` make of its probabilities `output_probability`. */
  const picked = (name: string, width: number, nodes: Uint8Array[], initializers: Uint8Array[]): Uint8Array =>
    build([pipelinePart(words), { nodes, initializers }], [[name, 'float', ['N', width]]]);
  const columnsOf = [intAttribute('axis', 1)];

  for (const [how, node_] of [
    ['Gather', node('Gather', ['output_probability', 'at'], ['p'], columnsOf)],
    ['ArrayFeatureExtractor', node('ArrayFeatureExtractor', ['output_probability', 'at'], ['p'], [], 'ai.onnx.ml')],
  ] as const) {
    test(`${how}: are of the classes they are picked from`, async () => {
      const bytes = picked('p', 3, [node_], [tensor('at', 'int64', [3], int64s(2, 0, 1))]);
      const predictions = await read(bytes, 'multiclass-classification', { labels: words });
      assert.deepEqual([predictions.classes, predictions.classesFrom], [['good', 'so-so', 'bad'], undefined]);
    });
  }

  const binary = (from: number, name = 'p', more: Uint8Array[] = []): Uint8Array =>
    build(
      [
        {
          nodes: [
            node(
              'LinearClassifier',
              ['x'],
              ['l', 'both'],
              [
                stringsAttribute('classlabels_strings', ['no', 'yes']),
                floatsAttribute('coefficients', [-1, 0, 0, 1, 0, 0]),
                floatsAttribute('intercepts', [1, -1]),
                stringAttribute('post_transform', 'SOFTMAX'),
              ],
              'ai.onnx.ml',
            ),
            node('Slice', ['both', 'from', 'to', 'axis'], ['p']),
            ...more,
          ],
          initializers: [
            tensor('from', 'int64', [1], int64s(from)),
            tensor('to', 'int64', [1], int64s(from + 1)),
            tensor('axis', 'int64', [1], int64s(1)),
            tensor('one', 'float', [], floats(1)),
          ],
        },
      ],
      [[name, 'float', ['N', 1]]],
    );
  const columns = { positive: 'yes', classes: ['no', 'yes'] };

  test('Slice: of two classes the positive one is read, and the other is refused', async () => {
    const { scores } = await read(binary(1), 'binary-classification', { columns });
    assert.deepEqual(
      Array.from(scores ?? [], (score) => score > 0.5),
      [true, false, false, false, true],
    );
    await assert.rejects(
      read(binary(0), 'binary-classification', { columns: { positive: 'yes' }, labels: ['no', 'yes'] }),
      /The only score of the model belongs to the class "no"\. Expected a score of the positive class, "yes"/u,
    );
    const rest = binary(0, 'rest', [node('Sub', ['one', 'p'], ['rest'])]);
    assert.equal((await read(rest, 'binary-classification', { columns })).kind, 'probability');
  });

  test('TopK: the highest scores in the order of their size are of no class', async () => {
    const bytes = picked(
      'p',
      3,
      [node('TopK', ['output_probability', 'k'], ['p', 'which'])],
      [tensor('k', 'int64', [1], int64s(3))],
    );
    await assert.rejects(read(bytes, 'multiclass-classification', { labels: words }), /highest scores .*TopK/u);
  });
});

test('beside scores that are named, an output that holds no class is none of labels', async () => {
  const bytes = build(
    [
      pipelinePart(words),
      {
        nodes: [
          node('ArgMax', ['output_probability'], ['best'], [intAttribute('axis', 1), intAttribute('keepdims', 0)]),
          node('Add', ['best', 'seven'], ['n_classes']),
        ],
        initializers: [tensor('seven', 'int64', [], int64s(7))],
      },
    ],
    [
      ['n_classes', 'int64', ['N']],
      ['output_probability', 'float', ['N', 3]],
    ],
  );
  const named = await read(bytes, 'multiclass-classification', { reading: { output: 'output_probability' } });
  assert.deepEqual([named.classes, named.labels], [words, null]);
  await assert.rejects(read(bytes, 'multiclass-classification'), /The model predicts the label [789]/u);
});

test('an output of another name that is the label of every row, in another order of the classes, says so', async () => {
  const bytes = build(
    [
      {
        nodes: [
          node('MatMul', ['x', 'w'], ['z']),
          node('Softmax', ['z'], ['p'], [intAttribute('axis', 1)]),
          node('ArgMax', ['z'], ['best'], [intAttribute('axis', 1), intAttribute('keepdims', 0)]),
          node('Add', ['best', 'one'], ['next']),
          node('Mod', ['next', 'three'], ['category']),
        ],
        initializers: [
          tensor('w', 'float', [3, 3], floats(3, 0, 0, 0, 3, 0, 0, 0, 3)),
          tensor('one', 'int64', [], int64s(1)),
          tensor('three', 'int64', [], int64s(3)),
        ],
      },
    ],
    [
      ['category', 'int64', ['N']],
      ['p', 'float', ['N', 3]],
    ],
  );
  const labels = ['0', '1', '2'];
  await assert.rejects(
    read(bytes, 'multiclass-classification', { labels }),
    /Output category contradicts .*: "1", "2", "0" .*if category is not a label, name the output of the scores: \{uri, output: p\}/u,
  );
  const settled = await read(bytes, 'multiclass-classification', { labels, columns: { classes: [1, 2, 0] } });
  assert.deepEqual([settled.classes, settled.labels], [[1, 2, 0], null]);
  assert.equal((await read(bytes, 'multiclass-classification', { labels, reading: { output: 'p' } })).labels, null);
});

describe('networks name no classes', () => {
  const scores: [what: string, bytes: Uint8Array, kind: Predictions['kind']][] = [
    ['PyTorch, with an open batch', network('logits', { batch: 'batch', softmax: false }), 'score'],
    ['PyTorch, with a fixed batch', network('logits', { batch: 2, softmax: false }), 'score'],
    ['Keras, with an open batch', network('dense_1', { batch: 'unk__6', softmax: true }), 'probability'],
    ['Keras, with a fixed batch', network('dense_1', { batch: 1, softmax: true }), 'probability'],
    ['quantised', quantised(), 'probability'],
    ['of half precision', half(), 'probability'],
  ];
  for (const [what, bytes, kind] of scores) {
    test(`${what}: they are the numbers from 0, or the sorted labels of the data`, async () => {
      const counted = await read(bytes, 'multiclass-classification', { labels: ['0', '1', '2'] });
      assert.deepEqual([counted.classes, counted.classesFrom, counted.kind], [[0, 1, 2], 'counted', kind]);
      assert.deepEqual(highest(counted), best);
      const sorted = await read(bytes, 'multiclass-classification', { labels: words });
      assert.deepEqual([sorted.classes, sorted.classesFrom], [['bad', 'good', 'so-so'], 'sorted']);
    });
  }

  test('and where the labels of the data leave it open, it is asked for', async () => {
    const bytes = network('logits', { batch: 'N', softmax: false });
    await assert.rejects(
      read(bytes, 'multiclass-classification', { labels: ['c1', 'c2', 'c10'] }),
      /of the classes c1, c10, c2 or of c1, c2, c10\. List the classes/u,
    );
    assert.equal(
      (await read(bytes, 'multiclass-classification', { labels: ['c1', 'c2', 'c3'] })).classesFrom,
      'sorted',
    );
    await assert.rejects(
      read(bytes, 'multiclass-classification', { labels: ['1', '2'] }),
      /whether the scores are of the classes 0, 1, 2 or of 1, 2, 3\. List the classes/u,
    );
    await assert.rejects(
      read(bytes, 'multiclass-classification', { labels: ['bad', 'good'] }),
      /3 scores per row .* the data has 2 labels: bad, good/u,
    );
  });
});

describe('a random forest', () => {
  const above = rows.map(([first = 0]) => first > 1.5);

  test('of two classes is read by its scores: labels that the runtime gets wrong are left out (microsoft/onnxruntime#28557)', async () => {
    for (const classes of [
      [0, 1],
      [1, 0],
    ]) {
      const { scores, labels } = await read(forest(classes), 'binary-classification');
      assert.deepEqual(
        Array.from(scores ?? [], (score) => score > 0.5),
        above.map((is) => is === (classes[1] === 1)),
      );
      // A later runtime may give them right.
      const right = above.map((is) => (is ? 1 : 0));
      assert.ok(labels === null || [...labels].every((label, row) => label === right[row]));
    }
  });

  test('of two classes under another order in columns.classes is an error all the same', async () => {
    await assert.rejects(
      read(forest([0, 1]), 'binary-classification', { columns: { classes: [1, 0] } }),
      /Output label contradicts the scores of output probabilities/u,
    );
  });

  test('of three classes has its labels', async () => {
    const { labels } = await read(forest([0, 1, 2]), 'multiclass-classification');
    assert.deepEqual(
      [...(labels ?? [])],
      above.map((is) => (is ? 2 : 0)),
    );
  });
});

test('a regressor of XGBoost gives its value with base_score', async () => {
  const { scores } = await read(treeRegressor(0.5), 'regression');
  assert.deepEqual(
    [...(scores ?? [])],
    rows.map(([first = 0]) => (first > 1.5 ? 2.5 : -1.5)),
  );
});

test('a multi-output classifier of scikit-learn stacks its probabilities by label', async () => {
  const columns = { label: ['l0', 'l1', 'l2'] };
  const { scores, labels, classes } = await read(multiOutput(), 'multilabel-classification', { columns });
  assert.deepEqual(classes, columns.label);
  const expected = rows.flatMap((row) => row.map((value) => (value === 2 ? 1 : 0)));
  assert.deepEqual([...(labels ?? [])], expected);
  assert.deepEqual(Array.from(scores ?? [], Math.round), expected);
});

describe('labels that contradict the scores', () => {
  test('are an error that names the order of the classes that agrees', async () => {
    await assert.rejects(
      read(trees([2, 0, 1], false), 'multiclass-classification', { columns: { classes: [0, 1, 2] } }),
      /label contradicts the scores of output probabilities in 5 of 5 rows .*Expected the order .*: "2", "0", "1" \(it was read as "0", "1", "2", from columns\.classes\)\. Set columns\.classes: \["2", "0", "1"\]/u,
    );
  });

  test('are read off the graph where it names them, and need nothing', async () => {
    const predictions = await read(voting(['so-so', 'bad', 'good']), 'multiclass-classification', {
      labels: ['bad', 'good', 'so-so'],
    });
    assert.deepEqual(predictions.classes, ['so-so', 'bad', 'good']);
  });

  const shifted = (): Uint8Array =>
    build(
      [
        {
          nodes: [
            node('MatMul', ['x', 'w'], ['z']),
            node('Softmax', ['z'], ['probabilities'], [intAttribute('axis', 1)]),
            // The label is made of the feature, at another threshold than the scores.
            node('Gather', ['x', 'zero'], ['first'], [intAttribute('axis', 1)]),
            node('Greater', ['first', 'one'], ['above']),
            node('Cast', ['above'], ['label'], [intAttribute('to', 7)]),
          ],
          initializers: [
            tensor('w', 'float', [3, 2], floats(-1, 1, 0, 0, 0, 0)),
            tensor('zero', 'int64', [], int64s(0)),
            tensor('one', 'float', [], floats(1)),
          ],
        },
      ],
      [
        ['label', 'int64', ['N']],
        ['probabilities', 'float', ['N', 2]],
      ],
    );

  test('and are of another rule are an error that says what settles it', async () => {
    await assert.rejects(
      read(shifted(), 'binary-classification'),
      /contradicts the scores .* in 1 of 5 rows .*another rule\. State which output decides: \{uri, output: probabilities\}.*threshold.*\{uri, output: label\}/u,
    );
    const byScores = await read(shifted(), 'binary-classification', { reading: { output: 'probabilities' } });
    assert.equal(byScores.kind, 'probability');
    const byLabels = await read(shifted(), 'binary-classification', { reading: { output: 'label' } });
    assert.deepEqual([byLabels.kind, byLabels.scores], ['label', null]);
    assert.equal((await read(shifted(), 'binary-classification', { reading: { threshold: 0.9 } })).kind, 'probability');
  });
});

describe('outputs', () => {
  const transposed = (declared: readonly (number | string)[]): Uint8Array =>
    build(
      [
        {
          nodes: [
            node('MatMul', ['x', 'w'], ['z']),
            node('Sigmoid', ['z'], ['s']),
            node('Transpose', ['s'], ['prob'], [intsAttribute('perm', [1, 0])]),
          ],
          initializers: [tensor('w', 'float', [3, 2], floats(1, 0, 0, 1, 0, 0))],
        },
      ],
      [['prob', 'float', declared]],
    );
  const columns = { label: ['l1', 'l2'] };

  for (const name of ['embedding', 'attention_weights', 'leaf_scores', 'hidden_state']) {
    test(`beside the scores are none, such as ${name}, of the same shape and in the first place`, async () => {
      const bytes = build(
        [
          pipelinePart(words),
          {
            nodes: [node('MatMul', ['x', 'v'], [name])],
            initializers: [tensor('v', 'float', [3, 3], floats(...Array(9).fill(1)))],
          },
        ],
        [
          [name, 'float', ['N', 3]],
          ['output_probability', 'float', ['N', 3]],
        ],
      );
      const { classes, kind } = await read(bytes, 'multiclass-classification');
      assert.deepEqual([classes, kind], [words, 'probability']);
      const alone = build(
        [
          {
            nodes: [node('MatMul', ['x', 'w'], ['answer']), node('MatMul', ['x', 'w'], [name])],
            initializers: [tensor('w', 'float', [3, 3], floats(3, 0, 0, 0, 3, 0, 0, 0, 3))],
          },
        ],
        [
          [name, 'float', ['N', 3]],
          ['answer', 'float', ['N', 3]],
        ],
      );
      const labels = ['0', '1', '2'];
      const reading = { transform: 'softmax' } as const;
      assert.deepEqual(highest(await read(alone, 'multiclass-classification', { labels, reading })), best);
    });
  }

  test('of labels by rows are turned, in batches of any size', async () => {
    const whole = await read(transposed([2, 'N']), 'multilabel-classification', { columns });
    for (const batch of [1, 2, 3]) {
      const parts = await read(transposed([2, 'N']), 'multilabel-classification', { columns, batch });
      assert.deepEqual(parts.scores, whole.scores);
    }
    assert.deepEqual(
      Array.from(whole.scores ?? [], (score) => Number(score.toFixed(4))),
      rows.flatMap(([a = 0, b = 0]) => [a, b].map((value) => Number((1 / (1 + Math.exp(-value))).toFixed(4)))),
    );
  });

  test('whose rows are neither first nor clearly second are refused', async () => {
    await assert.rejects(
      read(transposed([2, 'N']), 'multilabel-classification', { columns: { label: ['l1', 'l2', 'l3'] } }),
      /Output prob has dimensions \[2, 5\] for 5 rows\. Expected 5 rows in the first dimension/u,
    );
    // Not declared, and the first batch is as wide as it is high: what follows shows that it was read wrongly.
    await assert.rejects(
      read(transposed(['a', 'b']), 'multilabel-classification', { columns, batch: [2, 3] }),
      /Output prob has dimensions/u,
    );
  });
});

function highest({ scores, classes }: Predictions): number[] {
  const width = classes?.length ?? 1;
  return rows.map((_, row) => {
    const own = [...(scores ?? [])].slice(row * width, (row + 1) * width);
    return own.indexOf(Math.max(...own));
  });
}
