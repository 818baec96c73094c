import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { StagingError } from '../errors.ts';

/**
 * A body as it was before it was packed for its way (RFC 9110, 8.4). Some servers pack whatever they send, asked or not.
 * @throws StagingError for a coding that is not known, a body that is not of it, or one that would be larger than `limit` bytes
 */
export function unpacked(body: Buffer, coding: string, limit: number): Buffer {
  const name = coding.trim().toLowerCase();
  const options = { maxOutputLength: limit };
  try {
    switch (name) {
      case '':
      case 'identity':
        return body;
      case 'gzip':
      case 'x-gzip':
        return gunzipSync(body, options);
      case 'deflate':
        return inflateSync(body, options);
      case 'br':
        return brotliDecompressSync(body, options);
    }
  } catch (error) {
    throw new StagingError({ found: `The answer is not ${name}: ${(error as Error).message}`, cause: error });
  }
  throw new StagingError({
    found: `The answer has Content-Encoding ${JSON.stringify(coding.slice(0, 60))}`,
    expected: 'gzip, deflate, br or none',
  });
}
