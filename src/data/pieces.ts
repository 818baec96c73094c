import { open, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { entryPath } from '../entries.ts';
import type { CsvForm } from './csv-rules.ts';
import type { LineRules } from './line-rules.ts';
import { isPacked } from './relation.ts';

/** A part of a file, from one byte to before another. */
export interface Piece {
  path: string;
  start: number;
  end: number;
}

/** What is looked at in a thread of its own (`scan-worker`). */
export type ScanQuestion =
  | ({ format: 'csv'; piece: Piece } & CsvForm)
  | { format: 'jsonl'; piece: Piece; rules: LineRules | null };

/** Of smaller pieces a thread takes longer to start than it spares. */
const leastPiece = 32 * 1024 * 1024;
const mostPieces = 8;

/** Pieces of a file that each begin after a line end, one for each processor; null where it is packed, or not worth it. */
export async function piecesOf(path: string, least = leastPiece): Promise<Piece[] | null> {
  if (isPacked(path)) return null;
  const { size } = await stat(path);
  const count = Math.min(mostPieces, availableParallelism(), Math.floor(size / least));
  if (count < 2) return null;
  const file = await open(path);
  try {
    const starts = [0];
    for (let index = 1; index < count; index += 1) {
      const start = await afterLine(file, Math.floor((size * index) / count));
      if (start > (starts.at(-1) ?? 0) && start < size) starts.push(start);
    }
    return starts.map((start, index) => ({ path, start, end: starts[index + 1] ?? size }));
  } finally {
    await file.close();
  }
}

/** The place after the next line end. */
async function afterLine(file: Awaited<ReturnType<typeof open>>, from: number): Promise<number> {
  const bytes = Buffer.alloc(64 * 1024);
  for (let at = from; ;) {
    const { bytesRead } = await file.read(bytes, 0, bytes.length, at);
    const end = bytes.subarray(0, bytesRead).indexOf(0x0a);
    if (end !== -1) return at + end + 1;
    at += bytesRead;
    if (bytesRead === 0) return at;
  }
}

/**
 * What threads say of pieces, each in one of its own, which starts while its question is still made.
 * @throws what one of them throws, or the making of a question
 */
export async function scanned(questions: readonly (ScanQuestion | Promise<ScanQuestion>)[]): Promise<unknown[]> {
  const workers = questions.map(() => new Worker(entryPath('scan-worker')));
  try {
    return await Promise.all(
      workers.map(
        (worker, index) =>
          new Promise<unknown>((take, refuse) => {
            worker.once('message', take);
            worker.once('error', refuse);
            // Nothing comes of a thread that has ended.
            worker.once('exit', () => refuse(new Error('a thread that reads the data ended early')));
            // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
            Promise.resolve(questions[index]).then((question) => worker.postMessage(question), refuse);
          }),
      ),
    );
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
