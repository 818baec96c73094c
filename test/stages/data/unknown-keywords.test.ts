import assert from 'node:assert/strict';
import { it } from 'node:test';
import { silentLog } from '../../../src/log.ts';
import { compileContract } from '../../../src/stages/data/judge.ts';

it('a misspelt keyword of the contract is reported once, with its places and what was meant', () => {
  const warnings: string[] = [];
  const schema = {
    type: 'object',
    // A column of that name is no keyword, and neither is data.
    properties: {
      minimun: { type: 'number', const: 3, examples: [{ minimun: 3 }] },
      age: { type: 'number', minimun: 0 },
      size: { allOf: [{ minimun: 0 }] },
    },
  };
  const log = { ...silentLog, warning: (text: string) => warnings.push(text) };
  compileContract({ uri: 'c.json', sha256: '0'.repeat(64), schema }, log);
  assert.deepEqual(warnings, [
    'c.json: #/properties/age/minimun, #/properties/size/allOf/0/minimun: unknown keyword "minimun", which checks nothing. Did you mean "minimum"?',
  ]);
});

it('a format that nothing here knows checks nothing, which is told', () => {
  const warnings: string[] = [];
  const schema = {
    properties: { mail: { format: 'idn-email' }, format: { format: 'date-tim' }, day: { format: 'date' } },
  };
  const log = { ...silentLog, warning: (text: string) => warnings.push(text) };
  const { judge } = compileContract({ uri: 'c.json', sha256: '0'.repeat(64), schema }, log);
  assert.deepEqual(warnings, [
    'c.json: #/properties/mail/format: unknown format "idn-email", which checks nothing.',
    'c.json: #/properties/format/format: unknown format "date-tim", which checks nothing. Did you mean "date-time"?',
  ]);
  const found = judge([{ number: 1, value: { mail: 'ä', format: 'x', day: '2024-02-30' } }]);
  assert.deepEqual(
    found.map(({ column }) => column),
    ['day'],
  );
});
