import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Profile } from '../../src/profile/profile.ts';
import { renderProfile } from '../../src/report/index.ts';

test('an estimate of different values is no more than there are values', () => {
  const column = { name: 'code', type: 'VARCHAR', kind: 'category', missing: 10, categories: null } as const;
  const shown = (estimate: number): string => {
    const columns = [{ ...column, distinct: { count: estimate, exact: false } }];
    const sources = [{ uri: 'rows.csv', rows: 4000, counted: [[0, 4000]] }];
    return renderProfile({ sources, rows: 4000, columns } as unknown as Profile, { colour: false, width: 120 });
  };
  assert.match(shown(4312), /about 3,990/u);
  assert.match(shown(1812), /about 1,800/u);
});
