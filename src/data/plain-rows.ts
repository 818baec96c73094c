import { plainRowsCode } from './plain-rows-code.ts';

/** Where the tables of the loop are in its memory. */
export type Places = Record<
  'columnsAt' | 'endingAt' | 'beginningsAt' | 'powersAt' | 'gapsAt' | 'acceptsAt' | 'statesAt',
  number
>;

/** What assembly/plain-rows.ts exports, by its names. */
export interface RowsLoop extends Readonly<Record<keyof Places, { value: number }>> {
  read(from: number, to: number, most: number): number;
  readonly width: { value: number };
  readonly delimiter: { value: number };
  readonly idColumn: { value: number };
  readonly rows: { value: number };
  readonly ends: { value: number };
  readonly broken: { value: number };
  readonly firstId: { value: number };
  readonly lastId: { value: number };
}

export interface AskedOfRows {
  askCell(start: number, end: number, column: number): number;
  askNumber(start: number, end: number, column: number, value: number, places: number, isWhole: number): boolean;
  askClosing(start: number, to: number): number;
  tellUnclear(start: number, end: number, row: number): void;
}

export interface RowsMemory {
  readonly buffer: ArrayBuffer;
  /** By so many pages of 64 KiB. What was made of `buffer` before is empty from then on. */
  grow(pages: number): number;
}

/** The types of Node leave it out. */
declare const WebAssembly: {
  Memory: new (size: { initial: number }) => RowsMemory;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: Record<string, object>) => { exports: object };
};

let compiled: object | undefined;

interface Made {
  loop: RowsLoop;
  memory: RowsMemory;
  /** Whose rows are read. */
  asked: AskedOfRows;
}

/** Those that nobody uses: one takes longer to make than a small file to read. */
const unused: Made[] = [];

/** What rows of usual length take; a larger memory is not kept. */
const largestKept = 4 * 1024 * 1024;

/** A loop over rows of its own memory, in which are the rows of others, until `release`. */
export function plainRows(asked: AskedOfRows): { loop: RowsLoop; memory: RowsMemory; release(): void } {
  const made = unused.pop() ?? make(asked);
  made.asked = asked;
  const { loop, memory } = made;
  for (const name of ['rows', 'ends', 'broken'] as const) loop[name].value = 0;
  [loop.firstId.value, loop.lastId.value] = [Infinity, -Infinity];
  return {
    loop,
    memory,
    release: () => void (memory.buffer.byteLength <= largestKept && unused.push(made)),
  };
}

function make(asked: AskedOfRows): Made {
  const memory = new WebAssembly.Memory({ initial: 1 });
  compiled ??= new WebAssembly.Module(Buffer.from(plainRowsCode, 'base64'));
  const made: Partial<Made> & Pick<Made, 'asked'> = { asked };
  const asking: AskedOfRows = {
    askCell: (start, end, column) => made.asked.askCell(start, end, column),
    askNumber: (start, end, column, value, places, isWhole) =>
      made.asked.askNumber(start, end, column, value, places, isWhole),
    askClosing: (start, to) => made.asked.askClosing(start, to),
    tellUnclear: (start, end, row) => made.asked.tellUnclear(start, end, row),
  };
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory }, 'plain-rows': asking });
  return Object.assign(made, { memory, loop: exports as RowsLoop });
}
