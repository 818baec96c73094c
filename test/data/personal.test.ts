import assert from 'node:assert/strict';
import { test } from 'node:test';
import { personalIn, personalKinds, withoutPersonal, type PersonalKind } from '../../src/data/personal.ts';
import fc from '../support/properties.ts';

/** Published examples of each form: of RFC 2606, ISO 13616's registry, payment networks' test cards, and the states' own. */
const examples: Readonly<Record<PersonalKind, readonly string[]>> = {
  email: ['jane.doe+news@example.co.uk', 'jörg@exämple.org', "o'neil@example.com"],
  iban: ['DE89 3704 0044 0532 0130 00', 'GB82WEST12345698765432', 'FR1420041010050500013M02606', 'NO9386011117947'],
  card: ['4111 1111 1111 1111', '5555-5555-5555-4444', '378282246310005', '6011111111111117', '4222222222222'],
  phone: [
    '+49 30 901820',
    '+1 (212) 555-0123',
    '0044 20 7946 0958',
    '(212) 555-0123',
    '212-555-0123',
    '+4915112345678',
  ],
  ip: ['192.0.2.44', '2001:db8::8a2e:370:7334', '10.1.2.3'],
  'national-id': [
    '078-05-1120',
    '529.982.247-25',
    '12345678Z',
    'X1234567L',
    'RSSMRA85T10A562S',
    '811228-9874',
    'QQ123456C'.replace('QQ', 'AB'),
  ],
};

test('each form of personal data is told, alone and within a sentence, and as no other kind', () => {
  for (const kind of personalKinds) {
    for (const example of examples[kind]) {
      assert.deepEqual(personalIn(example), [{ kind, whole: true }], example);
      assert.deepEqual(personalIn(`Ask ${example}, please.`), [{ kind, whole: false }], example);
      const masked = withoutPersonal(`Ask ${example}, please.`, personalKinds);
      assert.match(masked, /^Ask \[[\w -]+\], please\.$/u, example);
    }
  }
});

test('what a check digit contradicts, and what only has digits, is nobody’s', () => {
  for (const text of [
    '4111 1111 1111 1112',
    '1234567890123456',
    '0000000000000000',
    'DE89 3704 0044 0532 0130 01',
    '529.982.247-26',
    '12345678A',
    '811228-9873',
    '999-12-3456',
    '127.0.0.1',
    '300.1.1.1',
    '1.2.3',
    '12:30:00',
    '2024-02-29T12:30:00.123456Z',
    '2024-01-01 10:00:00+02:00',
    '0.123456789012345',
    '-1.5e10',
    '3141592653.589793',
    '550e8400-e29b-41d4-a716-446655440000',
    'a@b',
    '@decorator',
    'A-100-200',
    '20240101-123456',
  ]) {
    assert.deepEqual(personalIn(text), [], text);
  }
});

test('an address that was cut off is masked too', () => {
  assert.equal(withoutPersonal('"jane.doe@exam…'), '"[e-mail address]');
});

test('looking takes time in line with the length of a text, whatever stands in it', () => {
  const hostile = [
    'a@'.repeat(1000),
    '1 '.repeat(1000),
    '1-'.repeat(1000),
    'AA00 '.repeat(400),
    ':'.repeat(2000),
    '(1'.repeat(1000),
    `+1${'0 '.repeat(999)}`,
    'a.'.repeat(1000),
  ];
  for (const text of hostile) {
    const started = performance.now();
    personalIn(text);
    assert.ok(performance.now() - started < 200, `${text.slice(0, 10)}: ${performance.now() - started} ms`);
  }
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('0', '1', '-', ' ', '.', ':', '@', 'A', 'a', '(', ')', '+'), maxLength: 400 }),
      (text) => {
        const masked = withoutPersonal(text, personalKinds);
        assert.ok(masked.length <= text.length + 20 * text.length);
        // Nothing certain is left.
        assert.deepEqual(
          personalIn(masked).filter(({ kind }) => kind === 'email' || kind === 'iban'),
          [],
        );
      },
    ),
    { numRuns: 500, seed: 20260801 },
  );
});
