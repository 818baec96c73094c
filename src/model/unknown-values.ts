import { withoutPersonal } from '../data/personal.ts';
import { quoted } from '../wording.ts';
import type { UnknownValues } from './shards.ts';

/** What was found in parts of the rows, as found in all of them. */
export function inOneCount(parts: readonly UnknownValues[]): UnknownValues[] {
  const found = new Map<string, UnknownValues>();
  for (const part of parts.toSorted((one, other) => one.row - other.row)) {
    const before = found.get(part.column);
    found.set(part.column, before === undefined ? part : { ...before, rows: before.rows + part.rows });
  }
  return [...found.values()];
}

/** Such as `column "city", row 8 has "Lima", and the model knows "rome", "lima", ...`. */
export function unknownText({ column, row, example, known }: UnknownValues): string {
  return `column ${quoted(column)}, row ${row + 1} has ${shown(example)}, but the model knows only ${known.map(shown).join(', ')}`;
}

function shown(value: string): string {
  return quoted(withoutPersonal(value));
}
