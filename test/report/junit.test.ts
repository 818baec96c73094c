import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renderJunit } from '../../src/report/index.ts';
import { check, decision, evidence, failedSlice, openRecall, reportOf } from './samples.ts';
import fc from '../support/properties.ts';

/** What the schema of Jenkins (xunit-plugin, junit-10.xsd) lets an element have; a `!` marks what it must have. */
const attributes: Record<string, readonly string[]> = {
  testsuites: ['name', 'time', 'tests', 'failures', 'errors'],
  testsuite: ['name!', 'tests!', 'failures!', 'errors!', 'time', 'skipped', 'timestamp', 'hostname', 'id', 'package'],
  testcase: ['name!', 'time', 'classname'],
  failure: ['type', 'message'],
  error: ['type', 'message'],
  skipped: ['type', 'message'],
  'system-out': [],
};

describe('the JUnit report', () => {
  it('counts blocking failures as failures, blocking doubts as errors, and lets warnings pass', () => {
    const warned = { ...failedSlice, severity: 'warn' as const };
    const skipped = check({ verdict: 'skipped', message: 'Too few rows.' });
    const xml = renderJunit({
      decision: null,
      evidence: [evidence([failedSlice, openRecall, warned, skipped, check()])],
    });
    assert.match(xml, /<testsuites name="contender" tests="5" failures="1" errors="1">/u);
    assert.match(xml, /tests="5" failures="1" errors="1" skipped="1" time="2\.000" timestamp="2026-01-02T03:04:05"/u);
    assert.equal(xml.match(/<failure /gu)?.length, 1);
    assert.equal(xml.match(/<error /gu)?.length, 1);
    assert.match(xml, /<system-out>warn: Accuracy on source=hard_ham is 0\.7041.*<\/system-out>/u);
  });

  it('names the place of a failure', () => {
    const located = { ...failedSlice, location: { file: 'data/eval.csv', line: 12 } };
    assert.match(
      renderJunit({ decision: null, evidence: [evidence([located])] }),
      />data&#47;eval.csv:12: Acc|>data\/eval.csv:12: Acc/u,
    );
  });

  it('fails a run whose decision no check explains', () => {
    const reasons = [{ code: 'evidence-missing', message: 'There is no load evidence.' }];
    const held = renderJunit({ decision: decision({ reasons }), evidence: [evidence([check()])] });
    assert.match(held, /<testsuite name="spam-filter\.decision" tests="1" failures="0" errors="1"/u);
    assert.match(held, /there is no load evidence/u);
    const promoted = renderJunit({ decision: decision({ outcome: 'promote' }), evidence: [evidence([check()])] });
    assert.match(promoted, /<testsuites name="contender" tests="2" failures="0" errors="0">/u);
  });

  it('fails once for one check that fails, and says in its decision what that led to', () => {
    const reasons = [{ code: 'check-failed', message: failedSlice.message, check: failedSlice.id }];
    const failed = evidence([failedSlice, check()]);
    const xml = renderJunit({ decision: decision({ outcome: 'reject', reasons }), evidence: [failed] });
    assert.match(xml, /<testsuites name="contender" tests="3" failures="1" errors="0">/u);
    assert.match(xml, /<system-out>Rejected: accuracy on source=hard_ham/u);
    const also = [...reasons, { code: 'evidence-missing', message: 'There is no load evidence.' }];
    const missing = renderJunit({ decision: decision({ outcome: 'reject', reasons: also }), evidence: [failed] });
    assert.match(missing, /<testsuites name="contender" tests="3" failures="2" errors="0">/u);
  });

  it('keeps to the elements and attributes that its readers share, and its counts agree', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 30 }),
        fc.constantFrom('block' as const, 'warn' as const),
        (text, severity) => {
          const xml = renderJunit(reportOf(text, severity));
          for (const [, name = '', given = ''] of xml.matchAll(/<([a-z-]+)((?: [a-z]+="[^"]*")*)\/?>/gu)) {
            const known = attributes[name];
            assert.ok(known !== undefined, name);
            const names = [...given.matchAll(/ ([a-z]+)="/gu)].map((match) => match[1] ?? '');
            for (const each of names) assert.ok(known.includes(each) || known.includes(`${each}!`), `${name} ${each}`);
            for (const must of known.filter((each) => each.endsWith('!')))
              assert.ok(names.includes(must.slice(0, -1)), must);
          }
          const [total = '', ...suites] = [...xml.matchAll(/tests="(\d+)" failures="(\d+)" errors="(\d+)"/gu)].map(
            (match) => match.slice(1).join(),
          );
          const sum = suites
            .map((each) => each.split(',').map(Number))
            .reduce((a, b) => a.map((value, index) => value + (b[index] ?? 0)), [0, 0, 0]);
          assert.equal(total, sum.join());
          assert.equal(xml.match(/<testcase /gu)?.length, sum[0]);
          assert.equal(xml.match(/<failure /gu)?.length ?? 0, sum[1]);
          assert.equal(xml.match(/<error /gu)?.length ?? 0, sum[2]);
          for (const [, time] of xml.matchAll(/ time="([^"]*)"/gu)) assert.match(time ?? '', /^\d+\.\d{3}$/u);
        },
      ),
      { numRuns: 50 },
    );
  });
});
