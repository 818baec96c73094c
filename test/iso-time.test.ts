import assert from 'node:assert/strict';
import { it } from 'node:test';
import { millisecondsIn } from '../src/iso-time.ts';

it('a text is one moment, whatever the zone of the machine', () => {
  const noon = Date.UTC(2026, 2, 1, 12);
  const zone = process.env['TZ'];
  try {
    for (const each of ['UTC', 'Asia/Tokyo', 'America/New_York']) {
      process.env['TZ'] = each;
      for (const text of [
        '2026-03-01T12:00:00Z',
        '2026-03-01 12:00',
        '2026-03-01T12:00:00,000000',
        '2026-03-01T14:00+02:00',
        '2026-03-01 07:00:00 -0500',
        '2026-03-01T07:00:00-05',
      ])
        assert.equal(millisecondsIn(text), noon, `${text} in ${each}`);
      assert.equal(millisecondsIn('2026-03-01'), Date.UTC(2026, 2, 1));
    }
  } finally {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  }
  for (const none of ['2026-02-30', '2026-13-01', '2026-03-01T25:00Z', '5', 'March 1, 2026', '2026-3-1', ''])
    assert.equal(millisecondsIn(none), null, none);
});
