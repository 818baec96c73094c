import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { flatColumns } from '../../src/data/flat-lines.ts';
import { kind } from '../../src/data/kinds.ts';
import { inTemporaryFolder } from '../support/project.ts';
import fc from '../support/properties.ts';

const value = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e60, max: 1e60 }),
  fc.boolean(),
  fc.constant(null),
  fc.string({ unit: 'grapheme', maxLength: 5 }),
  fc.constantFrom('\u0001', '\n', '"', '\\', 'é', '🤦'),
);
const row = fc.dictionary(fc.constantFrom('a', 'b', 'c d', 'é', '__proto__'), value, { noNullPrototype: false });
const written = fc.tuple(row, fc.constantFrom('', ' '), fc.boolean()).map(([each, space, escaped]) => {
  const text = JSON.stringify(each, null, 1).replaceAll(/\n */gu, space);
  return escaped
    ? text.replaceAll(/[^\0-\x7f]/gu, (part) =>
        [...Array(part.length).keys()].map((at) => `\\u${part.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
      )
    : text;
});

/** What JSON.parse says of a line that is a flat object; undefined of any other. */
function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const read = JSON.parse(line) as unknown;
    if (typeof read !== 'object' || read === null || Array.isArray(read)) return undefined;
    return Object.values(read).some((each) => typeof each === 'object' && each !== null)
      ? undefined
      : (read as Record<string, unknown>);
  } catch {
    return undefined;
  }
}

test('what it says of flat rows is what JSON.parse reads, and of anything else it says nothing', async () => {
  let said = 0;
  let unsaid = 0;
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.jsonl');
    const damage = fc.record({
      at: fc.nat({ max: 200 }),
      by: fc.constantFrom('"', '\\', ',', '{', '}', '0', '-', 'e', '.', '\n', ' ', '\u0000', 'u'),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(written, { minLength: 1, maxLength: 5 }),
        fc.option(damage, { freq: 2 }),
        async (lines, damaged) => {
          let text = `${lines.join('\n')}\n`;
          if (damaged !== null) text = text.slice(0, damaged.at) + damaged.by + text.slice(damaged.at + 1);
          await writeFile(path, text);
          const flat = await flatColumns([path]);
          const rows = text.replace(/\n$/u, '').split('\n').map(parsed);
          if (flat === null) {
            unsaid += 1;
            // An escape in a key may write another key.
            assert.ok(
              damaged !== null || text.includes('\\u00e9":') || /e[+-]?[0-9]{3}|[0-9]{19}/u.test(text),
              `not taken for flat: ${text}`,
            );
            return;
          }
          said += 1;
          assert.equal(flat.rows, rows.length);
          const objects = rows.filter((each) => each !== undefined);
          assert.equal(objects.length, rows.length, `taken for flat: ${text}`);
          for (const { name, kinds, present, nulls } of flat.columns) {
            const cells: unknown[] = objects.filter((each) => Object.hasOwn(each, name)).map((each) => each[name]);
            assert.equal(nulls, cells.filter((each) => each === null).length, text);
            assert.equal(present, cells.length - nulls, text);
            const has = (type: string): boolean => cells.some((each) => typeof each === type);
            assert.equal((kinds & kind.text) !== 0, has('string'), text);
            assert.equal((kinds & kind.boolean) !== 0, has('boolean'), text);
            assert.equal((kinds & (kind.whole | kind.wide | kind.fraction)) !== 0, has('number'), text);
          }
          assert.equal(flat.columns.length, new Set(objects.flatMap((each) => Object.keys(each))).size, text);
        },
      ),
      { numRuns: Number(process.env['CONTENDER_FLAT_RUNS'] ?? 500), seed: 4 },
    );
  });
  assert.ok(said > 50 && unsaid > 50, `${said} said, ${unsaid} not`);
});

test('it leaves to the engine what the two read in different ways', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.jsonl');
    const lines = [
      '{"a":1,"a":2}',
      '{"\\u0061":1}',
      '{"a":"\\ud800"}',
      '{"a":"\\u0000"}',
      '{"a":-0}',
      '{"a":1e400}',
      '{"a":NaN}',
      '{"a":18446744073709551616}',
      '{"a":[1]}',
      '{"":1}',
      '\uFEFF{"a":1}',
      '',
    ];
    for (const line of lines) {
      await writeFile(path, `{"b":1}\n${line}\n{"b":1}\n`);
      assert.equal(await flatColumns([path]), null, line);
    }
    await writeFile(path, Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xff), Buffer.from('"}\n')]));
    assert.equal(await flatColumns([path]), null, 'not UTF-8');
  });
});

test('it tells numbers whose doubles may be other ones', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.jsonl');
    const told: [string, string][] = [
      ['0.1', 'few'],
      ['123456789012345', 'few'],
      ['0.30000000000000004', 'many'],
      ['0.6390921234567891', 'many'],
      ['-49.989999999999995', 'many'],
      ['1.00000000000000001', 'unclear'],
      ['0.99999999999999999', 'unclear'],
      ['0.1000000000000000055', 'unclear'],
      ['4503599627370497.5', 'unclear'],
      ['9007199254740991.49', 'unclear'],
      ['9007199254740993', 'many'],
      ['100000000000000000001e-3', 'unclear'],
      ['1e5', 'many'],
    ];
    for (const [token, digits] of told) {
      await writeFile(path, `{"a":0}\n{"a":${token}}\n`);
      assert.equal((await flatColumns([path]))?.columns[0]?.digits, digits, token);
    }
  });
});

test('threads that look at pieces of a file say what one look at all of it says', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.jsonl');
    const lines = Array.from({ length: 60 }, (_, row) =>
      JSON.stringify(row < 40 ? { a: row, b: row % 3 === 0 ? null : `text ${row}` } : { b: 'x', c: 0.1 + row }),
    );
    await writeFile(path, `${lines.join('\n')}\n`);
    const whole = await flatColumns([path]);
    assert.equal(whole?.rows, 60);
    assert.deepEqual(await flatColumns([path], null, 20), whole);
    await writeFile(path, `${lines.join('\n')}\n[]`);
    assert.equal(await flatColumns([path], null, 20), null);
  });
});
