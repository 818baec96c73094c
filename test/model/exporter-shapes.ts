import {
  floats,
  floatsAttribute,
  graph,
  int64s,
  intAttribute,
  intsAttribute,
  model,
  node,
  stringAttribute,
  stringsAttribute,
  stringTensor,
  tensor,
  valueInfo,
  type ElementType,
} from './onnx-builder.ts';

/*
 * Models of the shapes that exporters write, each over three features x: the class of a row is that of its greatest feature.
 * Class names are in an order of their own, which neither sorting nor counting gives.
 */

export const words = ['so-so', 'bad', 'good'];

type Values = readonly (string | number)[];
interface Part {
  nodes: Uint8Array[];
  initializers?: Uint8Array[];
}

const ml = 'ai.onnx.ml';

function classList(classes: Values): Uint8Array {
  return typeof classes[0] === 'string'
    ? stringsAttribute('classlabels_strings', classes as string[])
    : intsAttribute('classlabels_ints', classes as number[]);
}

function classTensor(name: string, classes: Values): Uint8Array {
  return typeof classes[0] === 'string'
    ? stringTensor(name, classes as string[])
    : tensor(name, 'int64', [classes.length], int64s(...(classes as number[])));
}

/** scikit-learn's LogisticRegression of three classes, as skl2onnx writes it. */
function linearClassifier(name: string, classes: Values, scale = 3): Uint8Array {
  const weights = [0, 1, 2].flatMap((row) => [0, 1, 2].map((column) => (row === column ? scale : 0)));
  return node(
    'LinearClassifier',
    ['x'],
    [`${name}_label`, `${name}_p`],
    [
      classList(classes),
      floatsAttribute('coefficients', weights),
      floatsAttribute('intercepts', [0, 0, 0]),
      intAttribute('multi_class', 1),
      stringAttribute('post_transform', 'SOFTMAX'),
    ],
    ml,
  );
}

/** One classifier of one class against the rest: of feature `feature`. */
function oneAgainstRest(feature: number): Part {
  const weights = [0, 1, 2].map((column) => (column === feature ? 3 : 0));
  return {
    nodes: [
      node(
        'LinearClassifier',
        ['x'],
        [`l${feature}`, `p${feature}`],
        [
          intsAttribute('classlabels_ints', [0, 1]),
          floatsAttribute('coefficients', [...weights.map((value) => -value), ...weights]),
          floatsAttribute('intercepts', [4, -4]),
          intAttribute('multi_class', 1),
          stringAttribute('post_transform', 'SOFTMAX'),
        ],
        ml,
      ),
      node('ArrayFeatureExtractor', [`p${feature}`, 'one'], [`q${feature}`], [], ml),
    ],
  };
}

/** label = classes[argmax(probabilities)], as skl2onnx writes it of every ensemble. */
function labelled(classes: Values): Part {
  return {
    nodes: [
      node('ArgMax', ['probabilities'], ['best'], [intAttribute('axis', 1)]),
      node('ArrayFeatureExtractor', ['classes', 'best'], ['named'], [], ml),
      node('Reshape', ['named', 'all'], ['label']),
    ],
    initializers: [classTensor('classes', classes), tensor('all', 'int64', [1], int64s(-1))],
  };
}

function build(
  parts: readonly Part[],
  outputs: readonly (readonly [name: string, type: ElementType, shape: readonly (number | string)[]])[],
  input: readonly [type: ElementType, shape: readonly (number | string)[]] = ['float', ['N', 3]],
): Uint8Array {
  return model(
    graph({
      nodes: parts.flatMap(({ nodes }) => nodes),
      initializers: parts.flatMap(({ initializers }) => initializers ?? []),
      inputs: [valueInfo('x', ...input)],
      outputs: outputs.map((each) => valueInfo(...each)),
    }),
  );
}

function ofLabels(classes: Values): ElementType {
  return typeof classes[0] === 'string' ? 'string' : 'int64';
}

export function pipelinePart(classes: Values): Part {
  return {
    nodes: [
      linearClassifier('raw', classes),
      node('Identity', ['raw_label'], ['output_label']),
      node('Normalizer', ['raw_p'], ['output_probability'], [stringAttribute('norm', 'L1')], ml),
    ],
  };
}

export function pipeline(classes: Values): Uint8Array {
  return build(
    [pipelinePart(classes)],
    [
      ['output_label', ofLabels(classes), ['N']],
      ['output_probability', 'float', ['N', 3]],
    ],
  );
}

export function voting(classes: Values): Uint8Array {
  const parts: Part[] = [
    {
      nodes: [
        linearClassifier('first', [0, 1, 2]),
        linearClassifier('second', [0, 1, 2], 1),
        node('Add', ['first_p', 'second_p'], ['sum']),
        node('Mul', ['sum', 'half'], ['probabilities']),
      ],
      initializers: [tensor('half', 'float', [1], floats(0.5))],
    },
    labelled(classes),
  ];
  return build(parts, both(classes));
}

export function stacking(classes: Values): Uint8Array {
  const zero = [0, 0, 0];
  const rows = [0, 1, 2].map((row) => [...zero.map((_, column) => (row === column ? 5 : 0)), ...zero]);
  const parts: Part[] = [
    {
      nodes: [
        linearClassifier('first', [0, 1, 2]),
        linearClassifier('second', [0, 1, 2], 1),
        node('Concat', ['first_p', 'second_p'], ['both'], [intAttribute('axis', 1)]),
        node(
          'LinearClassifier',
          ['both'],
          ['label', 'probabilities'],
          [
            classList(classes),
            floatsAttribute('coefficients', rows.flat()),
            floatsAttribute('intercepts', zero),
            intAttribute('multi_class', 1),
            stringAttribute('post_transform', 'SOFTMAX'),
          ],
          ml,
        ),
      ],
    },
  ];
  return build(parts, both(classes));
}

/** One-vs-rest, and CalibratedClassifierCV, whose sigmoid of each class is normalised in the same way. */
export function oneVsRest(classes: Values, calibrated: boolean): Uint8Array {
  const calibrate = (feature: number): Uint8Array[] => [
    node('Mul', [`q${feature}`, 'slope'], [`s${feature}`]),
    node('Add', [`s${feature}`, 'offset'], [`t${feature}`]),
    node('Sigmoid', [`t${feature}`], [`c${feature}`]),
  ];
  const columns = [0, 1, 2].map((feature) => `${calibrated ? 'c' : 'q'}${feature}`);
  const parts: Part[] = [
    ...[0, 1, 2].map(oneAgainstRest),
    {
      nodes: [
        ...(calibrated ? [0, 1, 2].flatMap(calibrate) : []),
        node('Concat', columns, ['joined'], [intAttribute('axis', 1)]),
        node('ReduceSum', ['joined', 'one'], ['total'], [intAttribute('keepdims', 1)]),
        node('Div', ['joined', 'total'], ['probabilities']),
      ],
      initializers: [
        tensor('one', 'int64', [1], int64s(1)),
        tensor('slope', 'float', [1], floats(6)),
        tensor('offset', 'float', [1], floats(-3)),
      ],
    },
    labelled(classes),
  ];
  return build(parts, both(classes));
}

/** MultiOutputClassifier of three labels: [labels, N, 2] and 0 or 1 of each. */
export function multiOutput(): Uint8Array {
  const stacked = [0, 1, 2].map((label) => `u${label}`);
  const columns = [0, 1, 2].map((label) => `r${label}`);
  return build(
    [
      ...[0, 1, 2].map(oneAgainstRest),
      {
        nodes: [
          ...[0, 1, 2].flatMap((label) => [
            node('Unsqueeze', [`p${label}`, 'zero'], [`u${label}`]),
            node('Reshape', [`l${label}`, 'column'], [`r${label}`]),
          ]),
          node('Concat', stacked, ['probabilities'], [intAttribute('axis', 0)]),
          node('Concat', columns, ['label'], [intAttribute('axis', 1)]),
        ],
        initializers: [
          tensor('one', 'int64', [1], int64s(1)),
          tensor('zero', 'int64', [1], int64s(0)),
          tensor('column', 'int64', [2], int64s(-1, 1)),
        ],
      },
    ],
    [
      ['label', 'int64', ['N', 3]],
      ['probabilities', 'float', [3, 'N', 2]],
    ],
  );
}

function both(classes: Values): [string, ElementType, (number | string)[]][] {
  return [
    ['label', ofLabels(classes), ['N']],
    ['probabilities', 'float', ['N', 3]],
  ];
}

/** Stumps: tree t gives `weight` to class (or target) `of[t]` where feature t is above 1.5. */
function stumps(
  of: readonly number[],
  weight: number,
): { nodes: Uint8Array[]; leaves: (kind: string) => Uint8Array[] } {
  const trees = of.map((_, tree) => tree);
  const each = <T>(values: readonly T[]): T[] => trees.flatMap(() => values);
  return {
    nodes: [
      intsAttribute(
        'nodes_treeids',
        trees.flatMap((tree) => [tree, tree, tree]),
      ),
      intsAttribute('nodes_nodeids', each([0, 1, 2])),
      intsAttribute(
        'nodes_featureids',
        trees.flatMap((tree) => [tree, 0, 0]),
      ),
      floatsAttribute('nodes_values', each([1.5, 0, 0])),
      stringsAttribute('nodes_modes', each(['BRANCH_LEQ', 'LEAF', 'LEAF'])),
      intsAttribute('nodes_truenodeids', each([1, 0, 0])),
      intsAttribute('nodes_falsenodeids', each([2, 0, 0])),
    ],
    leaves: (kind) => [
      intsAttribute(
        `${kind}_treeids`,
        trees.flatMap((tree) => [tree, tree]),
      ),
      intsAttribute(`${kind}_nodeids`, each([1, 2])),
      intsAttribute(
        `${kind}_ids`,
        of.flatMap((id) => [id, id]),
      ),
      floatsAttribute(`${kind}_weights`, each([-weight, weight])),
    ],
  };
}

/** LightGBM, XGBoost and CatBoost: a TreeEnsembleClassifier; `zipped` as onnxmltools and CatBoost write it by default. */
export function trees(classes: Values, zipped: boolean): Uint8Array {
  const binary = classes.length === 2;
  const { nodes, leaves } = stumps(binary ? [0] : [0, 1, 2], 2);
  const list = (name: string): Uint8Array =>
    typeof classes[0] === 'string'
      ? stringsAttribute(`${name}_strings`, classes as string[])
      : intsAttribute(`${name}_int64s`, classes as number[]);
  const classifier = node(
    'TreeEnsembleClassifier',
    ['x'],
    ['label', zipped ? 'matrix' : 'probabilities'],
    [
      ...nodes,
      ...leaves('class'),
      list('classlabels'),
      stringAttribute('post_transform', binary ? 'LOGISTIC' : 'SOFTMAX'),
    ],
    ml,
  );
  if (!zipped) {
    return build(
      [{ nodes: [classifier] }],
      [
        ['label', ofLabels(classes), ['N']],
        ['probabilities', 'float', ['N', classes.length]],
      ],
    );
  }
  const zip = node('ZipMap', ['matrix'], ['probabilities'], [list('classlabels')], ml);
  // Its type is a sequence of maps, of which only the name is read.
  return build(
    [{ nodes: [classifier, zip] }],
    [
      ['label', ofLabels(classes), ['N']],
      ['probabilities', 'float', ['N', classes.length]],
    ],
  );
}

/** A random forest of scikit-learn: leaves give a share to each class. Of feature 0, above 1.5 the last class is the likelier. */
export function forest(classes: readonly number[]): Uint8Array {
  const last = classes.length - 1;
  const { nodes } = stumps([0], 0);
  const ids = [...classes.keys()];
  const leaf = (chosen: number): number[] => ids.map((id) => (id === chosen ? 0.8 : 0.2 / last));
  const classifier = node(
    'TreeEnsembleClassifier',
    ['x'],
    ['label', 'probabilities'],
    [
      ...nodes,
      intsAttribute(
        'class_treeids',
        [...ids, ...ids].map(() => 0),
      ),
      intsAttribute('class_nodeids', [...ids.map(() => 1), ...ids.map(() => 2)]),
      intsAttribute('class_ids', [...ids, ...ids]),
      floatsAttribute('class_weights', [...leaf(0), ...leaf(last)]),
      intsAttribute('classlabels_int64s', classes),
      stringAttribute('post_transform', 'NONE'),
    ],
    ml,
  );
  return build(
    [{ nodes: [classifier] }],
    [
      ['label', 'int64', ['N']],
      ['probabilities', 'float', ['N', classes.length]],
    ],
  );
}

/** XGBoost's reg:squarederror: one value, which base_score is added to. */
export function treeRegressor(baseScore: number): Uint8Array {
  const { nodes, leaves } = stumps([0], 2);
  const regressor = node(
    'TreeEnsembleRegressor',
    ['x'],
    ['variable'],
    [...nodes, ...leaves('target'), intAttribute('n_targets', 1), floatsAttribute('base_values', [baseScore])],
    ml,
  );
  return build([{ nodes: [regressor] }], [['variable', 'float', ['N', 1]]]);
}

const identity = [3, 0, 0, 0, 3, 0, 0, 0, 3];

/** A network: `output` as PyTorch (logits) and Keras (dense_1) name it, with open or fixed axes. */
export function network(output: string, parts: { batch: number | string; softmax: boolean }): Uint8Array {
  return build(
    [
      {
        nodes: [
          node('MatMul', ['x', 'w'], [parts.softmax ? 'z' : output]),
          ...(parts.softmax ? [node('Softmax', ['z'], [output], [intAttribute('axis', 1)])] : []),
        ],
        initializers: [tensor('w', 'float', [3, 3], floats(...identity))],
      },
    ],
    [[output, 'float', [parts.batch, 3]]],
    ['float', [parts.batch, 3]],
  );
}

/** A network whose weights are of 8 bits between QuantizeLinear and DequantizeLinear. */
export function quantised(): Uint8Array {
  return build(
    [
      {
        nodes: [
          node('QuantizeLinear', ['x', 'step', 'zero'], ['q']),
          node('DequantizeLinear', ['q', 'step', 'zero'], ['d']),
          node('DequantizeLinear', ['w', 'step', 'zero'], ['v']),
          node('MatMul', ['d', 'v'], ['z']),
          node('Softmax', ['z'], ['p'], [intAttribute('axis', 1)]),
          node('QuantizeLinear', ['p', 'fine', 'zero'], ['r']),
          node('DequantizeLinear', ['r', 'fine', 'zero'], ['probabilities']),
        ],
        initializers: [
          tensor(
            'w',
            'uint8',
            [3, 3],
            Uint8Array.from(identity, (value) => value * 10),
          ),
          tensor('step', 'float', [], floats(0.1)),
          tensor('fine', 'float', [], floats(1 / 255)),
          tensor('zero', 'uint8', [], Uint8Array.of(0)),
        ],
      },
    ],
    [['probabilities', 'float', ['N', 3]]],
  );
}

/** A network of half precision, inside and at its ends. */
export function half(): Uint8Array {
  // 3 is 0x4200 in binary16.
  const weights = Uint16Array.from(identity, (value) => (value === 0 ? 0 : 0x4200));
  return build(
    [
      {
        nodes: [
          node('MatMul', ['x', 'w'], ['z']),
          node('Softmax', ['z'], ['probabilities'], [intAttribute('axis', 1)]),
        ],
        initializers: [tensor('w', 'float16', [3, 3], new Uint8Array(weights.buffer))],
      },
    ],
    [['probabilities', 'float16', ['N', 3]]],
    ['float16', ['N', 3]],
  );
}

/** Any graph over x: for outputs beside the scores and orders that contradict. */
export { build, labelled };
