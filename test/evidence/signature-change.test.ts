import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { signatureChanges, type Bump } from '../../src/evidence/signature-change.ts';
import type { Signature, SignatureValue } from '../../src/evidence/index.ts';
import fc from '../support/properties.ts';

const value = (name: string, changes: Partial<SignatureValue> = {}): SignatureValue => ({
  name,
  type: 'float',
  shape: ['N', 60],
  ...changes,
});
const before: Signature = {
  inputs: [value('age'), value('text', { type: 'string', shape: [null, 1] })],
  outputs: [value('label', { type: 'int64', shape: ['N'] }), value('probabilities', { shape: ['N', 2] })],
};
const withInputs = (...inputs: SignatureValue[]): Signature => ({ ...before, inputs });
const withOutputs = (...outputs: SignatureValue[]): Signature => ({ ...before, outputs });
const [age, words] = before.inputs as [SignatureValue, SignatureValue];
const [label, probabilities] = before.outputs as [SignatureValue, SignatureValue];

const signature: fc.Arbitrary<Signature> = (() => {
  const values = fc.uniqueArray(
    fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      type: fc.constantFrom('float', 'int64'),
      shape: fc.option(fc.array(fc.constantFrom(1, 2, 'N', 'M', null), { maxLength: 3 })),
    }),
    { selector: ({ name }) => name },
  );
  return fc.record({ inputs: values, outputs: values });
})();
const rank = (bump: Bump | undefined): number => ['patch', 'minor', 'major'].indexOf(bump ?? 'patch');
const bumpOf = (from: Signature, to: Signature): Bump => signatureChanges(from, to)[0]?.bump ?? 'patch';

describe('the change of a signature', () => {
  const cases: [string, Signature, { bump: Bump; what: string }[]][] = [
    ['an input that is gone', withInputs(age), [{ bump: 'major', what: 'input "text" is gone' }]],
    ['a new input', withInputs(age, words, value('size')), [{ bump: 'major', what: 'input "size" is new' }]],
    [
      'an input of another type',
      withInputs(age, value('text', { type: 'int64', shape: [null, 1] })),
      [{ bump: 'major', what: 'input "text" changed from string to int64' }],
    ],
    [
      'an input of another width',
      withInputs(value('age', { shape: ['N', 61] }), words),
      [{ bump: 'major', what: 'input "age" changed from [N, 60] to [N, 61]' }],
    ],
    [
      'a dimension that becomes fixed',
      withInputs(value('age', { shape: [1, 60] }), words),
      [{ bump: 'major', what: 'input "age" changed from [N, 60] to [1, 60]' }],
    ],
    [
      'another number of dimensions',
      withOutputs(label, value('probabilities', { shape: ['N'] })),
      [{ bump: 'major', what: 'output "probabilities" changed from [N, 2] to [N]' }],
    ],
    ['a dimension that may have any size from now on', withInputs(value('age', { shape: ['N', null] }), words), []],
    ['a dimension of another name', withInputs(value('age', { shape: ['batch', 60] }), words), []],
    ['a shape that is not told any more', withOutputs(label, value('probabilities', { shape: null })), []],
    ['another order', { inputs: [words, age], outputs: [probabilities, label] }, []],
    [
      'a new output',
      withOutputs(value('embedding'), label, probabilities),
      [{ bump: 'minor', what: 'output "embedding" is new' }],
    ],
    [
      'an output under another name',
      withOutputs(label, value('scores', { shape: ['N', 2] })),
      [
        { bump: 'major', what: 'output "probabilities" is gone' },
        { bump: 'minor', what: 'output "scores" is new' },
      ],
    ],
  ];
  for (const [name, after, expected] of cases) {
    it(`finds ${expected[0] === undefined ? 'nothing in' : `a ${expected[0].bump} one in`} ${name}`, () => {
      assert.deepEqual(signatureChanges(before, after), expected);
    });
  }

  it('finds nothing in an output whose shape is told from now on, and a major one in such an input', () => {
    const untold = withOutputs(label, value('probabilities', { shape: null }));
    assert.deepEqual(signatureChanges(untold, before), []);
    const bump = bumpOf(withInputs(value('age', { shape: null }), words), before);
    assert.equal(bump, 'major');
  });

  it('is a patch between equal signatures, in whatever order', () => {
    fc.assert(
      fc.property(signature, (same) => {
        const turned = { inputs: same.inputs.toReversed(), outputs: same.outputs.toReversed() };
        assert.deepEqual(signatureChanges(same, turned), []);
      }),
    );
  });

  it('is never less than the greatest of its single changes, and no more', () => {
    fc.assert(
      fc.property(signature, signature, (from, to) => {
        const single = (['inputs', 'outputs'] as const).flatMap((side) =>
          [...from[side], ...to[side]].map(({ name }) => {
            const only = (all: Signature): Signature => ({
              inputs: [],
              outputs: [],
              [side]: all[side].filter((each) => each.name === name),
            });
            return rank(bumpOf(only(from), only(to)));
          }),
        );
        assert.equal(rank(bumpOf(from, to)), Math.max(0, ...single));
      }),
    );
  });

  it('keeps what a model says of itself to a few words', () => {
    const long = 'x'.repeat(10_000);
    const [change] = signatureChanges(before, withInputs(age, words, value(long)));
    assert.ok((change?.what.length ?? 0) < 100);
  });
});
