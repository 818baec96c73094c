import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

/**
 * Digest of the bytes of a file, as hexadecimal digits; `prefix` is hashed before them, as git does with its blobs.
 * @throws what opening or reading it throws
 */
export async function fileDigest(path: string, algorithm = 'sha256', prefix = ''): Promise<string> {
  const hash = createHash(algorithm).update(prefix);
  const file = await open(path);
  try {
    // One buffer for all of it: pieces of a stream are memory of their own, which takes half as long again.
    const bytes = Buffer.allocUnsafeSlow(2 ** 20);
    for (;;) {
      const { bytesRead } = await file.read(bytes, 0, bytes.length, null);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(bytes.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}
