import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Type as TypeBox } from 'typebox';
import { Type } from '../src/forms.ts';

test('our makers of schemas make what those of typebox make, key by key', () => {
  const text = (make: typeof Type): string => {
    const name = make.String({ minLength: 1, description: 'its name' });
    const count = make.Optional(make.Integer({ minimum: 0 }));
    const known = make.Object({ name, count, twice: make.Object({ name, count }) }, { additionalProperties: false });
    return JSON.stringify([
      known,
      make.Object({ count }),
      // One that may be left out here is needed elsewhere.
      make.Object({ name: make.Optional(name), again: name, both: make.Optional(count) }),
      make.Optional(make.Array(known, { maxItems: 2 })),
      make.Union([make.Null(), make.Number(), make.Boolean({ default: true })], { description: 'one of three' }),
      make.Enum(['a', 'b'], { description: 'one of two' }),
      [make.Literal('a'), make.Literal(1), make.Literal(true, { description: 'yes' })],
      make.Record(make.String(), make.Unknown(), { minProperties: 1 }),
      make.Record(make.String({ pattern: '^a' }), make.Unknown({ description: 'anything' })),
      make.Unsafe({ type: 'array', prefixItems: [name] }),
    ]);
  };
  assert.equal(text(Type), text(TypeBox));
});
