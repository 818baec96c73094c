/*
 * Counts by label of a multilabel task, three for each label: rows that have it and are given it, rows that are given it, and
 * rows that have it. They add up, so that whatever is a function of them can be resampled by sums over rows.
 */
import type { Outputs, Sample } from '../sample.ts';
import { decisionsOf } from '../sample.ts';

/** Counts a label has. */
export const perLabel = 3;

/** Of three counts of a label or a class. An empty denominator is 0, as scikit-learn's zero_division=0. */
export type LabelValue = (hits: number, given: number, having: number) => number;

export const precision: LabelValue = (hits, given) => ratio(hits, given);
export const recall: LabelValue = (hits, _given, having) => ratio(hits, having);
export const jaccard: LabelValue = (hits, given, having) => ratio(hits, given + having - hits);

/** F-beta: recall counts beta times as much as precision. */
export function fScore(beta: number): LabelValue {
  const square = beta * beta;
  return (hits, given, having) => ratio((1 + square) * hits, square * having + given);
}

/** What is averaged over labels, and over the classes of a task with one class a row. */
export const averaged: readonly { name: string; value: LabelValue; onRequest?: true }[] = [
  { name: 'precision', value: precision },
  { name: 'recall', value: recall },
  { name: 'f1', value: fScore(1) },
  { name: 'f2', value: fScore(2), onRequest: true },
  { name: 'f0.5', value: fScore(0.5), onRequest: true },
];

/** Add a row of this weight to the counts from `start` on. */
export function addLabelCounts(
  sample: Sample,
  outputs: Outputs,
  row: number,
  weight: number,
  counts: Float64Array,
  start: number,
): void {
  const { truth, labels = 1 } = sample;
  const decisions = decisionsOf(outputs);
  for (let label = 0; label < labels; label += 1) {
    const has = truth[row * labels + label] === 1;
    const given = decisions[row * labels + label] === 1;
    const at = start + label * perLabel;
    if (has && given) counts[at]! += weight;
    if (given) counts[at + 1]! += weight;
    if (has) counts[at + 2]! += weight;
  }
}

/** Over all labels together. */
export function micro(counts: Float64Array, value: LabelValue): number {
  const sums: [number, number, number] = [0, 0, 0];
  for (const [at, count] of counts.entries()) sums[at % perLabel]! += count;
  return value(...sums);
}

/** Mean over labels; `weighted` by how many rows have them. */
export function mean(counts: Float64Array, value: LabelValue, weighted: boolean): number {
  let sum = 0;
  let all = 0;
  for (let at = 0; at < counts.length; at += perLabel) {
    const [hits, given, having] = counts.subarray(at, at + perLabel) as unknown as [number, number, number];
    const weight = weighted ? having : 1;
    sum += weight * value(hits, given, having);
    all += weight;
  }
  return ratio(sum, all);
}

export function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
