import assert from 'node:assert/strict';
import { test } from 'node:test';
import { doubtfulLabels } from '../../../src/stages/evaluation/doubtful-labels.ts';
import type { Outputs, Sample } from '../../../src/stages/evaluation/sample.ts';
import { randomFrom } from '../../../src/statistics/random.ts';

const outputs = (scores: Float64Array, probabilities = true): Outputs => ({ scores, probabilities, decisions: null });

function sampleOf(truth: readonly number[], classes: number): Sample {
  const names = Array.from({ length: classes }, (_, each) => String(each));
  const sample = { rows: truth.length, classes, names, truth: Float64Array.from(truth) };
  return { ...sample, weights: null, clusters: null };
}

test('most of the labels that were flipped are listed, and about as many others as hard rows explain', () => {
  const random = randomFrom(20260729);
  const rows = 4000;
  // Mostly sure, calibrated: the label is drawn from the probability.
  const scores = Float64Array.from({ length: rows }, () => {
    const sure = random.uniform() ** 6;
    return random.uniform() < 0.5 ? sure : 1 - sure;
  });
  const right = Array.from(scores, (score) => (random.uniform() < score ? 1 : 0));
  const clean = doubtfulLabels(sampleOf(right, 2), outputs(scores), outputs(scores));
  assert.ok(clean !== null);
  // The number of contradictions is Poisson binomial: three standard deviations at most.
  assert.ok(Math.abs(clean.rows - clean.expected) < 3 * Math.sqrt(clean.expected), JSON.stringify(clean.expected));
  const flipped = new Set(Array.from(scores.keys()).filter((row) => row % 40 === 0));
  const noisy = right.map((label, row) => (flipped.has(row) ? 1 - label : label));
  const found = doubtfulLabels(sampleOf(noisy, 2), outputs(scores), outputs(scores));
  assert.ok(found !== null && found.listed.length === 50);
  assert.ok(found.rows - found.expected > 60, `${found.rows} of which ${found.expected} expected`);
  assert.ok(found.listed.filter(({ row }) => flipped.has(row)).length >= 45);
});

test('both models must name one other class, each as surely as it names that class where it is the label', () => {
  const sample = sampleOf([0, 0, 1, 1, 2, 2], 3);
  const rows = (each: readonly (readonly number[])[]): Outputs => outputs(Float64Array.from(each.flat()));
  const sure = [
    [0.9, 0.05, 0.05],
    [0.05, 0.9, 0.05],
    [0.05, 0.9, 0.05],
    [0.1, 0.8, 0.1],
    [0.05, 0.05, 0.9],
    [0.05, 0.55, 0.4],
  ];
  const listed = (champion: Outputs, candidate: Outputs): unknown =>
    doubtfulLabels(sample, champion, candidate)?.listed.map(({ row, label, named }) => [row, label, named]);
  // Row 1 is named 1 as surely as rows 2 and 3 are; row 5 less surely than that.
  assert.deepEqual(listed(rows(sure), rows(sure)), [[1, 0, 1]]);
  const another = sure.map((each, row) => (row === 1 ? [0.05, 0.05, 0.9] : each));
  assert.deepEqual(listed(rows(sure), rows(another)), []);
  const unsure = sure.map((each, row) => (row === 1 ? [0.3, 0.6, 0.1] : each));
  assert.deepEqual(listed(rows(sure), rows(unsure)), []);
});

test('nothing is said of models without probabilities, nor of several labels a row', () => {
  const sample = sampleOf([0, 1], 2);
  const scores = Float64Array.of(0.9, 0.1);
  assert.equal(doubtfulLabels(sample, outputs(scores, false), outputs(scores)), null);
  assert.equal(doubtfulLabels({ ...sample, labels: 2 }, outputs(scores), outputs(scores)), null);
  assert.equal(doubtfulLabels(sampleOf([1.5, 2], 0), outputs(scores), outputs(scores)), null);
});
