import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, test } from 'node:test';
import { inspectModel } from '../../src/model/inspect.ts';
import { loadModel } from '../../src/model/run.ts';
import { inTemporaryFolder } from '../support/project.ts';
import {
  floats,
  floatsAttribute,
  graph,
  int64s,
  intAttribute,
  intsAttribute,
  message,
  model,
  node,
  stringAttribute,
  stringsAttribute,
  stringTensor,
  tensor,
  valueInfo,
  type ElementType,
} from './onnx-builder.ts';
import { read, readWhole, rows } from './reading.ts';

/* Models of three features x that could be read as something else than they are. */

type Output = readonly [name: string, type: ElementType, shape: readonly (number | string)[]];

const initializers = [
  tensor('eye', 'float', [3, 3], floats(1, 0, 0, 0, 1, 0, 0, 0, 1)),
  tensor('w', 'float', [3, 1], floats(1, -1, 0)),
  tensor('one', 'float', [], floats(1)),
];

function built(nodes: readonly Uint8Array[], outputs: readonly Output[], more: readonly Uint8Array[] = []): Uint8Array {
  return graph({
    nodes,
    inputs: [valueInfo('x', 'float', ['N', 3])],
    outputs: outputs.map((each) => valueInfo(...each)),
    initializers: [...initializers, ...more],
  });
}

/** What gives a sequence of maps from texts to floats, as a ZipMap does. */
function mapped(nodes: readonly Uint8Array[], outputs: readonly Uint8Array[] = []) {
  const floating = message([1, message([1, 1])]);
  const maps = message([1, 'maps'], [2, message([4, message([1, message([5, message([1, 8], [2, floating])])])])]);
  return { nodes, inputs: [valueInfo('x', 'float', ['N', 3])], outputs: [...outputs, maps] };
}

/** A linear classifier of the first feature over the second, and so on. */
function classifier(names: readonly string[], [label, scores] = ['label', 'q']): Uint8Array {
  const weights = names.flatMap((_, at) => [0, 1, 2].map((feature) => (feature === at ? 1 : 0)));
  return node(
    'LinearClassifier',
    ['x'],
    [label, scores],
    [
      floatsAttribute('coefficients', weights),
      floatsAttribute(
        'intercepts',
        names.map(() => 0),
      ),
      stringsAttribute('classlabels_strings', names),
      intAttribute('multi_class', 0),
      stringAttribute('post_transform', 'SOFTMAX'),
    ],
    'ai.onnx.ml',
  );
}

const three = ['a', 'b', 'c'];
const p3: Output = ['p', 'float', ['N', 3]];
const softmaxed = [node('MatMul', ['x', 'eye'], ['z']), node('Softmax', ['z'], ['p'], [intAttribute('axis', 1)])];
const sigmoid = [node('MatMul', ['x', 'w'], ['z']), node('Sigmoid', ['z'], ['s'])];
const multiclass = 'multiclass-classification';
const binary = 'binary-classification';

describe('one score that the graph picks out of those of two classes', () => {
  const columns = { positive: 'yes' };
  const ways: Record<string, [node: Uint8Array[], initializer: Uint8Array]> = {
    Compress: [
      [node('Compress', ['q', 'at'], ['score'], [intAttribute('axis', 1)])],
      tensor('at', 'bool', [2], Uint8Array.of(1, 0)),
    ],
    'a product with one column': [
      [node('MatMul', ['q', 'at'], ['score'])],
      tensor('at', 'float', [2, 1], floats(1, 0)),
    ],
    'Gather of rows after Transpose': [
      [
        node('Transpose', ['q'], ['t'], [intsAttribute('perm', [1, 0])]),
        node('Gather', ['t', 'at'], ['score'], [intAttribute('axis', 0)]),
      ],
      tensor('at', 'int64', [], int64s(0)),
    ],
  };
  for (const [how, [nodes, at]] of Object.entries(ways)) {
    test(`is of the class that it is picked from: ${how}`, async () => {
      const bytes = model(built([classifier(['no', 'yes']), ...nodes], [['score', 'float', ['N', 1]]], [at]));
      await assert.rejects(read(bytes, binary, { columns, labels: ['no', 'yes'] }), /belongs to the class "no"/u);
      const turned = model(built([classifier(['yes', 'no']), ...nodes], [['score', 'float', ['N', 1]]], [at]));
      assert.equal((await read(turned, binary, { columns, labels: ['no', 'yes'] })).scores?.length, rows.length);
    });
  }
});

describe('scores whose sign is turned', () => {
  test('are of two classes those of the other one', async () => {
    const nodes = [classifier(['no', 'yes']), node('Sub', ['one', 'q'], ['p'])];
    const bytes = model(built(nodes, [['p', 'float', ['N', 2]]]));
    assert.deepEqual((await read(bytes, binary, { columns: { positive: 'yes' } })).classes, ['yes', 'no']);
  });

  test('are those of the classes that a ZipMap after it names', async () => {
    for (const names of [['no', 'yes'], three]) {
      const width = names.length;
      const nodes = [
        node('MatMul', ['x', 'some'], ['distances']),
        node('Neg', ['distances'], ['near']),
        node('Softmax', ['near'], ['p'], [intAttribute('axis', 1)]),
        node('ZipMap', ['p'], ['maps'], [stringsAttribute('classlabels_strings', names)], 'ai.onnx.ml'),
      ];
      const some = tensor('some', 'float', [3, width], floats(...new Array<number>(3 * width).fill(1)));
      const bytes = model(graph({ ...mapped(nodes), initializers: [some] }));
      const task = width === 2 ? binary : multiclass;
      assert.deepEqual((await read(bytes, task, { columns: { positive: 'yes' } })).classes, names);
    }
  });

  test('are of no class where there are three', async () => {
    const bytes = model(built([classifier(three), node('Neg', ['q'], ['logits'])], [['logits', 'float', ['N', 3]]]));
    await assert.rejects(read(bytes, multiclass), /with inverted sign/u);
  });
});

test('an SVM without probabilities has scores of pairs of classes', async () => {
  const svm = node(
    'SVMClassifier',
    ['x'],
    ['label', 'scores'],
    [
      intsAttribute('classlabels_ints', [0, 1, 2]),
      stringAttribute('kernel_type', 'LINEAR'),
      floatsAttribute('kernel_params', [1, 0, 3]),
      floatsAttribute('rho', [0, 0, 0]),
      intsAttribute('vectors_per_class', [1, 1, 1]),
      floatsAttribute('support_vectors', [1, 0, 0, 0, 1, 0, 0, 0, 1]),
      floatsAttribute('coefficients', [1, 1, -1, 1, -1, -1]),
    ],
    'ai.onnx.ml',
  );
  const bytes = model(built([svm], [['scores', 'float', ['N', 3]]]));
  await assert.rejects(
    read(bytes, multiclass, { reading: { transform: 'none' } }),
    /a score for each pair of classes/u,
  );
});

test('labels alone, of which several scores have one, are read by their text', async () => {
  const nodes = [
    ...softmaxed,
    node('ArgMax', ['p'], ['best'], [intAttribute('axis', 1), intAttribute('keepdims', 0)]),
    node('Gather', ['names', 'best'], ['label']),
  ];
  const bytes = model(built(nodes, [['label', 'string', ['N']]], [stringTensor('names', ['bad', 'good', 'good'])]));
  const { classes, labels } = await read(bytes, multiclass, { labels: ['bad', 'good'] });
  assert.deepEqual(
    [...(labels ?? [])].map((label) => classes?.[label]),
    ['bad', 'good', 'good', 'good', 'bad'],
  );
});

describe('two columns p and 1 - p', () => {
  const nodes = (order: string[]): Uint8Array[] => [
    ...sigmoid,
    node('Sub', ['one', 's'], ['n']),
    node('Concat', order, ['p'], [intAttribute('axis', 1)]),
  ];
  const bytes = (order: string[]): Uint8Array => model(built(nodes(order), [['p', 'float', ['N', 2]]]));

  test('in this order are asked for, and in the other they are not', async () => {
    const labels = ['0', '1'];
    await assert.rejects(read(bytes(['s', 'n']), binary, { labels }), /p and 1 - p, in this order/u);
    const [given, turned] = [
      await read(bytes(['n', 's']), binary, { labels }),
      await read(bytes(['s', 'n']), binary, { labels, columns: { classes: [1, 0] } }),
    ];
    assert.deepEqual(given.scores, turned.scores);
  });
});

test('one score, of labels 0 and 1 of which 0 is the positive one, is asked for', async () => {
  const bytes = model(built(sigmoid, [['s', 'float', ['N', 1]]]));
  for (const [positive, labels, other] of [
    [0, ['0', '1'], 1],
    [false, ['false', 'true'], true],
  ] as const) {
    await assert.rejects(read(bytes, binary, { columns: { positive }, labels: [...labels] }), /has one score per row/u);
    const stated = { positive, classes: [String(other), String(positive)] };
    assert.equal((await read(bytes, binary, { columns: stated, labels: [...labels] })).scores?.length, rows.length);
  }
});

test('labels that are positions of classes in another order are told as such beside one score', async () => {
  const nodes = [
    ...sigmoid,
    node('Greater', ['z', 'zero'], ['more']),
    node('Cast', ['more'], ['number'], [intAttribute('to', 7)]),
    node('Squeeze', ['number', 'axis'], ['label']),
  ];
  const more = [tensor('zero', 'float', [], floats(0)), tensor('axis', 'int64', [1], int64s(1))];
  const outputs: Output[] = [
    ['probability', 'float', ['N', 1]],
    ['label', 'int64', ['N']],
  ];
  const bytes = model(built([...nodes, node('Identity', ['s'], ['probability'])], outputs, more));
  const columns = { positive: 'fine' };
  const labels = ['fine', 'spoilt'];
  await assert.rejects(read(bytes, binary, { columns, labels }), /Set columns\.classes: \["spoilt", "fine"\]/u);
  const { classes } = await read(bytes, binary, { columns: { ...columns, classes: ['spoilt', 'fine'] }, labels });
  assert.deepEqual(classes, ['spoilt', 'fine']);
});

describe('classes of a model', () => {
  test('of one text are refused', async () => {
    for (const names of [
      ['a', 'b', 'b'],
      ['1', '1.0', '2'],
    ]) {
      await assert.rejects(
        read(model(built([classifier(names, ['label', 'p'])], [p3])), multiclass),
        /has the class .* twice/u,
      );
    }
  });

  test('beyond 2^53 are told apart by their texts in columns.classes, or refused', async () => {
    const [large, larger] = ['9007199254740992', '9007199254740993'] as const;
    const numbers = BigInt64Array.of(1n, BigInt(large), BigInt(larger));
    const nodes = [
      ...softmaxed,
      node('ArgMax', ['p'], ['best'], [intAttribute('axis', 1), intAttribute('keepdims', 0)]),
      node('Gather', ['numbers', 'best'], ['label']),
    ];
    const named = [tensor('numbers', 'int64', [3], new Uint8Array(numbers.buffer))];
    const bytes = model(built(nodes, [p3, ['label', 'int64', ['N']]], named));
    await assert.rejects(read(bytes, multiclass), /a number beyond 2\^53/u);
    const classes = ['1', large, larger];
    const { labels } = await read(bytes, multiclass, { columns: { classes } });
    assert.deepEqual([...(labels ?? [])], [0, 1, 2, 2, 0]);
  });

  test('that a ZipMap lists in another order than the labels have are an error', async () => {
    const nodes = [
      ...softmaxed,
      node('ArgMax', ['p'], ['best'], [intAttribute('axis', 1), intAttribute('keepdims', 0)]),
      node('Gather', ['names', 'best'], ['label']),
      node('ZipMap', ['p'], ['maps'], [stringsAttribute('classlabels_strings', three.toReversed())], 'ai.onnx.ml'),
    ];
    const whole = graph({
      ...mapped(nodes, [valueInfo('label', 'string', ['N'])]),
      initializers: [...initializers, stringTensor('names', three)],
    });
    await assert.rejects(read(model(whole), multiclass), /contradicts the scores of output maps/u);
  });
});

test('an operator of another domain is not what its name says in the domains of ONNX', async () => {
  // A function that turns the columns round, under the name of an operator that keeps them.
  const body = [
    node('Constant', [], ['at'], [message([1, 'value'], [5, tensor('at', 'int64', [3], int64s(2, 1, 0))], [20, 4])]),
    node('Gather', ['X', 'at'], ['Y'], [intAttribute('axis', 1)]),
  ];
  for (const name of ['Identity', 'ZipMap']) {
    const nodes = [classifier(three), node(name, ['q'], ['p'], [], 'local')];
    const bytes = message(
      [1, 8],
      [7, built(nodes, [p3])],
      [8, message([1, ''], [2, 17])],
      [8, message([1, 'ai.onnx.ml'], [2, 3])],
      [8, message([1, 'local'], [2, 1])],
      [
        25,
        message(
          [1, name],
          [4, 'X'],
          [5, 'Y'],
          ...body.map((each) => [7, each] as const),
          [9, message([1, ''], [2, 17])],
          [10, 'local'],
        ),
      ],
    );
    const { classesFrom, scores } = await read(bytes, multiclass, { labels: three });
    assert.equal(classesFrom, 'sorted');
    assert.equal((scores?.[2] ?? 0) > (scores?.[0] ?? 1), true, name);
  }
});

test('sums of sums, and sums in a circle, are looked at once', { timeout: 20_000 }, () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'm.onnx');
    const doubling = Array.from({ length: 60 }, (_, at) => node('Add', [`a${at}`, `a${at}`], [`a${at + 1}`]));
    for (const sums of [[node('Max', ['z', 'z'], ['a0']), ...doubling], [node('Add', ['a60', 'a60'], ['a60'])]]) {
      await writeFile(
        path,
        model(built([node('MatMul', ['x', 'eye'], ['z']), ...sums, node('Div', ['z', 'a60'], ['p'])], [p3])),
      );
      assert.equal((await inspectModel(path, 'm.onnx')).outputs.length, 1);
    }
  }),
);

test('the number of a class beside the scores shows the order of the classes', async () => {
  // Its values come by a product, which nobody follows.
  const nodes = [
    ...softmaxed,
    node('ArgMax', ['p'], ['best'], [intAttribute('axis', 1), intAttribute('keepdims', 0)]),
    node('OneHot', ['best', 'depth', 'values'], ['hot'], [intAttribute('axis', 1)]),
    node('MatMul', ['hot', 'numbers'], ['number']),
    node('Cast', ['number'], ['class_id'], [intAttribute('to', 7)]),
  ];
  const more = [
    tensor('depth', 'int64', [], int64s(3)),
    tensor('values', 'float', [2], floats(0, 1)),
    tensor('numbers', 'float', [3], floats(2, 0, 1)),
  ];
  const bytes = model(built(nodes, [p3, ['class_id', 'int64', ['N']]], more));
  await assert.rejects(
    read(bytes, multiclass, { labels: ['0', '1', '2'] }),
    /Set columns\.classes: \["2", "0", "1"\]/u,
  );
});

describe('labels that count the classes from 1, as keys of ML.NET do', () => {
  const keyed = (nodes: readonly Uint8Array[]): Uint8Array =>
    model(
      built(
        [
          ...softmaxed,
          ...nodes,
          node('Add', ['best', 'next'], ['key']),
          node('Cast', ['key'], ['PredictedLabel'], [intAttribute('to', 7)]),
        ],
        [p3, ['PredictedLabel', 'int64', ['N']]],
        [tensor('next', 'int64', [], int64s(1))],
      ),
    );
  const highest = node('ArgMax', ['p'], ['best'], [intAttribute('axis', 1), intAttribute('keepdims', 0)]);
  for (const labels of [three, ['0', '1', '2'], ['1', '2', '3']]) {
    it(`are read by the scores: ${labels.join(', ')}`, async () => {
      const { classes, labels: given } = await read(keyed([highest]), multiclass, { labels });
      assert.deepEqual(classes?.map(String), labels);
      assert.deepEqual([...(given ?? [])], [0, 1, 2, 2, 0]);
    });
  }

  it('may leave out the last class', async () => {
    const smallest = tensor('less', 'float', [3], floats(0, 0, -9));
    const bytes = model(
      built(
        [
          node('Add', ['x', 'less'], ['z']),
          node('Softmax', ['z'], ['p'], [intAttribute('axis', 1)]),
          highest,
          node('Add', ['best', 'next'], ['PredictedLabel']),
        ],
        [p3, ['PredictedLabel', 'int64', ['N']]],
        [smallest, tensor('next', 'int64', [], int64s(1))],
      ),
    );
    assert.deepEqual([...((await read(bytes, multiclass, { labels: three })).labels ?? [])], [0, 1, 0, 1, 0]);
  });

  it('give way to a stated order of the classes 1, 2, 3 where the scores are named', async () => {
    const columns = { classes: ['3', '1', '2'] };
    const bytes = keyed([highest]);
    await assert.rejects(
      read(bytes, multiclass, { columns }),
      /or, if PredictedLabel counts the classes of columns\.classes from 1 \(ML\.NET\), name .*\{uri, output: p\}/u,
    );
    const { classes, labels } = await read(bytes, multiclass, { columns, reading: { output: 'p' } });
    assert.deepEqual(classes, ['3', '1', '2']);
    assert.deepEqual([...(labels ?? [])], [0, 1, 2, 2, 0]);
  });

  it('contradict scores of which they are not the highest', async () => {
    const lowest = node('ArgMin', ['p'], ['best'], [intAttribute('axis', 1), intAttribute('keepdims', 0)]);
    await assert.rejects(read(keyed([lowest]), multiclass, { labels: three }), /contradicts the scores of output p/u);
  });
});

test('metadata that lists the labels of a multilabel task in another order are an error', async () => {
  const columns = { label: ['u', 'v', 'w'], features: ['a', 'b', 'c'] };
  const nodes = [node('MatMul', ['x', 'eye'], ['z']), node('Sigmoid', ['z'], ['p'])];
  const bytes = (id2label: string): Uint8Array => model(built(nodes, [p3]), { id2label });
  await assert.rejects(
    read(bytes('{"0": "w", "1": "v", "2": "u"}'), 'multilabel-classification', { columns }),
    /lists the labels in the order "w", "v", "u"/u,
  );
  const given = await read(bytes('{"0": "u", "1": "v", "2": "w"}'), 'multilabel-classification', { columns });
  assert.deepEqual(given.classes, columns.label);
});

test('the name of raw scores is a word of its own', async () => {
  const drawn = model(
    built([node('MatMul', ['x', 'w'], ['withdrawal_score'])], [['withdrawal_score', 'float', ['N', 1]]]),
  );
  await assert.rejects(read(drawn, binary, { labels: ['0', '1'] }), /is not a probability/u);
  const raw = model(built([node('MatMul', ['x', 'w'], ['raw_score'])], [['raw_score', 'float', ['N', 1]]]));
  assert.equal((await read(raw, binary, { labels: ['0', '1'] })).kind, 'score');
});

describe('an input named as what every object has', () => {
  for (const name of ['constructor', '__proto__']) {
    it(`is fed as any other: ${name}`, () =>
      inTemporaryFolder(async (folder) => {
        const path = join(folder, 'm.onnx');
        const graphBytes = graph({
          nodes: [node('Add', [name, name], ['y'])],
          inputs: [valueInfo(name, 'float', ['N', 1])],
          outputs: [valueInfo('y', 'float', ['N', 1])],
        });
        await writeFile(path, model(graphBytes));
        const loaded = await loadModel(path, 'm.onnx');
        const feeds = Object.fromEntries([[name, { type: 'float', dims: [2, 1], data: Float32Array.of(1, 2) }]]);
        assert.deepEqual((await loaded.run(feeds))['y']?.data, Float32Array.of(2, 4));
        await loaded.close();
      }));
  }
});

test('one feature that is set against several numbers before the weights contradicts nothing', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'm.onnx');
    const graphBytes = graph({
      nodes: [node('Sub', ['x', 'centres'], ['d']), node('MatMul', ['d', 'weights'], ['y'])],
      inputs: [valueInfo('x', 'float', ['N', 1])],
      outputs: [valueInfo('y', 'float', ['N', 1])],
      initializers: [
        tensor('centres', 'float', [1, 3], floats(0, 1, 2)),
        tensor('weights', 'float', [3, 1], floats(1, 1, 1)),
      ],
    });
    await writeFile(path, model(graphBytes));
    assert.deepEqual((await inspectModel(path, 'm.onnx')).problems, []);
  }));

describe('a transform of two scores a row', () => {
  const two = (nodes: Uint8Array[]): Uint8Array =>
    model(built([node('MatMul', ['x', 'w'], ['z']), node('Neg', ['z'], ['n']), ...nodes], [['o', 'float', ['N', 2]]]));
  const opposite = two([node('Concat', ['n', 'z'], ['o'], [intAttribute('axis', 1)])]);
  const unlike = two([node('Abs', ['z'], ['q']), node('Concat', ['q', 'z'], ['o'], [intAttribute('axis', 1)])]);

  test('is told where the sigmoid is of one of two scores of classes', async () => {
    const asSigmoid = { reading: { transform: 'sigmoid' as const } };
    const told = await readWhole(unlike, binary, { ...asSigmoid, labels: ['0', '1'] });
    assert.match(
      told.warnings.join(),
      /a score for each of the two classes, whose sigmoids in row 1 do not add up to 1.*set transform: softmax/u,
    );
    assert.deepEqual((await readWhole(opposite, binary, { ...asSigmoid, labels: ['0', '1'] })).warnings, []);
  });

  test('is told where softmax doubles z and -z', async () => {
    const asSoftmax = { reading: { transform: 'softmax' as const } };
    const told = await readWhole(opposite, binary, { ...asSoftmax, labels: ['0', '1'] });
    assert.match(told.warnings.join(), /z and -z: their softmax is the sigmoid of 2 z.*transform: sigmoid/u);
    assert.deepEqual((await readWhole(unlike, binary, { ...asSoftmax, labels: ['0', '1'] })).warnings, []);
  });
});
