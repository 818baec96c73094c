import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from '../../support/properties.ts';
import { silentLog } from '../../../src/log.ts';
import { compileContract, type Violation } from '../../../src/stages/data/judge.ts';

const columnsOf = (count: number): object =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`gene_${at}`, { type: 'number', minimum: 0 }]));

function violations(schema: Record<string, unknown>, row: object): Violation[] {
  const judge = compileContract({ uri: 'c.json', sha256: '0'.repeat(64), schema }, silentLog);
  return judge.judge([{ number: 1, value: row }]);
}

it('a contract with a rule for each of 5,000 columns is compiled, and names the column that breaks it', () => {
  const row = Object.fromEntries(Object.keys(columnsOf(5000)).map((name) => [name, 1]));
  const schema = { type: 'object', properties: columnsOf(5000), required: Object.keys(row) };
  assert.deepEqual(violations(schema, row), []);
  assert.deepEqual(violations(schema, { ...row, gene_4999: -1 }), [
    { row: 1, column: 'gene_4999', rule: 'minimum', message: 'must be >= 0', value: -1 },
  ]);
});

it('so is one that describes the row in a definition, as generators of schemas write it', () => {
  const properties = columnsOf(5000);
  const row = { ...Object.fromEntries(Object.keys(properties).map((name) => [name, 1])), gene_4999: -1 };
  const expected = [{ row: 1, column: 'gene_4999', rule: 'minimum', message: 'must be >= 0', value: -1 }];
  assert.deepEqual(violations({ $ref: '#/$defs/Row', $defs: { Row: { properties } } }, row), expected);
  assert.deepEqual(violations({ allOf: [{ properties }] }, row), expected);
});

it('a contract whose compilation a busy machine interrupted is compiled anew', (t) => {
  // As if the process had been waiting for a processor all the time.
  t.mock.method(process, 'cpuUsage', () => ({ user: 0, system: 0 }));
  const schema = { type: 'object', properties: columnsOf(9000) };
  const contract = { uri: 'c.json', sha256: '0'.repeat(64), schema };
  assert.throws(() => compileContract(contract, silentLog, 250), /c\.json: the contract takes too long to compile/u);
});

it('a row breaks the same rule first, however many columns the contract names', () => {
  const rule = fc.constantFrom<object>(
    { type: 'integer' },
    { type: ['string', 'null'], maxLength: 1 },
    { minimum: 2, multipleOf: 4 },
    { enum: [1, 'a'] },
    { const: 'a' },
    { anyOf: [{ type: 'string' }, { minimum: 3 }] },
    { oneOf: [{ type: 'number' }, { minimum: 0 }] },
    { not: { type: 'string' } },
    // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
    { if: { type: 'string' }, then: { minLength: 2 }, else: { minimum: 3 } },
    { allOf: [{ type: 'number' }, { maximum: 0 }] },
    { items: { type: 'number' }, type: 'array' },
  );
  const cell = fc.constantFrom(1, 4, -1, 0.5, 'a', 'bc', null, [1], ['a']);
  const column = fc.constantFrom('a', 'b', 'c');
  const root = fc.constantFrom<object>(
    {},
    { required: ['c', 'a'] },
    { anyOf: [{ required: ['a'] }, { required: ['b', 'c'] }] },
    { dependentRequired: { a: ['b'] } },
    { maxProperties: 1 },
  );
  fc.assert(
    fc.property(fc.dictionary(column, rule), fc.dictionary(column, cell), root, (rules, row, others) => {
      const schema = { type: 'object', properties: rules, ...others };
      const wide = { ...schema, properties: { ...rules, ...columnsOf(260) } };
      assert.deepEqual(violations(wide, row), violations(schema, row));
    }),
    { numRuns: 40 },
  );
});
