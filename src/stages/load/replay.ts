import { readFile } from 'node:fs/promises';
import { DataError } from '../../errors.ts';
import { millisecondsIn } from '../../iso-time.ts';
import type { ProfileOf } from './profile.ts';
import { uniform } from '../../statistics/splitmix.ts';
import { refuseTooMany, scheduleOf, type Arrivals, type Stretch } from './schedule.ts';

/**
 * The traffic of a file: a line for each request with its time, or lines with a time and the requests per second from then until the
 * next (the last as long as the one before). Times are ISO 8601 with a zone, or seconds since any moment; ascending. A first line that
 * holds no number is a heading, and columns are separated by commas.
 * @returns milliseconds after the start, ascending, as fast and as many as the profile says
 * @throws DataError
 */
export function replayedOffsets(
  text: string,
  where: string,
  { speed, scale, arrivals }: Pick<ProfileOf<'replay'>, 'speed' | 'scale' | 'arrivals'>,
  seed: number,
): Float64Array {
  const lines = text
    .split(/\r?\n/u)
    .map((line) => line.split(',').map((cell) => cell.trim().replace(/^"(.*)"$/u, '$1')));
  const rows: number[][] = [];
  for (const [index, cells] of lines.entries()) {
    if (cells.length === 1 && cells[0] === '') continue;
    const at = timeOf(cells[0] ?? '');
    if (at === null && rows.length === 0 && index === 0) continue; // the heading
    if (at === null)
      throw fault(index, `${JSON.stringify(cells[0]?.slice(0, 60))} is not a time`, 'ISO 8601 with a zone, or seconds');
    const rate = cells.length === 1 ? null : Number(cells[1]);
    if (cells.length > 2 || (rate !== null && !(rate >= 0 && Number.isFinite(rate) && cells[1] !== ''))) {
      throw fault(
        index,
        JSON.stringify(cells.join(',').slice(0, 60)),
        'a time, or a time and a number of requests per second',
      );
    }
    const before = rows.at(-1);
    if (before !== undefined && before.length !== cells.length)
      throw fault(index, 'this line has other columns than the lines before', 'the same columns in each line');
    if (before !== undefined && at < (before[0] as number))
      throw fault(index, 'the time is before that of the line above', 'ascending times');
    rows.push(rate === null ? [at] : [at, rate]);
  }
  if (rows.length < 2) throw fault(0, `${rows.length} lines with a time`, 'at least two');
  return rows[0]?.length === 2 ? ofRates(rows, speed, scale, arrivals, seed) : ofTimes(rows, speed, scale, seed);

  function fault(index: number, found: string, expected: string): DataError {
    return new DataError({
      found,
      expected,
      where: `${where}:${index + 1}`,
      remedy: 'Correct the file that load.profile.file names',
    });
  }
}

export async function readReplay(path: string, profile: ProfileOf<'replay'>, seed: number): Promise<Float64Array> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new DataError({ found: 'the file cannot be read', where: profile.file, cause: error });
  });
  return replayedOffsets(text, profile.file, profile, seed);
}

/** Milliseconds, or null. Of a number above 10^11 they are given as such: as seconds it would be of the year 5138. */
function timeOf(text: string): number | null {
  if (/^[0-9]+(?:\.[0-9]+)?$/u.test(text)) {
    const value = Number(text);
    return value > 1e11 ? value : value * 1000;
  }
  if (!/^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})$/u.test(text)) return null;
  return millisecondsIn(text);
}

function ofRates(
  rows: readonly number[][],
  speed: number,
  scale: number,
  arrivals: Arrivals,
  seed: number,
): Float64Array {
  const stretches = rows.map(([at, rate], index): Stretch => {
    const next =
      rows[index + 1]?.[0] ?? (at as number) + ((rows[index]?.[0] as number) - (rows[index - 1]?.[0] as number));
    const scaled = (rate as number) * scale;
    // As many requests in less time.
    return { from: scaled * speed, to: scaled * speed, durationMs: (next - (at as number)) / speed };
  });
  return scheduleOf(
    stretches.filter(({ durationMs }) => durationMs > 0),
    arrivals,
    seed,
  );
}

/** Each request as often as the scale says, on average, its copies somewhere until the next. */
function ofTimes(rows: readonly number[][], speed: number, scale: number, seed: number): Float64Array {
  refuseTooMany(Math.ceil(rows.length * scale));
  const next = uniform(seed);
  const start = rows[0]?.[0] as number;
  const times: number[] = [];
  for (const [index, [at = 0]] of rows.entries()) {
    const gap = (rows[index + 1]?.[0] ?? at) - at;
    const copies = Math.floor(scale) + Number(next() < scale - Math.floor(scale));
    for (let copy = 0; copy < copies; copy += 1) times.push((at - start + (copy === 0 ? 0 : next() * gap)) / speed);
  }
  return Float64Array.from(times).toSorted();
}
