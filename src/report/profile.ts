import { renderSections, type ConsoleOptions } from './console.ts';
import { numberCell, textCell, type Cell } from './section.ts';
import { count, counted, significant } from '../wording.ts';

/** What a person is shown of a profile: the report knows its shape and not where it comes from. */
export interface ShownProfile {
  form: string;
  sources: readonly { uri: string; rows: number; counted: readonly (readonly [number, number])[] }[];
  rows: number;
  columns: readonly ShownColumn[];
}

type ShownColumn = { name: string; type: string; missing: number } & (
  | {
      kind: 'number';
      infinite: readonly [number, number];
      min: number | null;
      max: number | null;
      mean: number | null;
      sd: number | null;
      distinct: ShownDistinct;
      quantiles: readonly number[];
    }
  | { kind: 'category'; distinct: ShownDistinct; categories: readonly (readonly [string, number])[] | null }
  | { kind: 'time'; min: string | null; max: string | null }
  | { kind: 'nested' }
);

interface ShownDistinct {
  count: number;
  exact: boolean;
}

/** A row of each column: what is missing, how many values there are, and where they lie. */
export function renderProfile(profile: ShownProfile, options: ConsoleOptions): string {
  const { sources, rows, columns } = profile;
  const looked = sources.reduce((sum, each) => sum + each.counted.reduce((all, [from, to]) => all + to - from, 0), 0);
  const all = sources.reduce((sum, each) => sum + each.rows, 0);
  const part = looked < all ? ` of ${count(all)}: a part, to be merged with the others` : '';
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

function rowOf(column: ShownColumn, rows: number): Cell[] {
  const { name, type, missing } = column;
  const head = [textCell(name), textCell(type), numberCell(shareOf(missing, rows))];
  const blank = (cells: number): Cell[] => Array.from({ length: cells }, () => textCell(''));
  switch (column.kind) {
    case 'number': {
      const { min, max, mean, sd, quantiles, distinct } = column;
      const infinite = column.infinite[0] + column.infinite[1];
      return [
        ...head,
        numberCell(distinctText(distinct)),
        ...[min, quantiles[50] ?? null, max, mean, sd].map((value) =>
          numberCell(value === null ? '' : significant(value, 4)),
        ),
        textCell(infinite === 0 ? '' : `${count(infinite)} infinite`),
      ];
    }
    case 'category': {
      const { distinct, categories } = column;
      const top = (categories ?? []).slice(0, 3).map(([text, times]) => `${shown(text)} ${shareOf(times, rows)}`);
      return [...head, numberCell(distinctText(distinct)), ...blank(5), textCell(top.join(', '))];
    }
    case 'time':
      return [...head, textCell(''), textCell(column.min ?? ''), textCell(''), textCell(column.max ?? ''), ...blank(3)];
    case 'nested':
      return [...head, ...blank(7)];
  }
}

function distinctText({ count: distinct, exact }: ShownDistinct): string {
  return exact ? count(distinct) : `about ${count(Number(distinct.toPrecision(2)))}`;
}

function shareOf(part: number, of: number): string {
  return part === 0 || of === 0 ? '0%' : `${significant((100 * part) / of, 3)}%`;
}

function shown(text: string): string {
  return text.length > 24 ? `${text.slice(0, 23)}…` : text === '' ? '""' : text;
}
