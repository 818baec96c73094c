import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ColumnVectors } from '../../../src/data/dataset.ts';
import { DataError } from '../../../src/errors.ts';
import { readLabels, type KnownClasses } from '../../../src/stages/evaluation/labels.ts';

const columns = (positive: string | number | boolean) => ({ id: 'id', label: 'label', positive });
const text = (...values: string[]): ColumnVectors => ({
  texts: new Map([['label', { name: 'label', kind: 'text', values }]]),
  numbers: new Map(),
});
const truths = (...values: number[]): ColumnVectors => text(...values.map((value) => String(value === 1)));
const read = (vectors: ColumnVectors, positive: string | number | boolean, known: KnownClasses[] = []) =>
  readLabels(vectors, 'binary-classification', columns(positive), known, 'data.csv');

describe('binary labels', () => {
  it('are 1 where they are the positive label, whichever of the two it is', () => {
    assert.deepEqual([...read(text('yes', 'no', 'yes'), 'yes').truth], [1, 0, 1]);
    assert.deepEqual([...read(text('yes', 'no', 'yes'), 'no').truth], [0, 1, 0]);
    assert.deepEqual([...read(truths(1, 0), true).truth], [1, 0]);
    assert.deepEqual([...read(truths(1, 0), 'false').truth], [0, 1]);
    assert.deepEqual([...read(truths(1, 0), 0).truth], [0, 1]);
  });

  it('of one class alone are set against the other class of a model that declares two', () => {
    const spam = text('spam', 'spam');
    assert.deepEqual(read(spam, 'spam').classes, ['not spam', 'spam']);
    assert.deepEqual(read(spam, 'spam', [{ names: ['ham', 'spam'], from: undefined }]).classes, ['ham', 'spam']);
    assert.deepEqual(read(spam, 'spam', [{ names: ['Spam', 'spam'], from: 'predicted' }]).classes, [
      'not spam',
      'spam',
    ]);
  });

  it('are refused where two texts would be one class', () => {
    assert.throws(
      () => read(text('1', '0', '1.0'), 1),
      /labels "1" and "1\.0", of row 3\. Expected one spelling for each class/u,
    );
    assert.deepEqual([...read(text('1.0', '0.0'), 1).truth], [1, 0]);
    assert.deepEqual([...read(text('True', 'False'), 1).truth], [1, 0]);
  });

  it('that a model numbers from 1 on are asked for: its 1 is no positive label', () => {
    const known: KnownClasses[] = [{ names: ['1', '2'], from: undefined }];
    assert.throws(
      () => read(text('0', '1'), 1, known),
      /classes are "1", "2".*labels in data\.csv are "0", "1".*starting at 1/u,
    );
    assert.throws(() => read(text('1', '2'), 1, [{ names: ['0', '1'], from: undefined }]), /starting at 0/u);
    assert.deepEqual(read(text('1', '2'), 2, known).classes, ['1', '2']);
    assert.deepEqual(read(text('0', '1'), 1, [{ names: ['-1', '1'], from: undefined }]).classes, ['0', '1']);
  });

  it('of which neither is said to be the positive one are asked for', () => {
    const unsaid = (...values: string[]) =>
      readLabels(text(...values), 'binary-classification', { id: 'id', label: 'label' }, [], 'data.csv');
    assert.throws(() => unsaid('2', '1'), {
      name: 'ConfigError',
      message:
        /labels in data\.csv are "1", "2"\. Expected "0" and "1", as columns\.positive is not set\. .*positive: "2"\.$/u,
    });
    assert.throws(() => unsaid('1', '-1'), /positive: "1"\.$/u);
    assert.deepEqual(read(text('1', '-1'), 1).classes, ['-1', '1']);
    assert.throws(() => read(text('1', '-1'), 0), /as columns\.positive is 0/u);
    assert.throws(() => read(text('2', '-1'), 1), /as columns\.positive is 1\. Name/u);
    assert.throws(() => read(text('1', '2'), 1), /as columns\.positive is 1\. List both labels .* classes: \[2, 1\]/u);
    assert.throws(() => read(text('a', 'b'), 0), /as columns\.positive is 0\. Name the positive label, such as .*"b"/u);
    assert.throws(() => read(text('0', '1', '2'), 1), /row 3 has label "2"/u);
  });

  it('are refused where two are one word in two Unicode forms, which look the same', () => {
    assert.throws(
      () => read(text('caf\u00e9', 'cafe\u0301'), 'caf\u00e9'),
      /the same text in two Unicode forms\. Expected one spelling for each class\. Write all texts in one form/u,
    );
    assert.deepEqual([...read(text('cafe\u0301', 'th\u00e9'), 'cafe\u0301').truth], [1, 0]);
  });

  it('are refused where two differ only in what nobody sees, which is shown', () => {
    for (const [other, shown] of [
      ['spam ', 'spam '],
      ['spam\u00a0', String.raw`spam\u\{a0\}`],
      ['\ufeffspam', String.raw`\u\{feff\}spam`],
      ['sp\u200bam', String.raw`sp\u\{200b\}am`],
    ] as const) {
      assert.throws(
        () => read(text('spam', other), 'spam'),
        (error: Error) =>
          new RegExp(
            `the labels "spam" and "${shown.replaceAll('\\u', String.raw`\\u`)}".*differ only in spaces or invisible characters`,
            'u',
          ).test(error.message),
        other,
      );
    }
    assert.throws(() => read(text('ham', 'spam', 'ha\u00admm'), 'spam'), /row 3 has label "ha\\u\{ad\}mm"/u);
  });

  it('are refused when the positive label does not occur, whatever type the column has', () => {
    assert.throws(() => read(text('yes', 'no'), 'ja'), DataError);
    assert.throws(() => read(truths(1, 0), 'yes'), /contains true and false, but columns\.positive is "yes"/u);
  });
});

describe('the classes of a multiclass task', () => {
  const classes = (known: KnownClasses[], ...labels: string[]) =>
    readLabels(text(...labels), 'multiclass-classification', { id: 'id', label: 'label' }, known, 'data.csv').classes;

  it('are those of the labels and those that a model of these labels declares', () => {
    assert.deepEqual(classes([{ names: ['ham', 'eggs', 'spam'], from: undefined }], 'spam', 'ham'), [
      'eggs',
      'ham',
      'spam',
    ]);
    assert.deepEqual(classes([{ names: ['0', '1', '2', '3'], from: 'counted' }], '2', '1.0'), ['0', '1', '2', '3']);
  });

  it('that may be the numbers of the labels, from 0 or from 1 on, are asked for', () => {
    const declared = (...names: string[]): KnownClasses[] => [{ names, from: undefined }];
    assert.throws(
      () => classes(declared('0', '1', '2'), '1', '2', '3'),
      /classes are "0", "1", "2".*labels in data\.csv are "1", "2", "3".*starting at 0/u,
    );
    assert.throws(() => classes(declared('1', '2', '3'), '2', '0', '1'), /starting at 1/u);
    assert.deepEqual(classes(declared('1', '2', '3'), '1', '3'), ['1', '2', '3']);
    assert.deepEqual(classes(declared('1', '2', '3'), '1', '2', '7'), ['1', '2', '3', '7']);
  });

  it('are none that a model of other labels has, that are only counted, or that were only predicted', () => {
    assert.deepEqual(classes([{ names: ['0', '1'], from: undefined }], 'spam', 'ham'), ['ham', 'spam']);
    assert.deepEqual(classes([{ names: ['0', '1', '2'], from: 'counted' }], '1', '2', '3'), ['1', '2', '3']);
    assert.deepEqual(classes([{ names: ['ham', 'Spam'], from: 'predicted' }], 'spam', 'ham'), ['ham', 'spam']);
  });
});
