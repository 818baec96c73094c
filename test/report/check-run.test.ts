import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { annotationsPerRequest } from '../../src/report/index.ts';
import { check, decision, evidence, failedSlice, openRecall, reportOf } from './samples.ts';
import { checkRun } from '../support/report.ts';
import fc from '../support/properties.ts';

const because = (...codes: string[]): { code: string; message: string }[] =>
  codes.map((code) => ({ code, message: `It is ${code}.` }));

describe('the check run', () => {
  it('concludes what branch rules understand', () => {
    const of = (over: Parameters<typeof decision>[0]): string =>
      checkRun({ decision: decision(over), evidence: [evidence([check()])] }, 'contender.yml').conclusion;
    assert.equal(of({ outcome: 'promote' }), 'success');
    assert.equal(of({ outcome: 'no-change' }), 'success');
    assert.equal(of({ outcome: 'reject' }), 'failure');
    assert.equal(of({ outcome: 'hold' }), 'neutral');
    assert.equal(of({ outcome: 'hold', reasons: because('approval-missing') }), 'action_required');
    assert.equal(of({ outcome: 'hold', reasons: because('first-model') }), 'action_required');
    assert.equal(of({ outcome: 'hold', reasons: because('approval-missing', 'stale') }), 'neutral');
  });

  it('concludes from the evidence of one stage where nothing is decided', () => {
    const of = (...checks: Parameters<typeof evidence>[0]): string =>
      checkRun({ decision: null, evidence: [evidence(checks)] }, 'contender.yml').conclusion;
    assert.equal(of(check()), 'success');
    assert.equal(of(check(), failedSlice), 'failure');
    assert.equal(of(check(), openRecall), 'neutral');
  });

  it('is named after the model and titled with the numbers that decided', () => {
    const run = checkRun({ decision: decision(), evidence: [evidence([openRecall])] }, 'contender.yml');
    assert.equal(run.name, 'contender / spam-filter');
    assert.match(run.output.title, /^Held: recall is 0\.9197, 1\.4 points below/u);
  });

  it('annotates worst first, on the line where there is one and on the configuration otherwise, fifty a request', () => {
    const located = { ...failedSlice, location: { file: 'data/eval.csv', line: 12, column: 3 } };
    const many = Array.from({ length: 120 }, (_, index) => ({ ...openRecall, id: `evaluation/${index}` }));
    const { annotations } = checkRun(
      { decision: null, evidence: [evidence([...many, located])] },
      'team/contender.yml',
    );
    assert.deepEqual(
      annotations.map((batch) => batch.length),
      [annotationsPerRequest, annotationsPerRequest, 21],
    );
    assert.deepEqual(annotations[0]?.[0], {
      path: 'data/eval.csv',
      start_line: 12,
      end_line: 12,
      start_column: 3,
      end_column: 3,
      annotation_level: 'failure',
      title: failedSlice.title,
      message: failedSlice.message,
    });
    assert.equal(annotations[0]?.[1]?.path, 'team/contender.yml');
    assert.equal(annotations[0]?.[1]?.annotation_level, 'warning');
  });

  it('stays within what the API takes, whatever a stranger wrote', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), fc.integer({ min: 1, max: 5000 }), (text, times) => {
        const run = checkRun(reportOf(text.repeat(times)), 'contender.yml');
        assert.ok(Buffer.byteLength(run.output.summary) <= 65_535);
        assert.ok(run.output.title.length <= 255);
        for (const annotation of run.annotations.flat()) {
          assert.ok(Buffer.byteLength(annotation.message) <= 64 * 1024 && (annotation.title ?? '').length <= 255);
        }
      }),
      { numRuns: 20 },
    );
  });
});
