import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ColumnVector } from '../../src/data/dataset.ts';
import { DataError } from '../../src/errors.ts';
import { readLabels } from '../../src/evaluate/labels.ts';

const columns = (positive: string | number | boolean) => ({ id: 'id', label: 'label', positive });
const text = (...values: string[]): ColumnVector => ({ name: 'label', kind: 'text', nulls: null, values });
const truths = (...values: number[]): ColumnVector => ({
  name: 'label',
  kind: 'boolean',
  nulls: null,
  values: Uint8Array.from(values),
});
const read = (vector: ColumnVector, positive: string | number | boolean) =>
  readLabels([vector], 'binary-classification', columns(positive), [], 'data.csv');

describe('binary labels', () => {
  it('are 1 where they are the positive label, whichever of the two it is', () => {
    assert.deepEqual([...read(text('yes', 'no', 'yes'), 'yes').truth], [1, 0, 1]);
    assert.deepEqual([...read(text('yes', 'no', 'yes'), 'no').truth], [0, 1, 0]);
    assert.deepEqual([...read(truths(1, 0), true).truth], [1, 0]);
    assert.deepEqual([...read(truths(1, 0), 'false').truth], [0, 1]);
    assert.deepEqual([...read(truths(1, 0), 0).truth], [0, 1]);
  });

  it('are refused when the positive label does not occur, whatever type the column has', () => {
    assert.throws(() => read(text('yes', 'no'), 'ja'), DataError);
    assert.throws(() => read(truths(1, 0), 'yes'), /holds true and false, and columns\.positive is "yes"/u);
  });
});
