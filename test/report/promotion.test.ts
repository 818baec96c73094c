import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { headline } from '../../src/report/index.ts';
import { describeReplaced } from '../../src/report/promotion.ts';
import { decision, evidence, openRecall, recorded } from './samples.ts';
import { checkRun, describePromotion } from '../support/report.ts';
import fc from '../support/properties.ts';

const reasons = [{ code: 'all-passed', message: 'All 3 blocking checks passed.' }];
const promoted = recorded({ outcome: 'promote', reasons, to: { version: '1.2.0', artifacts: [] } });
const promotion = {
  model: 'spam-filter',
  branch: 'contender/promote/spam-filter',
  base: 'main',
  decisions: [promoted],
  lead: promoted,
  evidence: [evidence([openRecall])],
};

describe('the text of a promotion pull request', () => {
  it('leads with the verdict, calls nothing promoted, and says what merging does', () => {
    const { title, body } = describePromotion(promotion, 65_536);
    assert.equal(title, 'Promote spam-filter 1.2.0');
    assert.match(body, /^## [^\n]*: ready to promote\n\n\*\*Ready to promote: all 3 blocking checks passed\*\*/u);
    assert.match(body, /It records this decision about \*\*spam-filter\*\* on <code>main<\/code>/u);
    assert.doesNotMatch(body, /: promoted/iu);
  });

  it('stays within its limit, however many decisions wait', () => {
    const long = recorded({ outcome: 'reject', reasons: [{ code: 'x', message: 'é'.repeat(2000) }] });
    const decisions = [...Array.from({ length: 500 }, () => long), promoted];
    const { body } = describePromotion({ ...promotion, decisions }, 65_536);
    assert.ok(Buffer.byteLength(body) <= 65_536);
    assert.match(body, /The first 451 are not listed here/u);
  });

  it('shows whatever a stranger wrote as text', () => {
    const hostile = '<img src=x> @team #1 | [a](http://b) `c`\n## d';
    const each = recorded({ outcome: 'promote', reasons: [{ code: 'x', message: hostile }] });
    const { body } = describePromotion({ ...promotion, decisions: [each], lead: each }, 65_536);
    const comment = describeReplaced([{ decision: each, by: decision({ outcome: 'hold', reasons: each.reasons }) }]);
    for (const text of [body, comment]) {
      assert.doesNotMatch(text, /<img|@team|#1\b|(?<!\\)\]\(http|\n## d/u);
    }
  });

  it('has a title of one visible line', () =>
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (environment) => {
        const lead = recorded({ action: 'assign', environment });
        const { title } = describePromotion({ ...promotion, lead, decisions: [lead] }, 65_536);
        assert.doesNotMatch(title, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      }),
      { numRuns: 30 },
    ));
});

describe('a promotion that waits in a pull request', () => {
  const input = { decision: decision({ outcome: 'promote', reasons }), evidence: [] };
  const pullRequest = { number: 7, url: 'https://github.com/acme/models/pull/7', open: true };

  it('is pending, and says what it waits for', () => {
    assert.equal(
      headline({ ...input, pullRequest }),
      'Promotion pending: all 3 blocking checks passed; not active until pull request 7 is merged',
    );
    assert.match(headline({ ...input, pullRequest: { ...pullRequest, open: false } }), /closed without being merged$/u);
  });

  it('asks for action in its check run, with a link', () => {
    const run = checkRun({ ...input, pullRequest }, 'contender.yml');
    assert.equal(run.conclusion, 'action_required');
    assert.match(run.output.summary, /\[Pull request 7\]\(https:\/\/github\.com\/acme\/models\/pull\/7\)/u);
  });
});
