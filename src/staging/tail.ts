import type { Readable } from 'node:stream';

const limit = 16 * 1024;

/** Keep the last 16 KiB of what a stream says. */
export function tailOf(...streams: readonly Readable[]): () => string {
  let text = '';
  for (const stream of streams) {
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      text = (text + chunk).slice(-limit);
    });
  }
  return () => text;
}
