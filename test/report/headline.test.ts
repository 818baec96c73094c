import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { headline } from '../../src/report/index.ts';
import { check, decision, evidence, failedSlice, openRecall, recall, recorded } from './samples.ts';

describe('the headline', () => {
  it('tells a hold with the numbers that decided it, what is allowed, and that it may be noise', () => {
    assert.equal(
      headline({ decision: decision(), evidence: [evidence([openRecall])] }),
      "Held: recall is 0.9197, 1.4 points below the champion's 0.9336; 1 point is allowed; the loss may be noise",
    );
  });

  it('names the slice that decided a rejection, and counts the other reasons', () => {
    const reasons = [failedSlice, openRecall].map(({ id, message }) => ({ code: 'check-failed', message, check: id }));
    assert.equal(
      headline({
        decision: decision({ outcome: 'reject', reasons }),
        evidence: [evidence([openRecall, failedSlice])],
      }),
      "Rejected: accuracy on source=hard_ham is 0.7041, 16.8 points below the champion's 0.8721; 2 points are allowed; the loss is more than noise (and 1 more reason)",
    );
  });

  it('calls a promotion done only once it is recorded', () => {
    const reasons = [{ code: 'all-passed', message: 'All 3 blocking checks passed.' }];
    assert.equal(
      headline({ decision: decision({ outcome: 'promote', reasons }), evidence: [] }),
      'Ready to promote: all 3 blocking checks passed',
    );
    assert.match(headline({ decision: recorded({ outcome: 'promote', reasons }), evidence: [] }), /^Promoted: /u);
  });

  it('keeps the name of a person who acted', () => {
    const reasons = [{ code: 'rollback', message: 'Grace goes back to 1.0.0: mail is lost.' }];
    assert.equal(
      headline({ decision: recorded({ action: 'rollback', outcome: 'promote', reasons }), evidence: [] }),
      'Rolled back: Grace goes back to 1.0.0: mail is lost',
    );
  });

  it('calls nothing a gain of which nothing is judged', () => {
    const finding = 'not judged: the smaller arm has 44 users, fewer than min_users 100';
    const open = { ...openRecall, comparison: { ...recall, delta: 0.05, lower: 0.01, upper: 0.09, finding } };
    assert.match(
      headline({ decision: null, evidence: [evidence([open])] }),
      /; not judged: the smaller arm has 44 users/u,
    );
  });

  it('ends a long sentence where it is whole: in no bracket, in no quotation, after no announcement', () => {
    const failed = '1 of 20 requests failed (5%, at most 0.1%): 1 with an unusable answer; first unusable answer:';
    for (const [rest, ends] of [
      ['status 429 (text/html; body "<html> <head><title>429 Too Many', 'first unusable answer: status 429'],
      ['The answer holds "0.9997512102127075" at index 0 in "probabilities"', '1 with an unusable answer'],
    ] as const) {
      const reasons = [{ code: 'x', message: `${failed} ${rest}, which is not what was asked for here.` }];
      const told = headline({ decision: decision({ reasons }), evidence: [] });
      assert.ok(told.endsWith(ends), told);
    }
  });

  it('keeps the capitals of a name', () => {
    const reasons = [{ code: 'x', message: 'ROC AUC is 0.99.' }];
    assert.equal(headline({ decision: decision({ reasons }), evidence: [] }), 'Held: ROC AUC is 0.99');
  });

  it('reports the worst check where nothing is decided yet', () => {
    assert.match(
      headline({ decision: null, evidence: [evidence([openRecall, failedSlice, check()])] }),
      /^Failed: accuracy on/u,
    );
    assert.equal(
      headline({ decision: null, evidence: [evidence([check(), check()], { kind: 'data' })] }),
      'Passed: all 2 blocking checks passed',
    );
    assert.equal(
      headline({ decision: null, evidence: [evidence([check()])] }),
      'Passed: the one blocking check passed, and there was no champion to compare with',
    );
    assert.equal(headline({ decision: null, evidence: [] }), 'Nothing shown: no blocking check could be computed');
    const same = check({ id: 'evaluation/same-model', severity: 'info', message: 'The candidate is the champion.' });
    const labels = check({ verdict: 'fail', severity: 'warn', message: 'All labels are 1.' });
    for (const [checks, says] of [
      [[same], 'Nothing shown: the candidate is the champion'],
      [[same, labels], 'Nothing shown: all labels are 1'],
    ] as const) {
      assert.equal(headline({ decision: null, evidence: [evidence([...checks])] }), says);
    }
  });
});
