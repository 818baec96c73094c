import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fullFormats } from 'ajv-formats/dist/formats.js';
import { isPlain, stops, type Automaton } from '../../../../src/data/line-rules.ts';
import { automatonOf } from '../../../../src/stages/data/sieve/automaton.ts';
import fc from '../../../support/properties.ts';

function finds({ next, ends }: Automaton, text: string): boolean {
  let state = 0;
  for (const byte of Buffer.from(text)) {
    const follows = next[state + byte] as number;
    assert.equal(follows === stops, !isPlain(byte));
    state = follows;
  }
  return ends[state / 256] === 1;
}

const plain = fc.string({ unit: fc.constantFrom(...'aAbB01-_. z@~'), maxLength: 8 });

test('an automaton finds what the expression finds in texts of ASCII', () => {
  const ordinary = 'a B . \\d \\w \\s \\W [ab] [^a-z] [^] [] \\. \\u0061 [\\w-] ^ $ (?:^|-) (?:-|$) (a|b0) (?:) \\p{L}';
  const part = fc.constantFrom(...ordinary.split(' '));
  const often = fc.constantFrom('', '', '', '*', '+', '?', '{2}', '{1,3}', '{0}', '{2,}', '*?');
  const piece = fc.tuple(part, often).map(([one, times]) => (/^(?:\^|\$)$/u.test(one) ? one : `${one}${times}`));
  const sequence = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join(''));
  const nested = fc.tuple(sequence, sequence, often).map(([one, other, times]) => `${one}(?:${other})${times}`);
  const pattern = fc.oneof(
    sequence,
    nested,
    fc.tuple(sequence, sequence).map(([one, other]) => `${one}|${other}`),
  );
  const found = { true: 0, false: 0 };
  fc.assert(
    fc.property(pattern, fc.constantFrom('u', 'iu'), fc.array(plain, { maxLength: 6 }), (source, flags, texts) => {
      const expression = new RegExp(source, flags);
      const automaton = automatonOf(expression);
      assert.ok(automaton !== null, source);
      for (const text of [...texts, '']) {
        const wanted = expression.test(text);
        assert.equal(finds(automaton, text), wanted, `${source} in ${JSON.stringify(text)}`);
        found[`${wanted}`] += 1;
      }
    }),
    { numRuns: Number(process.env['CONTENDER_SIEVE_RUNS'] ?? 500), seed: 6 },
  );
  assert.ok(Math.min(found.true, found.false) > 200, JSON.stringify(found));
});

test('an automaton of a format finds what the format is', () => {
  const { email, uuid, ipv4, hostname } = fullFormats as unknown as Record<string, RegExp>;
  const samples: [RegExp | undefined, string[]][] = [
    [email, ['a@b.co', 'A.b+c@x-y.example', 'a@b', '@b.co', 'a..b@c.de', 'a@-b.co', 'a@b.co ', 'user1@example.org']],
    [uuid, ['f81d4fae-7dec-11d0-a765-00a0c91e6bf6', 'urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6', 'f81d4fae']],
    [ipv4, ['192.168.0.1', '256.1.1.1', '1.1.1', '01.1.1.1']],
  ];
  for (const [expression, texts] of samples) {
    const automaton = expression === undefined ? null : automatonOf(expression);
    assert.ok(expression !== undefined && automaton !== null);
    for (const text of texts) assert.equal(finds(automaton, text), expression.test(text), text);
  }
  // It looks ahead.
  assert.equal(automatonOf(hostname as RegExp), null);
});

test('there is no automaton of what looks around, back, at words or lines, nor one that is large', () => {
  for (const [source, flags] of [
    ['(?=a)', 'u'],
    ['(?<!a)b', 'u'],
    ['(a)\\1', 'u'],
    ['\\ba', 'u'],
    ['^a', 'mu'],
    ['a', 'y'],
    ['(?:a|b)*a(?:a|b){12}', 'u'],
    ['(?:a{100}){100}', 'u'],
  ] as const)
    assert.equal(automatonOf(new RegExp(source, flags)), null, source);
});
