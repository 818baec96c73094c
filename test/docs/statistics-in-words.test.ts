import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { rowsForPower } from '../../src/stages/evaluation/statistics/power.ts';
import { tangoInterval } from '../../src/stages/evaluation/statistics/tango.ts';
import { projectRoot } from '../support/project.ts';

const page = readFileSync(join(projectRoot, 'docs/statistics-in-words.md'), 'utf8');
const points = (value: number): string => `${value > 0 ? '+' : ''}${(100 * value).toFixed(2)}`;
const number = (text = ''): number => Number(text.replaceAll(',', ''));

test('the intervals of the page in plain words are those of the gate', () => {
  const rows = [...page.matchAll(/^\| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| (\S+) \| (\S+) to (\S+) \|$/gmu)];
  assert.equal(rows.length, 4);
  for (const [, all, gained, lost, ...shown] of rows) {
    const interval = tangoInterval({ gained: number(gained), lost: number(lost), rows: number(all) });
    assert.deepEqual(shown, [interval.delta, interval.lower(0.05), interval.upper(0.05)].map(points));
  }
});

test('so are the rows that it says are needed', () => {
  const { standardError } = tangoInterval({ gained: 31, lost: 29, rows: 1000 });
  const needed = (gap: number): number => rowsForPower({ rows: 1000, standardError, gap, alpha: 0.05, power: 0.8 });
  const said =
    /takes about ([\d,]+) rows if the two are truly\s+equal; showing a true gain of 0\.2 points about ([\d,]+)\./u;
  const [, equal, gain] = said.exec(page) ?? [];
  assert.ok(Math.abs(needed(0.01) / number(equal) - 1) < 0.01, `${needed(0.01)}`);
  assert.ok(Math.abs(needed(0.002) / number(gain) - 1) < 0.01, `${needed(0.002)}`);
});
