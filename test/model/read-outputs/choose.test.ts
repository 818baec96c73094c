import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseOutputs, type DeclaredOutput } from '../../../src/model/read-outputs/choose.ts';

const one = (name: string): DeclaredOutput => ({ name, type: 'float', shape: [-1, 1] });

function scoresOf(...names: string[]): string | null {
  const settings = { task: 'binary-classification', columns: { id: 'id', label: 'y' } } as const;
  return chooseOutputs(names.map(one), settings).scores;
}

function valueOf(...names: string[]): string | null {
  return chooseOutputs(names.map(one), { task: 'regression', columns: { id: 'id', label: 'y' } }).scores;
}

describe('of several outputs that fit', () => {
  it('the probability of a disease of leaves is one', () => {
    assert.equal(scoresOf('leaf_disease_prob', 'leaf_values'), 'leaf_disease_prob');
  });

  for (const name of [
    'probabilities',
    'prob',
    'output_probability',
    'predictedProb_1',
    'y_proba',
    'classifier/proba:0',
  ]) {
    it(`the only one of probabilities holds the scores, before or after raw ones: ${name}`, () => {
      assert.equal(scoresOf(name, 'logits'), name);
      assert.equal(scoresOf('margin', name), name);
    });
  }

  for (const [first, second] of [
    ['score', 'uncertainty_prob'],
    ['pred', 'no_prob'],
    ['margin', 'probability_of_failure'],
    ['logits', 'prob_0'],
    ['y', 'uncertainty_score'],
    ['risk', 'trust_score'],
    ['softmax', 'aux_output'],
    ['sigmoid', 'gate_output'],
    ['p', 'probe'],
  ] as const) {
    it(`the probability of something else is not taken for the score: ${first}, ${second}`, () => {
      for (const names of [
        [first, second],
        [second, first],
      ]) {
        assert.throws(() => scoresOf(...names), /2 outputs that may hold the scores.*Name it: \{uri, output\}/su);
      }
      assert.equal(scoresOf(second), second);
    });
  }

  it('a name of the label and such words alone is that of the score', () => {
    const columns = { id: 'id', label: 'is_fraud' } as const;
    const chosen = (...names: string[]): string | null =>
      chooseOutputs(names.map(one), { task: 'binary-classification', columns }).scores;
    for (const name of ['fraud_score', 'output_0', 'main_output', 'decision_function', 'dense_1_output', 'raw_score']) {
      assert.equal(chosen('distance', name), name);
    }
    assert.throws(() => chosen('distance', 'churn_score'), /2 outputs that may hold the scores/u);
  });

  it('a label of something else is not taken for the label where nothing else is read', () => {
    const chosen = (...names: string[]): string | null =>
      chooseOutputs(
        names.map((name) => ({ name, type: 'int64', shape: [-1] })),
        { task: 'binary-classification', columns: { id: 'id', label: 'y' } },
      ).labels;
    assert.throws(() => chosen('fraud', 'segment_label'), /2 outputs that may hold the labels: fraud .*segment_label/u);
    assert.equal(chosen('segment', 'predicted_label'), 'predicted_label');
    assert.equal(chosen('segment_label'), 'segment_label');
  });

  it('what says that it is estimated alone is the value', () => {
    for (const name of ['regression_score', 'estimated_value', 'forecast_value', 'target_prediction']) {
      assert.equal(valueOf('norm', name), name);
    }
  });

  it('how sure a value is is not taken for the value', () => {
    assert.throws(() => valueOf('mean', 'pred_std'), /2 outputs that may hold the scores/u);
    assert.throws(() => valueOf('prediction_variance', 'y'), /2 outputs that may hold the scores/u);
    for (const other of ['anomaly_score', 'pred_q90', 'prediction_p10', 'min_value', 'baseline_value', 'predHigh']) {
      assert.throws(() => valueOf('y', other), /2 outputs that may hold the scores/u, other);
    }
    assert.equal(valueOf('prediction', 'std'), 'prediction');
    assert.equal(valueOf('predictions:0', 'y_var'), 'predictions:0');
  });

  it('a whole number that is named as the prediction goes before a float that is not', () => {
    const chosen = (...outputs: DeclaredOutput[]): string | null =>
      chooseOutputs(outputs, { task: 'regression', columns: { id: 'id', label: 'y' } }).scores;
    const whole = (name: string): DeclaredOutput => ({ ...one(name), type: 'int64' });
    assert.equal(chosen(one('interval_width'), whole('prediction')), 'prediction');
    for (const other of ['prediction_time', 'pred_bin', 'predicted_bucket', 'prediction_count', 'pred_label']) {
      assert.equal(chosen(one('price'), whole(other)), 'price', other);
      assert.equal(chosen(one('variable'), whole(other)), 'variable', other);
    }
    assert.throws(() => chosen(one('predicted_price'), whole('prediction')), /2 outputs that may hold the scores/u);
    for (const name of ['leaf', 'pred_leaf', 'predicted_class', 'row'])
      assert.equal(chosen(whole(name), one('y')), 'y');
  });

  it('all are named .output (ML.NET), and the score is still the one that is named so', () => {
    const settings = { task: 'multiclass-classification', columns: { id: 'id', label: 'y' } } as const;
    const wide = (name: string, width: number): DeclaredOutput => ({ ...one(name), shape: [-1, width] });
    const given = [wide('Features.output', 9), wide('Score.output', 3)];
    assert.equal(chooseOutputs(given, settings).scores, 'Score.output');
  });
});
