import { gunzipSync, gzipSync } from 'node:zlib';
import { RegistryError } from '../errors.ts';
import { canonicalJson, parsedEvidence, type Evidence } from '../evidence/index.ts';

/** No honest piece of evidence is near this: curves are thinned and rows of data stay out. */
const maximumBytes = 64 * 1024 * 1024;

/** Evidence as the registry keeps it: canonical JSON, compressed the same way on every system. */
export function packEvidence(evidence: Evidence): Buffer {
  const packed = gzipSync(canonicalJson(evidence), { level: 9 });
  // The operating system field of the header (RFC 1952, 2.3.1) differs by platform: 255 means unknown.
  packed[9] = 255;
  return packed;
}

/** The evidence in a file of the registry, or why it is not what its name, the digest, promises. */
export function unpackEvidence(bytes: Uint8Array, digest: string): { evidence: Evidence } | { fault: string } {
  try {
    const unpacked = gunzipSync(bytes, { maxOutputLength: maximumBytes });
    const evidence = JSON.parse(unpacked.toString('utf8')) as Evidence;
    const found = parsedEvidence(evidence);
    if (found === null || !Buffer.from(found.text).equals(unpacked)) return { fault: 'not canonical JSON of evidence' };
    return found.digest === digest ? { evidence } : { fault: `evidence with digest ${found.digest}` };
  } catch (error) {
    return { fault: `not compressed evidence (${error instanceof Error ? error.message : String(error)})` };
  }
}

/** @param bytes of the file at `path`; null: there is none @throws RegistryError where that is not the evidence with this digest */
export function recordedEvidence(bytes: Uint8Array | null, digest: string, path: string): Evidence {
  const unpacked = bytes === null ? { fault: 'no such file' } : unpackEvidence(bytes, digest);
  if ('evidence' in unpacked) return unpacked.evidence;
  throw new RegistryError({
    found: unpacked.fault,
    expected: 'the evidence that a decision refers to',
    where: path,
    remedy: 'Run contender registry verify to find all problems',
  });
}
