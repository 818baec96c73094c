import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { answerBook } from '../../../src/stages/load/answers.ts';
import { planRequests } from '../../../src/stages/load/requests.ts';
import type { Predictions } from '../../../src/model/predictions.ts';
import type { Signature } from '../../../src/protocol/index.ts';

const regression: Signature = {
  model: 'm',
  kind: 'values',
  classes: null,
  inputs: [{ name: 'features', datatype: 'FP32', shape: [-1, 1] }],
  scoreOutput: 'value',
  labelOutput: null,
};
const classes: Signature = { ...regression, kind: 'classes', classes: ['a', 'b', 'c'], scoreOutput: 'probabilities' };

describe('answers', () => {
  test('of a regression are compared relative to their size', () => {
    const offline = predictions({ scores: [2e6, 0.5], kind: 'value' });
    const book = answerBook({ offline, signature: regression, truth: null });
    assert.ok(book.take([0, 1], ok({ value: [2e6 + 1, 0.5] })));
    assert.equal(book.summary().mismatched, 0);
    assert.ok(book.take([0, 1], ok({ value: [2e6 + 3, 0.50001] })));
    assert.equal(book.summary().mismatched, 2);
  });

  test('that are not numbers differ from every prediction', () => {
    const book = answerBook({
      offline: predictions({ scores: [0.5], kind: 'value' }),
      signature: regression,
      truth: null,
    });
    book.take([0], ok({ value: [null] }));
    assert.equal(book.summary().mismatched, 1);
  });

  test('of several classes are compared in every score and judged by the highest', () => {
    const offline = predictions({
      scores: [0.2, 0.5, 0.3, 0.1, 0.1, 0.8],
      kind: 'probability',
      classes: ['a', 'b', 'c'],
    });
    const book = answerBook({ offline, signature: classes, truth: Int32Array.of(1, 0) });
    book.take([1], ok({ probabilities: [0.1, 0.1, 0.8] }, 3));
    book.take([0], ok({ probabilities: [0.2, 0.5, 0.3] }, 3));
    book.take([0], ok({ probabilities: [0.2, 0.4, 0.4] }, 3));
    const { compared, mismatched, judged, correct } = book.summary();
    assert.deepEqual({ compared, mismatched, judged, correct }, { compared: 3, mismatched: 1, judged: 3, correct: 2 });
  });

  test('with labels must have the same labels, whatever the scores', () => {
    const signature: Signature = { ...classes, labelOutput: 'label' };
    const offline = predictions({
      scores: [0.2, 0.5, 0.3],
      kind: 'probability',
      classes: ['a', 'b', 'c'],
      labels: Int32Array.of(1),
    });
    const book = answerBook({ offline, signature, truth: null });
    book.take([0], ok({ probabilities: [0.2, 0.5, 0.3], label: ['b'] }, 3));
    assert.equal(book.summary().mismatched, 0);
    book.take([0], ok({ probabilities: [0.2, 0.5, 0.3], label: ['c'] }, 3));
    book.take([0], ok({ probabilities: [0.2, 0.5, 0.3], label: ['unknown'] }, 3));
    assert.equal(book.summary().mismatched, 2);
  });

  test('of several labels a row are compared in every score and every label', () => {
    const signature: Signature = { ...classes, kind: 'labels', classes: ['a', 'b'], labelOutput: 'label' };
    const offline = predictions({
      scores: [0.2, 0.5, 0.7, 0.1],
      kind: 'probability',
      classes: ['a', 'b'],
      labels: Int32Array.of(0, 1, 1, 0),
    });
    const book = answerBook({ offline, signature, truth: null });
    book.take([1, 0], ok({ probabilities: [0.7, 0.1, 0.2, 0.5], label: [1, 0, 0, 1] }, 2));
    assert.deepEqual([book.summary().compared, book.summary().mismatched], [2, 0]);
    book.take([1], ok({ probabilities: [0.7, 0.1], label: [1, 1] }, 2));
    assert.equal(book.summary().mismatched, 1);
    assert.deepEqual(book.summary().mismatches[0], {
      row: 2,
      offline: 'score 0.7, 0.1; label 1, 0',
      served: 'score 0.7, 0.1; label 1, 1',
    });
    // A classifier a label, as exporters stack them: [labels, rows, 2].
    const stacked = [0.3, 0.7, 0.8, 0.2, 0.9, 0.1, 0.5, 0.5];
    const tensor = { name: 'probabilities', datatype: 'FP32', shape: [2, 2, 2], data: stacked };
    const alone = answerBook({ offline, signature: { ...signature, labelOutput: null }, truth: null });
    assert.ok(alone.take([1, 0], { status: 200, body: Buffer.from(JSON.stringify({ outputs: [tensor] })) }));
    assert.deepEqual([alone.summary().compared, alone.summary().mismatched], [2, 0]);
    assert.equal(book.take([0], ok({ probabilities: [0.2, 0.5], label: [0] }, 2)), false);
  });

  test('keep a few examples, however many are wrong', () => {
    const book = answerBook({
      offline: predictions({ scores: [0.5], kind: 'value' }),
      signature: regression,
      truth: null,
    });
    for (let index = 0; index < 1000; index += 1) {
      assert.equal(book.take([0], { status: 500, body: Buffer.alloc(10_000, 'x') }), false);
      book.take([0], ok({ value: [1] }));
    }
    const { faults, faultExamples, mismatches, mismatched } = book.summary();
    assert.deepEqual(faults, { 'status 500': 1000 });
    assert.equal(mismatched, 1000);
    assert.ok(JSON.stringify([faultExamples, mismatches]).length < 3000);
  });

  test('of any bytes at all never throw', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (body) => {
          const offline = predictions({ scores: [0.5], kind: 'value' });
          const book = answerBook({ offline, signature: regression, truth: null });
          assert.equal(book.take([0], { status: 200, body: Buffer.from(body) }), false);
        },
      ),
    );
  });
});

describe('the requests', () => {
  test('cover every row equally often, the same number of rows in each', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 20 }), fc.nat(), (rows, each, seed) => {
        const column = {
          name: 'x',
          nulls: null,
          kind: 'number' as const,
          values: Float64Array.from({ length: rows }, (_, row) => row),
        };
        const plan = planRequests({
          url: 'http://127.0.0.1:1/infer',
          columns: [column],
          rows,
          rowsPerRequest: each,
          signature: regression,
          seed,
        });
        const size = Math.min(each, rows);
        const round = Math.ceil(rows / size);
        plan.prepare(0, round);
        const seen = new Set<number>();
        for (let index = 0; index < round; index += 1) {
          const asked = [...plan.rows(index)];
          assert.equal(asked.length, size);
          const [head = '', body = ''] = plan.message(index).toString('utf8').split('\r\n\r\n');
          assert.deepEqual((JSON.parse(body) as { inputs: [{ data: number[] }] }).inputs[0].data, asked);
          assert.match(head, new RegExp(`Content-Length: ${body.length}$`, 'u'));
          asked.forEach((row) => seen.add(row));
        }
        assert.equal(seen.size, rows);
        assert.deepEqual(plan.rows(round), plan.rows(0));
      }),
    );
  });
});

function predictions(input: {
  scores: number[];
  kind: Predictions['kind'];
  classes?: string[];
  labels?: Int32Array;
}): Predictions {
  const width = input.classes?.length ?? 1;
  return {
    rows: input.scores.length / width,
    classes: input.classes ?? null,
    kind: input.kind,
    scores: Float64Array.from(input.scores),
    labels: input.labels ?? null,
    threshold: 0.5,
  };
}

function ok(outputs: Record<string, (number | string | null)[]>, width = 1): { status: number; body: Buffer } {
  const tensors = Object.entries(outputs).map(([name, data]) => ({
    name,
    datatype: typeof data[0] === 'string' ? 'BYTES' : 'FP32',
    shape: name === 'probabilities' ? [data.length / width, width] : [data.length],
    data,
  }));
  return { status: 200, body: Buffer.from(JSON.stringify({ model_name: 'm', outputs: tensors })) };
}
