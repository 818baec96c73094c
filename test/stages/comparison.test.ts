import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Requirement } from '../../src/config/forms.ts';
import {
  comparisonText,
  findingText,
  outlookText,
  requirementText,
  stateOf,
  type Planned,
} from '../../src/stages/comparison.ts';
import type { Comparison } from '../../src/evidence/check.ts';

/** A comparison of shares with these bounds, in points. */
function comparison(lower: number, upper: number, margin: number): Comparison {
  return {
    metric: 'recall',
    scale: 'share',
    champion: 0.9,
    candidate: 0.9 + (lower + upper) / 200,
    delta: (lower + upper) / 200,
    lower: lower / 100,
    upper: upper / 100,
    margin: margin / 100,
    alpha: 0.05,
    state: stateOf(lower, upper, margin),
    ...(lower > -margin && upper < 0 ? { worseWithinMargin: true } : {}),
    method: 'tango-score',
    n: 1000,
  };
}

const found = (requirement: Requirement, lower: number, upper: number): string =>
  findingText(requirement, comparison(lower, upper, 1), '1 point');

describe('what the bounds show', () => {
  it('is told in plain words, against what the policy asks for', () => {
    assert.equal(found('superior', 0.1, 0.4), 'better');
    assert.equal(found('superior', -0.5, 0.4), 'at most 1 point worse, not shown to be better');
    assert.equal(found('superior', -2, 0.4), 'not shown to be better');
    assert.equal(found('superior', -2, -0.5), 'worse');
    assert.equal(found('non-inferior', -0.5, 0.4), 'at most 1 point worse');
    assert.equal(found('non-inferior', -0.5, -0.1), 'worse, by at most 1 point');
    assert.equal(found('non-inferior', -3, 0.4), 'may be more than 1 point worse');
    assert.equal(found('non-inferior', -3, -0.5), 'worse, maybe by more than 1 point');
    assert.equal(found('non-inferior', -3, -2), 'more than 1 point worse');
  });

  it('of a guard says that it looks worse, though no harm is shown', () => {
    assert.equal(found('not-inferior', -3, 0.5), 'worse, no proven loss of more than 1 point');
    assert.equal(found('not-inferior', -1.5, 2), 'no proven loss of more than 1 point');
    assert.equal(found('not-inferior', -3, -2), 'more than 1 point worse');
  });

  it('speaks of no margin where there is none', () => {
    assert.equal(findingText('non-inferior', comparison(-3, 1, 0), '0 points'), 'may be worse');
    assert.equal(requirementText('non-inferior', '0 points'), 'not worse');
    assert.equal(requirementText('not-inferior', '0'), 'no proven loss');
  });
});

describe('a requirement', () => {
  it('is told in plain words', () => {
    assert.equal(requirementText('superior', '0.5 points'), 'better than the champion');
    assert.equal(requirementText('superior', '0.5 points', true), 'better than the champion, by any amount');
    assert.equal(requirementText('non-inferior', '1 point'), 'at most 1 point worse');
    assert.equal(requirementText('not-inferior', '2 points'), 'no proven loss of more than 2 points');
  });
});

describe('the message of a comparison', () => {
  it('has one unit for the difference and its bounds, and says at what level they are', () => {
    const told = { ...comparison(-3.5, 0.7, 1), finding: 'may be more than 1 point worse' };
    assert.equal(
      comparisonText({ title: 'recall', better: 'higher' }, told),
      "recall is 0.8860, 1.4 points below the champion's 0.9000 (one-sided 95% bounds -3.5 to +0.7 points): may be more than 1 point worse",
    );
  });

  it('of a loss says that its bounds are of the gain', () => {
    const loss = { ...comparison(0, 0, 1), champion: 0.3, candidate: 0.32, delta: -0.02, lower: -0.04, upper: -0.01 };
    const { scale: _scale, ...told } = { ...loss, finding: 'worse' };
    assert.equal(
      comparisonText({ title: 'log loss', better: 'lower' }, told),
      "log loss is 0.3200, 0.0200 above the champion's 0.3000 (one-sided 95% bounds of the gain -0.0400 to -0.0100): shown to be worse",
    );
  });
});

describe('the outlook', () => {
  const planned: Planned = {
    requirement: 'superior',
    scale: 'share',
    gap: 0.002,
    power: 0.8,
    delta: 0.001,
    rows: 2000,
    unit: 'rows',
    enough: false,
    asMeasured: false,
    onSlice: false,
  };

  it('says at what true difference and with what power the rows would settle it', () => {
    assert.equal(
      outlookText(3400, planned),
      'about 1,400 more labelled rows would show it if it truly is 0.2 points better (80% power)',
    );
    assert.equal(
      outlookText(3400, { ...planned, requirement: 'non-inferior', gap: 0.01, onSlice: true }),
      'about 1,400 more labelled rows of this slice would rule that out if it truly is no worse (80% power)',
    );
  });

  it('says of a gain below what was planned for how many rows would show one as small as was measured', () => {
    assert.equal(
      outlookText(3400, { ...planned, gap: 0.001, asMeasured: true }),
      'about 1,400 more labelled rows would show it if the gain is as measured (80% power)',
    );
  });

  it('says where the observed difference points the other way', () => {
    const says = (over: Partial<Planned>): boolean =>
      /the measured difference is in the wrong direction/u.test(outlookText(3400, { ...planned, ...over }));
    assert.equal(says({ delta: 0.001 }), false);
    assert.equal(says({ delta: -0.001 }), true);
    assert.equal(says({ requirement: 'non-inferior', gap: 0.01, delta: -0.005 }), false);
    assert.equal(says({ requirement: 'non-inferior', gap: 0.01, delta: -0.02 }), true);
  });

  it('says where more rows are not expected to help, and why', () => {
    assert.equal(
      outlookText(null, { ...planned, enough: true }),
      'more rows are unlikely to help: these 2,000 rows already had 80% power to show it if it truly is 0.2 points better',
    );
    assert.equal(outlookText(null, planned), 'more rows are unlikely to help');
  });
});
