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

/** What it asks. */
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

/** A loop over rows of its own memory. */
export function plainRows(asked: AskedOfRows): { loop: RowsLoop; memory: RowsMemory } {
  const memory = new WebAssembly.Memory({ initial: 1 });
  compiled ??= new WebAssembly.Module(Buffer.from(plainRowsCode, 'base64'));
  return {
    loop: new WebAssembly.Instance(compiled, { env: { memory }, 'plain-rows': asked }).exports as RowsLoop,
    memory,
  };
}
