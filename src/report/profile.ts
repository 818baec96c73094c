import { renderSections, type ConsoleOptions } from './console.ts';
import { numberCell, textCell, type Cell } from './section.ts';
import { count, counted, significant } from '../wording.ts';
import type { ColumnProfile, NumberColumn, Profile } from '../profile/profile.ts';

/** A row of each column: what is missing, how many values there are, and where they lie. */
export function renderProfile(profile: Profile, options: ConsoleOptions): string {
  const { sources, rows, columns } = profile;
  const looked = sources.reduce((sum, each) => sum + each.counted.reduce((all, [from, to]) => all + to - from, 0), 0);
  const all = sources.reduce((sum, each) => sum + each.rows, 0);
  const part = looked < all ? ` of ${count(all)}: one part, to be merged with the others` : '';
  return renderSections(
    [
      {
        title: `${sources.map(({ uri }) => uri).join(', ')}: ${counted(rows, 'rows')}${part}`,
        columns: ['Column', 'Type', 'Missing', 'Distinct', 'Least', 'Median', 'Most', 'Mean', 'SD', 'Most frequent'],
        rows: columns.map((column) => rowOf(column, rows)),
        importance: 0,
      },
    ],
    options,
  );
}

function rowOf(column: ColumnProfile, rows: number): Cell[] {
  const { name, type, missing } = column;
  const head = [textCell(name), textCell(type), numberCell(shareOf(missing, rows))];
  const blank = (cells: number): Cell[] => Array.from({ length: cells }, () => textCell(''));
  switch (column.kind) {
    case 'number': {
      const { min, max, mean, sd, quantiles, distinct } = column;
      const infinite = column.infinite[0] + column.infinite[1];
      return [
        ...head,
        numberCell(distinctText(distinct, rows - missing)),
        ...[min, quantiles[50] ?? null, max, mean, sd].map((value) =>
          numberCell(value === null ? '' : significant(value, 4)),
        ),
        textCell(infinite === 0 ? '' : `${count(infinite)} infinite`),
      ];
    }
    case 'category': {
      const { distinct, categories } = column;
      const top = (categories ?? []).slice(0, 3).map(([text, times]) => `${shown(text)} ${shareOf(times, rows)}`);
      return [...head, numberCell(distinctText(distinct, rows - missing)), ...blank(5), textCell(top.join(', '))];
    }
    case 'time':
      return [...head, textCell(''), textCell(column.min ?? ''), textCell(''), textCell(column.max ?? ''), ...blank(3)];
    case 'nested':
      return [...head, ...blank(7)];
  }
}

/** @param most an estimate may be above it: as many as have a value */
function distinctText({ count: distinct, exact }: NumberColumn['distinct'], most: number): string {
  return exact ? count(distinct) : `about ${count(Math.min(most, Number(distinct.toPrecision(2))))}`;
}

function shareOf(part: number, of: number): string {
  return part === 0 || of === 0 ? '0%' : `${significant((100 * part) / of, 3)}%`;
}

function shown(text: string): string {
  return text.length > 24 ? `${text.slice(0, 23)}…` : text === '' ? '""' : text;
}
