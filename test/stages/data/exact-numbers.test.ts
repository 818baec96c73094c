import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isExact } from '../../../src/data/written-decimals.ts';
import { contractNumbers, doubtfulNumbers, requireJudgeable } from '../../../src/stages/data/exact-numbers.ts';

const place = { uri: 'rows.csv', row: 1 };

test('a number whose double becomes one of the contract, or whole, is refused and quoted', () => {
  const numbers = contractNumbers('{"maximum": 9007199254740993, "enum": [1, "9007199254740997"]}');
  for (const token of ['9007199254740992', '9007199254740992.5', '1.00000000000000000001']) {
    assert.throws(
      () => requireJudgeable(token, numbers, place),
      (error: Error) => error.message.includes(`is ${token},`),
    );
  }
  for (const token of [
    '9007199254740993',
    '9007199254740991',
    '12345678901234567890',
    '0.10000000000000000555',
    '1',
    '1.0',
  ])
    requireJudgeable(token, numbers, place);
});

test('a number is exact where its shortest decimal is the one that is written', () => {
  assert.deepEqual(
    ['0.1', '1e3', '1000.000000000000000', '9007199254740992', '0.30000000000000004', '-0.0'].filter(
      (each) => !isExact(each),
    ),
    [],
  );
  assert.deepEqual(['9007199254740993', '1e400', '0.10000000000000000555'].filter(isExact), []);
});

test('numbers of JSON are told by the column that they are of, and not those within texts', () => {
  const line = '{"a": "9007199254740993", "b\\u0063": 9007199254740993, "c": {"d": [9007199254740995]}}';
  assert.deepEqual(doubtfulNumbers(line, contractNumbers('{}')), [
    { token: '9007199254740993', column: 'bc', nested: false },
    { token: '9007199254740995', column: 'c', nested: true },
  ]);
});
