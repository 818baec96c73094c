import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { explain } from '../src/config/explain.ts';
import { relevantTo } from '../src/validator.ts';
import { Configuration } from '../src/pipeline/configuration.ts';
import { fixture } from './support/project.ts';
import fc from './support/properties.ts';

const ajv = (): Ajv2020 => new Ajv2020({ allErrors: true, verbose: true, strict: false });
const whole = ajv().compile(Configuration);
const configurations = ['spam', 'randhie', 'digits', 'credit-synth'].map((name) =>
  JSON.stringify(parse(readFileSync(fixture(`${name}/contender.yml`), 'utf8'))),
);

/** Every object and array of a value, the value first. */
function places(value: unknown): Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return [];
  return [value as Record<string, unknown>, ...Object.values(value).flatMap(places)];
}

test('what a schema says of keys that a configuration does not have changes no judgement of it', () => {
  const change = fc.record({ place: fc.nat(), key: fc.nat(), to: fc.constantFrom('delete', 'rename', 7, 'x', [], {}) });
  let refused = 0;
  fc.assert(
    fc.property(fc.constantFrom(...configurations), fc.array(change, { maxLength: 3 }), (text, changes) => {
      const value = JSON.parse(text) as object;
      for (const { place, key, to } of changes) {
        const found = places(value);
        const object = found[place % found.length] ?? {};
        const keys = Object.keys(object);
        const name = keys[key % Math.max(1, keys.length)] ?? 'more';
        if (to === 'rename') object[`${name}s`] = object[name];
        if (to === 'rename' || to === 'delete') delete object[name];
        else object[name] = to;
      }
      const narrowed = ajv().compile(relevantTo(Configuration, [value]));
      const valid = whole(value);
      assert.equal(narrowed(value), valid);
      assert.deepEqual(explain(narrowed.errors ?? []), explain(whole.errors ?? []));
      if (!valid) refused += 1;
    }),
    { numRuns: 40, seed: 7 },
  );
  assert.ok(refused > 10 && refused < 40, `${refused} of 40 were refused`);
});
