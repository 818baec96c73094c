import assert from 'node:assert/strict';
import { test } from 'node:test';
import { observedText, quantity, requiredText } from '../src/report/numbers.ts';
import { count, counted, seenOf, separated } from '../src/wording.ts';

test('one of a thing is said in the singular, none and several in the plural', () => {
  assert.deepEqual(
    [0, 1, 2, 2350].map((value) => counted(value, 'rows')),
    ['0 rows', '1 row', '2 rows', '2,350 rows'],
  );
  assert.equal(counted(1, 'queries'), '1 query');
});

test('a number has its thousands apart and at most three decimals, as the language itself writes it', () => {
  const numbers = [0, -0, 1, 999, 1000, -1000, 12_345, 1_234_567.891, 0.5, 0.0004, 1234.5678, -0.25, 1e15];
  for (const value of numbers) assert.equal(separated(value), (value + 0).toLocaleString('en-US'));
  assert.equal(count(999_999.6), '1,000,000');
});

test('a check says its counts in the singular and its measures as they are', () => {
  const check = { observed: 1, required: 1, limit: 'at least' as const, unit: 'columns' };
  const whole = { ...check, id: 'a', title: 'A', verdict: 'pass' as const, severity: 'block' as const, message: '' };
  assert.equal(observedText(whole), '1 column');
  assert.equal(requiredText(whole), 'at least 1 column');
  assert.equal(quantity(1, 'ms'), '1 ms');
  assert.equal(quantity(1, 'share'), '100%');
});

test('texts that differ in spaces and marks look the same, and flags and joined emoji do not', () => {
  const [england, scotland] = ['gbeng', 'gbsct'].map((name) =>
    ['\u{1f3f4}', ...name, '\u{7f}'].map((each, at) => (at === 0 ? each : tagOf(each))).join(''),
  );
  assert.notEqual(seenOf(england ?? ''), seenOf(scotland ?? ''));
  assert.notEqual(seenOf('\u{1f468}\u200d\u{1f469}'), seenOf('\u{1f468}\u{1f469}'));
  assert.equal(seenOf(' spam\u00a0\u200b'), seenOf('spam'));
});

const tagOf = (letter: string): string => String.fromCodePoint(0xe0000 + (letter.codePointAt(0) ?? 0));
