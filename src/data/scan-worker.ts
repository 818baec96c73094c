/* A thread that looks at every byte of a piece of a file, and says once what it found. Started by pieces.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { scanFlat } from './flat-lines.ts';
import type { ScanQuestion } from './pieces.ts';
import { scanCsv } from './plain-csv.ts';

const question = workerData as ScanQuestion;
const found =
  question.format === 'csv' ? await scanCsv(question.piece, question) : await scanFlat(question.piece, question.rules);
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
parentPort?.postMessage(found);
