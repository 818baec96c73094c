import { DataError } from '../errors.ts';
import { readingOf } from './cells.ts';
import { quoteIdentifier, reading, requireColumns, type Dataset, type DatasetColumn } from './relation.ts';
import { isNumeric } from './types.ts';

/**
 * The time of each row in milliseconds since 1970, in file order. Times and ISO 8601 texts without a zone are UTC; numbers are
 * seconds, or milliseconds from 1e11 on (1973), so that none of this century is both.
 * @throws DataError where the column is not there, or a row has no time
 */
export async function readTimes(dataset: Dataset, name: string): Promise<Float64Array> {
  const [column] = requireColumns(dataset, [name]) as [DatasetColumn];
  const numbers = isNumeric(column.type);
  const { from, expressions } = readingOf(dataset, [
    { column, use: numbers ? 'number' : 'typed' },
    { column, use: 'text' },
  ]);
  const cell = expressions[0] as string;
  const time = numbers
    ? `case when abs(cell) between 1e8 and 1e11 then 1000 * cell when abs(cell) between 1e11 and 1e14 then cell end`
    : `epoch_ms(try_cast(cell as timestamp))::double`;
  const values = new Float64Array(dataset.rows);
  let row = 0;
  await reading(dataset, async () => {
    const rows = await dataset.connection.stream(
      `select ${time}, text from (select ${cell} as cell, ${expressions[1]} as text from ${from}) as ${quoteIdentifier('cells')}`,
    );
    for (let chunk = await rows.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await rows.fetchChunk()) {
      const [times, texts] = [chunk.getColumnVector(0), chunk.getColumnVector(1)];
      for (let each = 0; each < chunk.rowCount; each++) {
        const found = times.getItem(each) as number | null;
        if (found === null) throw noTime(dataset, name, row, texts.getItem(each) as string | null);
        values[row] = found;
        row += 1;
      }
    }
  });
  return values;
}

function noTime({ uri }: Dataset, name: string, row: number, text: string | null): DataError {
  return new DataError({
    found: `row ${row + 1} has ${text === null ? 'no value' : JSON.stringify(text.slice(0, 80))} in column ${JSON.stringify(name.slice(0, 100))}`,
    expected: 'a time: a timestamp, ISO 8601 such as 2024-05-01T12:00:00Z, or seconds or milliseconds since 1970',
    where: uri,
    remedy: 'Write the times in one of these forms, or leave out rows without a time',
  });
}
