import assert from 'node:assert/strict';
import { it } from 'node:test';
import { nearest } from '../../../src/config/suggest.ts';
import { suggestion } from '../../../src/stages/data/table-rules.ts';
import { unknownColumns } from '../../../src/stages/data/unknown-columns.ts';

it('a column of the contract that no dataset has is reported with the one that is meant', () => {
  const schema = {
    required: ['zip'],
    properties: { X: { type: 'number' }, zip: {}, id: {}, gone: false },
    allOf: [{ properties: { colour: {} } }],
  };
  const contract = { uri: 'c.json', sha256: '0'.repeat(64), schema };
  assert.deepEqual(unknownColumns(contract, new Set(['id', 'label', 'x'])), [
    'c.json: there is no column "X" in any dataset, so its rule checks nothing. Did you mean "x"?',
    'c.json: there is no column "colour" in any dataset, so its rule checks nothing.',
  ]);
});

it('a far-fetched name is not suggested', () => {
  assert.equal(suggestion('zip', ['id', 'label']), '; there is no column zip');
  assert.equal(suggestion('agee', ['id', 'age']), '; did you mean age?');
  assert.equal(nearest('side', ['id']), undefined);
});
