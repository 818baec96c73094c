import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Columns, Task } from '../../../src/config/schema.ts';
import { answerReader } from '../../../src/model/read-outputs/answers.ts';
import { chooseOutputs, type DeclaredOutput } from '../../../src/model/read-outputs/choose.ts';
import { answerBook, type AnswerBook } from '../../../src/stages/load/answers.ts';
import { inferRequest, readInferResponse } from '../../../src/protocol/index.ts';
import type { Exchange } from '../../../src/stages/load/exchange-plan.ts';
import { planRequests } from '../../../src/stages/load/requests.ts';
import type { Predictions } from '../../../src/model/predictions.ts';
import fc from '../../support/properties.ts';

const matrix = { name: 'm', inputs: [{ name: 'features', datatype: 'FP32' as const, shape: [-1, 1] }] };
const value = { name: 'value', type: 'float', shape: [-1] };
const probabilities = { name: 'probabilities', type: 'float', shape: [-1, -1] };
const label = { name: 'label', type: 'string', shape: [-1] };

/** A book of the answers of a server that declares these outputs. */
function book(
  task: Task,
  outputs: readonly DeclaredOutput[],
  offline: Predictions,
  more: {
    truth?: ArrayLike<number>;
    columns?: Partial<Columns>;
    positive?: number;
    transform?: 'sigmoid' | 'softmax';
  } = {},
): AnswerBook {
  const columns = { id: 'id', label: 'label', ...more.columns };
  const reader = answerReader(outputs, { task, columns, reading: { transform: more.transform }, offline });
  const read: Exchange['read'] = (body, rows) => {
    const values = readInferResponse(body).map(({ name, shape, data }) => [name, { dims: shape, data }] as const);
    return reader(Object.fromEntries(values), rows);
  };
  return answerBook({ offline, read, positive: more.positive ?? null, truth: more.truth ?? null });
}

describe('answers', () => {
  test('of a regression are compared relative to their size', () => {
    const offline = predictions({ scores: [2e6, 0.5], kind: 'value' });
    const answers = book('regression', [value], offline);
    assert.ok(answers.take([0, 1], ok({ value: [2e6 + 1, 0.5] })));
    assert.equal(answers.summary().mismatched, 0);
    assert.ok(answers.take([0, 1], ok({ value: [2e6 + 3, 0.50001] })));
    assert.equal(answers.summary().mismatched, 2);
  });

  test('that are not numbers differ from every prediction', () => {
    const answers = book('regression', [value], predictions({ scores: [0.5], kind: 'value' }));
    answers.take([0], ok({ value: [null] }));
    assert.equal(answers.summary().mismatched, 1);
  });

  test('without a number, or with a label that no class has, are right of no row, whatever its class', () => {
    const offline = { ...predictions({ scores: [0.2, 0.8], kind: 'probability' }), classes: [0, 1] };
    const scored = [{ ...probabilities, shape: [-1, 2] }];
    const binary = book('binary-classification', scored, offline, { positive: 1, truth: Int32Array.of(0, 1) });
    assert.ok(binary.take([0, 1], ok({ probabilities: [null, null, null, null] }, 2)));
    const { judged, correct, mismatched } = binary.summary();
    assert.deepEqual({ judged, correct, mismatched }, { judged: 2, correct: 0, mismatched: 2 });

    const several = predictions({ scores: [0.6, 0.3, 0.1], kind: 'probability', classes: ['a', 'b', 'c'] });
    const classes = book('multiclass-classification', [probabilities], several, { truth: Int32Array.of(0) });
    classes.take([0], ok({ probabilities: [null, null, null] }, 3));
    assert.equal(classes.summary().correct, 0);

    const named = { ...several, scores: null, labels: Int32Array.of(0) };
    const labelled = book('multiclass-classification', [label], named, { truth: Int32Array.of(-1) });
    labelled.take([0], ok({ label: ['unknown'] }));
    assert.match(labelled.summary().mismatches[0]?.served ?? '', /^a label that is not a class \(body ".*unknown/u);
    assert.deepEqual([labelled.summary().judged, labelled.summary().correct], [1, 0]);
  });

  test('of several classes are compared in every score and judged by the highest', () => {
    const offline = predictions({
      scores: [0.2, 0.5, 0.3, 0.1, 0.1, 0.8],
      kind: 'probability',
      classes: ['a', 'b', 'c'],
    });
    const answers = book('multiclass-classification', [probabilities], offline, { truth: Int32Array.of(1, 0) });
    answers.take([1], ok({ probabilities: [0.1, 0.1, 0.8] }, 3));
    answers.take([0], ok({ probabilities: [0.2, 0.5, 0.3] }, 3));
    answers.take([0], ok({ probabilities: [0.2, 0.4, 0.4] }, 3));
    const { compared, mismatched, judged, correct } = answers.summary();
    assert.deepEqual({ compared, mismatched, judged, correct }, { compared: 3, mismatched: 1, judged: 3, correct: 2 });
  });

  test('with labels must have the same labels, whatever the scores', () => {
    const offline = predictions({
      scores: [0.2, 0.5, 0.3],
      kind: 'probability',
      classes: ['a', 'b', 'c'],
      labels: Int32Array.of(1),
    });
    const answers = book('multiclass-classification', [probabilities, label], offline);
    answers.take([0], ok({ probabilities: [0.2, 0.5, 0.3], label: ['b'] }, 3));
    assert.equal(answers.summary().mismatched, 0);
    answers.take([0], ok({ probabilities: [0.2, 0.5, 0.3], label: ['c'] }, 3));
    answers.take([0], ok({ probabilities: [0.2, 0.5, 0.3], label: ['unknown'] }, 3));
    assert.equal(answers.summary().mismatched, 2);
  });

  test('of several labels a row are compared in every score and every label', () => {
    const columns = { label: ['a', 'b'] };
    const labels = { name: 'label', type: 'int64', shape: [-1, -1] };
    const offline = predictions({
      scores: [0.2, 0.5, 0.7, 0.1],
      kind: 'probability',
      classes: ['a', 'b'],
      labels: Int32Array.of(0, 1, 1, 0),
    });
    const answers = book('multilabel-classification', [probabilities, labels], offline, { columns });
    answers.take([1, 0], ok({ probabilities: [0.7, 0.1, 0.2, 0.5], label: [1, 0, 0, 1] }, 2));
    assert.deepEqual([answers.summary().compared, answers.summary().mismatched], [2, 0]);
    answers.take([1], ok({ probabilities: [0.7, 0.1], label: [1, 1] }, 2));
    assert.equal(answers.summary().mismatched, 1);
    assert.deepEqual(answers.summary().mismatches[0], {
      row: 2,
      offline: 'score 0.7, 0.1; label 1, 0',
      served: 'score 0.7, 0.1; label 1, 1',
    });
    // A classifier a label, as exporters stack them: [labels, rows, 2].
    const stacked = [0.3, 0.7, 0.8, 0.2, 0.9, 0.1, 0.5, 0.5];
    const tensor = { name: 'probabilities', datatype: 'FP32', shape: [2, 2, 2], data: stacked };
    const alone = book('multilabel-classification', [probabilities], offline, { columns });
    assert.ok(alone.take([1, 0], { status: 200, body: Buffer.from(JSON.stringify({ outputs: [tensor] })) }));
    assert.deepEqual([alone.summary().compared, alone.summary().mismatched], [2, 0]);
    assert.equal(answers.take([0], ok({ probabilities: [0.2, 0.5], label: [0] }, 2)), false);
    // Labels below each other: [labels, rows].
    assert.ok(alone.take([0], answer('probabilities', [2, 1], [0.2, 0.5])));
    assert.equal(alone.summary().mismatched, 0);
  });

  test('of two raw scores a row are compared as the difference that the offline scores are', () => {
    const offline = predictions({ scores: [1.5], kind: 'score' });
    const columns = { positive: 'spam' };
    const logits = { name: 'logits', type: 'float', shape: [-1, 2] };
    const answers = book(
      'binary-classification',
      [logits],
      { ...offline, classes: ['spam', 'ham'], threshold: 0 },
      {
        columns,
        positive: 0,
        truth: Int32Array.of(0),
      },
    );
    answers.take([0], answer('logits', [1, 2], [2, 0.5]));
    assert.deepEqual([answers.summary().mismatched, answers.summary().correct], [0, 1]);
  });

  test('are read of the outputs that are read offline, whatever stands beside them', () => {
    const beside = [
      { name: 'leaf_index', type: 'int64', shape: [-1] },
      { name: 'hashed', type: 'int64', shape: [-1, 60] },
      { name: 'embedding', type: 'float', shape: [-1, 60] },
      { name: 'attention', type: 'float', shape: [-1, 60, 1] },
    ];
    const own = [
      { ...label, type: 'int64' },
      { ...probabilities, shape: [-1, 2] },
    ];
    for (const outputs of [
      [...beside, ...own],
      [...own, ...beside],
      [own[1]!, ...beside, own[0]!],
    ]) {
      const chosen = chooseOutputs(outputs, { task: 'binary-classification', columns: { id: 'id', label: 'y' } });
      assert.deepEqual(chosen, { scores: 'probabilities', labels: 'label' });
    }
  });

  test('are read without the labels that were left out offline, such as a list of the classes', () => {
    const classes = ['a', 'b', 'c'];
    const offline = predictions({ scores: [0.7, 0.2, 0.1, 0.1, 0.1, 0.8], kind: 'probability', classes });
    const list = { name: 'class_labels', type: 'string', shape: [-1] };
    const answers = book('multiclass-classification', [list, probabilities], offline);
    assert.ok(answers.take([0, 1], ok({ class_labels: classes, probabilities: [...offline.scores!] }, 3)));
    assert.equal(answers.summary().mismatched, 0);
  });

  test('at the threshold itself are decided by the label that is served', () => {
    const offline: Predictions = {
      ...predictions({ scores: [0.5], kind: 'probability', labels: Int32Array.of(0) }),
      classes: [0, 1],
    };
    const outputs = [
      { ...label, type: 'int64' },
      { ...probabilities, shape: [-1, 2] },
    ];
    const answers = book('binary-classification', outputs, offline, { positive: 1, truth: Int32Array.of(0) });
    answers.take([0], ok({ probabilities: [0.5, 0.5], label: [0] }, 2));
    assert.deepEqual([answers.summary().mismatched, answers.summary().correct], [0, 1]);
  });

  test('whose label contradicts their scores are right of no row, unless the model contradicts itself there', () => {
    const offline: Predictions = {
      ...predictions({ scores: [0.9, 0.9], kind: 'probability', labels: Int32Array.of(1, 0) }),
      classes: [0, 1],
    };
    const outputs = [
      { ...label, type: 'int64' },
      { ...probabilities, shape: [-1, 2] },
    ];
    const answers = book('binary-classification', outputs, offline, { positive: 1, truth: Int32Array.of(1, 1) });
    answers.take([0, 1], ok({ probabilities: [0.1, 0.9, 0.1, 0.9], label: [0, 0] }, 2));
    assert.deepEqual([answers.summary().judged, answers.summary().correct], [2, 1]);
  });

  test('keep a few examples, however many are wrong', () => {
    const answers = book('regression', [value], predictions({ scores: [0.5], kind: 'value' }));
    for (let index = 0; index < 1000; index += 1) {
      assert.equal(answers.take([0], { status: 500, body: Buffer.alloc(10_000, 'x') }), false);
      answers.take([0], ok({ value: [1] }));
    }
    const { faults, faultExamples, mismatches, mismatched } = answers.summary();
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
          const answers = book('regression', [value], offline);
          assert.equal(answers.take([0], { status: 200, body: Buffer.from(body) }), false);
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
          exchange: {
            plan: { url: 'http://127.0.0.1:1/infer', headers: { 'X-Team': 'spam' }, gzip: false },
            body: (of) => inferRequest({ columns: [column], rows: of }, matrix),
          },
          rows,
          rowsPerRequest: each,
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
          assert.match(head, new RegExp(`Content-Length: ${body.length}\r\nX-Team: spam$`, 'u'));
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

function answer(name: string, shape: number[], data: number[]): { status: number; body: Buffer } {
  return { status: 200, body: Buffer.from(JSON.stringify({ outputs: [{ name, datatype: 'FP32', shape, data }] })) };
}

function ok(outputs: Record<string, (number | string | null)[]>, width = 1): { status: number; body: Buffer } {
  const tensors = Object.entries(outputs).map(([name, data]) => ({
    name,
    datatype: typeof data[0] === 'string' ? 'BYTES' : 'FP32',
    shape:
      name === 'probabilities' || (data.length > 1 && name === 'label') ? [data.length / width, width] : [data.length],
    data,
  }));
  return { status: 200, body: Buffer.from(JSON.stringify({ model_name: 'm', outputs: tensors })) };
}
