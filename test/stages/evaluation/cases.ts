import { readFile } from 'node:fs/promises';
import { DuckDBInstance } from '@duckdb/node-api';
import type { Outputs, Sample } from '../../../src/stages/evaluation/sample.ts';
import { quantileOfSorted } from '../../../src/statistics/quantile.ts';
import { fixture } from '../../support/project.ts';

/** Reference values, read as they are. */
// oxlint-disable-next-line typescript/no-explicit-any -- the shape is that of expected.json
export type Reference = any;

/** A fixture case: its evaluation rows, every model's stored predictions and the reference values. */
export interface Case {
  rows: Record<string, unknown>[];
  expected: Reference;
}

/** Rows of the evaluation split, predictions joined by id. */
export async function readCase(name: string): Promise<Case> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  const predictions = fixture(`${name}/predictions/predictions.parquet`).replaceAll("'", "''");
  const data = fixture(`${name}/data/eval.parquet`).replaceAll("'", "''");
  // The cases with one split do not say which it is.
  const described = await connection.runAndReadAll(`describe select * from '${predictions}'`);
  const split = described.getRows().some(([column]) => column === 'split') ? `split = 'eval'` : 'true';
  const reader = await connection.runAndReadAll(
    `select * from (select * from '${predictions}' where ${split}) p join '${data}' d using (id)`,
  );
  const rows = reader.getRowObjectsJS() as Record<string, unknown>[];
  connection.closeSync();
  return { rows, expected: JSON.parse(await readFile(fixture(`${name}/expected.json`), 'utf8')) };
}

export function binarySample(rows: Case['rows'], label: string): Sample {
  return {
    rows: rows.length,
    classes: 2,
    names: ['0', '1'],
    truth: numbers(rows, label),
    weights: null,
    clusters: null,
  };
}

export function binaryOutputs(rows: Case['rows'], model: string, threshold = 0.5): Outputs {
  const scores = numbers(rows, model);
  return { scores, probabilities: true, decisions: Int32Array.from(scores, (score) => (score >= threshold ? 1 : 0)) };
}

export function numbers(rows: Case['rows'], column: string): Float64Array {
  return Float64Array.from(rows, (row) => Number(row[column]));
}

export function multiclassOutputs(rows: Case['rows'], model: string, classes: number): Outputs {
  const scores = Float64Array.from(
    rows.flatMap((row) => Array.from({ length: classes }, (_, label) => Number(row[`${model}_p${label}`]))),
  );
  const decisions = Int32Array.from(rows, (_, row) => {
    const own = scores.subarray(row * classes, (row + 1) * classes);
    return own.indexOf(Math.max(...own));
  });
  return { scores, probabilities: true, decisions };
}

/** Probabilities divided by the sum of their row, as the references have them for the areas: scikit-learn refuses rows of another sum than 1. */
export function addedUp({ scores, ...rest }: Outputs, classes: number): Outputs {
  const sums = Float64Array.from({ length: scores!.length / classes }, (_, row) =>
    scores!.subarray(row * classes, (row + 1) * classes).reduce((sum, score) => sum + score, 0),
  );
  return { ...rest, scores: scores!.map((score, index) => score / sums[Math.floor(index / classes)]!) };
}

/** Percentile interval of bootstrap replicates, as the references have them. */
export function percentileInterval(values: Float64Array, tail: number): [number, number] {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  return [quantileOfSorted(sorted, tail), quantileOfSorted(sorted, 1 - tail)];
}
