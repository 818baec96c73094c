import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Columns } from '../../src/config/schema.ts';
import { ConfigError } from '../../src/errors.ts';
import { planInputs } from '../../src/model/features.ts';
import { namesIn, type ModelInspection } from '../../src/model/inspect.ts';

const columns: Columns = { id: 'id', label: 'target', weight: 'w', cluster: 'site', group: 'query' };
const data = ['id', 'target', 'w', 'site', 'query', 'a', 'b'].map((name) => ({ name, type: 'DOUBLE' }));

test('label, id, weight, cluster and group feed no model, whatever its inputs are named', () => {
  for (const name of ['id', 'target', 'w', 'site', 'query', 'Target', ' target', 'TARGET ']) {
    for (const inputs of [[name], ['a', name]]) {
      assert.throws(
        () => planInputs(model(inputs), columns, data),
        (error) => error instanceof ConfigError && /which must not be an input of a model/u.test(error.message),
        inputs.join(', '),
      );
    }
    assert.throws(
      () => planInputs({ ...model(['x'], 2), featureNames: ['a', name] }, columns, data),
      ConfigError,
      name,
    );
  }
});

test('an input that stands for a column by its name in other letters is refused where that is the label', () => {
  const spaced: Columns = { id: 'id', label: 'target (next)' };
  const names = ['id', 'target (next)', 'a'].map((name) => ({ name, type: 'DOUBLE' }));
  assert.throws(
    () => planInputs(model(['a', 'target__next_']), spaced, names),
    /Input "target__next_" of the model is the label column "target \(next\)"/u,
  );
});

test('the one input of a model takes every column but those', () => {
  const twice = [...data, { name: 'Target', type: 'DOUBLE' }];
  assert.deepEqual(planInputs(model(['x'], 2), columns, twice)[0]?.columns, ['a', 'b']);
});

test('the index that pandas saved beside the columns is no feature, unless it is named as one', () => {
  const indexed = [{ name: 'Unnamed: 0', type: 'BIGINT' }, ...data, { name: '__index_level_0__', type: 'BIGINT' }];
  assert.deepEqual(planInputs(model(['x'], 2), columns, indexed)[0]?.columns, ['a', 'b']);
  const named = { ...columns, features: ['a', '__index_level_0__'] };
  assert.deepEqual(planInputs(model(['x'], 2), named, indexed)[0]?.columns, ['a', '__index_level_0__']);
});

test('names of a model that no column has, such as f0 and f1 of XGBoost, give way to columns.features', () => {
  const numbered = { ...model(['x'], 2), featureNames: ['f0', 'f1'] };
  assert.throws(
    () => planInputs(numbered, columns, data),
    /names "f0", "f1", which the data does not have.*list the columns, in the order of the model, in columns\.features/u,
  );
  assert.deepEqual(planInputs(numbered, { ...columns, features: ['b', 'a'] }, data)[0]?.columns, ['b', 'a']);
});

test('features that the metadata lists in another order are asked for', () => {
  const told = (key: string, text: string) => ({ ...model(['x'], 2), metadata: { [key]: text } });
  for (const [key, text] of [
    ['feature_names_in_', '["b", "a"]'],
    ['input_features', "['b', 'a']"],
    ['columns', 'b,a'],
    ['feature_order', 'b, a'],
    ['columns', '["target", "b", "a"]'],
    ['config', '{"model": {"feature_names": ["b", "a"]}}'],
    ['signature', '{"inputs": "[{\\"name\\": \\"b\\"}, {\\"name\\": \\"a\\"}]"}'],
  ] as const) {
    assert.throws(() => planInputs(told(key, text), columns, data), {
      name: 'ConfigError',
      message: /lists the features in the order "b", "a"\. .*in the order of the data: "a", "b"\. .*columns\.features/u,
    });
    const named = { ...columns, features: ['a', 'b'] };
    assert.deepEqual(planInputs(told(key, text), named, data)[0]?.columns, ['a', 'b'], key);
  }
  for (const [key, text] of [
    ['feature_names_in_', '["a", "b"]'],
    ['feature_importances', '["b", "a"]'],
    ['columns', '["target", "a", "b"]'],
    ['columns', '["b", "c"]'],
    ['inputs', '2'],
    ['config', '{"feature_names": ["a", "b"], "importances": ["b", "a"]}'],
  ] as const) {
    assert.deepEqual(planInputs(told(key, text), columns, data)[0]?.columns, ['a', 'b'], key);
  }
  assert.deepEqual(namesIn("['b', 'a']"), ['b', 'a']);
});

test('no column that is no feature is proposed for an input that has none', () => {
  assert.throws(
    () => planInputs(model(['a', 'targe']), columns, data),
    (error) =>
      error instanceof Error && /no column is named "targe"/u.test(error.message) && !/"target"/u.test(error.message),
  );
});

test('the one input of a model that stands for the label in other letters is refused too', () => {
  const spaced: Columns = { id: 'id', label: 'is spam?' };
  const names = ['id', 'is spam?', 'a'].map((name) => ({ name, type: 'DOUBLE' }));
  assert.throws(() => planInputs(model(['is_spam_']), spaced, names), /is the label column "is spam\?"/u);
});

test('inputs that no column is named after share what columns.features has besides the others', () => {
  const mixed = { ...model([]), inputs: [matrix('numbers', 2), matrix('site_', 1)] };
  const names = ['id', 'target', 'site_', 'a', 'b'].map((name) => ({ name, type: 'DOUBLE' }));
  for (const features of [
    ['a', 'b', 'site_'],
    ['site_', 'a', 'b'],
  ]) {
    assert.deepEqual(
      planInputs(mixed, { id: 'id', label: 'target', features }, names).map((plan) => plan.columns),
      [['a', 'b'], ['site_']],
    );
  }
});

test('an input with its rows in the second dimension is refused', () => {
  const turned = { ...model([]), inputs: [{ name: 'x', type: 'float', shape: [2, 'N'] }] };
  assert.throws(
    () => planInputs(turned, columns, data),
    /Input "x" has shape \[2, N\].*the rows are in the second dimension/u,
  );
});

test('a vector is one row of so many features, unless it is a column of a fixed batch', () => {
  const vector = { ...model([]), inputs: [{ name: 'x', type: 'float', shape: [2] }] };
  assert.deepEqual(planInputs(vector, columns, data)[0], {
    input: { name: 'x', type: 'float', shape: [1, 2], bare: true },
    columns: ['a', 'b'],
    rowShape: [2],
    inDataOrder: true,
  });
  for (const stated of [
    planInputs(vector, { ...columns, features: ['a', 'b'] }, data),
    planInputs({ ...vector, featureNames: ['a', 'b'] }, columns, data),
    planInputs({ ...vector, metadata: { feature_names_in_: '["a", "b"]' } }, columns, data),
  ])
    assert.equal(stated[0]?.inDataOrder, undefined);
  const batch = { ...vector, outputs: [{ name: 'p', type: 'float', shape: [2] }] };
  assert.throws(() => planInputs(batch, columns, data), /Input "x" has shape \[2\], one value per row, .* \[N, 2\]/u);
  assert.deepEqual(planInputs({ ...batch, featureCounts: { x: 2 } }, columns, data)[0]?.columns, ['a', 'b']);
});

test('metadata that names other features than the input takes gives way to columns.features', () => {
  const listed: Columns = { ...columns, features: ['a', 'b'] };
  for (const featureNames of [['a', 'b', 'id'], ['a', 'b', 'target'], ['b']]) {
    const plans = planInputs({ ...model(['x'], 2), featureNames }, listed, data);
    assert.deepEqual(plans[0]?.columns, ['a', 'b']);
  }
  assert.deepEqual(planInputs({ ...model(['x'], 2), featureNames: ['b', 'a'] }, listed, data)[0]?.columns, ['b', 'a']);
});

test('metadata that names one feature twice is refused', () => {
  assert.throws(
    () => planInputs({ ...model(['x'], 2), featureNames: ['a', 'a'] }, columns, data),
    /names the feature "a" twice/u,
  );
});

function matrix(name: string, width: number): ModelInspection['inputs'][number] {
  return { name, type: 'float', shape: ['N', width] };
}

/** Only what the plan reads of a model: inputs of `width` numbers a row. */
function model(inputs: readonly string[], width = 1): ModelInspection {
  return {
    inputs: inputs.map((name) => ({ name, type: 'float', shape: ['N', width] })),
    outputs: [],
    irVersion: 8,
    opset: {},
    producer: '',
    producerVersion: '',
    modelVersion: 0,
    description: '',
    metadata: {},
    featureNames: null,
    featureCounts: {},
    origins: {},
    classLists: [],
    constantOutputs: [],
    parameters: 0,
    size: 0,
    externalData: [],
    operators: {},
    problems: [],
  };
}
