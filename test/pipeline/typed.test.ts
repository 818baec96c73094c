import assert from 'node:assert/strict';
import { test } from 'node:test';
import { instantOf } from '../../src/pipeline/typed.ts';

test('a day that the calendar does not have is no instant', () => {
  assert.equal(instantOf('2028-02-29T10:00:00Z')?.toISOString(), '2028-02-29T10:00:00.000Z');
  assert.equal(instantOf('2026-12-31T10:00+02:00')?.toISOString(), '2026-12-31T08:00:00.000Z');
  for (const text of ['2027-02-29T10:00:00Z', '2027-04-31T10:00Z', '2027-01-01T25:00:00Z', '2027-01-01T10:00:00'])
    assert.equal(instantOf(text), null, text);
});
