import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { monitorReport } from '../../../src/report/monitoring/sections.ts';
import { evidence } from '../samples.ts';

describe('what is watched', () => {
  const budget = { alarmsPerYear: 12, signals: ['drift', 'volume'], days: 61 };
  const told = (details: Record<string, unknown>): Record<string, string> => {
    const [section] = monitorReport.sections({ ...evidence([]), details: { budget, ...details } });
    return Object.fromEntries(section?.rows.map(([what, value]) => [what?.text ?? '', value?.text ?? '']) ?? []);
  };

  it('says nothing of the champion before there is a window, and its times as everywhere', () => {
    const none = told({ champion: null, windows: { recorded: 0, new: 0, until: null } });
    assert.equal(none['Champion'], 'not known before a window is complete');
    const until = '2026-11-30T00:00:00.000Z';
    const some = told({ champion: { version: '1.0.0', sha256: 'a' }, windows: { recorded: 3, new: 1, until } });
    assert.deepEqual(
      [some['Champion'], some['Windows']],
      ['1.0.0', '3 recorded, 1 of them new, until 2026-11-30 00:00 UTC'],
    );
  });
});
