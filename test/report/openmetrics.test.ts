import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { badge, openMetrics } from '../../src/report/openmetrics.ts';
import { check, decision, evidence, failedSlice, hardHam, openRecall, recorded } from './samples.ts';

describe('a decision as OpenMetrics', () => {
  const text = openMetrics({ decision: decision(), evidence: [evidence([openRecall, failedSlice, check()])] });

  test('has one sample of each series, each family once, and the end that the format asks for', () => {
    assert.match(text, /^contender_gate_outcome\{model="spam-filter",outcome="hold"\} 1$/mu);
    assert.match(text, /^contender_gate_outcome\{model="spam-filter",outcome="promote"\} 0$/mu);
    assert.match(
      text,
      /^contender_gate_metric_gain\{model="spam-filter",metric="accuracy",slice="source=hard_ham",anchor=""\} -0\.168$/mu,
    );
    assert.match(
      text,
      /^contender_gate_checks\{model="spam-filter",stage="evaluation",severity="block",verdict="fail"\} 1$/mu,
    );
    assert.ok(text.endsWith('\n# EOF\n'));
    const names = [...text.matchAll(/^# TYPE (\S+)/gmu)].map(([, name]) => name);
    assert.equal(new Set(names).size, names.length);
    const series = text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.slice(0, line.lastIndexOf(' ')));
    assert.equal(new Set(series).size, series.length);
  });

  test('keeps names that anyone may choose within their quotes', () => {
    const slice = 'a="b"\n# TYPE evil gauge\\';
    const hostile = openMetrics({
      decision: null,
      evidence: [evidence([{ ...failedSlice, comparison: { ...hardHam, slice } }])],
    });
    assert.ok(!/^# TYPE evil/mu.test(hostile));
    assert.match(hostile, /slice="a=\\"b\\"\\n# TYPE evil gauge\\\\"/u);
  });
});

test('a badge says the model and how it stands, the version of a promotion and the day', () => {
  const to = { version: '1.1.0', artifacts: [] };
  assert.deepEqual(badge({ decision: recorded({ outcome: 'promote', to }), evidence: [] }), {
    schemaVersion: 1,
    label: 'spam-filter',
    message: 'promoted 1.1.0, 2026-01-02',
    color: 'brightgreen',
  });
  const held = badge({ decision: decision(), evidence: [] });
  assert.deepEqual([held.message, held.color], ['held, 2026-01-02', 'yellow']);
});
