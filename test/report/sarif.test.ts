import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renderSarif } from '../../src/report/index.ts';
import { check, evidence, failedSlice } from './samples.ts';

interface Log {
  version: string;
  runs: { tool: { driver: { rules: { id: string }[] } }; results: Record<string, unknown>[] }[];
}

describe('the SARIF report', () => {
  it('has a result at its place for each check that did not pass, worst first, and none without a place', () => {
    const located = {
      ...failedSlice,
      severity: 'warn' as const,
      id: 'data/a',
      message: 'two\nlines',
      location: { file: 'data/my file.csv', line: 12 },
    };
    const blocking = { ...failedSlice, id: 'data/b', location: { file: 'contender.yml', line: 3, column: 5 } };
    const noPlace = { ...failedSlice, id: 'data/c' };
    const log = JSON.parse(
      renderSarif({ decision: null, evidence: [evidence([located, blocking, noPlace, check()])] }),
    ) as Log;
    assert.equal(log.version, '2.1.0');
    const [run] = log.runs;
    assert.deepEqual(
      run?.tool.driver.rules.map(({ id }) => id),
      ['data/b', 'data/a'],
    );
    assert.deepEqual(
      run.results.map(({ ruleId, ruleIndex, level, locations }) => [ruleId, ruleIndex, level, locations]),
      [
        [
          'data/b',
          0,
          'error',
          [
            {
              physicalLocation: {
                artifactLocation: { uri: 'contender.yml' },
                region: { startLine: 3, startColumn: 5 },
              },
            },
          ],
        ],
        [
          'data/a',
          1,
          'warning',
          [{ physicalLocation: { artifactLocation: { uri: 'data/my%20file.csv' }, region: { startLine: 12 } } }],
        ],
      ],
    );
    assert.deepEqual(run.results[1]?.['message'], { text: 'two lines' });
  });

  it('of nothing but passes has no result', () => {
    const log = JSON.parse(renderSarif({ decision: null, evidence: [evidence([check()])] })) as Log;
    assert.deepEqual(log.runs[0]?.results, []);
  });
});
