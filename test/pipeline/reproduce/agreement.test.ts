import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Check } from '../../../src/evidence/index.ts';
import { agreement } from '../../../src/pipeline/reproduce/agreement.ts';
import { check, evidence, failedSlice, openRecall } from '../../report/samples.ts';

function held(recorded: Check[], again: Check[], repeatable = true): ReturnType<typeof agreement> {
  return agreement(evidence(recorded), evidence(again), { title: 'Evaluation', repeatable });
}

describe('a stage that is run again', () => {
  test('agrees where the last bits alone differ', () => {
    const said = held([check()], [check({ observed: 0.9197 + 1e-9, message: 'said in other words' })]);
    assert.deepEqual([said.agree, said.differ], [1, []]);
  });

  test('differs in a number by name, in a verdict, and in a check that one of the two does not have', () => {
    const comparison = { ...failedSlice.comparison, delta: -0.1 } as NonNullable<Check['comparison']>;
    const other = check({ id: 'evaluation/f1' });
    const said = held(
      [failedSlice, openRecall],
      [{ ...failedSlice, comparison }, { ...openRecall, verdict: 'pass' }, other],
    );
    assert.deepEqual(
      said.differ.map(({ why }) => why),
      [
        'comparison.delta: -0.168 was recorded, -0.1 came out now',
        'inconclusive was recorded, pass came out now',
        'the record does not have this check',
      ],
    );
  });

  test('of which times are measured need agree in its verdicts alone', () => {
    const said = held([check({ observed: 12 })], [check({ observed: 31 })], false);
    assert.deepEqual([said.agree, said.measured, said.differ], [0, 1, []]);
    const failed = held([check({ observed: 12 })], [check({ observed: 31, verdict: 'fail' })], false);
    assert.equal(failed.differ.length, 1);
  });
});
