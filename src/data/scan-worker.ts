/* A thread that looks at every byte of a piece of a file, and says once what it found. Started by pieces.ts. */
import { parentPort } from 'node:worker_threads';
import { scanFlat } from './flat-lines.ts';
import type { ScanQuestion } from './pieces.ts';
import { scanCsv } from './plain-csv.ts';

parentPort?.once('message', (question: ScanQuestion) => {
  void (question.format === 'csv' ? scanCsv(question.piece, question) : scanFlat(question.piece, question.rules)).then(
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    (found) => parentPort?.postMessage(found),
  );
});
