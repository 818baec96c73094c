import { createHash } from 'node:crypto';
import canonicalizeModule from 'canonicalize';
import type { Evidence } from './evidence.ts';

// The package is CommonJS whose types claim a default export.
const canonicalize = canonicalizeModule as unknown as (value: unknown) => string | undefined;

/**
 * Canonical JSON of a plain value (RFC 8785, JSON Canonicalization Scheme): equal values give equal bytes.
 * Undefined members are left out; a number that JSON cannot hold (NaN, infinity) is a TypeError.
 */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(JSON.parse(JSON.stringify(value, refuseNonFinite)));
  if (text === undefined) throw new TypeError('value has no JSON form');
  return text;
}

/** The same of a value as JSON.parse gave it, which is plain already. Null where it holds a number beyond all doubles. */
export function canonicalOfParsed(value: unknown): string | null {
  try {
    return canonicalize(value) ?? null;
  } catch {
    return null;
  }
}

/** SHA-256 of text (as UTF-8) or bytes, as 64 lower-case hex digits. */
export function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** SHA-256 of the canonical JSON of a value. */
export function digest(value: unknown): string {
  return sha256(canonicalJson(value));
}

/** Digest of what the evidence says. Timings are left out: the same inputs at another hour give the same digest. */
export function evidenceDigest(evidence: Evidence): string {
  return digest(whatItSays(evidence));
}

/**
 * Evidence as JSON.parse gave it: its canonical text, and the digest of what it says. Each part is written once for both. Null
 * for what is no evidence.
 */
export function parsedEvidence(evidence: Evidence): { text: string; digest: string } | null {
  const { details, ...rest } = evidence ?? {};
  const [members, inner] = [membersOf(rest), membersOf(details)];
  if (members === null || inner === null) return null;
  const whole = (kept: Map<string, string>, within: Map<string, string>): string =>
    objectOf(new Map([...kept, ['details', objectOf(within)]]));
  const text = whole(members, inner);
  for (const timing of ['startedAt', 'finishedAt']) members.delete(timing);
  inner.delete('timings');
  return { text, digest: sha256(whole(members, inner)) };
}

/** Canonical JSON of each member of a plain object. */
function membersOf(value: unknown): Map<string, string> | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const members = new Map<string, string>();
  for (const [name, member] of Object.entries(value)) {
    const text = canonicalOfParsed(member);
    if (text === null) return null;
    members.set(name, text);
  }
  return members;
}

function objectOf(members: ReadonlyMap<string, string>): string {
  // By UTF-16 code units (RFC 8785, 3.2.3), as sorting does by itself.
  const names = [...members.keys()].sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${members.get(name)}`).join(',')}}`;
}

function whatItSays(evidence: Evidence): object {
  const { startedAt: _started, finishedAt: _finished, ...said } = evidence;
  const { timings: _timings, ...details } = said.details;
  return { ...said, details };
}

function refuseNonFinite(key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new TypeError(`${key === '' ? 'value' : key} is ${value}, which JSON cannot hold`);
  }
  return value;
}
