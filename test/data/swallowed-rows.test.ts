import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openDataset } from '../../src/data/dataset.ts';
import type { CsvDialect } from '../../src/data/relation.ts';
import { DataError } from '../../src/errors.ts';
import { inTemporaryFolder } from '../support/project.ts';
import fc from '../support/properties.ts';

const header = ['id', 'text', 'amount', 'label'];
const table = (rows: number): string[][] =>
  Array.from({ length: rows }, (_, index) => [`r${index}`, 'fine', String(index / 8), String(index % 2)]);

async function rowsOf(lines: readonly string[][], csv: CsvDialect = {}, end = '\n'): Promise<number> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    const text = [header, ...lines].map((cells) => cells.join(csv.delimiter ?? ',')).join(end) + end;
    await writeFile(path, text);
    const dataset = await openDataset({ name: 'evaluation', path, uri: 'rows.csv', csv });
    dataset.close();
    return dataset.rows;
  });
}

describe('a quote that is not closed where its cell ends', () => {
  test('is told wherever it begins and the next one ends, and no row is lost', () =>
    fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 1 }),
        fc.nat({ max: 10 }),
        fc.integer({ min: 1, max: 8 }),
        fc.boolean(),
        async (column, first, length, crlf) => {
          const lines = table(20);
          (lines[first] as string[])[column] = '"fine';
          (lines[first + length] as string[])[column] = 'fine"';
          await assert.rejects(rowsOf(lines, {}, crlf ? '\r\n' : '\n'), (error) => {
            assert.ok(error instanceof DataError, String(error));
            assert.match(
              error.message,
              new RegExp(`in row ${first + 1} a cell of column "${header[column]}" spans ${length + 1} lines`, 'u'),
            );
            return true;
          });
        },
      ),
      { seed: 1, numRuns: 40 },
    ));

  test('is told in a file with semicolons and decimal commas', async () => {
    const lines = table(20).map(
      ([id, text, amount, label]) => [id, text, amount?.replace('.', ','), label] as string[],
    );
    (lines[3] as string[])[1] = '"fine';
    (lines[9] as string[])[1] = 'fine"';
    await assert.rejects(rowsOf(lines, { delimiter: ';', decimal: ',' }), /in row 4 a cell of column "text"/u);
  });
});

test('a text of several lines is one cell, however many commas it has', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.stringMatching(/^[a-z ,;.]{0,12}$/u), { minLength: 2, maxLength: 5 }),
      fc.constantFrom('\n', '\r\n'),
      async (text, end) => {
        const lines = table(6);
        (lines[2] as string[])[1] = `"${text.join(end)}"`;
        assert.equal(await rowsOf(lines), 6);
      },
    ),
    { seed: 1, numRuns: 60 },
  ));
