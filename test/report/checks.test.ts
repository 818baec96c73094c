import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkTable, openChecks } from '../../src/report/checks.ts';
import { check, evidence } from './samples.ts';

test('the message of a check does not repeat the title that stands beside it', () => {
  const shift = check({ title: 'Shift of the mean score', message: 'Shift of the mean score: 0.001', required: null });
  assert.deepEqual(
    checkTable('Shadow', [shift], 1).rows[0]?.map(({ text }) => text),
    ['pass', 'Shift of the mean score', '0.001', ''],
  );
  const failed = { ...shift, verdict: 'fail' as const };
  const lead = { ...failed, id: 'shadow/error-rate', title: 'Errors', message: 'Errors: 5%' };
  // The message of the first is told above the table.
  const { remarks } = openChecks({ decision: null, evidence: [evidence([lead, failed])] });
  assert.deepEqual(
    remarks?.map((remark) => remark?.text),
    [undefined, '0.001'],
  );
});
