import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { classPosition, classText } from '../../src/data/class-text.ts';
import fc from '../support/properties.ts';

describe('the text of a class', () => {
  it('is one for a number, whatever wrote it', () => {
    for (const written of [1, '1', '1.0', '+1', '01', '1e0', '1.'])
      assert.equal(classText(written), '1', String(written));
    for (const written of [-0.5, '-0.5', '-.5', '-5e-1']) assert.equal(classText(written), '-0.5', String(written));
    assert.equal(classText(-0), '0');
    // Beyond the whole numbers that a double holds, many digits are the same number.
    assert.equal(classText('58495317080099290'), classText(58495317080099290));
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        assert.equal(classText(String(value)), classText(value));
      }),
    );
  });

  it('keeps every digit of a whole number', () => {
    assert.notEqual(classText('12345678901234567890'), classText('12345678901234567891'));
    assert.equal(classText(1e21), classText('1000000000000000000000'));
  });

  it('is one for a boolean, as the reader of CSV takes it, and case counts in anything else', () => {
    for (const written of [true, 'true', 'True', 'TRUE']) assert.equal(classText(written), 'true', String(written));
    for (const written of ['spam', 'Spam', 'yes', ' 1', '0x10', '1_000', 'Infinity', 'nan', '1e999', '']) {
      assert.equal(classText(written), written);
    }
  });

  it('of a text is its own text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.double().map(String),
          fc.integer().map((value) => `${value}.0`),
        ),
        (text) => {
          assert.equal(classText(classText(text)), classText(text));
        },
      ),
    );
  });
});

describe('a class among others', () => {
  it('is found by its text', () => {
    assert.equal(classPosition('2.0', ['0', '1', '2']), 2);
    assert.equal(classPosition('Spam', ['ham', 'spam']), -1);
  });

  it('may be 0 or 1 for false or true, where there are no others', () => {
    assert.deepEqual(
      [1, 0, true, '1.0'].map((each) => classPosition(each, ['false', 'true'])),
      [1, 0, 1, 1],
    );
    assert.deepEqual(
      [true, 'False'].map((each) => classPosition(each, ['0', '1'])),
      [1, 0],
    );
    assert.equal(classPosition(true, ['no', 'yes']), -1);
    assert.equal(classPosition(true, ['0', '1', '2']), -1);
    assert.equal(classPosition(true, ['1', '2']), -1);
  });
});
